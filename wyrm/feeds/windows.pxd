from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from wyrm.feeds.base cimport Cursor, Feed
from wyrm.feeds.lookups cimport Lookups
from wyrm.feeds.sampling cimport Sampler
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.tape cimport input_t

ctypedef struct window_t:
    # An example: a token and its neighbours.
    row_t* context               # [2 window]
    row_t* output                # [n_output]: drawn for it here …
    const row_t* rows            # [n_output]: … or the token's path
    const float* target
    dim_t m, n_output, n_targets       # neighbours, rows of the output, rows of the target
    dim_t place                  # of the token in the stream
    dim_t passed                 # places since the example before
    dim_t at                     # of the token among those the cursor has kept

ctypedef struct paths_t:
    # Output rows of each token w, and their targets: entries starts[w] to starts[w + 1].
    const row_t* rows
    const float* targets
    const int64_t* starts        # [n_tokens + 1], or NULL: output is the token itself and negatives

cdef class WindowFeed(Feed):
    cdef object context, output, target    # the nodes
    cdef list kept               # the arrays that the pointers point into
    cdef const row_t* tokens     # [n_examples]
    cdef const int64_t* starts   # [n_sentences + 1]
    cdef dim_t n_sentences
    cdef const uint32_t* keep    # [n_tokens] a token stays in for a random number up to this (of 2^32); NULL: all do
    cdef row_t n_tokens
    cdef dim_t window, n_negatives
    cdef row_t high_output
    cdef bint shrink_windows, cbow
    cdef Sampler sampler
    cdef paths_t paths
    cdef const float* ones_first       # [2 window, 1 + n_negatives] targets: the first column is 1
    cdef list cursors
    cdef readonly dim_t n_pairs

    cdef object read_tokens(self, object tokens, object starts, object counts, double sample)
    cdef int read_paths(self, object paths) except -1

cdef class WindowCursor(Cursor):
    cdef WindowFeed source
    cdef Lookups context, output
    cdef input_t* target         # NULL: not wanted
    cdef window_t windows[2]
    cdef int current             # the one laid down last
    cdef bint ready              # the other one is the next
    cdef row_t context_bag[2]
    cdef row_t output_bag[2]
    cdef dim_t n_pairs
    # A chunk of the stream, without the tokens left out, and as many neighbours of other chunks as windows reach.
    cdef row_t* kept             # [window + CHUNK + window]: the centres start at `window`
    cdef int32_t* offsets        # [CHUNK] place of each centre, less chunk_begin
    cdef dim_t* ends             # [CHUNK + 1] where sentences end in `kept`
    cdef dim_t centre, n_centres, n_kept
    cdef dim_t sentence, sentence_begin    # of the centre: its place in `ends`, its first token in `kept`
    cdef dim_t chunk_begin, chunk_end
    cdef dim_t last, passed      # place of the last centre looked at; places passed and not yet reported

    cdef int reserve(self) except -1
    cdef bint prepare(self, window_t* window) noexcept nogil
    cdef bint cut(self, window_t* window, dim_t at) noexcept nogil
    cdef void draw_negatives(self, row_t* output, row_t centre, uint64_t* state) noexcept nogil
    cdef bint stays(self, dim_t place) noexcept nogil
    cdef void read_chunk(self) noexcept nogil
