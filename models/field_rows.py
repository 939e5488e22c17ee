"""Rows whose entries each name a column and a field, as field-aware models take them beside matrices."""

from typing import Any

import numpy as np
import scipy.sparse

from wyrm.columns import Factors
from wyrm.leaf import IndexInputNode, InputNode
from wyrm.models.inputs import Inputs, SparseRows, refuse_not_finite

EXPECTED = (
    "(indices, fields, values) with a row for each sample, (indices, fields, values, offsets) with all of them in one, "
    "or what wyrm.io.read_libffm gives"
)


class FieldRows(SparseRows):
    """Entries (column, field, value), in the order they were given; a row may have one several times.

    Attributes
    ----------
    matrix : csr_matrix
        Columns and values; in no canonical form.
    fields : ndarray of int32
        The field of each entry.
    kind : str
        "ones" where every value is one, else "weighted".
    """

    def __init__(self, matrix: Any, fields: np.ndarray, n_fields: int, kind: str) -> None:
        super().__init__(matrix, kind)
        self.fields = fields
        self.n_fields = n_fields

    def inputs(self) -> Inputs:
        """Input nodes of a graph over such rows."""
        values = None if self.kind == "ones" else InputNode([[0.0]], name="values")
        return Inputs(IndexInputNode([0], name="columns"), values, field=IndexInputNode([0], name="fields"))

    def feed(self, inputs: Inputs) -> dict[Any, Any]:
        """What a feed of these rows gives the input nodes."""
        indices, offsets = self.matrix.indices, self.matrix.indptr
        if inputs.values is None:
            return {(inputs.columns, inputs.field): (indices, self.fields, offsets)}
        return {(inputs.columns, inputs.field, inputs.values): (indices, self.fields, self.matrix.data, offsets)}

    def lay(self, inputs: Inputs) -> None:
        """Give these rows, a few of them, to the input nodes directly."""
        assert inputs.columns is not None
        assert inputs.field is not None
        inputs.columns.set_value((self.matrix.indices, self.matrix.indptr))
        inputs.field.set_value((self.fields, self.matrix.indptr))
        if inputs.values is not None:
            inputs.values.set_value(self.matrix.data.reshape(-1, 1))

    def take(self, rows: Any) -> "FieldRows":
        """Some of the rows."""
        # Places instead of values: what slicing keeps of a matrix tells where its entries were.
        places = _matrix(np.arange(self.n_entries), self.matrix.indices, self.matrix.indptr, self.n_features)[rows]
        taken = _matrix(self.matrix.data[places.data], places.indices, places.indptr, self.n_features)
        return FieldRows(taken, self.fields[places.data], self.n_fields, self.kind)

    def weighted(self) -> "FieldRows":
        """The same rows, with their values used even where they are all one."""
        return FieldRows(self.matrix, self.fields, self.n_fields, "weighted")

    def scaled(self, factors: Factors) -> "FieldRows":
        """The rows with each column multiplied by its factor."""
        data = factors.of_entries(self.matrix.indices, self.matrix.data)[:, 0]
        matrix = _matrix(data, self.matrix.indices, self.matrix.indptr, self.n_features)
        return FieldRows(matrix, self.fields, self.n_fields, "weighted")

    def resized(self, n_features: int, n_fields: int) -> "FieldRows":
        """The rows as if there were so many columns and fields; entries of others are left out."""
        indices, offsets, data, fields = self.matrix.indices, self.matrix.indptr, self.matrix.data, self.fields
        if n_features < self.n_features or n_fields < self.n_fields:
            kept = (indices < n_features) & (fields < n_fields)
            offsets = np.concatenate([[0], np.cumsum(kept)])[offsets]
            indices, data, fields = indices[kept], data[kept], fields[kept]
        return FieldRows(_matrix(data, indices, offsets, n_features), fields, n_fields, self.kind)


# Rows of each form, for graphs that get a row's entries by hand.
_NOTHING = scipy.sparse.csr_matrix((1, 1), dtype=np.float32), np.zeros(0, dtype=np.int32), 1
ONES, WEIGHTED = FieldRows(*_NOTHING, "ones"), FieldRows(*_NOTHING, "weighted")


def is_field_rows(X: Any) -> bool:
    """Whether X is a tuple of arrays, and so no matrix."""
    return isinstance(X, tuple) and bool(X) and not any(isinstance(part, tuple) for part in X)


def field_rows(X: Any, estimator: str) -> FieldRows:
    """X, a tuple of arrays, as rows; refused where they don't fit each other."""
    if len(X) not in (3, 4, 5):
        raise ValueError(f"X: {estimator} expected {EXPECTED}, got a tuple of {len(X)}")
    indices, fields = _integers(X[0], "indices"), _integers(X[1], "fields")
    values = np.ones(1, dtype=np.float32) if X[2] is None else _numbers(X[2])
    if len(X) == 3:
        if indices.ndim != 2:
            raise ValueError(f"X: {estimator} expected {EXPECTED}, got indices of shape {indices.shape} and no offsets")
        n_rows, width = indices.shape
        offsets = np.arange(n_rows + 1, dtype=np.int64) * width
        try:  # the fields of all rows alike may be given once
            fields, values = (np.broadcast_to(part, indices.shape).reshape(-1) for part in (fields, values))
        except ValueError:
            raise ValueError(
                f"X: expected indices, fields and values of one shape, got {indices.shape}, {fields.shape} and "
                f"{values.shape}"
            ) from None
        indices = indices.reshape(-1)
    else:
        offsets = _integers(X[3], "offsets")
        values = np.broadcast_to(values, indices.shape) if X[2] is None else values
        if indices.ndim != 1 or indices.shape != fields.shape or indices.shape != values.shape:
            raise ValueError(
                f"X: expected flat indices, fields and values of one length, got shapes {indices.shape}, "
                f"{fields.shape} and {values.shape}"
            )
        n = len(indices)
        if offsets.ndim != 1 or len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != n or (np.diff(offsets) < 0).any():
            raise ValueError(f"X: expected offsets that rise from 0 to the number of entries, {n}")
        n_rows = len(offsets) - 1
    if n_rows == 0:
        raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {estimator}.")
    refuse_not_finite(values, "X")
    kind = "ones" if bool((values == 1).all()) else "weighted"
    n_features, n_fields = (int(part.max(initial=0)) + 1 for part in (indices, fields))
    matrix = _matrix(np.ascontiguousarray(values, dtype=np.float32), indices, offsets, n_features)
    return FieldRows(matrix, np.ascontiguousarray(fields, dtype=np.int32), n_fields, kind)


def _array(values: Any, name: str) -> np.ndarray:
    if hasattr(values, "to_numpy"):
        found: np.ndarray = values.to_numpy()
        return found
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(
            f"X: expected {name} with as many entries in every row; where rows differ give (indices, fields, values, "
            f"offsets) with all entries in one, sample i from offsets[i] to offsets[i + 1]"
        ) from None


def _integers(values: Any, name: str) -> np.ndarray:
    """Numbers that fit int32, in the shape they have."""
    array = _array(values, name)
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.int32)
    if array.dtype.kind not in "iu":
        raise ValueError(f"X: expected {name} to be integers, got dtype {array.dtype}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 2**31 - 2:
        raise ValueError(f"X: expected {name} from 0 to {2**31 - 2}, got {low if low < 0 else high}")
    return array if name == "offsets" else np.ascontiguousarray(array, dtype=np.int32)


def _numbers(values: Any) -> np.ndarray:
    array = _array(values, "values")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"X: expected values to be real numbers, got dtype {array.dtype}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _matrix(data: np.ndarray, indices: np.ndarray, offsets: np.ndarray, n_features: int) -> Any:
    return scipy.sparse.csr_matrix((data, indices, offsets), shape=(len(offsets) - 1, n_features), copy=False)
