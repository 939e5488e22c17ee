from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from wyrm.kernels.table cimport dim_t, row_t

ctypedef struct word_t:
    uint64_t hash
    int64_t text                 # its first byte in the table's text
    int64_t length
    int64_t count
    int64_t first                # the least place it was added at

ctypedef struct bucket_t:
    uint32_t tag                 # half of the hash
    row_t word                   # -1: free

cdef class WordTable:
    # Distinct words, numbered in the order they were added.
    cdef word_t* words           # [capacity]
    cdef dim_t capacity
    cdef readonly dim_t n
    cdef bucket_t* buckets       # [mask + 1], at most half of them taken
    cdef dim_t mask
    cdef uint8_t* text
    cdef dim_t n_text, text_capacity

    cdef inline row_t find(self, const uint8_t* p, dim_t n, uint64_t hash) noexcept nogil:
        """The number of a word; -1 when it isn't there."""
        cdef dim_t at = <dim_t> (hash >> 32) & self.mask
        cdef row_t word
        while True:
            word = self.buckets[at].word
            if word < 0:
                return -1
            if (self.buckets[at].tag == <uint32_t> hash and self.words[word].length == n
                    and memcmp(self.text + self.words[word].text, p, n) == 0):
                return word
            at = (at + 1) & self.mask

    cdef row_t add(self, const uint8_t* p, dim_t n, uint64_t hash, int64_t place) noexcept nogil
    cdef int merge(self, WordTable other) noexcept nogil
    cdef int prune(self, int64_t least) noexcept nogil
    cdef int reserve(self, dim_t n_words, dim_t n_text) noexcept nogil
    cdef int rehash(self, dim_t n_words) noexcept nogil
    cdef void free(self) noexcept nogil
