from libc.stdint cimport int64_t, uint8_t, uint64_t
from wyrm.feeds.base cimport Cursor, Feed
from wyrm.feeds.lookups cimport Lookups
from wyrm.feeds.sampling cimport Sampler
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.tape cimport input_t

ctypedef struct pairs_t:
    # A batch as it is laid down.
    row_t* users                 # [batch_size]
    row_t* items                 # [batch_size]
    row_t* negatives             # [batch_size, n_negatives], or NULL
    float* labels                # [batch_size], or NULL
    dim_t first, n               # the places of the epoch it holds; n = 0: none

cdef class PairFeed(Feed):
    cdef object user, item, negative, label      # the nodes; None for negative or label
    cdef list kept               # the arrays that the pointers point into
    cdef const row_t* users      # [n_pairs]
    cdef const row_t* items      # [n_pairs]
    cdef dim_t n_negatives
    cdef dim_t width             # examples to a pair
    cdef row_t high_user, high_item
    cdef Sampler sampler
    # Items that are not drawn for a user: known[known_starts[u]:known_starts[u + 1]], rising.
    cdef const row_t* known
    cdef const int64_t* known_starts   # [n_known + 1], or NULL: all may be drawn
    cdef dim_t n_known           # 0 where all may be drawn
    cdef const uint8_t* marks    # [n_known, mark_bytes] a bit for each item, set where it is known; or NULL
    cdef dim_t mark_bytes

    cdef int mark(self, dim_t n_items) except -1
    cdef bint is_known(self, row_t user, row_t item) noexcept nogil
    cdef int refuse_full_users(self) except -1
    cdef row_t draw_item(self, row_t user, uint64_t* state) noexcept nogil

cdef class PairCursor(Cursor):
    cdef PairFeed pairs
    cdef Lookups user, item, negative
    cdef input_t* label          # NULL: not wanted
    cdef void* block             # what the batches point into
    cdef pairs_t batches[2]
    cdef int current             # the batch laid down last
    cdef row_t* bags             # [batch_size + 1] of one row each
    cdef row_t* negative_bags    # [batch_size + 1] of n_negatives rows each

    cdef int reserve(self, dim_t n_negatives) except -1
    cdef void prepare(self, pairs_t* batch, dim_t first, dim_t n) noexcept nogil
    cdef void look_ahead(self, dim_t place, dim_t end) noexcept nogil
    cdef dim_t pair_of(self, dim_t example) noexcept nogil
    cdef row_t user_at(self, dim_t place) noexcept nogil
