"""Words of text files, read in pieces by as many threads as like to, without the GIL.

A word belongs to the piece in which it starts, wherever it ends: pieces may be cut anywhere, in the middle of a word or
of a character, and together have every word once.  Files are read at places, not mapped, so memory holds a piece and
no more, and a file that shrinks meanwhile is an error instead of a fault.
"""

import os

from cpython.bytes cimport PyBytes_AsString
from libc.errno cimport EIO, ENOMEM
from libc.string cimport memcmp, memcpy
from wyrm.feeds.tokens cimport part_at
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_grow

cdef extern from "text/positional.h" nogil:
    dim_t wyrm_read_at(int file, void* into, size_t n, int64_t place)

cdef enum:
    BEFORE = 3                   # bytes read before a piece, to know whether it starts inside a word
    SLACK = 512                  # bytes read past it, for its last word
    PADDING = 16                 # bytes past the end that may be looked at
    SHORTER = -1                 # beside errno: a file has lost bytes since it was opened

cdef const char* MARK = b"\xef\xbb\xbf"       # that a file may begin with: no part of the text


cdef uint64_t hash_of(bytes word) except? 0:
    """The hash of a word that stands alone."""
    cdef uint64_t high
    cdef bytes padded = word + b"\n" * PADDING
    return wyrm_word_hash(<const uint8_t*> PyBytes_AsString(padded), len(word), &high)


cdef class TextFiles:
    """Plain text files, open for reading.

    Parameters
    ----------
    paths : sequence of path-like

    Raises
    ------
    OSError
        If one can't be opened.
    ValueError
        If one is UTF-16.
    """

    def __cinit__(self, paths):
        cdef dim_t i
        self.files = []
        self.names = [os.fspath(path) for path in paths]
        self.n = len(self.names)
        self.handles = <int*> wyrm_alloc(self.n * sizeof(int))
        self.starts = <int64_t*> wyrm_alloc((self.n + 1) * sizeof(int64_t))
        if self.handles == NULL or self.starts == NULL:
            raise MemoryError("no memory for a list of files")
        self.starts[0] = 0
        try:
            for i, name in enumerate(self.names):
                file = open(name, "rb", buffering=0)
                self.files.append(file)
                refuse_utf16(file.read(2), name)
                self.handles[i] = file.fileno()
                self.starts[i + 1] = self.starts[i] + os.fstat(file.fileno()).st_size
        except BaseException:
            self.close()
            raise
        self.size = self.starts[self.n]

    def __dealloc__(self):
        wyrm_free(self.handles)
        wyrm_free(self.starts)

    def close(self):
        """Close the files; nothing may read from them any more."""
        for file in self.files:
            file.close()


def refuse_utf16(begin, name):
    """Raise for a text that begins as UTF-16 does."""
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{name}: expected UTF-8, found UTF-16: convert it with "
                         f"open(new, 'w', encoding='utf-8').write(open(old, encoding='utf-16').read())")


cdef class Reader:
    """Reader(files): cut pieces of the files into words. Without files (None), of texts in memory."""

    def __cinit__(self, TextFiles files):
        self.files = files

    def __dealloc__(self):
        wyrm_free(self.buffer)
        wyrm_free(self.repaired)

    cdef dim_t open(self, dim_t begin, dim_t end) noexcept nogil:
        """Read the words that start in [begin, end), or up to the end of their file; where that is, -1 at an error."""
        cdef const int64_t* starts = self.files.starts
        cdef dim_t low = part_at(starts, self.files.n, begin), before, wanted, got, space, i
        cdef int64_t start
        while starts[low + 1] <= begin:          # empty files
            low += 1
        self.file = low
        start = starts[low]
        end = min(end, starts[low + 1])
        before = min(BEFORE, begin - start)
        wanted = end - begin + before + SLACK
        if self.reserve(wanted, 0) < 0:
            return -1
        self.place = begin - before
        got = wyrm_read_at(self.files.handles[low], self.buffer, wanted, self.place - start)
        if got < 0:
            self.error = <int> -got
            return -1
        if got < end - self.place:
            self.error = SHORTER
            return -1
        self.finish(got, wanted)
        self.at = self.buffer + before
        self.stop = self.buffer + min(got, end - self.place)
        self.newline = begin == start
        if self.place == start and got >= BEFORE and memcmp(self.buffer, MARK, BEFORE) == 0:
            self.at = self.buffer + BEFORE
            self.newline = True
        elif before:
            # A space that ends here or further on: else the piece starts inside a word.
            for i in range(before):
                space = wyrm_space(self.buffer + i)
                if space and i + space >= before:
                    self.at = self.buffer + i + space
                    return end
            while self.at < self.stop and not wyrm_space(self.at):
                self.at += 1
        return end

    cdef int use(self, const uint8_t* text, dim_t n, int64_t place) noexcept nogil:
        """Take a text that starts and ends between words, copied; -1 at an error."""
        if self.reserve(n, 0) < 0:
            return -1
        memcpy(self.buffer, text, n)
        self.place = place
        self.finish(n, n + 1)
        self.at = self.buffer
        self.stop = self.end
        self.newline = False
        return 0

    cdef void finish(self, dim_t got, dim_t wanted) noexcept nogil:
        cdef dim_t i
        self.whole = got < wanted
        self.end = self.buffer + got
        for i in range(PADDING):
            self.buffer[got + i] = c"\n"

    cdef bint next(self) noexcept nogil:
        """Find the next word of the piece; false when there is none, or at an error."""
        cdef const uint8_t* p = self.at
        cdef dim_t space
        cdef uint64_t high
        while p < self.stop:
            space = wyrm_space(p)
            if not space:
                break
            self.newline |= p[0] == c"\n"
            p += space
        if p >= self.stop:
            self.at = p
            return False
        self.word.text = p
        self.at = wyrm_word_end(p)
        # A space at the very end of what was read may be the beginning of one that is longer than it looks.
        while self.at + BEFORE > self.end and not self.whole:
            if self.more() < 0:
                self.at = self.stop
                return False
            self.at = wyrm_word_end(self.at - min(BEFORE, self.at - self.word.text))
        self.word.length = self.at - self.word.text
        self.word.hash = wyrm_word_hash(self.word.text, self.word.length, &high)
        self.word.place = self.place + (self.word.text - self.buffer)
        self.word.starts_line = self.newline
        self.newline = False
        if high and not wyrm_is_utf8(self.word.text, self.word.length):
            return self.repair() == 0
        return True

    cdef dim_t next_words(self, dim_t n) noexcept nogil:
        """Find the next words of the piece, at most n (and BLOCK); how many, 0 when there are none, or at an error.

        They stay where they are until words are looked for again.
        """
        cdef dim_t found = wyrm_words(self.words, min(n, BLOCK), &self.at, self.stop, self.end,
                                      self.place + (self.at - self.buffer), &self.newline)
        if found == 0 and self.next():
            self.words[0] = self.word
            found = 1
        return found

    cdef int more(self) noexcept nogil:
        """Read on, for a word that goes past the bytes there are; -1 at an error."""
        cdef dim_t at = self.at - self.buffer, stop = self.stop - self.buffer, word = self.word.text - self.buffer
        cdef dim_t have = self.end - self.buffer, wanted = max(have, 2 * SLACK), got
        if self.reserve(have + wanted, have) < 0:
            return -1
        got = wyrm_read_at(self.files.handles[self.file], self.buffer + have, wanted,
                           self.place + have - self.files.starts[self.file])
        if got < 0:
            self.error = <int> -got
            return -1
        self.finish(have + got, have + wanted)
        self.at, self.stop, self.word.text = self.buffer + at, self.buffer + stop, self.buffer + word
        return 0

    cdef int extend(self, dim_t n) noexcept nogil:
        """Let the piece be n bytes longer, as far as the file goes; -1 at an error."""
        cdef dim_t stop = self.stop - self.buffer + n
        while not self.whole and stop + SLACK > self.end - self.buffer:
            if self.more() < 0:
                return -1
        self.stop = self.buffer + min(stop, self.end - self.buffer)
        return 0

    cdef void rewind(self, const found_t* word) noexcept nogil:
        """Go back to a word of the piece, to find it again."""
        self.at = self.buffer + (word.place - self.place)
        self.newline = word.starts_line

    cdef int repair(self) noexcept nogil:
        """Make the word UTF-8; -1 at an error."""
        cdef uint64_t high
        cdef dim_t wanted = 3 * self.word.length + PADDING
        if wanted > self.repaired_capacity:
            wyrm_free(self.repaired)
            self.repaired_capacity = 0
            self.repaired = <uint8_t*> wyrm_alloc(wanted)
            if self.repaired == NULL:
                self.error = ENOMEM
                return -1
            self.repaired_capacity = wanted
        self.word.length = wyrm_repair(self.repaired, self.word.text, self.word.length)
        self.word.text = self.repaired
        self.word.hash = wyrm_word_hash(self.repaired, self.word.length, &high)
        return 0

    cdef int reserve(self, dim_t n, dim_t keep) noexcept nogil:
        """Room for n bytes and what is looked at past them, of which the first `keep` stay; -1 at an error."""
        cdef void* grown
        if n + PADDING > self.capacity:
            grown = wyrm_grow(self.buffer, keep, n + PADDING)
            if grown == NULL:
                self.error = ENOMEM
                return -1
            self.buffer, self.capacity = <uint8_t*> grown, n + PADDING
        return 0


def raise_error(int error, name):
    """The exception for an errno of a Reader."""
    if error == ENOMEM:
        raise MemoryError(f"{name}: no memory to read it")
    if error == SHORTER:
        raise OSError(f"{name}: expected a file that stays as it is, but it became shorter while it was read")
    raise OSError(error or EIO, os.strerror(error or EIO), name)
