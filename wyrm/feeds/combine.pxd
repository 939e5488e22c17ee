from wyrm.feeds.base cimport Cursor, Feed
from wyrm.kernels.table cimport dim_t

ctypedef struct share_t:
    # A share of an epoch that lies in one feed.
    dim_t feed                   # its number
    dim_t offset                 # place of its first example among all
    dim_t begin, end             # places of that feed's epoch

cdef class CombinedFeed(Feed):
    cdef tuple feeds

cdef class ZipFeed(CombinedFeed):
    pass

cdef class ConcatFeed(CombinedFeed):
    cdef tuple offsets           # place of each feed's first example among all
    cdef share_t* shares         # [n_shares] of an epoch, in the order in which they are taken
    cdef dim_t n_shares

cdef class CombinedCursor(Cursor):
    # Cursors of several feeds over one replica.
    cdef list cursors
    cdef void** borrowed         # the same, for when the GIL isn't held
    cdef dim_t n_cursors

    cdef int gather(self, tuple feeds, dict leaves) except -1

cdef class ZipCursor(CombinedCursor):
    pass

cdef class ConcatCursor(CombinedCursor):
    cdef ConcatFeed all
    cdef dim_t now               # number of the feed that at and end are places of
    cdef dim_t offset            # of that feed
