"""Streams of tokens, read in chunks by the cursors of a WindowFeed.

A token has a place in its stream, and every random choice about it depends on the seed, the epoch and that place alone.
Whoever reads a chunk looks as far beyond its ends as windows reach, so the neighbours there are those that the thread
next door sees.
"""

from wyrm.feeds.base cimport address
from wyrm.feeds.prepare import as_rows, as_starts, refuse_changes


cdef class TokenStream:
    """Base of the streams."""

    cdef TokenReader reader(self):
        """A new reader, for one thread."""
        raise NotImplementedError

    cdef dim_t share(self, dim_t n_threads):
        """Places that a thread takes at a time."""
        return max(1, min(16 * CHUNK, self.n_places // (16 * n_threads)))


cdef class TokenReader:
    """One thread's way through a stream."""

    cdef int read(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil:
        """Read from place `begin` to `end` at most; 0, -1 when memory ran out, or -2 for what finish() tells."""
        return -2

    cdef object finish(self):
        """The epoch is over: the exception that kept it from being read, or None."""
        return None


cdef class ArrayTokens(TokenStream):
    """ArrayTokens(tokens, starts): an array of token numbers, and where sentences start in it."""

    def __cinit__(self, tokens, starts=None):
        what = "WindowFeed: tokens"
        rows = as_rows(what, tokens)
        if rows.ndim != 1 or not rows.size:
            raise ValueError(f"{what}: expected an array (n,) with n >= 1, got shape {rows.shape}")
        self.rows, self.n_tokens = rows, int(rows.max()) + 1
        self.tokens = <const row_t*> address(rows)
        self.n_places, self.spacing = len(rows), 1
        sentences = as_starts("WindowFeed: starts", [0, len(rows)] if starts is None else starts, len(rows))
        self.sentences, self.n_sentences = sentences, len(sentences) - 1
        self.starts = <const int64_t*> address(sentences)

    def _refuse_changes(self):
        refuse_changes("WindowFeed: tokens", self.rows, self.n_tokens - 1, self.sentences)

    def close(self):
        """Nothing; for the sake of streams that have something to close."""

    cdef TokenReader reader(self):
        cdef ArrayReader reader = ArrayReader.__new__(ArrayReader)
        reader.source = self
        return reader


cdef class ArrayReader(TokenReader):
    cdef ArrayTokens source

    cdef int read(self, chunk_t* chunk, dim_t begin, dim_t end) noexcept nogil:
        cdef const int64_t* starts = self.source.starts
        cdef const row_t* tokens = self.source.tokens
        cdef row_t* kept = chunk.kept
        cdef dim_t low, place, n, found, window = chunk.window
        end = min(end, begin + CHUNK)
        chunk.begin, chunk.end = begin, end
        low = part_at(starts, self.source.n_sentences, begin)
        found = 0
        place = begin - 1
        while place >= starts[low] and found < window:
            if stays(chunk, place, tokens[place]):
                found += 1
                kept[window - found] = tokens[place]
            place -= 1
        chunk.sentence_begin = window - found
        n = 0
        found = 0                # sentences that have ended
        for place in range(begin, end):
            while place == starts[low + 1]:
                low += 1
                if found == 0 or chunk.ends[found - 1] != window + n:
                    chunk.ends[found] = window + n
                    found += 1
            kept[window + n] = tokens[place]
            chunk.offsets[n] = <int32_t> (place - begin)
            n += stays(chunk, place, tokens[place])
        chunk.n_centres = n
        place = end
        while place < starts[low + 1] and n < chunk.n_centres + window:
            kept[window + n] = tokens[place]
            n += stays(chunk, place, tokens[place])
            place += 1
        chunk.n_kept = chunk.ends[found] = window + n
        return 0
