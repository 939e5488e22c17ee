from libc.stdint cimport int64_t, uint64_t
from wyrm.feeds.base cimport Cursor
from wyrm.feeds.lookups cimport Lookups
from wyrm.feeds.sampling cimport sampler_t
from wyrm.feeds.tokens cimport TokenReader, chunk_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.tape cimport input_t

ctypedef struct paths_t:
    # Rows of each token w of its own, and their targets: entries starts[w] to starts[w + 1].
    const row_t* rows
    const float* turns
    const int64_t* starts        # [n_tokens + 1], or NULL: there are none

ctypedef struct windows_t:
    # What a step sees: windows one after the other.
    dim_t n                      # windows
    row_t* context               # [n_context] neighbours
    row_t* bags                  # [n + 1] where those of each window start
    row_t* output                # [n_output] of each window the centre and what is drawn for it
    dim_t n_context, n_output, n_targets
    dim_t n_pairs                # of a centre and a neighbour
    row_t centre                 # of the last window
    dim_t passed                 # places since the step before
    dim_t place                  # of the first window's token

ctypedef struct choices_t:
    dim_t window, n_negatives, batch_size
    bint shrink_windows, cbow
    bint by_pair                 # negatives for each neighbour of its own
    bint has_output              # whether there are outputs at all
    const sampler_t* sampler
    const float* ones_first      # the targets: 1 for the centre, 0 for negatives
    paths_t paths
    dim_t n_recent               # draws among which negatives are chosen, a power of 2; 0: those are of each window
    double pace                  # draws by place

ctypedef struct recent_t:
    # The last draws of a sequence that goes on from place to place: number k is in rows[k % n_recent].
    row_t* rows                  # [n_recent]
    dim_t n                      # draws so far
    uint64_t stream              # of their random numbers

cdef class WindowCursor(Cursor):
    cdef object kept             # keeps alive what the pointers of `choices` point into
    cdef choices_t choices
    cdef TokenReader reader
    cdef Lookups context, output, path
    cdef input_t* target         # NULL: not wanted
    cdef input_t* turn
    cdef windows_t steps[2]
    cdef int current             # the one laid down last
    cdef bint ready              # the other one is the next
    cdef row_t bags[2][2]        # of output and path
    cdef recent_t recent
    cdef dim_t n_pairs
    cdef chunk_t chunk
    cdef dim_t centre            # of the chunk, the next to be looked at
    cdef dim_t sentence, sentence_begin    # of the centre: its place in `ends`, its first token in `kept`
    cdef dim_t fetched           # tokens of the chunk that have been fetched
    cdef dim_t last, passed      # place of the last centre looked at; places passed and not yet reported
    cdef int status              # -1, -2: why it ended

    cdef int reserve(self) except -1
    cdef void lay_step(self, windows_t* step) noexcept nogil
    cdef bint prepare(self, windows_t* step) noexcept nogil
    cdef bint cut(self, windows_t* step, dim_t at) noexcept nogil
    cdef void draw_negatives(self, row_t* output, row_t centre, dim_t n, uint64_t* state) noexcept nogil
    cdef void choose_negatives(self, row_t* output, row_t centre, dim_t n, dim_t place, uint64_t state) noexcept nogil
    cdef row_t draw_other(self, row_t centre, uint64_t* state) noexcept nogil
    cdef void draw_until(self, dim_t end) noexcept nogil
    cdef bint read_chunk(self) noexcept nogil
