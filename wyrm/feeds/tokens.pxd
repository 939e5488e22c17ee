from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from wyrm.feeds.sampling cimport random_at
from wyrm.kernels.table cimport dim_t, row_t

cdef enum:
    CHUNK = 1024                 # places, or centres, that a cursor reads at a time

ctypedef struct chunk_t:
    # A piece of a stream, without the tokens left out, and as many neighbours on either side as windows reach.
    row_t* kept                  # [window + CHUNK + window]: the centres start at `window`
    int32_t* offsets             # [CHUNK] place of each centre, less begin
    dim_t* ends                  # [CHUNK + 1] where sentences end in `kept`
    dim_t window
    uint64_t stream              # of random numbers that stay the same from epoch to epoch
    uint32_t turn                # how far they have turned, of 2^32
    const uint32_t* keep         # a token stays in for a random number up to this (of 2^32); NULL: all do
    # What reading it finds.
    dim_t begin, end             # places
    dim_t n_centres, n_kept      # n_kept: the end of what is in `kept`
    dim_t sentence_begin         # of the first centre, in `kept`

cdef class TokenStream:
    # Numbers of tokens at places, not all of which need have one.
    cdef readonly dim_t n_places
    cdef readonly dim_t n_tokens     # numbers are below this
    cdef readonly dim_t spacing      # places from one token to the next, roughly

    cdef TokenReader reader(self)
    cdef dim_t share(self, dim_t n_threads)

cdef class TokenReader:
    # One thread's way through a stream.
    cdef int read(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil
    cdef object finish(self)

cdef class ArrayTokens(TokenStream):
    cdef object rows, sentences
    cdef const row_t* tokens     # [n_places]
    cdef const int64_t* starts   # [n_sentences + 1]
    cdef dim_t n_sentences

cdef inline bint stays(const chunk_t* chunk, dim_t place, row_t token) noexcept nogil:
    """Whether a token is not left out: chance at each place, evenly over the epochs."""
    return chunk.keep == NULL or <uint32_t> random_at(chunk.stream, place) + chunk.turn <= chunk.keep[token]

cdef inline dim_t part_at(const int64_t* starts, dim_t n, int64_t place) noexcept nogil:
    """The last of n parts that starts at or before the place, of starts that never fall and begin at or before it."""
    cdef dim_t low = 0, high = n, middle
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= place:
            low = middle
        else:
            high = middle
    return low
