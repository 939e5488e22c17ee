from libc.stdint cimport int64_t, uint8_t, uint64_t
from wyrm.kernels.table cimport dim_t

cdef extern from "text/characters.h" nogil:
    dim_t wyrm_space(const uint8_t* p)
    const uint8_t* wyrm_word_end(const uint8_t* p)
    uint64_t wyrm_word_hash(const uint8_t* p, dim_t n, uint64_t* high)
    bint wyrm_same(const uint8_t* p, const uint8_t* q, dim_t n)
    bint wyrm_is_utf8(const uint8_t* p, dim_t n)
    dim_t wyrm_repair(uint8_t* out, const uint8_t* p, dim_t n)

cdef extern from "text/tokenise.h" nogil:
    ctypedef struct found_t "wyrm_word":
        const uint8_t* text
        dim_t length
        uint64_t hash
        int64_t place            # of its first byte
        bint starts_line         # no other word stands before it on its line, as far as the piece tells
    dim_t wyrm_words(found_t* words, dim_t n, const uint8_t** at, const uint8_t* stop, const uint8_t* end,
                     int64_t place, bint* newline)

cdef enum:
    BLOCK = 128                  # words that are found together at most

cdef class TextFiles:
    # Plain files that are open for reading. Byte b of file f has the place starts[f] + b.
    cdef list files
    cdef readonly list names
    cdef int* handles            # [n]
    cdef int64_t* starts         # [n + 1]
    cdef dim_t n
    cdef readonly dim_t size     # bytes of all of them

cdef class Reader:
    # One thread's way through the words of a text, piece by piece.
    cdef TextFiles files
    cdef uint8_t* buffer
    cdef dim_t capacity
    cdef uint8_t* repaired       # a word that was no UTF-8, as it reads
    cdef dim_t repaired_capacity
    cdef const uint8_t* at       # the byte to look at next
    cdef const uint8_t* stop     # words that start here or later belong to the next piece
    cdef const uint8_t* end      # of the bytes there are, where a newline stands
    cdef int64_t place           # of buffer[0]
    cdef dim_t file              # the piece is of
    cdef bint whole              # nothing follows in the file
    cdef found_t word            # that next() found
    cdef found_t words[BLOCK]    # that next_words() found
    cdef bint newline            # a newline has been passed since the last word
    cdef int error               # an errno

    cdef dim_t open(self, dim_t begin, dim_t end) noexcept nogil
    cdef int use(self, const uint8_t* text, dim_t n, int64_t place) noexcept nogil
    cdef void finish(self, dim_t got, dim_t wanted) noexcept nogil
    cdef bint next(self) noexcept nogil
    cdef dim_t next_words(self, dim_t n) noexcept nogil
    cdef int more(self) noexcept nogil
    cdef int extend(self, dim_t n) noexcept nogil
    cdef void rewind(self, const found_t* word) noexcept nogil
    cdef int repair(self) noexcept nogil
    cdef int reserve(self, dim_t n, dim_t keep) noexcept nogil

cdef uint64_t hash_of(bytes word) except? 0
