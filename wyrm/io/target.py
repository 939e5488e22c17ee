"""Files to write: whole or not at all, compressed by their suffix."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from wyrm.container import whole_file

Target = str | os.PathLike[str] | IO[bytes]


def _gzip(file: IO[bytes], mode: str) -> gzip.GzipFile:
    # Neither the name of the temporary file nor the time: equal content gives equal files.
    return gzip.GzipFile("", mode, fileobj=file, mtime=0)


COMPRESS: dict[str, Any] = {".gz": _gzip, ".xz": lzma.open, ".bz2": bz2.open}


@contextmanager
def create(path: Target, *, append: bool = False) -> Iterator[IO[bytes]]:
    """A binary file to write, compressed if the path ends in ``.gz``, ``.xz`` or ``.bz2``.

    A path is written beside its place and renamed when all went well; one that is appended to is not.  A file object is
    written to as it is, and left open.
    """
    if not isinstance(path, str | os.PathLike):
        if not hasattr(path, "write"):
            raise TypeError(f"expected a path or a binary file object, got {type(path).__name__}")
        yield path
        return
    compress = COMPRESS.get(os.path.splitext(path)[1].lower())
    with ExitStack() as stack:
        opened: Any = open(path, "ab") if append else whole_file(path)  # noqa: SIM115
        file = stack.enter_context(opened)
        yield stack.enter_context(compress(file, "wb")) if compress else file
