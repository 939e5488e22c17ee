"""Merging private copies of rows into the shared ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


@given(n=st.integers(0, 70), share=st.sampled_from([1.0, 0.5, 0.125]), seed=st.integers(0, 2**32 - 1))
def test_merge_row(k, n, share, seed):
    rng = np.random.default_rng(seed)
    shared, mine, base, last = (rng.normal(size=n).astype(k.dtype) for _ in range(4))
    sums = rng.normal(size=2).astype(k.dtype)
    value = shared + share * (mine - base)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if k.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    found = k.merge_row(shared, mine, base, last, sums, share)
    for array in found[:3]:
        np.testing.assert_allclose(array, value, **tolerance)
        np.testing.assert_array_equal(array, found[0])
    np.testing.assert_allclose(found[3], value - base, **tolerance)
    np.testing.assert_allclose(found[4], np.add(sums, [(mine - base) @ last, last @ last]), **tolerance)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_threads_that_hand_on_everything_add_up(k, n_threads):
    """In turns, with whole numbers: nothing is lost, and nothing counted twice."""
    rng = np.random.default_rng(0)
    shared = np.zeros(5, dtype=k.dtype)
    threads = [[shared.copy(), shared.copy(), shared.copy()] for _ in range(n_threads)]
    total = np.zeros(5)
    for turn in range(50):
        mine, base, last = threads[turn % n_threads]
        step = rng.integers(-5, 6, 5)
        total += step
        shared, mine, base, last, _ = k.merge_row(shared, mine + step, base, last, [0, 0], 1.0)
        threads[turn % n_threads] = [mine, base, last]
        np.testing.assert_array_equal(shared, total)
