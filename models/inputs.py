"""What users give as X, y and sample_weight: checked, and in the form that feeds take.

A matrix becomes rows: :class:`SparseRows` of a CSR matrix, or :class:`DenseRows` of an array. Rows know the input nodes
they need, and what these are fed.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from wyrm.columns import Factors, index_range, value_kinds
from wyrm.leaf import IndexInputNode, InputNode
from wyrm.models.sklearn import DataConversionWarning

FLOAT32_MAX = float(np.finfo(np.float32).max)

MOST_COLUMNS = 2**31 - 1

# Rows that are looked at or converted at a time, so that what is between two forms of X stays small.
BLOCK = 1 << 15


class Inputs(NamedTuple):
    """The input nodes of a graph; None for those it has not."""

    columns: IndexInputNode | None = None
    values: InputNode | None = None
    dense: InputNode | None = None
    field: IndexInputNode | None = None


class SparseRows:
    """Rows of a canonical CSR matrix.

    Attributes
    ----------
    matrix : csr_matrix
    kind : str
        "ones" where every value is one, so that no graph has to multiply by them; else "weighted", with float32 values.
    """

    dense = False
    n_fields = 0  # the entries name none

    def __init__(self, matrix: Any, kind: str) -> None:
        self.matrix = matrix
        self.kind = kind
        self.n_rows, self.n_features = matrix.shape
        self.n_entries = len(matrix.indices)

    def inputs(self) -> Inputs:
        """Input nodes of a graph over such rows."""
        index = IndexInputNode([0], name="columns")
        return Inputs(index, None if self.kind == "ones" else InputNode([[0.0]], name="values"))

    def feed(self, inputs: Inputs) -> dict[Any, Any]:
        """What a feed of these rows gives the input nodes."""
        if inputs.values is None:
            return {inputs.columns: (self.matrix.indices, self.matrix.indptr)}
        return {(inputs.columns, inputs.values): self.matrix}

    def lay(self, inputs: Inputs) -> None:
        """Give these rows, a few of them, to the input nodes directly."""
        assert inputs.columns is not None
        inputs.columns.set_value((self.matrix.indices, self.matrix.indptr))
        if inputs.values is not None:
            inputs.values.set_value(self.matrix.data.reshape(-1, 1))

    def take(self, rows: Any) -> "SparseRows":
        """Some of the rows."""
        return SparseRows(self.matrix[rows], self.kind)

    def weighted(self) -> "SparseRows":
        """The same rows, with their values used even where they are all one."""
        return SparseRows(self.matrix, "weighted")

    def scaled(self, factors: Factors) -> "SparseRows":
        """The rows with each column multiplied by its factor."""
        data = factors.of_entries(self.matrix.indices, self.matrix.data)[:, 0]
        return SparseRows(_canonical((data, self.matrix.indices, self.matrix.indptr), self.matrix.shape), "weighted")

    def of_width(self, n_features: int) -> "SparseRows":
        """The rows without the columns from `n_features` on, or with empty ones up to there."""
        matrix = self.matrix
        if n_features < self.n_features:
            return SparseRows(matrix[:, :n_features], self.kind)
        parts = (matrix.data, matrix.indices, matrix.indptr)
        return SparseRows(_canonical(parts, (self.n_rows, n_features)), self.kind)


class DenseRows:
    """Rows of an array of float32 or float64.

    Attributes
    ----------
    array : ndarray, shape (n_rows, n_features)
    kind : str
        "dense".
    """

    dense = True
    n_fields = 0
    kind = "dense"

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.n_rows, self.n_features = array.shape
        self.n_entries = array.size

    def inputs(self) -> Inputs:
        """Input nodes of a graph over such rows."""
        return Inputs(dense=InputNode(np.zeros((1, self.n_features)), name="X"))

    def feed(self, inputs: Inputs) -> dict[Any, Any]:
        """What a feed of these rows gives the input nodes."""
        return {inputs.dense: self.array}

    def lay(self, inputs: Inputs) -> None:
        """Give these rows, a few of them, to the input nodes directly."""
        assert inputs.dense is not None
        inputs.dense.set_value(self.array)

    def take(self, rows: Any) -> "DenseRows":
        """Some of the rows."""
        return DenseRows(self.array[rows])

    def weighted(self) -> "DenseRows":
        """The same rows: dense ones have no other form."""
        return self

    def standardized(self, factors: Factors) -> "DenseRows":
        """The rows with the center of each column taken off, multiplied by its factor, in float32."""
        return DenseRows(factors.of_rows(self.array))

    def sparse(self) -> SparseRows:
        """The same rows as a CSR matrix."""
        return sparse_rows(scipy.sparse.csr_matrix(self.array), "X")


Rows = SparseRows | DenseRows


# --- X ---------------------------------------------------------------------------------------------------------------


def as_rows(X: Any, estimator: str) -> Rows:
    """X as rows, refused where it is no matrix of finite numbers with at least one row and one column."""
    if scipy.sparse.issparse(X):
        return sparse_rows(X, estimator)
    if not isinstance(X, np.ndarray):
        _refuse_categories(X)
    array = np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {estimator} takes real numbers, got dtype {array.dtype}.")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        array = as_numbers(array, "X")
    if array.ndim < 2:
        what = "scalar" if array.ndim == 0 else f"{array.ndim}D"
        raise ValueError(
            f"Expected 2D array, got {what} array instead:\narray={array}.\nReshape your data either using "
            f"array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a "
            f"single sample."
        )
    if array.ndim > 2:
        raise ValueError(f"Found array with dim {array.ndim}, while dim <= 2 is required by {estimator}.")
    _refuse_empty(array.shape, estimator)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    refuse_not_finite(array, "X")
    return DenseRows(array)


def sparse_rows(X: Any, estimator: str) -> SparseRows:
    """Rows of a sparse matrix; entries that stand twice are added up, as everywhere in SciPy."""
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {estimator} takes real numbers, got dtype {X.dtype}.")
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead: {estimator} needs a matrix.")
    _refuse_empty(X.shape, estimator)
    if X.shape[1] > MOST_COLUMNS:
        raise ValueError(
            f"X: expected at most {MOST_COLUMNS} columns, got {X.shape[1]}; number them anew, or take their remainder "
            f"by a smaller number, as hashing does"
        )
    matrix = X.tocsr()
    _refuse_damaged(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    n_entries = matrix.indptr[-1]
    data, indices = matrix.data[:n_entries], matrix.indices[:n_entries]
    if data.dtype not in (np.float32, np.float64):
        data = data.astype(np.float64)
    ones, finite = value_kinds(data)
    if not finite:
        refuse_not_finite(data, "X")
    if not ones:
        data = np.ascontiguousarray(data, dtype=np.float32)
    return SparseRows(_canonical((data, indices, matrix.indptr), matrix.shape), "ones" if ones else "weighted")


def _canonical(parts: Any, shape: Any) -> Any:
    matrix = scipy.sparse.csr_matrix(parts, shape=shape, copy=False)
    matrix.has_canonical_format = True
    return matrix


def _refuse_damaged(matrix: Any) -> None:
    """Refuse a CSR matrix whose own arrays contradict each other, before compiled code walks them."""
    indptr, indices = matrix.indptr, matrix.indices
    if len(indptr) != matrix.shape[0] + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise ValueError("X: expected a CSR matrix with an indptr that rises from 0, one entry more than rows")
    if indptr[-1] > min(len(indices), len(matrix.data)):
        raise ValueError(
            f"X: expected a CSR matrix with as many indices and values as its indptr says, {indptr[-1]}, "
            f"got {len(indices)} and {len(matrix.data)}"
        )
    # Negative ones are the largest of all without a sign.
    if len(indices) and int(indices.view(f"u{indices.dtype.itemsize}").max()) >= matrix.shape[1]:
        low, high = index_range(indices)
        raise ValueError(f"X: expected column indices from 0 to {matrix.shape[1] - 1}, got {low} to {high}")


def _refuse_empty(shape: tuple[int, ...], estimator: str) -> None:
    if shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by {estimator}."
        )
    if shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required by {estimator}."
        )


def as_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """An array of objects or the like as float64."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        advice = "; encode categories first, such as with wyrm.preprocessing.CategoryEncoder" if name == "X" else ""
        raise type(error)(f"{name}: expected numbers, got dtype {array.dtype}: {error}{advice}") from None


def _refuse_categories(X: Any) -> None:
    """Say what to do with a data frame that has columns of something else than numbers."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None or not hasattr(X, "columns"):
        return
    for name, dtype in zip(X.columns, dtypes):
        text = str(dtype).lower()
        if any(word in text for word in ("category", "categorical", "enum", "str", "date", "time", "dur")):
            raise ValueError(
                f"X: expected columns of numbers, but column {name!r} is {dtype}: could not convert it to float. "
                f"Encode it first, such as with wyrm.preprocessing.CategoryEncoder"
            )


def refuse_not_finite(array: np.ndarray, name: str) -> None:
    """Refuse NaN, infinity, and what float32 can't hold."""
    if array.size == 0 or array.dtype.kind != "f":
        return
    low, high = float(array.min()), float(array.max())  # NaN where there is one
    if low >= -FLOAT32_MAX and high <= FLOAT32_MAX:
        return
    if np.isnan(low):
        raise ValueError(
            f"Input {name} contains NaN. Missing values are for the caller to decide on: fill them in, or leave them "
            f"out of a sparse matrix"
        )
    raise ValueError(f"Input {name} contains infinity or a value too large for dtype('float32').")


# --- y and sample_weight ---------------------------------------------------------------------------------------------


def as_labels(y: Any, n_rows: int, estimator: str) -> np.ndarray:
    """y as an array (n_rows,), a column made flat with a warning."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    array = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
            "(n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=4,
        )
        array = array.ravel()
    if array.ndim != 1:
        raise ValueError(f"y should be a 1d array, got an array of shape {array.shape} instead.")
    if len(array) != n_rows:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[n_rows, len(array)]}")
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: y is of dtype {array.dtype}.")
    return array


def as_weights(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """sample_weight as float64 (n_rows,), none of them negative; None where there are none."""
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        sample_weight = np.full(n_rows, sample_weight)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim != 1:
        raise ValueError(f"Sample weights must be 1D array or scalar, got {weight.ndim}D array.")
    if len(weight) != n_rows:
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(n_rows,)}!")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("Input sample_weight contains NaN, infinity or a negative number.")
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight
