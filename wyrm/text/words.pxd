from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.memory cimport wyrm_prefetch
from wyrm.text.reader cimport found_t, wyrm_same

ctypedef struct word_t:
    uint64_t hash
    int64_t count
    int64_t first                # the least place it was added at
    uint32_t record              # where it is written, in units of 8 bytes: its length, an int64, and its bytes

ctypedef struct bucket_t:
    uint64_t hash
    uint32_t key                 # the length of a word up to SHORT, else its record; 0: free
    row_t word

cdef enum:
    SHORT = 8                    # bytes: words of one length up to this are one where their hashes are

cdef class WordTable:
    # Distinct words, numbered in the order they were added.
    cdef word_t* words           # [capacity]
    cdef dim_t capacity
    cdef readonly dim_t n
    cdef bucket_t* buckets       # [mask + 1], at most two thirds of them taken
    cdef dim_t mask
    cdef int64_t* text           # records, the first of which starts past SHORT
    cdef dim_t n_text, text_capacity     # in units of 8 bytes

    cdef inline row_t find(self, const uint8_t* p, dim_t n, uint64_t hash) noexcept nogil:
        """The number of a word; -1 when it isn't there."""
        cdef dim_t at = <dim_t> (hash >> 32) & self.mask
        cdef const bucket_t* bucket
        cdef const int64_t* record
        while True:
            bucket = self.buckets + at
            if bucket.key == 0:
                return -1
            if bucket.hash == hash:
                if bucket.key <= SHORT:
                    if bucket.key == n:
                        return bucket.word
                elif n > SHORT:
                    record = self.text + bucket.key
                    if record[0] == n and wyrm_same(<const uint8_t*> (record + 1), p, n):
                        return bucket.word
            at = (at + 1) & self.mask

    cdef inline void fetch(self, const found_t* words, dim_t n) noexcept nogil:
        """Start fetching what find() looks at first."""
        cdef dim_t i
        for i in range(n):
            wyrm_prefetch(self.buckets + (<dim_t> (words[i].hash >> 32) & self.mask), sizeof(bucket_t))

    cdef void find_all(self, const found_t* words, dim_t n, row_t* numbers) noexcept nogil
    cdef int add_all(self, const found_t* words, dim_t n) noexcept nogil
    cdef row_t add(self, const uint8_t* p, dim_t n, uint64_t hash, int64_t place) noexcept nogil
    cdef int merge(self, WordTable other) noexcept nogil
    cdef int prune(self, int64_t least) noexcept nogil
    cdef row_t enter(self, const uint8_t* p, dim_t n, uint64_t hash, int64_t place) noexcept nogil
    cdef int reserve(self, dim_t n_words, dim_t n_text) noexcept nogil
    cdef int rehash(self, dim_t n_words) noexcept nogil
    cdef void take_bucket(self, row_t word) noexcept nogil
    cdef void free(self) noexcept nogil
