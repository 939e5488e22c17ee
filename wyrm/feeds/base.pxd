from libc.stdint cimport int64_t, uint32_t, uint64_t
from wyrm.detours cimport Detours
from wyrm.kernels.table cimport dim_t
from wyrm.memory cimport APART
from wyrm.replica cimport Replica

ctypedef struct slide_t:
    # A leaf that points into data with as much for every example.
    const char** leaf
    uint64_t* version            # of the leaf
    const char* data
    dim_t bytes                  # of an example

cdef class Cursor:
    # One thread's way through a feed.
    cdef char apart[APART]
    cdef Feed feed
    cdef Replica replica
    cdef dim_t batch_size
    cdef dim_t first             # the place in the epoch's order of the first example of the batch laid down last
    cdef dim_t at, end           # the share of the epoch that this cursor has taken and not yet laid down
    cdef dim_t beside            # places that the last next() went past beside those of its batch: progress, too
    cdef slide_t* slides         # [n_slides]
    cdef dim_t n_slides
    cdef bint slides_on          # up to `end`, slide() does what next() would
    cdef const int* stopped      # set when the run is to end, for those who wait; NULL: nobody will say so

    cdef dim_t next(self) noexcept nogil
    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil
    cdef bint take(self) noexcept nogil
    cdef void take_detours(self, Detours detours) noexcept

cdef class Feed:
    cdef char apart[APART]
    cdef readonly dim_t n_examples     # in an epoch; -1: not known beforehand
    cdef bint random_access      # its cursors can lay()
    cdef bint by_chance          # it leaves out examples at random: an epoch may happen to have none
    cdef bint in_order           # its examples come in an order of their own
    cdef bint takes_shares       # its cursors read the order in the shares they take alone: it may be made meanwhile
    cdef bint scattered          # those of a batch are not neighbours in that order
    cdef const int64_t* order    # [n_examples] the example at each place of the epoch, or NULL: their own order
    cdef object kept_order
    cdef const dim_t* laid       # places of the order that are there already, one more all the time; NULL: all
    cdef uint64_t stream         # of random numbers, for feeds that draw; another one in each epoch
    cdef uint64_t lasting        # of random numbers that stay the same from epoch to epoch
    cdef uint32_t epoch          # a number for the epoch, one more in the next
    cdef dim_t taken             # examples of the epoch that cursors have taken
    cdef dim_t share             # how many a cursor takes at a time
    cdef int busy                # somebody goes through it

    cdef int enter_epoch(self, uint64_t seed, uint64_t epoch) except -1
    cdef set parts(self)
    cdef int occupy(self) except -1
    cdef int vacate(self) except -1
    cdef int allow(self, dim_t epochs) except -1
    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1
    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size)
    cdef object finish(self)

cdef class Order:
    # The order of the examples in an epoch.
    cdef readonly object places  # ndarray of int64
    cdef dim_t laid              # of them
    cdef uint64_t seed, epoch

cdef inline void slide(const slide_t* slides, dim_t n, dim_t at) noexcept nogil:
    """Lay the example at a place into n leaves, which hold a single one of the same feed."""
    cdef dim_t k
    for k in range(n):
        slides[k].leaf[0] = slides[k].data + at * slides[k].bytes
        slides[k].version[0] += 1

cdef inline dim_t example_at(Feed feed, dim_t place) noexcept nogil:
    """The example at a place of the epoch."""
    return place if feed.order == NULL else feed.order[place]

cdef inline void* address(object array) except? NULL:
    """Where the data of an ndarray is, which its owner must keep alive."""
    return <void*> <size_t> array.ctypes.data
