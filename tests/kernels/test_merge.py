"""Merging private copies of rows into the shared ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@given(
    cols=st.one_of(st.sampled_from([1, 16]), st.integers(1, 40)),
    width=st.one_of(st.sampled_from([0, 1, 16]), st.integers(0, 40)),
    n=st.integers(0, 6),
    packed=st.booleans(),
    share=st.sampled_from([1.0, 0.5, 0.125]),
    seed=st.integers(0, 2**32 - 1),
)
def test_merge_rows(k, cols, width, n, packed, share, seed):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(8)[:n]
    places = np.arange(n) if packed else rows
    table = rng.normal(size=(8, cols + width)).astype(k.dtype)
    mine, base = rng.normal(size=(2, 8, cols + width)).astype(k.dtype)
    last = rng.normal(size=(n, cols)).astype(k.dtype)
    sums = rng.normal(size=2).astype(k.dtype)
    changed = (mine - base)[places]
    value = table[rows] + np.where(np.arange(cols + width) < cols, share, 1) * changed
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if k.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    found = k.merge_rows(table, mine, base, last, rows, sums, share, cols, packed)
    for array, before, at in zip(found, (table, mine, base), (rows, places, places)):
        np.testing.assert_allclose(array[at], value, **tolerance)
        np.testing.assert_array_equal(array[at], found[0][rows])
        others = np.setdiff1d(np.arange(8), at)
        np.testing.assert_array_equal(array[others], before[others])
    np.testing.assert_allclose(found[3], (value - base[places])[:, :cols], **tolerance)
    undone = np.add(sums, [(changed[:, :cols] * last).sum(), (last * last).sum()])
    np.testing.assert_allclose(found[4], undone, **tolerance)


@pytest.mark.parametrize("cols", [1, 5])
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_threads_that_hand_on_everything_add_up(k, n_threads, cols):
    """In turns, with whole numbers: nothing is lost, and nothing counted twice."""
    rng = np.random.default_rng(0)
    shared = np.zeros((3, 2 * cols), dtype=k.dtype)
    last = np.zeros((3, cols), dtype=k.dtype)
    threads = [[shared.copy(), shared.copy()] for _ in range(n_threads)]
    total = np.zeros(shared.shape)
    for turn in range(50):
        mine, base = threads[turn % n_threads]
        step = rng.integers(-5, 6, shared.shape)
        total += step
        shared, mine, base, *_ = k.merge_rows(shared, mine + step, base, last, [2, 0, 1], [0, 0], 1.0, cols)
        threads[turn % n_threads] = [mine, base]
        np.testing.assert_array_equal(shared, total)


@given(n=st.integers(0, 100), share=st.sampled_from([0.25, 0.5, 1.0]), seed=st.integers(0, 2**32 - 1))
def test_merge_sums(k, n, share, seed):
    rng = np.random.default_rng(seed)
    shared, base = rng.integers(-99, 100, (2, n)).astype(k.dtype)
    step = rng.integers(-5, 6, n) * (np.arange(n) // 16 % 2)  # some lines are as they were
    for array in k.merge_sums(shared, base + step, base, share):
        np.testing.assert_array_equal(array, shared + share * step)
