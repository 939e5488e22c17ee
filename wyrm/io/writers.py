"""Writing libsvm and libffm files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from wyrm.io.target import create

ROWS_AT_A_TIME = 8192


def write_libsvm(
    path: str | os.PathLike[str] | IO[bytes],
    X: Any,
    y: ArrayLike,
    *,
    qid: ArrayLike | None = None,
    zero_based: bool = False,
) -> None:
    """Write a libsvm (svmlight) file; `read_libsvm` gives back the same float32 values.

    Parameters
    ----------
    path : str, path or binary file object
        Where to write; a path that ends in ``.gz``, ``.xz`` or ``.bz2`` is compressed.
    X : sparse matrix or array_like, shape (n_rows, n_features)
        The features, rounded to float32; entries that a sparse matrix stores are written even if they are 0.
    y : array_like, shape (n_rows,)
        The labels, which have to be finite.
    qid : array_like of int, shape (n_rows,), optional
        The query of each row.
    zero_based : bool, default=False
        Whether indices count from 0 in the file; the format says that they count from 1.

    Raises
    ------
    ValueError
        If the lengths differ or a label is not finite.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import write_libsvm
    >>> file = io.BytesIO()
    >>> write_libsvm(file, [[0.5, 0], [0, 2]], [1, -1])
    >>> file.getvalue()
    b'1 1:0.5\\n-1 2:2\\n'
    """
    X = scipy.sparse.csr_matrix(X, dtype=np.float32)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    labels = _labels(y, X.shape[0])
    queries = None if qid is None else _column(qid, X.shape[0], "qid").astype(np.int64)
    with create(path) as file:
        for rows in _slices(X.shape[0]):
            part = X[rows]
            numbers = (part.indices + np.int64(not zero_based)).tolist()
            features = [f"{i}:{v}" for i, v in zip(numbers, _numbers(part.data))]
            heads = _numbers(labels[rows])
            if queries is not None:
                heads = [f"{label} qid:{query}" for label, query in zip(heads, queries[rows].tolist())]
            file.write(_lines(heads, features, part.indptr))


def write_libffm(
    path: str | os.PathLike[str] | IO[bytes],
    indices: ArrayLike,
    fields: ArrayLike,
    values: ArrayLike,
    offsets: ArrayLike,
    y: ArrayLike,
) -> None:
    """Write a libffm file; `read_libffm` gives back the same arrays.

    Parameters
    ----------
    path : str, path or binary file object
        Where to write; a path that ends in ``.gz``, ``.xz`` or ``.bz2`` is compressed.
    indices, fields : array_like of int, shape (n_values,)
        The features and their fields, counted from 0.
    values : array_like, shape (n_values,)
        Their values, rounded to float32.
    offsets : array_like of int, shape (n_rows + 1,)
        Row i has the features ``offsets[i]`` to ``offsets[i + 1]``.
    y : array_like, shape (n_rows,)
        The labels, which have to be finite.

    Raises
    ------
    ValueError
        If the lengths differ, an index or field is negative, the offsets descend or a label is not finite.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import write_libffm
    >>> file = io.BytesIO()
    >>> write_libffm(file, [3, 7, 2], [0, 1, 0], [1, 0.5, 1], [0, 2, 3], [1, 0])
    >>> file.getvalue()
    b'1 0:3:1 1:7:0.5\\n0 0:2:1\\n'
    """
    values = np.asarray(values, np.float32)
    indices = _column(indices, values.size, "indices")
    fields = _column(fields, values.size, "fields")
    offsets = np.asarray(offsets)
    labels = _labels(y, offsets.size - 1)
    if offsets[0] != 0 or offsets[-1] != values.size or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets: expected ascending numbers from 0 to {values.size}")
    if (indices < 0).any() or (fields < 0).any():
        raise ValueError("expected indices and fields that are not negative")
    with create(path) as file:
        for rows in _slices(labels.size):
            ends = offsets[rows.start : rows.stop + 1]
            part = slice(ends[0], ends[-1])
            triples = zip(fields[part].tolist(), indices[part].tolist(), _numbers(values[part]))
            features = [f"{field}:{index}:{value}" for field, index, value in triples]
            file.write(_lines(_numbers(labels[rows]), features, ends - ends[0]))


def _column(values: ArrayLike, n: int, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,) or (n and array.dtype.kind not in "iu"):
        raise ValueError(f"{name}: expected {n} integers, got {array.dtype} of shape {array.shape}")
    return array


def _labels(y: ArrayLike, n: int) -> np.ndarray:
    labels = np.asarray(y, np.float32)
    if labels.shape != (n,) or not np.isfinite(labels).all():
        raise ValueError(f"y: expected {n} finite labels, got shape {labels.shape}")
    return labels


def _numbers(values: np.ndarray) -> list[str]:
    """The shortest decimals that give these float32."""
    return [text.removesuffix(".0") for text in values.astype(str).tolist()]


def _slices(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, ROWS_AT_A_TIME):
        yield slice(start, min(start + ROWS_AT_A_TIME, n_rows))


def _lines(heads: list[str], features: list[str], offsets: np.ndarray) -> bytes:
    ends = offsets.tolist()
    rows = (" ".join([head, *features[start:stop]]) for head, start, stop in zip(heads, ends, ends[1:]))
    return ("\n".join(rows) + "\n").encode()
