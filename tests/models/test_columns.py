"""Passes over the entries of sparse matrices, against NumPy."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyrm.columns import Factors, add_squares, index_range, value_kinds

INTEGERS, FLOATS = st.sampled_from([np.int32, np.int64, np.uint8]), st.sampled_from([np.float32, np.float64, np.int16])


def entries(n, n_columns, index, real, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_columns, n).astype(index), np.where(rng.random(n) < 0.3, 0, 5 * rng.normal(size=n)).astype(
        real
    )


@given(st.integers(0, 9000), st.integers(1, 50), INTEGERS, FLOATS, st.integers(0, 99))
def test_sums_and_products_by_column(n, n_columns, index, real, seed):
    columns, data = entries(n, n_columns, index, real, seed)
    count, squares = np.full(n_columns, 2.0), np.full(n_columns, 3.0)
    add_squares(count, squares, columns, data)
    np.testing.assert_array_equal(count, 2 + np.bincount(columns, data != 0, n_columns))
    np.testing.assert_allclose(squares, 3 + np.bincount(columns, data.astype(float) ** 2, n_columns))
    factors = np.linspace(-1, 2, n_columns)
    found = Factors(factors).of_entries(columns, data)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], (data * factors[columns]).astype(np.float32))
    if n:
        assert index_range(columns) == (columns.min(), columns.max())


@given(st.integers(0, 40), st.integers(1, 9), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_rows(n, n_columns, real, fortran):
    rng = np.random.default_rng(n)
    array = np.asarray(rng.normal(size=(n, n_columns)), dtype=real, order="F" if fortran else "C")
    center, factors = rng.normal(size=(2, n_columns))
    for one in (Factors(factors, center), pickle.loads(pickle.dumps(Factors(factors, center)))):
        found = one.of_rows(array[::2])
        np.testing.assert_array_equal(found, ((array[::2] - center) * factors).astype(np.float32))
        for row, expected in zip(array[::2], found):
            np.testing.assert_array_equal(one.of_row(row), expected[None])


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_kinds_of_values(real):
    data = np.ones(10_000, dtype=real)
    assert value_kinds(data) == (True, True)
    assert value_kinds(data[:0]) == (True, True)
    for value, finite in ((2, True), (-0.0, True), (np.nan, False), (np.inf, False), (-np.inf, False)):
        for at in (0, 4095, 4096, 9_999):
            changed = data.copy()
            changed[at] = value
            assert value_kinds(changed) == (False, finite)
    assert value_kinds(np.array([1, 1e39])) == (False, False)  # too large for float32


def test_refusals():
    two, ones = np.zeros(2), np.ones(3)
    for columns in ([0, 2, 1], [0, -1, 1], np.array([0, 2**40, 1])):
        with pytest.raises(IndexError, match=r"(range|position 1).*expected 0 to 1"):
            add_squares(two.copy(), two.copy(), columns, ones)
        with pytest.raises(IndexError, match="at position 1 is out of range; expected 0 to 1"):
            Factors(two).of_entries(columns, ones)
    with pytest.raises(ValueError, match="a value for each"):
        add_squares(two, two, [0, 1], ones)
    with pytest.raises(ValueError, match="a value for each column"):
        Factors(two).of_entries([0, 1], ones)
    with pytest.raises(TypeError, match="integer indices, got dtype float64"):
        Factors(two).of_entries([0.0, 1.0], two)
    with pytest.raises(ValueError, match="array of 2 columns"):
        Factors(two).of_rows(np.zeros((4, 3)))
    for row in (np.zeros(3), np.zeros((1, 2)), 0.0):
        with pytest.raises(ValueError, match=r"a row of shape \(2,\), got shape"):
            Factors(two).of_row(row)
    with pytest.raises(ValueError, match="center for each of 2 factors, got 3"):
        Factors(two, ones)
    with pytest.raises(ValueError, match="at least one"):
        index_range(np.zeros(0, dtype=np.int32))
