"""Files as streams of bytes: opened, decompressed, and cut into whole lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from wyrm.io.errors import FormatError

BLOCK = 1 << 18  # what is parsed at a time: it stays in the cache between reading and parsing
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BinaryFile(Protocol):
    """What can be read from: ``read(n)`` returns up to n bytes, and none at the end."""

    def read(self, size: int, /) -> bytes: ...


Source = str | os.PathLike[str] | BinaryFile

# Told by how the content begins; no number does so.
_COMPRESSED: list[tuple[str, re.Pattern[bytes], Callable[[Any], Any]]] = [
    ("gzip", re.compile(rb"\x1f\x8b"), gzip.open),
    ("xz", re.compile(rb"\xfd7zXZ\x00"), lzma.open),
    ("bzip2", re.compile(rb"BZh[1-9](1A|\x17r)"), bz2.open),  # a text may begin with BZh
]


class Rewound(io.RawIOBase):
    """A binary file whose first bytes have been read already, and are read once more.

    Parameters
    ----------
    begin : bytes
    rest : binary file
    name : str, optional
        What messages call it.
    """

    def __init__(self, begin: bytes, rest: BinaryFile, name: str = "<stream>") -> None:
        self._begin = begin
        self._rest = rest
        self.name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._begin:
            data, self._begin = self._begin[: len(buffer)], self._begin[len(buffer) :]
        elif isinstance(self._rest, io.RawIOBase | io.BufferedIOBase):
            return self._rest.readinto(buffer)
        else:
            data = _read(self._rest, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _read(file: BinaryFile, size: int) -> bytes:
    data: Any = file.read(size)
    if isinstance(data, str):
        raise TypeError("expected a binary file, got one that reads text: open it with mode 'rb'")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"expected read() to return bytes, got {type(data).__name__}")
    return bytes(data)


def name_of(path: Source) -> str:
    """How messages name a file."""
    name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", None)
    return os.fspath(name) if isinstance(name, str | os.PathLike) else "<stream>"


def is_pipe(path: str) -> bool:
    """Whether what a path names is no file, and so can be read only once: a pipe, or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def check_source(path: Source) -> None:
    """Raise TypeError for what is neither a path nor a binary file."""
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "read"):
        raise TypeError(f"expected a path or a binary file object, got {type(path).__name__}")


@contextmanager
def open_source(path: Source) -> Iterator[tuple[Any, str]]:
    """The content of a path or binary file, decompressed where it is compressed, and the name of the compression.

    A file object is left open.
    """
    check_source(path)
    with ExitStack() as stack:
        file: Any = path
        if isinstance(path, str | os.PathLike):
            file = stack.enter_context(open(path, "rb", buffering=0))
        begin = b""
        while len(begin) < 6 and (more := _read(file, 6 - len(begin))):
            begin += more
        content: Any = Rewound(begin, file)
        found = ""
        for compression, magic, decompress in _COMPRESSED:
            if magic.match(begin):
                content = stack.enter_context(decompress(io.BufferedReader(content, BLOCK)))
                found = compression
        yield content, found


def fill(
    buffer: memoryview,
    stream: Any,
    compression: str,
    path: Source,
    *,
    line: int | None = None,
    offset: int | None = None,
) -> int:
    """Read into `buffer` from a stream that `open_source` opened, and return how many bytes: 0 at the end.

    A compressed file that is broken is a FormatError at `line` or `offset`.
    """
    try:
        n: int | None = stream.readinto(buffer)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if not compression or getattr(error, "errno", None) is not None:
            raise
        raise FormatError(name_of(path), line, None, f"intact {compression} data", str(error), offset) from error
    if n is None:
        raise BlockingIOError(f"{name_of(path)}: expected a file that blocks until it has data")
    return n


def blocks_of_lines(path: Source, line: Callable[[], int]) -> Generator[tuple[bytearray, int, int], None, None]:
    """Cut a file into blocks of whole lines, the last of which gets a newline where it has none.

    Parameters
    ----------
    path : str, path or binary file
        What to read, compressed or not.
    line : callable
        Tells the number of the line that comes next, for messages.

    Yields
    ------
    (text, start, stop) : (bytearray, int, int)
        Lines in ``text[start:stop]``; the text changes when the next block is asked for.

    Raises
    ------
    FormatError
        If a compressed file is truncated or broken.
    """
    with open_source(path) as (stream, compression):
        text = bytearray(BLOCK)
        start = stop = 0
        is_first = True
        while True:
            with memoryview(text) as view, view[stop:] as free:
                n = fill(free, stream, compression, path, line=line())
            if n == 0:
                break
            end = text.rfind(b"\n", stop, stop + n) + 1
            stop += n
            if end:
                if is_first and text.startswith(BYTE_ORDER_MARK):
                    start = len(BYTE_ORDER_MARK)
                is_first = False
                yield text, start, end
                text[: stop - end] = text[end:stop]
                start, stop = 0, stop - end
            elif stop == len(text):
                text.extend(bytes(len(text)))
        if stop > start:
            if is_first and text.startswith(BYTE_ORDER_MARK):
                start = len(BYTE_ORDER_MARK)
            text[stop:] = b"\n"
            yield text, start, stop + 1
