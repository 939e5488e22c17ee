"""Reading libsvm files: ``label [qid:n] index:value index:value ...``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse

from wyrm.io.arguments import as_size
from wyrm.io.errors import FormatError
from wyrm.io.parser import Parser
from wyrm.io.source import Source, blocks_of_lines, check_source, name_of

LARGEST_INDEX = 2**63 - 2


class LibsvmData(NamedTuple):
    """Rows of a libsvm file.

    Attributes
    ----------
    X : scipy.sparse.csr_matrix of float32, shape (n_rows, n_features)
        Sorted and without duplicates; indices are int32, or int64 where that is too small.
    y : ndarray of float32, shape (n_rows,)
        The labels.
    qid : ndarray of int64, shape (n_rows,), or None
        The query of each row, if the file has them.
    zero_based : bool
        Whether the indices of the file were taken to count from 0.
    """

    X: scipy.sparse.csr_matrix
    y: np.ndarray
    qid: np.ndarray | None
    zero_based: bool


def read_libsvm(
    path: Source,
    *,
    n_features: int | None = None,
    zero_based: bool | Literal["auto"] = "auto",
    duplicates: Literal["error", "sum"] = "error",
) -> LibsvmData:
    r"""Read a libsvm (svmlight) file.

    Each line is ``label [qid:n] index[:value] index[:value] ...``, with spaces or tabs between.  An index without a
    value has the value 1, as in XGBoost and Vowpal Wabbit.  ``nan`` is a missing value and is kept as NaN; ``inf`` is
    kept too, but a decimal past the range of float32 is an error.  A ``#`` begins a comment and empty lines are passed
    over.  Indices of a line may come in any order.  Values are the float32 nearest to what is written.

    Parameters
    ----------
    path : str, path or binary file object
        The file; gzip, xz and bzip2 are recognised by their content.
    n_features : int, optional
        Number of columns of X; by default, as many as the largest index needs.
    zero_based : {"auto", True, False}, default="auto"
        Whether indices count from 0.  "auto" says that they do if an index 0 is in the file, and otherwise that they
        count from 1.  Give the answer for one file, `zero_based` of the result, to the others that belong to it.
    duplicates : {"error", "sum"}, default="error"
        What becomes of an index that a line has twice: an error, or the sum of its values.

    Returns
    -------
    LibsvmData
        ``(X, y, qid, zero_based)``; X is a CSR matrix.

    Raises
    ------
    FormatError
        If a line does not follow the format, or a compressed file is truncated; it is a ValueError that names line
        and column.  Lines with several labels are refused.
    OSError
        If the file can't be read.

    See Also
    --------
    iter_libsvm : the same in chunks of rows.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import read_libsvm
    >>> data = read_libsvm(io.BytesIO(b"1 1:0.5 3\n-1 2:0.25  # a comment\n"))
    >>> data.X.toarray()
    array([[0.5 , 0.  , 1.  ],
           [0.  , 0.25, 0.  ]], dtype=float32)
    >>> data.y
    array([ 1., -1.], dtype=float32)
    """
    reader = _Reader(path, n_features, zero_based, duplicates)
    for text, start, stop in blocks_of_lines(path, reader.parser_line):
        reader.parser.feed(text, start, stop, 2**63 - 1)
    return reader.take()


def iter_libsvm(
    path: Source,
    *,
    chunk_rows: int = 65_536,
    n_features: int | None = None,
    zero_based: bool | Literal["auto"] = "auto",
    duplicates: Literal["error", "sum"] = "error",
) -> Iterator[LibsvmData]:
    r"""Read a libsvm (svmlight) file in chunks, in memory for one chunk.

    Parameters
    ----------
    path : str, path or binary file object
        The file; gzip, xz and bzip2 are recognised by their content.
    chunk_rows : int, default=65536
        Rows in a chunk; the last has fewer.
    n_features : int, optional
        Number of columns of each X; by default, as many as the largest index so far needs, which may grow from chunk
        to chunk.
    zero_based : {"auto", True, False}, default="auto"
        Whether indices count from 0.  "auto" decides by the first chunk, and an index 0 that comes after it was
        decided that they count from 1 is an error.
    duplicates : {"error", "sum"}, default="error"
        What becomes of an index that a line has twice: an error, or the sum of its values.

    Yields
    ------
    LibsvmData
        ``(X, y, qid, zero_based)``, as `read_libsvm` gives it.

    Raises
    ------
    FormatError
        When the chunk with the faulty line is asked for.
    OSError
        If the file can't be read.

    See Also
    --------
    read_libsvm : what a line may hold.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import iter_libsvm
    >>> file = io.BytesIO(b"1 1:0.5\n0 2:0.25\n1 3:2\n")
    >>> [chunk.X.shape for chunk in iter_libsvm(file, chunk_rows=2, n_features=3)]
    [(2, 3), (1, 3)]
    """
    chunk_rows = as_size(chunk_rows, "chunk_rows", least=1)
    return _chunks(path, chunk_rows, _Reader(path, n_features, zero_based, duplicates))


def _chunks(path: Source, chunk_rows: int, reader: _Reader) -> Iterator[LibsvmData]:
    parser = reader.parser
    for text, begin, stop in blocks_of_lines(path, reader.parser_line):
        start = begin
        while start < stop:
            start = parser.feed(text, start, stop, chunk_rows)
            if parser.n_rows == chunk_rows:
                yield reader.take()
    if parser.n_rows:
        yield reader.take()


class _Reader:
    """A parser, and what is known so far of the columns of the file."""

    def __init__(self, path: Source, n_features: int | None, zero_based: object, duplicates: object) -> None:
        check_source(path)
        if zero_based not in ("auto", True, False):
            raise ValueError(f"zero_based: expected True, False or 'auto', got {zero_based!r}")
        if duplicates not in ("error", "sum"):
            raise ValueError(f"duplicates: expected 'error' or 'sum', got {duplicates!r}")
        self.n_features = None if n_features is None else as_size(n_features, "n_features")
        self.zero_based = None if zero_based == "auto" else bool(zero_based)
        limit = LARGEST_INDEX + 1
        if self.n_features is not None:
            limit = min(limit, self.n_features + (self.zero_based is not True))
        self.parser = Parser(
            name_of(path),
            sum_duplicates=duplicates == "sum",
            refuse_zero=self.zero_based is False,
            index_limit=limit,
        )

    def parser_line(self) -> int:
        return self.parser.line

    def take(self) -> LibsvmData:
        zero_based = self._decide()
        y, qid, offsets, _, indices, values = self.parser.take()
        if not zero_based:
            indices -= 1
        n_features = self.n_features
        if n_features is None:
            n_features = self.parser.max_index[0] + zero_based if self.parser.max_index[0] >= 0 else 0
        X = scipy.sparse.csr_matrix((values, indices, offsets), shape=(len(y), n_features), copy=False)
        X.has_canonical_format = True
        return LibsvmData(X, y, qid, zero_based)

    def _decide(self) -> bool:
        """Whether indices count from 0, by what has been read."""
        if self.zero_based is None:
            self.zero_based = self.parser.has_zero
            self.parser.refuse_zero = not self.zero_based
        index, line, column = self.parser.max_index
        if self.zero_based and self.n_features is not None and index >= self.n_features:
            # It was let pass because indices might have counted from 1.
            expected = f"an index up to {self.n_features - 1} (the file has an index 0)"
            raise FormatError(self.parser.name, line, column, expected, repr(str(index)))
        return self.zero_based
