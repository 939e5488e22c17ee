"""What a corpus may be: text files, compressed ones too, or sequences of tokens."""

from __future__ import annotations

import logging
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import GeneratorType
from typing import Any

import numpy as np
import numpy.typing as npt

from wyrm.feeds.tokens import ArrayTokens
from wyrm.io.source import check_source, is_pipe, open_source
from wyrm.text.count import Counting, WordCounter, WordEncoder, count_keys, encode_keys
from wyrm.text.reader import TextFiles, refuse_utf16
from wyrm.text.stream import TextTokens
from wyrm.text.words import WordTable
from wyrm.threads import usable_threads
from wyrm.watch import watch

logger = logging.getLogger(__name__)

BLOCK = 1 << 20
SPACES = [bytes([space]) for space in b" \n\t\r\v\f"]

Key = Any


class Counts:
    """Distinct tokens of a corpus in the order they came, with how often they did."""

    def __init__(
        self,
        counts: npt.NDArray[np.int64],
        first: npt.NDArray[np.int64],
        keys: Callable[[npt.NDArray[np.int64]], list[Key]],
        n_tokens: int,
        n_sentences: int,
    ) -> None:
        order = np.argsort(first, kind="stable")
        self.counts = counts[order]
        self.n_tokens = n_tokens
        self.n_sentences = n_sentences
        self._order = order
        self._keys = keys

    def keys(self, numbers: npt.NDArray[np.int64] | None = None) -> list[Key]:
        """The tokens of these numbers, or all."""
        return self._keys(self._order if numbers is None else self._order[numbers])


class TextCorpus:
    """Text files: a line is a sentence."""

    block = BLOCK  # bytes that are looked at together

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self.paths = [os.fspath(path) for path in paths]
        for path in self.paths:
            check_source(path)
            if is_pipe(path):
                raise ValueError(f"{path}: expected a file, which can be read several times, got a pipe or a device")
        self.compressed = any(_compression(path) for path in self.paths)

    def count(self, max_size: int | None, n_threads: int | None) -> Counts:
        limit = max_size or 0
        if self.compressed:
            total = WordCounter(None, limit)
            place = 0
            for text, n in self._blocks(total.end_line):
                total.add_text(text, n, place)
                place += n
        else:
            files = TextFiles(self.paths)
            counting = Counting(files, self.block)
            # Whose pruning must not depend on who is faster counts alone.
            wanted = usable_threads() if n_threads is None else n_threads
            workers = [
                WordCounter(counting, limit)
                for _ in range(1 if limit else max(1, min(wanted, files.size // self.block)))
            ]
            try:
                watch(workers, counting, None, (), None, files.size)
            finally:
                files.close()
            total = workers[0]
            for worker in workers:
                if worker.error is not None:
                    raise worker.error
            for worker in workers[1:]:
                total.add(worker)
        table = total.table
        n_lines = total.n_lines + (0 if self.compressed else counting.lines_across_pieces())
        return Counts(table.column("count"), table.column("first"), table.keys, total.n_words, n_lines)

    def encode(self, keys: Sequence[Key]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        encoder = WordEncoder(WordTable(keys))
        if self.compressed:
            for text, n in self._blocks(encoder.end_line):
                encoder.add_text(text, n)
        else:
            files = TextFiles(self.paths)
            try:
                encoder.add_files(files, self.block)
            finally:
                files.close()
        return encoder.result()

    def stream(self, keys: Sequence[Key]) -> TextTokens | ArrayTokens:
        """Its tokens for a feed: read while they are trained on, or where it is compressed, in memory."""
        return in_memory(self, keys) if self.compressed else TextTokens(self.paths, keys)

    def _blocks(self, between: Callable[[], None]) -> Iterator[tuple[bytearray, int]]:
        for path in self.paths:
            yield from _blocks_of_words(path, self.block)
            between()


def _compression(path: str) -> str:
    with open_source(path) as (_, compression):
        return compression


def _blocks_of_words(path: str, block: int) -> Iterator[tuple[bytearray, int]]:
    """The content of a file, decompressed, cut between words: (text, how many bytes of it)."""
    with open_source(path) as (stream, compression):
        text = bytearray()
        begin = True
        while part := _read(stream, block, path, compression):
            text += part
            if begin and len(text) >= 3:
                refuse_utf16(text, path)
                if text.startswith(b"\xef\xbb\xbf"):
                    del text[:3]
                begin = False
            cut = max(text.rfind(space, len(text) - len(part)) for space in SPACES) + 1
            if cut:
                yield text, cut
                del text[:cut]
        if text:
            yield text, len(text)


def _read(stream: Any, size: int, path: str, compression: str) -> bytes:
    try:
        return bytes(stream.read(size))
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if not compression or getattr(error, "errno", None) is not None:
            raise
        raise ValueError(f"{path}: expected intact {compression} data, got {error}") from error


class SequenceCorpus:
    """An iterable of sequences of tokens, which may be anything hashable."""

    def __init__(self, sentences: Iterable[Iterable[Key]]) -> None:
        self.sentences = sentences

    def count(self, max_size: int | None, n_threads: int | None) -> Counts:
        try:
            counts, n_tokens, n_sentences = count_keys(self.sentences, max_size)
        except TypeError as error:
            raise TypeError(f"corpus: expected sentences that are sequences of hashable tokens: {error}") from error
        keys = list(counts)
        numbers = np.arange(len(keys), dtype=np.int64)
        values = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
        return Counts(values, numbers, lambda chosen: [keys[i] for i in chosen], n_tokens, n_sentences)

    def stream(self, keys: Sequence[Key]) -> ArrayTokens:
        return in_memory(self, keys)

    def encode(self, keys: Sequence[Key]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        return encode_keys(self.sentences, {key: number for number, key in enumerate(keys)})


def in_memory(corpus: TextCorpus | SequenceCorpus, keys: Sequence[Key]) -> ArrayTokens:
    """The tokens of a corpus as an array."""
    tokens, starts = corpus.encode(keys)
    if not len(tokens):
        raise ValueError("corpus: expected one with tokens of the vocabulary, found none of them")
    return ArrayTokens(tokens, starts)


def as_corpus(corpus: Any, *, passes: int = 1) -> TextCorpus | SequenceCorpus:
    """A corpus from what users give: a path, several, or an iterable of token lists."""
    if isinstance(corpus, TextCorpus | SequenceCorpus):
        return corpus
    if isinstance(corpus, str | os.PathLike):
        return TextCorpus([corpus])
    if isinstance(corpus, bytes):
        raise TypeError("corpus: expected a path as str, or an iterable of token lists, got bytes")
    if isinstance(corpus, list | tuple) and corpus:
        if all(isinstance(item, os.PathLike) for item in corpus):
            return TextCorpus(corpus)
        if all(isinstance(item, str) for item in corpus) and all(os.path.isfile(item) for item in corpus):
            return TextCorpus(corpus)
        if isinstance(corpus[0], str):
            logger.warning(
                "Each 'sentences' item should be a list of words (usually unicode strings). These are strings, whose "
                "characters are taken for words; split them, as in [text.split() for text in corpus]"
            )
    if isinstance(corpus, GeneratorType) and passes > 1:
        raise TypeError(
            f"corpus: expected something to go through {passes} times, got a generator, which is used up after once; "
            f"give list(corpus), or an object whose __iter__ starts anew"
        )
    if not isinstance(corpus, Iterable):
        raise TypeError(f"corpus: expected a path, several, or an iterable of token lists, got {type(corpus).__name__}")
    return SequenceCorpus(corpus)
