"""A hash table of words, as bytes: counted or numbered without the GIL.

Words lie one after the other in one block of text and are numbered in the order they came; buckets (open addressing,
linear probing) hold a number and half of the hash.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AsString
from libc.string cimport memcpy, memset
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_grow
from wyrm.text.reader cimport hash_of

cdef enum:
    LEAST = 1024                 # words there is room for at first
    MOST = 0x7FFFFFF0


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
        cdef dim_t n_text = 0
        # What is no word is never found in a text, but keeps its number.
        keys = [(key if isinstance(key, str) else f"\ud800{i}").encode("utf-8", "surrogatepass")
                for i, key in enumerate(keys)]
        for word in keys:
            n_text += len(word)
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
        cdef word_t* entry
        cdef dim_t at
        if word >= 0:
            entry = self.words + word
            entry.count += 1
            if place < entry.first:
                entry.first = place
            return word
        if self.reserve(self.n + 1, self.n_text + n) < 0:
            return -1
        word = <row_t> self.n
        entry = self.words + word
        entry.hash, entry.text, entry.length, entry.count, entry.first = hash, self.n_text, n, 1, place
        memcpy(self.text + self.n_text, p, n)
        self.n_text += n
        self.n += 1
        at = <dim_t> (hash >> 32) & self.mask
        while self.buckets[at].word >= 0:
            at = (at + 1) & self.mask
        self.buckets[at].tag, self.buckets[at].word = <uint32_t> hash, word
        return word

    cdef int merge(self, WordTable other) noexcept nogil:
        """Add the words and counts of another table; -1 when memory ran out."""
        cdef dim_t i
        cdef row_t word
        cdef word_t* entry
        for i in range(other.n):
            entry = other.words + i
            word = self.add(other.text + entry.text, entry.length, entry.hash, entry.first)
            if word < 0:
                return -1
            self.words[word].count += entry.count - 1
        return 0

    cdef int prune(self, int64_t least) noexcept nogil:
        """Forget words counted fewer times, and number the others anew, in their order; -1 when memory ran out."""
        cdef dim_t i, n = 0, n_text = 0
        cdef word_t entry
        for i in range(self.n):
            entry = self.words[i]
            if entry.count >= least:
                # Their text only moves down.
                memmove_down(self.text + n_text, self.text + entry.text, entry.length)
                entry.text = n_text
                self.words[n] = entry
                n_text += entry.length
                n += 1
        self.n, self.n_text = n, n_text
        return self.rehash(self.capacity)

    cdef int reserve(self, dim_t n_words, dim_t n_text) noexcept nogil:
        cdef dim_t wanted
        cdef void* grown
        if n_words > MOST:
            return -1
        if n_text > self.text_capacity:
            wanted = max(n_text + n_text // 2, 16 * LEAST)
            grown = wyrm_grow(self.text, self.n_text, wanted)
            if grown == NULL:
                return -1
            self.text, self.text_capacity = <uint8_t*> grown, wanted
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
        cdef dim_t size = 2 * LEAST, at, i
        cdef bucket_t* buckets
        while size < 2 * n_words:
            size *= 2
        if size != self.mask + 1 or self.buckets == NULL:
            buckets = <bucket_t*> wyrm_alloc(size * sizeof(bucket_t))
            if buckets == NULL:
                return -1
            wyrm_free(self.buckets)
            self.buckets, self.mask = buckets, size - 1
        memset(self.buckets, 0xff, size * sizeof(bucket_t))
        for i in range(self.n):
            at = <dim_t> (self.words[i].hash >> 32) & self.mask
            while self.buckets[at].word >= 0:
                at = (at + 1) & self.mask
            self.buckets[at].tag, self.buckets[at].word = <uint32_t> self.words[i].hash, <row_t> i
        return 0

    # --- What it holds -------------------------------------------------------------------------------------------

    def column(self, name):
        """ndarray of int64: the "count", "first" or "length" of each word."""
        cdef dim_t i
        cdef int64_t[::1] view
        cdef int which = ("count", "first", "length").index(name)
        column = np.empty(self.n, dtype=np.int64)
        view = column
        for i in range(self.n):
            view[i] = (self.words[i].count if which == 0 else
                       self.words[i].first if which == 1 else self.words[i].length)
        return column

    def keys(self, numbers):
        """list of str: the words of these numbers."""
        cdef dim_t i
        cdef word_t entry
        cdef int64_t[::1] chosen = np.ascontiguousarray(numbers, dtype=np.int64)
        found = []
        for i in range(chosen.shape[0]):
            if not 0 <= chosen[i] < self.n:
                raise IndexError(f"word {chosen[i]} of {self.n}")
            entry = self.words[chosen[i]]
            found.append((<char*> self.text)[entry.text:entry.text + entry.length].decode("utf-8", "surrogatepass"))
        return found

    def number(self, str key not None):
        """int: the number of a word, or -1."""
        cdef bytes word = key.encode("utf-8", "surrogatepass")
        return self.find(<const uint8_t*> PyBytes_AsString(word), len(word), hash_of(word))


cdef void memmove_down(uint8_t* to, const uint8_t* p, dim_t n) noexcept nogil:
    cdef dim_t i
    for i in range(n):
        to[i] = p[i]
