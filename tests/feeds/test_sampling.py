"""Draws have the distribution they should."""

import numpy as np
import pytest
from feeds.graphs import Random
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from wyrm.feeds.base import epoch_order
from wyrm.feeds.sampling import Sampler

N = 200_000


def p_value(rows, weights):
    """Of the observed rows, given the weights; rows that can't be drawn must not be there."""
    seen = np.bincount(rows, minlength=len(weights))
    assert len(seen) == len(weights)
    possible = np.asarray(weights) > 0
    assert not seen[~possible].any()
    expected = np.asarray(weights)[possible] / np.sum(weights) * len(rows)
    return chisquare(seen[possible], expected).pvalue if possible.sum() > 1 else 1.0


@pytest.mark.parametrize("power", [1.0, 0.75, 0.5, -0.5])
@pytest.mark.parametrize(
    "counts", [[1, 2, 3, 4], [5, 0, 1, 0, 0, 9], [1], [0, 3], list(range(1, 200)), [1e6, 1, 1, 1, 50.5]]
)
def test_rows_are_drawn_in_proportion_to_their_weights(counts, power):
    counts = np.array(counts, dtype=float)
    weights = np.zeros(len(counts))
    weights[counts > 0] = counts[counts > 0] ** power
    sampler = Sampler(counts, power)
    assert sampler.n_drawable == (counts > 0).sum()
    assert p_value(sampler.sample(N, seed=1), weights) > 1e-4


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 1 << 12])
def test_power_zero_draws_all_alike(n):
    sampler = Sampler(np.zeros(n), 0)
    assert sampler.n_drawable == n
    assert p_value(sampler.sample(N, seed=2), np.ones(n)) > 1e-4


def test_pairs_of_draws_are_independent():
    rows = Sampler([1, 2, 3]).sample(2 * N, seed=3)
    weights = np.outer([1, 2, 3], [1, 2, 3]).ravel()
    assert p_value(rows[::2] * 3 + rows[1::2], weights) > 1e-4


@given(
    st.lists(st.integers(0, 1 << 40), min_size=1, max_size=300).filter(any), st.floats(-3, 3), st.integers(0, 2**64 - 1)
)
def test_what_was_never_seen_is_never_drawn(counts, power, seed):
    rows = Sampler(counts, power).sample(200, seed=seed)
    assert rows.min() >= 0
    assert rows.max() < len(counts)
    if power:
        assert (np.array(counts)[rows] > 0).all()


def test_extreme_weights_stay_finite():
    assert set(Sampler([1e-300, 1e300], 3).sample(1000).tolist()) == {1}
    assert set(Sampler([1e-300, 1e300], -3).sample(1000).tolist()) == {0}


def test_a_seed_repeats_and_another_differs():
    sampler = Sampler(np.arange(1, 50))
    np.testing.assert_array_equal(sampler.sample(1000, seed=5), sampler.sample(1000, seed=5))
    assert (sampler.sample(1000, seed=5) != sampler.sample(1000, seed=6)).any()


def test_uniform_draws_are_those_of_the_reference():
    random = Random.at(11, 0)
    expected = [random.below(1000) for _ in range(100)]
    assert Sampler(np.ones(1000), 0).sample(100, seed=11).tolist() == expected


@pytest.mark.parametrize(
    ("counts", "power", "error"),
    [
        ([], 1.0, ValueError),
        ([[1, 2]], 1.0, ValueError),
        ([0, 0], 1.0, ValueError),
        ([1, -1], 1.0, ValueError),
        ([1, np.nan], 1.0, ValueError),
        ([1, np.inf], 1.0, ValueError),
        ([1, 2], np.nan, ValueError),
        (["a"], 1.0, TypeError),
    ],
)
def test_hostile_counts_are_refused(counts, power, error):
    with pytest.raises(error, match="Sampler"):
        Sampler(counts, power)


@pytest.mark.parametrize("n", [1, 2, 1000, (1 << 21) - 1, 1 << 21, 2_345_678])
def test_the_order_of_an_epoch_is_a_random_permutation(n):
    """Few examples are shuffled whole, many in parts."""
    order = epoch_order(n, 3, 1)
    assert np.array_equal(np.sort(order), np.arange(n))
    assert np.array_equal(order, epoch_order(n, 3, 1))
    if n < 1000:
        return
    assert not np.array_equal(order, epoch_order(n, 3, 2))
    assert not np.array_equal(order, epoch_order(n, 4, 1))
    # Where examples of each sixteenth come to stand, and how far neighbours are apart.
    cells = np.histogram2d(order, np.arange(n), bins=16)[0]
    assert chisquare(cells.ravel()).pvalue > 1e-4
    gaps = np.histogram(np.diff(order) % n, bins=64, range=(0, n))[0]
    assert chisquare(gaps).pvalue > 1e-4
