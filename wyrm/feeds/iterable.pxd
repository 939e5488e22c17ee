from wyrm.feeds.base cimport Cursor, Feed
from wyrm.kernels.table cimport dim_t

cdef class IterableFeed(Feed):
    cdef object source           # what was given: an iterable, or a callable that returns one
    cdef object opened           # an iterator that has begun, with its first chunk put back, or None
    cdef object nodes            # set of the input nodes, or None as long as no chunk was seen
    cdef bint iterable           # not a callable
    cdef bint once, spent        # it can be gone through only once; that has happened
    cdef dim_t block_size
    cdef object prefetcher       # of the epoch that is under way, or None
    cdef object error            # what made a cursor fail, or None

cdef class IterableCursor(Cursor):
    cdef dict leaves
    cdef Cursor block            # its way through the block at hand …
    cdef bint open               # … which is there
    cdef dim_t begin             # place of the block's first example

    cdef int advance(self) noexcept with gil
