"""Reading libffm files: ``label field:index:value field:index:value ...``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wyrm.io.arguments import as_size
from wyrm.io.parser import Parser
from wyrm.io.source import Source, blocks_of_lines, check_source, name_of


class LibffmData(NamedTuple):
    """Rows of a libffm file; row i has the features ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes
    ----------
    indices : ndarray of int32, or int64 where that is too small, shape (n_values,)
        The features, as they are numbered in the file.
    fields : ndarray of int32, shape (n_values,)
        The field of each feature.
    values : ndarray of float32, shape (n_values,)
        The value of each feature.
    offsets : ndarray of int64, shape (n_rows + 1,)
        Where each row begins, and the end of the last.
    y : ndarray of float32, shape (n_rows,)
        The labels.
    """

    indices: np.ndarray
    fields: np.ndarray
    values: np.ndarray
    offsets: np.ndarray
    y: np.ndarray


def read_libffm(path: Source, *, n_features: int | None = None, n_fields: int | None = None) -> LibffmData:
    r"""Read a libffm file.

    Each line is ``label field:index[:value] field:index[:value] ...``, with spaces or tabs between; a feature without a
    value has the value 1.  Fields and indices count from 0 and are kept as they are, in the order of the file, even if
    a line has one twice.  Labels, values and comments are as in `read_libsvm`.

    Parameters
    ----------
    path : str, path or binary file object
        The file; gzip, xz and bzip2 are recognised by their content.
    n_features, n_fields : int, optional
        An index, or a field, that is not below is an error; by default, all that are below 2^63 - 1, and 2^31 - 1, are
        right.

    Returns
    -------
    LibffmData
        ``(indices, fields, values, offsets, y)``.

    Raises
    ------
    FormatError
        If a line does not follow the format, or a compressed file is truncated; it is a ValueError that names line
        and column.
    OSError
        If the file can't be read.

    References
    ----------
    Juan, Zhuang, Chin and Lin, "Field-aware factorization machines for CTR prediction", RecSys 2016, whose program
    libffm brought the format.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import read_libffm
    >>> data = read_libffm(io.BytesIO(b"1 0:3:1 1:7:0.5\n0 0:2:1\n"))
    >>> data.indices, data.fields, data.offsets
    (array([3, 7, 2], dtype=int32), array([0, 1, 0], dtype=int32), array([0, 2, 3]))
    """
    parser = _parser(path, n_features, n_fields)
    for text, start, stop in blocks_of_lines(path, lambda: parser.line):
        parser.feed(text, start, stop, 2**63 - 1)
    return _take(parser)


def iter_libffm(
    path: Source, *, chunk_rows: int = 65_536, n_features: int | None = None, n_fields: int | None = None
) -> Iterator[LibffmData]:
    r"""Read a libffm file in chunks, in memory for one chunk.

    Parameters
    ----------
    path : str, path or binary file object
        The file; gzip, xz and bzip2 are recognised by their content.
    chunk_rows : int, default=65536
        Rows in a chunk; the last has fewer.
    n_features, n_fields : int, optional
        An index, or a field, that is not below is an error.

    Yields
    ------
    LibffmData
        ``(indices, fields, values, offsets, y)``, as `read_libffm` gives it; the offsets of each chunk begin with 0.

    Raises
    ------
    FormatError
        When the chunk with the faulty line is asked for.
    OSError
        If the file can't be read.

    See Also
    --------
    read_libffm : what a line may hold.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import iter_libffm
    >>> file = io.BytesIO(b"1 0:3:1 1:7:0.5\n0 0:2:1\n")
    >>> [chunk.y.tolist() for chunk in iter_libffm(file, chunk_rows=1)]
    [[1.0], [0.0]]
    """
    chunk_rows = as_size(chunk_rows, "chunk_rows", least=1)
    return _chunks(path, chunk_rows, _parser(path, n_features, n_fields))


def _chunks(path: Source, chunk_rows: int, parser: Parser) -> Iterator[LibffmData]:
    for text, begin, stop in blocks_of_lines(path, lambda: parser.line):
        start = begin
        while start < stop:
            start = parser.feed(text, start, stop, chunk_rows)
            if parser.n_rows == chunk_rows:
                yield _take(parser)
    if parser.n_rows:
        yield _take(parser)


def _parser(path: Source, n_features: int | None, n_fields: int | None) -> Parser:
    check_source(path)
    index_limit, field_limit = 2**63 - 1, 2**31 - 1
    if n_features is not None:
        index_limit = min(index_limit, as_size(n_features, "n_features"))
    if n_fields is not None:
        field_limit = min(field_limit, as_size(n_fields, "n_fields"))
    return Parser(name_of(path), with_fields=True, index_limit=index_limit, field_limit=field_limit)


def _take(parser: Parser) -> LibffmData:
    y, _, offsets, fields, indices, values = parser.take()
    assert fields is not None
    return LibffmData(indices, fields, values, offsets, y)
