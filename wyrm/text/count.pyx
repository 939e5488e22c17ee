"""Counting the words of a text, on all cores, and numbering them; both without the GIL.

Threads take pieces of the text as they go and count into a table each; the tables are added up. What comes out does not
depend on who took what: counts are sums, and the place of a word is the least it was seen at.
"""

import numpy as np

from cpython.bytearray cimport PyByteArray_AsString
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ENOMEM
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.memory cimport wyrm_free, wyrm_grow
from wyrm.sync cimport wyrm_fetch_add, wyrm_load, wyrm_store
from wyrm.text.reader cimport BLOCK, Reader, TextFiles
from wyrm.text.reader import raise_error
from wyrm.text.words cimport WordTable

cdef enum:
    PIECE = 1 << 20              # bytes that a thread takes at a time
    LONGEST = 10_000             # words between two looks at the size of a vocabulary that is to stay small
    BETWEEN_LOOKS = 1 << 16      # tokens of Python between two looks for Ctrl-C

    # What is known about the lines of a piece.
    HAS_WORDS = 1
    LINE_BEFORE = 2              # its first word starts a line
    LINE_AFTER = 4               # a newline follows its last word


cdef class Counting:
    """Counting(files, piece): what the threads that count a text share; each takes so many bytes at a time."""

    cdef TextFiles files
    cdef dim_t taken, n_pieces, piece
    cdef int stopped
    cdef uint8_t[::1] pieces     # about the lines of each

    def __cinit__(self, TextFiles files not None, dim_t piece=PIECE):
        self.files = files
        self.piece = max(1, piece)
        self.n_pieces = (files.size + self.piece - 1) // self.piece
        self.pieces = np.zeros(self.n_pieces, dtype=np.uint8)

    def stop(self):
        """Let every thread leave before its next piece."""
        wyrm_store(&self.stopped, 1)

    def lines_across_pieces(self):
        """int: lines whose first word is the first of a piece, but whose newline is in a piece before."""
        cdef bint newline = False
        cdef dim_t i, found = 0
        for i in range(self.n_pieces):
            if self.pieces[i] & HAS_WORDS:
                found += newline and not self.pieces[i] & LINE_BEFORE
                newline = False
            newline |= (self.pieces[i] & LINE_AFTER) != 0
        return found


cdef class WordCounter:
    """WordCounter(counting, limit): one thread; without a Counting, one that is given texts."""

    cdef Counting counting
    cdef Reader reader
    cdef readonly WordTable table
    cdef readonly dim_t n_words
    cdef readonly dim_t n_lines          # with words
    cdef dim_t limit                     # words to keep in mind at most; 0: any number
    cdef dim_t since                     # words since that was last looked at
    cdef int64_t least                   # counts that the next pruning keeps
    cdef bint newline                    # after what this thread counted last comes a new line
    cdef int status                      # an errno
    cdef public object error

    def __cinit__(self, Counting counting, dim_t limit=0):
        self.counting = counting
        self.reader = Reader(None if counting is None else counting.files)
        self.table = WordTable()
        self.limit = limit
        self.least = 1
        self.newline = True

    def run(self, dim_t most=0):
        """Count pieces of the files until there are none left: False. It doesn't pause after `most`."""
        cdef dim_t piece, begin, end
        cdef Counting counting = self.counting
        with nogil:
            while not wyrm_load(&counting.stopped) and not self.status:
                piece = wyrm_fetch_add(&counting.taken, 1)
                if piece >= counting.n_pieces:
                    break
                begin = piece * counting.piece
                end = min(begin + counting.piece, counting.files.size)
                while begin < end and not self.status:
                    begin = self.reader.open(begin, end)
                    if begin < 0:
                        self.status = self.reader.error
                    else:
                        self.words(&counting.pieces[piece])
        self.end_line()
        if self.status:
            raise_error(self.status, ", ".join(counting.files.names))
        return False

    def add_text(self, bytearray text, dim_t n, dim_t place):
        """Count the first n bytes of a text, which end between two words and follow those of the call before."""
        cdef uint8_t lines = 0
        cdef bint newline = self.newline
        cdef const uint8_t* p = <const uint8_t*> PyByteArray_AsString(text)
        with nogil:
            if self.reader.use(p, n, place) < 0:
                self.status = self.reader.error
            else:
                self.words(&lines)
        if self.status:
            raise_error(self.status, "text")
        self.n_lines += newline and lines & HAS_WORDS and not lines & LINE_BEFORE

    def end_line(self):
        """What comes next is another text."""
        self.newline = True
        if self.limit:
            self.prune()

    def add(self, WordCounter other not None):
        """Add what another thread has counted."""
        cdef int status
        with nogil:
            status = self.table.merge(other.table)
        if status < 0:
            raise MemoryError("no memory for a vocabulary")
        self.n_words += other.n_words
        self.n_lines += other.n_lines

    cdef void words(self, uint8_t* lines) noexcept nogil:
        """Count the words of what the reader has open."""
        cdef bint first = True
        cdef dim_t i, n
        while True:
            # With a limit one by one, for the table may be pruned between any two.
            n = self.reader.next_words(1 if self.limit else BLOCK)
            if n == 0:
                break
            if not lines[0] & HAS_WORDS:
                lines[0] |= HAS_WORDS | (LINE_BEFORE if self.reader.words[0].starts_line else 0)
            for i in range(n):
                self.n_lines += self.reader.words[i].starts_line
            self.n_words += n
            if self.limit:
                self.since += 1
                if self.reader.words[0].starts_line or (first and self.newline) or self.since > LONGEST:
                    self.prune()
            first = False
            if self.table.add_all(self.reader.words, n) < 0:
                self.status = ENOMEM
                return
        self.status = self.reader.error
        self.newline = self.reader.newline or (self.newline and first)
        lines[0] = (lines[0] & ~LINE_AFTER) | (LINE_AFTER if self.reader.newline else 0)

    cdef void prune(self) noexcept nogil:
        """Forget rare words where there are too many, rarer than the last time they were."""
        self.since = 0
        if self.table.n > self.limit:
            if self.table.prune(self.least) < 0:
                self.status = ENOMEM
            self.least += 1


cdef class WordEncoder:
    """WordEncoder(table): the numbers of the words of texts, one text after the other; others are left out."""

    cdef WordTable table
    cdef Reader reader
    cdef row_t* tokens
    cdef int64_t* starts
    cdef dim_t n, capacity, n_starts, starts_capacity
    cdef bint newline

    def __cinit__(self, WordTable table not None):
        self.table = table
        self.newline = True

    def __dealloc__(self):
        wyrm_free(self.tokens)
        wyrm_free(self.starts)

    def add_files(self, TextFiles files not None, dim_t piece=PIECE):
        """Append the words of files, `piece` bytes at a time."""
        cdef dim_t begin = 0
        cdef int status = 0
        self.reader = Reader(files)
        while begin < files.size and not status:
            with nogil:
                begin = self.reader.open(begin, min(begin + piece, files.size))
                status = self.reader.error if begin < 0 else self.words()
        if status:
            raise_error(status, ", ".join(files.names))

    def add_text(self, bytearray text, dim_t n):
        """Append the words of the first n bytes of a text, which end between two words."""
        cdef const uint8_t* p = <const uint8_t*> PyByteArray_AsString(text)
        cdef int status
        if self.reader is None:
            self.reader = Reader(None)
        with nogil:
            status = self.reader.error if self.reader.use(p, n, 0) < 0 else self.words()
        if status:
            raise_error(status, "text")

    def end_line(self):
        """What comes next is another text."""
        self.newline = True

    cdef int words(self) noexcept nogil:
        cdef row_t numbers[BLOCK]
        cdef dim_t i, n
        while True:
            n = self.reader.next_words(BLOCK)
            if n == 0:
                break
            self.table.find_all(self.reader.words, n, numbers)
            if self.reserve(n) < 0:
                return ENOMEM
            for i in range(n):
                self.newline |= self.reader.words[i].starts_line
                if numbers[i] < 0:
                    continue
                if self.newline:
                    self.starts[self.n_starts] = self.n
                    self.n_starts += 1
                    self.newline = False
                self.tokens[self.n] = numbers[i]
                self.n += 1
        self.newline |= self.reader.newline
        return self.reader.error

    cdef inline int reserve(self, dim_t n) noexcept nogil:
        """Room for n more tokens, each of which may start a line, and an end."""
        cdef void* grown
        if self.n + n > self.capacity:
            grown = wyrm_grow(self.tokens, self.n * sizeof(row_t), (2 * self.n + PIECE) * sizeof(row_t))
            if grown == NULL:
                return -1
            self.tokens, self.capacity = <row_t*> grown, 2 * self.n + PIECE
        if self.n_starts + n > self.starts_capacity:
            grown = wyrm_grow(self.starts, self.n_starts * sizeof(int64_t),
                              2 * (self.n_starts + BLOCK) * sizeof(int64_t))
            if grown == NULL:
                return -1
            self.starts, self.starts_capacity = <int64_t*> grown, 2 * (self.n_starts + BLOCK)
        return 0

    def result(self):
        """(tokens, starts): arrays of int32 and of int64, which ends with the number of tokens."""
        tokens, starts = np.empty(self.n, dtype=np.int32), np.empty(self.n_starts + 1, dtype=np.int64)
        cdef int32_t[::1] to_tokens = tokens
        cdef int64_t[::1] to_starts = starts
        if self.n:
            memcpy(&to_tokens[0], self.tokens, self.n * sizeof(row_t))
            memcpy(&to_starts[0], self.starts, self.n_starts * sizeof(int64_t))
        to_starts[self.n_starts] = self.n
        return tokens, starts


def count_keys(sentences, limit):
    """Count the tokens of an iterable of sequences: (counts by key in the order they came, tokens, sentences)."""
    cdef dict counts = {}
    cdef dim_t n_tokens = 0, n_sentences = 0, since, most = limit or 0
    cdef int64_t least = 1
    for sentence in sentences:
        if isinstance(sentence, np.ndarray):
            sentence = sentence.tolist()
        since = 0
        for key in sentence:
            counts[key] = counts.get(key, 0) + 1
            n_tokens += 1
            since += 1
            if n_tokens % BETWEEN_LOOKS == 0:
                PyErr_CheckSignals()
            if most and since == LONGEST:
                since = 0
                if len(counts) > most:
                    counts = {key: count for key, count in counts.items() if count >= least}
                    least += 1
        n_sentences += 1
        if most and len(counts) > most:
            counts = {key: count for key, count in counts.items() if count >= least}
            least += 1
    return counts, n_tokens, n_sentences


def encode_keys(sentences, dict numbers not None):
    """(tokens, starts) of an iterable of sequences; keys without a number are left out."""
    cdef row_t* tokens = NULL
    cdef row_t* grown
    cdef dim_t n = 0, capacity = 0, before, seen = 0
    cdef int32_t[::1] view
    starts = []
    try:
        for sentence in sentences:
            if isinstance(sentence, np.ndarray):
                sentence = sentence.tolist()
            before = n
            for key in sentence:
                seen += 1
                if seen % BETWEEN_LOOKS == 0:
                    PyErr_CheckSignals()
                number = numbers.get(key)
                if number is None:
                    continue
                if n == capacity:
                    grown = <row_t*> wyrm_grow(tokens, n * sizeof(row_t), (2 * n + LONGEST) * sizeof(row_t))
                    if grown == NULL:
                        raise MemoryError("no memory for the numbers of the tokens")
                    tokens, capacity = grown, 2 * n + LONGEST
                tokens[n] = number
                n += 1
            if n > before:
                starts.append(before)
        encoded = np.empty(n, dtype=np.int32)
        view = encoded
        if n:
            memcpy(&view[0], tokens, n * sizeof(row_t))
    finally:
        wyrm_free(tokens)
    starts.append(n)
    return encoded, np.array(starts, dtype=np.int64)
