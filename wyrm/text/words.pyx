"""A hash table of words, as bytes: counted or numbered without the GIL.

Words lie one after the other in one block of text and are numbered in the order they came. Buckets (open addressing,
linear probing) hold a number and the hash, which together with the length is as good as the word itself where that has
at most 8 bytes; longer ones are compared. So most words take one cache line to find, and as that of the next ones can
be fetched meanwhile, words are best looked up many at a time.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AsString
from libc.string cimport memcpy, memmove, memset
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_grow, wyrm_prefetch
from wyrm.text.reader cimport BLOCK, found_t, hash_of

cdef enum:
    LEAST = 1024                 # words there is room for at first
    MOST = 0x7FFFFFF0

cdef int64_t MOST_TEXT = 0xFFFFFFFF     # units of 8 bytes


cdef inline dim_t size_of(dim_t length) noexcept nogil:
    """Units of 8 bytes in the record of a word."""
    return 1 + (length + 7) // 8


cdef class WordTable:
    """Distinct words with their counts.

    Parameters
    ----------
    keys : sequence of str, optional
        Words that it holds from the start, with the numbers they have here. Other objects only take up a number.

    Raises
    ------
    MemoryError
        If there is no memory for them.
    """

    def __cinit__(self, keys=()):
        cdef const uint8_t* p
        cdef bytes word
        cdef dim_t n_text = SHORT + 1
        # What is no word is never found in a text, but keeps its number.
        keys = [(key if isinstance(key, str) and key else f"\ud800{i}").encode("utf-8", "surrogatepass")
                for i, key in enumerate(keys)]
        for word in keys:
            n_text += size_of(len(word))
        self.n_text = SHORT + 1
        if self.reserve(max(LEAST, len(keys)), n_text) < 0:
            raise MemoryError("no memory for a vocabulary")
        for i, word in enumerate(keys):
            p = <const uint8_t*> PyBytes_AsString(word)
            if self.add(p, len(word), hash_of(word), 0) != i:
                raise ValueError(f"vocabulary: expected different words, got {word.decode(errors='replace')!r} twice")

    def __dealloc__(self):
        self.free()

    cdef void free(self) noexcept nogil:
        wyrm_free(self.words)
        wyrm_free(self.buckets)
        wyrm_free(self.text)

    def __len__(self):
        return self.n

    # --- Adding --------------------------------------------------------------------------------------------------

    cdef row_t add(self, const uint8_t* p, dim_t n, uint64_t hash, int64_t place) noexcept nogil:
        """Count a word once more, or add it; its number, or -1 when memory ran out."""
        cdef row_t word = self.find(p, n, hash)
        if word < 0:
            return self.enter(p, n, hash, place)
        self.words[word].count += 1
        self.words[word].first = min(self.words[word].first, place)
        return word

    cdef int add_all(self, const found_t* words, dim_t n) noexcept nogil:
        """Count n <= BLOCK words that were found one after the other; -1 when memory ran out."""
        cdef dim_t i
        cdef row_t numbers[BLOCK]
        self.fetch(words, n)
        for i in range(n):
            numbers[i] = self.find(words[i].text, words[i].length, words[i].hash)
            if numbers[i] >= 0:
                wyrm_prefetch(self.words + numbers[i], sizeof(word_t))
        for i in range(n):
            if numbers[i] >= 0:
                self.words[numbers[i]].count += 1
            elif self.add(words[i].text, words[i].length, words[i].hash, words[i].place) < 0:
                return -1
        return 0

    cdef void find_all(self, const found_t* words, dim_t n, row_t* numbers) noexcept nogil:
        """Of n words, the number of each; -1 where it isn't there."""
        cdef dim_t i
        self.fetch(words, n)
        for i in range(n):
            numbers[i] = self.find(words[i].text, words[i].length, words[i].hash)

    cdef row_t enter(self, const uint8_t* p, dim_t n, uint64_t hash, int64_t place) noexcept nogil:
        """Add a word that isn't there; its number, or -1 when memory ran out."""
        cdef word_t* entry
        cdef row_t word = <row_t> self.n
        if self.reserve(self.n + 1, self.n_text + size_of(n)) < 0:
            return -1
        entry = self.words + word
        entry.hash, entry.count, entry.first, entry.record = hash, 1, place, <uint32_t> self.n_text
        self.text[self.n_text] = n
        memcpy(self.text + self.n_text + 1, p, n)
        self.n_text += size_of(n)
        self.n += 1
        self.take_bucket(word)
        return word

    cdef int merge(self, WordTable other) noexcept nogil:
        """Add the words and counts of another table; -1 when memory ran out."""
        cdef dim_t i
        cdef row_t word
        cdef const word_t* entry
        cdef const int64_t* record
        for i in range(other.n):
            entry = other.words + i
            record = other.text + entry.record
            word = self.add(<const uint8_t*> (record + 1), record[0], entry.hash, entry.first)
            if word < 0:
                return -1
            self.words[word].count += entry.count - 1
        return 0

    cdef int prune(self, int64_t least) noexcept nogil:
        """Forget words counted fewer times, and number the others anew, in their order; -1 when memory ran out."""
        cdef dim_t i, size, n = 0, n_text = SHORT + 1
        cdef word_t entry
        for i in range(self.n):
            entry = self.words[i]
            if entry.count >= least:
                size = size_of(self.text[entry.record])
                memmove(self.text + n_text, self.text + entry.record, size * sizeof(int64_t))
                entry.record = <uint32_t> n_text
                self.words[n] = entry
                n_text += size
                n += 1
        self.n, self.n_text = n, n_text
        return self.rehash(self.capacity)

    cdef int reserve(self, dim_t n_words, dim_t n_text) noexcept nogil:
        cdef dim_t wanted
        cdef void* grown
        if n_words > MOST or n_text > MOST_TEXT:
            return -1
        if n_text > self.text_capacity:
            wanted = max(n_text + n_text // 2, 4 * LEAST)
            grown = wyrm_grow(self.text, self.n_text * sizeof(int64_t), wanted * sizeof(int64_t))
            if grown == NULL:
                return -1
            self.text, self.text_capacity = <int64_t*> grown, wanted
        if n_words > self.capacity:
            wanted = max(n_words, 2 * self.capacity)
            grown = wyrm_grow(self.words, self.n * sizeof(word_t), wanted * sizeof(word_t))
            if grown == NULL:
                return -1
            self.words, self.capacity = <word_t*> grown, wanted
            return self.rehash(wanted)
        return 0

    cdef int rehash(self, dim_t n_words) noexcept nogil:
        """Fill buckets for so many words with those there are."""
        cdef dim_t size = 2 * LEAST, i
        cdef bucket_t* buckets
        while 2 * size < 3 * n_words:
            size *= 2
        if size != self.mask + 1 or self.buckets == NULL:
            buckets = <bucket_t*> wyrm_alloc(size * sizeof(bucket_t))
            if buckets == NULL:
                return -1
            wyrm_free(self.buckets)
            self.buckets, self.mask = buckets, size - 1
        memset(self.buckets, 0, size * sizeof(bucket_t))
        for i in range(self.n):
            self.take_bucket(<row_t> i)
        return 0

    cdef void take_bucket(self, row_t word) noexcept nogil:
        cdef const word_t* entry = self.words + word
        cdef dim_t at = <dim_t> (entry.hash >> 32) & self.mask
        while self.buckets[at].key:
            at = (at + 1) & self.mask
        self.buckets[at].hash, self.buckets[at].word = entry.hash, word
        self.buckets[at].key = <uint32_t> min(self.text[entry.record], SHORT + 1)
        if self.buckets[at].key > SHORT:
            self.buckets[at].key = entry.record

    # --- What it holds -------------------------------------------------------------------------------------------

    def column(self, name):
        """ndarray of int64: the "count" or "first" of each word."""
        cdef dim_t i
        cdef int64_t[::1] view
        cdef int which = ("count", "first").index(name)
        column = np.empty(self.n, dtype=np.int64)
        view = column
        for i in range(self.n):
            view[i] = self.words[i].first if which else self.words[i].count
        return column

    def keys(self, numbers):
        """list of str: the words of these numbers."""
        cdef dim_t i
        cdef const int64_t* record
        cdef int64_t[::1] chosen = np.ascontiguousarray(numbers, dtype=np.int64)
        found = []
        for i in range(chosen.shape[0]):
            if not 0 <= chosen[i] < self.n:
                raise IndexError(f"word {chosen[i]} of {self.n}")
            record = self.text + self.words[chosen[i]].record
            found.append((<const char*> (record + 1))[:record[0]].decode("utf-8", "surrogatepass"))
        return found
