"""Checks and conversions of the arrays that users feed."""

from collections.abc import Sequence

import numpy as np

from wyrm import indices
from wyrm.columns import index_range
from wyrm.errors import describe, refuse_not_finite
from wyrm.indices import MAX_ROW
from wyrm.leaf import IndexInputNode

MAX_ENTRIES = 2**63 - 1

# Numbers that may be missing from data which is counted by number.
MAX_GAPS = 1 << 26


def dense_column(node, values):
    """Values of an InputNode as contiguous float32 (n, cols)."""
    cols = node.shape[1]
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"feed: expected real numbers for {describe(node)}, got dtype {array.dtype}")
    if array.ndim == 1 and cols == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != cols:
        raise ValueError(f"feed: expected an array (n, {cols}) for {describe(node)}, got shape {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        refuse_not_finite(array, f"feed: {describe(node)}")
    return single


def index_column(index, weights, values):
    """Row numbers of an IndexInputNode.

    Returns rows (int32, flat), starts (int64, n + 1; None for a fixed number per example), the weights (float32, as
    rows; None without) and the number per example (0 with starts).
    """
    what = f"feed: {describe(index)}"
    if weights is not None and isinstance(values, tuple) and len(values) == 3:
        rows, factors, starts = values
        rows, factors = as_rows(what, rows), _factors(what, weights, factors)
        if rows.ndim != 1 or factors.shape != rows.shape:
            raise ValueError(
                f"{what} with weights: expected flat arrays with a weight per index, got shapes {rows.shape} and "
                f"{factors.shape}"
            )
        return rows, as_starts(what, starts, len(rows)), factors, 0
    if hasattr(values, "tocsr") or weights is not None:
        return _csr_column(what, weights, values)
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        rows = as_rows(what, values[0])
        return rows, as_starts(what, values[1], len(rows)), None, 0
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        given, values = type(values).__name__, np.asarray(values)  # going through it might give columns, or use it up
        if values.ndim not in (1, 2):
            raise ValueError(
                f"{what}: expected indices (n,) or (n, k), a list of lists or (indices, offsets), got shape "
                f"{values.shape} from {given}"
            )
    if (isinstance(values, np.ndarray) and values.dtype != object) or not any(np.ndim(v) for v in values):
        array = np.asarray(values)
        width = 1 if array.ndim == 1 else array.shape[1]
        if not width:
            return np.zeros(0, np.int32), np.zeros(len(array) + 1, np.int64), None, 0
        return as_rows(what, array).reshape(-1), None, None, width
    lists = [as_rows(what, v).reshape(-1) for v in values]
    starts = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(v) for v in lists], out=starts[1:])
    return np.concatenate(lists) if lists else np.zeros(0, np.int32), starts, None, 0


def _csr_column(what, weights, values):
    if not hasattr(values, "tocsr"):
        raise TypeError(
            f"{what} with weights: expected a CSR matrix or (indices, values, offsets), got {type(values).__name__}"
        )
    if weights is None:
        raise TypeError(
            f"{what}: got a sparse matrix, whose values would be lost; give it to a pair (index, weights), or give the "
            f"indices alone as (X.indices, X.indptr)"
        )
    matrix = values.tocsr()
    n = min(len(matrix.indices), len(matrix.data))
    starts = as_starts(what, matrix.indptr, min(n, int(matrix.indptr[-1])))
    if len(starts) != matrix.shape[0] + 1:
        raise ValueError(f"{what}: expected {matrix.shape[0] + 1} offsets in the matrix, got {len(starts)}")
    if not matrix.has_canonical_format:  # SciPy looks wherever the offsets point
        matrix = matrix.copy()
        matrix.sum_duplicates()
        starts = as_starts(what, matrix.indptr, len(matrix.indices))
    rows, data = matrix.indices[: starts[-1]], matrix.data[: starts[-1]]
    return as_rows(what, rows), starts, _factors(what, weights, data), 0


def _factors(what, weights, values):
    """The weights of indices as contiguous float32."""
    if weights.shape[1] != 1:
        raise ValueError(f"{what} with weights: expected {describe(weights)} to have one column")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} with weights: expected real numbers, got dtype {array.dtype}")
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise ValueError(f"{what} with weights: expected values that are finite in float32")
    return single


def without_fields(data):
    """The same data by keys of one or two nodes: an index node's fields, given beside it, get a key of their own."""
    split = {}
    for key, values in data.items():
        if not (isinstance(key, tuple) and len(key) in (2, 3) and isinstance(key[1], IndexInputNode)):
            split[key] = values
            continue
        if not isinstance(values, tuple) or len(values) != len(key) + 1:
            names = "indices, fields, values" if len(key) == 3 else "indices, fields"
            raise TypeError(
                f"feed: {describe(key[1])}: expected ({names}, offsets), got "
                f"{f'{len(values)} of them' if isinstance(values, tuple) else type(values).__name__}"
            )
        index, fields = key[:2]
        rows, numbers, offsets = values[0], values[1], values[-1]
        if len(key) == 3:
            split[index, key[2]] = (rows, values[2], offsets)
        else:
            split[index] = (rows, offsets)
        split[fields] = (numbers, offsets)
    return split


def as_rows(what, values):
    """Row numbers as contiguous int32, in the shape they have; a feed may have any number of them."""
    return indices.as_rows(values, what, most=MAX_ENTRIES)


def as_starts(what, offsets, n):
    """Offsets that cut n indices into runs, as int64."""
    array = np.asarray(offsets)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{what}: expected integers as offsets, got dtype {array.dtype}")
    starts = np.ascontiguousarray(array, dtype=np.int64)
    if starts.ndim != 1 or len(starts) < 1 or starts[0] != 0 or starts[-1] != n or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"{what}: expected offsets that rise from 0 to the number of indices, {n}")
    return starts


def refuse_changes(what, rows, high, starts=None):
    """Refuse rows and starts that were fine, and were changed in place since."""
    # Negative ones are the largest of all without a sign. Trainers wait for this before each epoch.
    if len(rows) and int(rows.view(np.uint32).max()) > high:
        low, top = index_range(rows)
        raise IndexError(
            f"{what}: the array of indices was changed since the feed was made, to indices from {low} to {top}; "
            f"expected 0 to {high}. A feed does not copy an array of int32: make a new feed, or give this one a copy"
        )
    if starts is not None:
        as_starts(f"{what}: the array of offsets was changed since the feed was made", starts, len(rows))


def one_length(nodes, lengths):
    """The number of examples, the same for every node."""
    for node, length in zip(nodes, lengths, strict=True):
        if length != lengths[0]:
            raise ValueError(
                f"feed: expected as many examples for every input, got {lengths[0]} for {describe(nodes[0])} and "
                f"{length} for {describe(node)}"
            )
    if lengths[0] == 0:
        raise ValueError("feed: expected at least one example, got none")
    return lengths[0]


def refuse_gaps(what, n, seen):
    """Refuse numbers up to n of which only a few occur, before there is an array with a place for each."""
    if n > MAX_GAPS + 64 * seen:
        raise ValueError(
            f"{what}: expected numbers from 0 without large gaps, got {n - 1} among {seen} numbers; number them anew, "
            f"such as with numpy.unique(..., return_inverse=True)"
        )


def counts_of(what, rows, n):
    """How often each of n row numbers occurs, in int64."""
    refuse_gaps(what, n, len(rows))
    counts = np.zeros(n, dtype=np.int64)
    for begin in range(0, len(rows), 1 << 22):  # bincount makes a copy
        part = np.bincount(rows[begin : begin + (1 << 22)])
        counts[: len(part)] += part
    return counts


def index_node(what, name, node):
    """An argument that must be an IndexInputNode."""
    if not isinstance(node, IndexInputNode):
        raise TypeError(f"{what}: expected {name}= to be an IndexInputNode, got {type(node).__name__}")
    return node


def as_count(what, name, value, least=1):
    """An argument that must be an integer from `least` to the most rows a table can have."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{what}: expected an integer as {name}, got {value!r}")
    if not least <= value <= MAX_ROW:
        raise ValueError(f"{what}: expected {name} from {least} to {MAX_ROW}, got {value}")
    return int(value)
