"""Word vectors in the formats of word2vec, text and binary, and of GloVe, which is the text without its first line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import numpy as np

from wyrm.io.errors import FormatError, TruncatedError
from wyrm.io.source import BLOCK, Source, blocks_of_lines, fill, name_of, open_source
from wyrm.io.target import Target, create
from wyrm.io.vector_lines import VectorLines, format_lines

Vectors = tuple[list[str], np.ndarray]

LONGEST_HEADER = 100  # bytes
ROWS_AT_A_TIME = 4096
UNKNOWN = 1 << 26  # bytes that are taken for the size of what has none, such as a stream

_END = "the end after {0} vectors, as the first line says (limit={0} reads no further)"
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE)
_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]*\r?\n")


class _Table:
    """The vectors read so far, with room for more; only what is there bounds the room, whatever a header says."""

    def __init__(self, path: Source, n_rows: int, vector_size: int, encoding: str, errors: str) -> None:
        self.reader = VectorLines(name_of(path), vector_size, encoding, errors)
        self.n_rows = n_rows
        self.size = os.stat(path).st_size if isinstance(path, str | os.PathLike) else UNKNOWN
        self.values = np.empty((0, vector_size), np.float32)

    def room(self, bytes_per_number: int) -> np.ndarray:
        """The table, with a free row unless all are read."""
        n, width = self.values.shape
        if len(self.reader.keys) == n < self.n_rows:
            if n == 0:
                n_expected = self.size // (bytes_per_number * width) + 1
                self.values = np.empty((min(n_expected, self.n_rows), width), np.float32)
            else:
                self.values.resize((min(n + n // 2 + 1, self.n_rows), width), refcheck=False)
        return self.values

    @property
    def is_full(self) -> bool:
        return len(self.reader.keys) == self.n_rows

    def take(self) -> Vectors:
        keys = self.reader.keys
        self.values.resize((len(keys), self.reader.vector_size), refcheck=False)
        return keys, self.values


def read_text(
    path: Source,
    *,
    has_header: bool = True,
    limit: int | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Vectors:
    """Read word2vec's text format, or GloVe's.

    Parameters
    ----------
    path : str, path or binary file object
        Compressed or not.
    has_header : bool, default=True
        Whether the first line says how many vectors come and how long they are.
    limit : int, optional
        Read this many vectors at most.
    encoding, errors : str
        How keys are decoded.

    Returns
    -------
    keys : list of str, n_keys
        Perhaps with repetitions.
    vectors : ndarray of float32, shape (n_keys, vector_size)

    Raises
    ------
    TruncatedError
        If there are fewer vectors than the first line says.
    FormatError
        If a line does not follow the format.
    UnicodeDecodeError
        If a key can't be decoded.
    """
    table: _Table | None = None
    promised = None
    with closing(blocks_of_lines(path, lambda: table.reader.line if table else 1)) as blocks:
        for text, start, stop in blocks:
            if table is None:
                first = text.index(b"\n", start) + 1
                if has_header:
                    promised, vector_size = _header(text[start:first], path)
                    start = first
                else:
                    vector_size = _count_numbers(text[start:first], path)
                n_rows = min(limit or sys.maxsize, sys.maxsize if promised is None else promised)
                table = _Table(path, n_rows, vector_size, encoding, errors)
                table.reader.line = 1 + has_header
                goes_on = promised == n_rows and limit != promised
            reader = table.reader
            while start < stop and not table.is_full:
                if reader.vector_size > stop - start + BLOCK:  # no room for a row that can't be there
                    if text[start:stop].strip(b"\r\n"):
                        expected = f"a key and {reader.vector_size} numbers"
                        raise FormatError(reader.name, reader.line, 1, expected, f"{stop - start} bytes")
                    break
                start = reader.feed_lines(text, start, stop, table.room(2 if has_header else 8))
            if table.is_full:
                if not goes_on:
                    break
                rest = bytes(text[start:stop])
                found = rest.strip()
                reader.line += rest[: rest.find(found)].count(b"\n") if found else rest.count(b"\n")
                if found:
                    raise FormatError(reader.name, reader.line, 1, _END.format(promised), repr(_text(found[:20])))
    if table is None:
        raise TruncatedError(name_of(path), 1, None, "word vectors", "an empty file")
    if promised is not None and not table.is_full:
        _refuse_short(table, promised, line=table.reader.line)
    return table.take()


def read_binary(path: Source, *, limit: int | None = None, encoding: str = "utf-8", errors: str = "strict") -> Vectors:
    """Read word2vec's binary format; parameters, results and errors are those of `read_text`.

    After the first line it has, for each key: the key, a space, and little-endian floats, perhaps a newline.
    """
    with open_source(path) as (stream, compression):
        buffer = bytearray(BLOCK)
        stop = 0
        offset = 0
        table: _Table | None = None
        goes_on = True
        while table is None or goes_on or not table.is_full:
            with memoryview(buffer) as view, view[stop:] as free:
                n = fill(free, stream, compression, path, offset=offset + stop)
            stop += n
            start = 0
            if table is None:
                start = buffer.find(b"\n", 0, stop) + 1
                if n and not start and stop < LONGEST_HEADER:
                    continue
                promised, vector_size = _header(buffer[: start or stop], path)
                table = _Table(path, min(limit or promised, promised), vector_size, encoding, errors)
                table.reader.offset = start
                goes_on = promised == table.n_rows and limit != promised
            while not table.is_full and stop - start > 4 * table.reader.vector_size:
                begin = start
                start = table.reader.feed_raw(buffer, start, stop, table.room(4))
                if start == begin:
                    break
            offset = table.reader.offset
            if table.is_full and goes_on and (found := buffer[start:stop].strip(b"\n")):
                raise FormatError(table.reader.name, None, None, _END.format(promised), repr(_text(found[:20])), offset)
            if n == 0:
                break
            if table.is_full:
                start = stop
            buffer[: stop - start] = buffer[start:stop]
            stop -= start
            if stop == len(buffer):
                buffer.extend(bytes(len(buffer)))
    if not table.is_full:
        _refuse_short(table, promised, offset=offset)
    if sys.byteorder == "big":
        table.values.byteswap(inplace=True)
    return table.take()


def format_of(path: Source) -> str:
    """Guess by its first bytes what a file of vectors is: "safetensors", "binary", "text" or "glove"."""
    with open_source(path) as (stream, compression):
        begin = bytearray(BLOCK)
        n = 0
        with memoryview(begin) as view:
            while n < BLOCK and (read := fill(view[n:], stream, compression, path, line=1)):
                n += read
    first, newline, rest = bytes(begin[:n]).partition(b"\n")
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < 1 << 40:
        return "safetensors"
    if _HEADER.fullmatch(first + newline) is None:
        return "glove"
    words = rest.split(None, 2)
    return "text" if not words or (len(words) > 1 and _is_number(words[1])) else "binary"


def _header(line: bytes | bytearray, path: Source) -> tuple[int, int]:
    found = _HEADER.fullmatch(line)
    if found is None or int(found[2]) == 0:
        expected = "'count size', two numbers (GloVe's files have no such line: no_header=True)"
        raise FormatError(name_of(path), 1, 1, expected, repr(_text(bytes(line[:40]))))
    return int(found[1]), int(found[2])


def _count_numbers(line: bytes | bytearray, path: Source) -> int:
    """How many numbers a line of a file without a header ends with."""
    words = re.split(rb"[ \t]+", bytes(line).strip(b" \t\r\n"))
    n = 0
    while n < len(words) - 1 and _is_number(words[-1 - n]):
        n += 1
    if n == 0:
        raise FormatError(name_of(path), 1, 1, "a key and numbers", repr(_text(bytes(line[:40]))))
    return n


def _is_number(word: bytes) -> bool:
    return _NUMBER.fullmatch(word) is not None


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "backslashreplace")


def _refuse_short(table: _Table, promised: int, *, line: int | None = None, offset: int | None = None) -> None:
    expected = f"{promised} vectors, as the first line says"
    found = f"{len(table.reader.keys)} and then the end of the file, or of what is whole"
    raise TruncatedError(table.reader.name, line, None, expected, found, offset)


def write_vectors(
    path: Target,
    keys: Sequence[Any],
    vectors: np.ndarray,
    *,
    binary: bool,
    header: tuple[int, int] | None,
    append: bool = False,
) -> None:
    """Write the formats that `read_text` and `read_binary` read; values come back as float32.

    Parameters
    ----------
    path : str, path or binary file object
        Where to; compressed by its suffix, and written as a whole or not at all.
    keys : sequence, n_keys
        What is not a str becomes one.
    vectors : ndarray, shape (n_keys, vector_size)
    binary : bool
    header : (int, int) or None
        What the first line says; None for no such line, as in GloVe's files.
    append : bool, default=False
        Write after what the file has.

    Raises
    ------
    ValueError
        If the format can't hold a key, or a vector is not finite.
    """
    names = _encoded(keys, b" \n" if binary else b" \t\r\n")
    with create(path, append=append) as file:
        if header is not None:
            file.write(b"%d %d\n" % header)
        for start in range(0, len(names), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            values = np.ascontiguousarray(vectors[rows], dtype="<f4")
            if not np.isfinite(values).all():
                at = int(np.argmin(np.isfinite(values).all(axis=1)))
                raise ValueError(
                    f"the vector of {keys[start + at]!r} is not finite in float32: the file could not be read"
                )
            file.write(_raw_rows(names[rows], values) if binary else format_lines(names[rows], values))


def _encoded(keys: Sequence[Any], forbidden: bytes) -> list[bytes]:
    names = [str(key).encode("utf-8", "surrogateescape") for key in keys]
    everything = b"".join(names)
    if b"" in names or any(byte in everything for byte in forbidden):
        for key, name in zip(keys, names):
            if not name or any(byte in name for byte in forbidden):
                raise ValueError(
                    f"the key {key!r} can't be written: the format has no way to mark an empty key or blanks in one "
                    f"(rename it, or use save())"
                )
    return names


def _raw_rows(names: list[bytes], values: np.ndarray) -> bytes:
    size = values.shape[1] * values.itemsize
    data = values.tobytes()
    return b"".join(chain.from_iterable(_pairs(names, data, size)))


def _pairs(names: list[bytes], data: bytes, size: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    for i, name in enumerate(names):
        yield name, b" ", data[i * size : (i + 1) * size]


def write_counts(path: Target, keys: Sequence[Any], counts: Sequence[Any], *, append: bool = False) -> None:
    """Write lines 'key count', as word2vec does for its vocabulary."""
    names = _encoded(keys, b" \t\r\n")
    with create(path, append=append) as file:
        file.write(b"".join(b"%s %s\n" % (name, str(count).encode()) for name, count in zip(names, counts)))


def read_counts(path: Source, *, encoding: str = "utf-8", errors: str = "strict") -> dict[str, int]:
    """Read a file of lines 'key count', as word2vec's vocabulary files are."""
    counts: dict[str, int] = {}
    lines = [1]
    for text, start, stop in blocks_of_lines(path, lambda: lines[0]):
        for row in bytes(text[start:stop]).splitlines():
            words = row.decode(encoding, errors).split()
            if words and not (len(words) == 2 and words[1].isdecimal()):
                raise FormatError(name_of(path), lines[0], 1, "a key and a count", repr(_text(row[:40])))
            if words:
                counts[words[0]] = int(words[1])
            lines[0] += 1
    return counts
