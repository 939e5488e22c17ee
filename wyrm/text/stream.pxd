from libc.stdint cimport int64_t
from wyrm.feeds.tokens cimport TokenReader, TokenStream, chunk_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.text.reader cimport Reader, TextFiles
from wyrm.text.words cimport WordTable

cdef class TextTokens(TokenStream):
    cdef TextFiles files
    cdef WordTable table
    cdef readonly dim_t n_words  # in all epochs so far

cdef class TextTokenReader(TokenReader):
    cdef TextTokens source
    cdef Reader reader
    cdef row_t* left             # [window] the last tokens kept of the sentence that goes on at `reached`
    cdef dim_t n_left, window
    cdef int64_t reached         # where the last chunk ended
    cdef int64_t piece_end       # centres of the piece that is open stand before it
    cdef dim_t n_words

    cdef int open(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil
    cdef dim_t look_ahead(self, chunk_t* chunk, dim_t n) noexcept nogil
    cdef bint needs_left(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil
    cdef int look_back(self, chunk_t* chunk, dim_t begin) noexcept nogil
    cdef int fail(self) noexcept nogil
    cdef void push(self, row_t token) noexcept nogil
