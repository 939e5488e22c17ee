"""A stream of tokens that is read from text files while it is trained on.

A token's place is that of its word's first byte, so threads share out a text by bytes, and what is drawn at random for
a word does not depend on who reads it.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int32_t
from wyrm.feeds.tokens cimport CHUNK, stays
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.text.reader cimport BLOCK, found_t
from wyrm.text.reader import raise_error

cdef enum:
    SHARE = 1 << 16              # bytes that a thread takes at a time
    LOOK = 1 << 10               # bytes beyond its ends that are looked at first, for neighbours
    BYTES = 6                    # of a word and the space behind it, about as many as in English


cdef class TextTokens(TokenStream):
    """The words of text files as a stream of numbers, for :class:`wyrm.feeds.WindowFeed`.

    Nothing of the files is kept in memory but what threads are reading; they may be larger than it.

    Parameters
    ----------
    paths : sequence of path-like
        Plain text files in UTF-8, a sentence to a line.
    vocabulary : Vocabulary or sequence of str
        Words in the order of their numbers; others are left out.

    Attributes
    ----------
    n_places : int
        Bytes.
    n_words : int
        Words read so far as centres or to be left out, those outside the vocabulary included.

    Raises
    ------
    OSError
        If a file can't be opened.
    ValueError
        If one is UTF-16, or all of them are empty.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from wyrm.text import TextTokens, Vocabulary
    >>> path = pathlib.Path(tempfile.mkdtemp(), "text")
    >>> _ = path.write_text("to be or not to be")
    >>> stream = TextTokens([path], Vocabulary.count(path))
    >>> stream.n_places
    18
    >>> stream.close()
    """

    def __cinit__(self, paths, vocabulary):
        self.table = WordTable(getattr(vocabulary, "keys", vocabulary))
        self.files = TextFiles(paths)
        self.n_places, self.n_tokens, self.spacing = self.files.size, self.table.n, BYTES
        if not self.n_places:
            self.files.close()
            raise ValueError(f"{', '.join(self.files.names)}: expected text, found none")

    def close(self):
        """Close the files; no feed may read them any more."""
        self.files.close()

    cdef TokenReader reader(self):
        cdef TextTokenReader reader = TextTokenReader.__new__(TextTokenReader)
        reader.source = self
        reader.reader = Reader(self.files)
        reader.reached = -1
        return reader

    cdef dim_t share(self, dim_t n_threads):
        return max(1, min(SHARE, self.n_places // (16 * n_threads)))


cdef class TextTokenReader(TokenReader):
    """One thread's way through a TextTokens."""

    def __dealloc__(self):
        wyrm_free(self.left)

    cdef object finish(self):
        self.source.n_words += self.n_words
        self.n_words = 0
        if not self.reader.error:
            return None
        try:
            raise_error(self.reader.error, ", ".join(self.source.files.names))
        except (MemoryError, OSError) as error:
            return error

    cdef int fail(self) noexcept nogil:
        self.reached = -1
        return -1 if self.reader.error == ENOMEM else -2

    cdef int read(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil:
        cdef dim_t window = chunk.window, n = window, found = 0, low, i, m
        cdef row_t* kept = chunk.kept
        cdef const found_t* words = self.reader.words
        cdef row_t numbers[BLOCK]
        cdef row_t token
        cdef found_t ahead           # the first word that is not of this chunk
        if begin != self.reached or end != self.piece_end:
            if self.open(chunk, begin, end) < 0:
                return self.fail()
        chunk.begin = begin
        for i in range(self.n_left):
            kept[window - self.n_left + i] = self.left[i]
        chunk.sentence_begin = low = window - self.n_left
        self.reached = -1
        while self.reached < 0:
            if n + BLOCK > window + CHUNK:
                if self.reader.next():
                    ahead = self.reader.word
                    self.reached = ahead.place
                break
            m = self.reader.next_words(BLOCK)
            if m == 0:
                break
            if words[m - 1].place >= self.piece_end:
                while m > 0 and words[m - 1].place >= self.piece_end:
                    m -= 1
                ahead = words[m]
                self.reached = ahead.place
            self.source.table.find_all(words, m, numbers)
            for i in range(m):
                if words[i].starts_line:
                    if found == 0 or chunk.ends[found - 1] != n:
                        chunk.ends[found] = n
                        found += 1
                    low = n
                token = numbers[i]
                kept[n] = token
                chunk.offsets[n - window] = <int32_t> (words[i].place - begin)
                n += token >= 0 and stays(chunk, words[i].place, token)
            self.n_words += m
        if self.reader.error:
            return self.fail()
        chunk.n_centres = n - window
        # The piece ends with its share or its file; what is past the last word is nobody else's.
        chunk.end = self.piece_end
        if 0 <= self.reached < self.piece_end:
            chunk.end = self.reached
        # What the next chunk sees to its left, where it follows this one.
        self.n_left = 0
        for i in range(max(low, n - window), n):
            self.left[self.n_left] = kept[i]
            self.n_left += 1
        # What the last of its centres see to their right; without any, it may be long until something comes.
        if self.reached >= 0:
            self.reader.rewind(&ahead)
        if n > max(low, window):
            n = self.look_ahead(chunk, n)
            if n < 0:
                return self.fail()
            if self.reached >= 0:
                self.reader.rewind(&ahead)
        chunk.n_kept = chunk.ends[found] = n
        return 0

    cdef dim_t look_ahead(self, chunk_t* chunk, dim_t n) noexcept nogil:
        """Put what stands to the right, as far as its line goes, past n tokens; the end of that, -1 at an error."""
        cdef dim_t end = n + chunk.window
        cdef row_t token
        while n < end:
            if not self.reader.next():
                if self.reader.error:
                    return -1
                if self.reader.whole and self.reader.stop == self.reader.end:
                    break
                if self.reader.extend(LOOK) < 0:
                    return -1
                continue
            if self.reader.word.starts_line:
                break
            token = self.source.table.find(self.reader.word.text, self.reader.word.length, self.reader.word.hash)
            if token >= 0 and stays(chunk, self.reader.word.place, token):
                chunk.kept[n] = token
                n += 1
        return n

    cdef int open(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil:
        """Start on a share: find what stands to its left, and open its first file."""
        if self.left == NULL:
            self.window = chunk.window
            self.left = <row_t*> wyrm_alloc(self.window * sizeof(row_t))
            if self.left == NULL:
                self.reader.error = ENOMEM
                return -1
        if self.needs_left(chunk, begin, end) and self.look_back(chunk, begin) < 0:
            return -1
        self.piece_end = self.reader.open(begin, end)
        if self.piece_end < 0:
            return -1
        if self.reader.at >= self.reader.stop:
            return 0                             # all of it lies inside a word
        return self.reader.extend(LOOK)

    cdef bint needs_left(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil:
        """Whether a share has a token whose line may begin before it; true at an error, too.

        Looking back may take long, where it leads through a long word or words that are left out: all shares among
        these would look as far.
        """
        cdef dim_t look = LOOK, stop
        cdef row_t token
        self.n_left = 0
        while begin < end:
            stop = self.reader.open(begin, min(begin + look, end))
            if stop < 0:
                return True
            while self.reader.next():
                if self.reader.word.starts_line:
                    return False
                token = self.source.table.find(self.reader.word.text, self.reader.word.length, self.reader.word.hash)
                if token >= 0 and stays(chunk, self.reader.word.place, token):
                    return True
            if self.reader.error:
                return True
            if stop < begin + look:
                return False                     # the file ends, or the share
            begin = stop
            look *= 8
        return False

    cdef int look_back(self, chunk_t* chunk, dim_t begin) noexcept nogil:
        """The last tokens before a place, of its line."""
        cdef dim_t look = LOOK, start
        cdef bint whole_line
        cdef row_t token
        while True:
            start = max(begin - look, 0)
            self.n_left = 0
            whole_line = start == 0
            while start < begin:
                start = self.reader.open(start, begin)
                if start < 0:
                    return -1
                while self.reader.next():
                    if self.reader.word.starts_line:
                        self.n_left = 0
                        whole_line = True
                    token = self.source.table.find(self.reader.word.text, self.reader.word.length,
                                                   self.reader.word.hash)
                    if token >= 0 and stays(chunk, self.reader.word.place, token):
                        self.push(token)
                if self.reader.error:
                    return -1
                if self.reader.newline or self.reader.whole and start < begin:
                    self.n_left = 0
                    whole_line = True
            if whole_line or self.n_left == self.window:
                return 0
            look *= 8

    cdef void push(self, row_t token) noexcept nogil:
        """One more token to the left; the first goes where there is no room."""
        cdef dim_t i
        if self.n_left == self.window:
            for i in range(1, self.window):
                self.left[i - 1] = self.left[i]
            self.n_left -= 1
        self.left[self.n_left] = token
        self.n_left += 1
