"""What a look at the data finds: labels as numpy.unique does, and the spread of columns."""

import numpy as np
import pytest
import scipy.sparse

from wyrm.models.inputs import sparse_rows
from wyrm.models.scaling import Moments
from wyrm.models.targets import _codes

LABELS = {
    "booleans": np.array([True, False, True]),
    "one": np.array([3, 3]),
    "bytes": np.array([-128, 127, 5, -128], dtype=np.int8),
    "unsigned": np.array([250, 3, 250], dtype=np.uint8),
    "large": np.array([2**62, 2**62 + 1, 2**62]),
    "larger": np.array([2**64 - 1, 2**64 - 2], dtype=np.uint64),
    "far apart": np.array([0, 10**9, 0]),
    "floats": np.array([1.0, -1.0, 1.0]),
    "single": np.array([2.0, 0.0, 7.0], dtype=np.float32),
    "huge floats": np.array([1e300, 1e300, -1e300]),
    "fractions": np.array([0.5, 0.0, 0.5]),
    "strings": np.array(["b", "a", "b"]),
    "objects": np.array(["b", "a", "b"], dtype=object),
    "nothing": np.zeros(0, dtype=int),
}


@pytest.mark.parametrize("name", LABELS)
def test_codes(name):
    y = LABELS[name]
    expected = np.unique(y, return_inverse=True)
    found = _codes(y)
    assert found[0].dtype == y.dtype
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("order", [[0], [0, 1], [1, 0], [0, 0, 1], [0, 1, 0, 1]])
def test_spread_of_ones_and_values(order):
    """Rows of ones alone are not looked at, but count beside others."""
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 6, (2, 50))
    data = np.ones(50), 3 * rng.normal(size=50)
    matrices = [scipy.sparse.csr_matrix((d, c, np.arange(51)), shape=(50, 6)) for d, c in zip(data, columns)]
    rows = [sparse_rows(matrix, "a test") for matrix in matrices]
    assert [part.kind for part in rows] == ["ones", "weighted"]
    moments = Moments(6, False)
    for k in order:
        moments.update(rows[k])
    found = moments.spread()
    if set(order) == {0}:
        assert not (found > 1).any()
        return
    squares = sum(matrices[k].multiply(matrices[k]).sum(axis=0).A1 for k in order)
    counts = sum(np.bincount(matrices[k].indices, minlength=6) for k in order)
    np.testing.assert_array_equal(moments.count, counts)
    np.testing.assert_allclose(moments.squares, squares, rtol=1e-6)
