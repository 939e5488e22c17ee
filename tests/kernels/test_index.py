"""Descriptions of index lists, and their distinct rows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

ROWS = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 2**31 - 1)), max_size=200)


@given(rows=ROWS | ROWS.map(sorted) | st.sets(st.integers(0, 10**6), max_size=200).map(sorted))
@example(rows=[])
@example(rows=[5])
@example(rows=[5, 5])
@example(rows=[2**31 - 1, 0])
def test_describe_rows(k, rows):
    low, high, increasing = k.describe_rows(rows)
    assert (low, high) == ((min(rows), max(rows)) if rows else (0, -1))
    assert increasing == all(a < b for a, b in pairwise(rows))


def test_describe_rows_sees_one_fault_anywhere(k):
    for n in range(2, 70):
        for at in range(1, n):
            rows = np.arange(10, 10 + n)
            assert k.describe_rows(rows) == (10, 9 + n, 1)
            rows[at] = rows[at - 1]
            assert k.describe_rows(rows)[2] == 0


def test_describe_rows_takes_negative_rows(k):
    assert k.describe_rows([3, -7, 5]) == (-7, 5, 0)


@given(rows=ROWS, extra=st.integers(0, 3), seed=st.integers(0, 99))
@example(rows=[], extra=0, seed=0)
@example(rows=[2**31 - 1] * 3, extra=0, seed=0)
@example(rows=[3, -1, 3, -(2**31), -1], extra=0, seed=0)  # as detours have them
@example(rows=[7, 0, 15, 7, 15, 3, 0, 1], extra=0, seed=0)  # a bucket for every row
def test_unique_rows(k, rows, extra, seed):
    n_buckets = 1 << (max(2 * len(rows), 1) - 1).bit_length() + extra
    unique, slots = k.unique_rows(rows, n_buckets, seed)
    assert unique.tolist() == list(dict.fromkeys(rows))
    assert unique[slots].tolist() == rows


@pytest.mark.parametrize("step", [1, 2, 64, 1024, 65536, 2**20])
def test_unique_rows_of_regular_rows(k, step):
    rows = np.arange(0, min(2000, 2**31 // step)) * step
    rows = np.concatenate([rows, rows[::-1]])
    unique, slots = k.unique_rows(rows, 8192)
    np.testing.assert_array_equal(unique, rows[: rows.size // 2])
    np.testing.assert_array_equal(unique[slots], rows)
