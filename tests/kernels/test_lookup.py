"""Lookups, sums over bags and factorisation machines, with their gradients by slots."""

import numpy as np
import pytest
from hypothesis import strategies as st
from kernels.references import DIMS, SEEDS, assert_close, examples, normal, random_bags, sum_by

FLAGS = st.booleans()
BAGS = st.sampled_from([0, 1, 2, 5])
STRIDES = st.sampled_from([0, 1, 5])


def slots_of(rows):
    """Slots as unique_rows() gives them: one per distinct row."""
    unique, slots = np.unique(rows, return_inverse=True)
    return slots, unique.size


def check_rows_back(k, rng, name, bags, dy, by_position, sizes, sums=None):
    """The gradients of all positions: overwritten at slots of their own, and added at shared ones."""
    rows = bags.keep[1]
    n, D = by_position.shape
    np_sizes = np.abs(by_position) if sizes is None else sizes
    assert_close(k, k.rows_back(name, bags, dy, None, n, sums=sums), by_position, np_sizes)
    order = rng.permutation(n)
    assert_close(k, k.rows_back(name, bags, dy, order, n, sums=sums)[order], by_position, np_sizes)
    slots, n_slots = slots_of(rows)
    before = normal(k, rng, (n_slots, D))
    added = k.rows_back(name, bags, dy, slots, n_slots, before, sums=sums)
    expected = before + sum_by(slots, n_slots, by_position)
    assert_close(k, added, expected, np.abs(before) + sum_by(slots, n_slots, np_sizes), steps=16)
    before = normal(k, rng, (n, D))
    added = k.rows_back(name, bags, dy, None, n, before, sums=sums)
    assert_close(k, added, before + by_position, np.abs(before) + np_sizes)


@examples(D=DIMS, n_bags=BAGS, stride=STRIDES, seed=SEEDS)
def test_gather_and_scatter(k, D, n_bags, stride, seed):
    rng = np.random.default_rng(seed)
    bags, table, rows, *_ = random_bags(k, rng, D, n_bags, stride=stride)
    np.testing.assert_array_equal(k.gather(bags), table[rows].astype(k.dtype))
    dy = normal(k, rng, (rows.size, D))
    check_rows_back(k, rng, "scatter", bags, dy, dy, None)


@examples(D=DIMS, n_bags=BAGS, stride=STRIDES, weighted=FLAGS, mean=FLAGS, seed=SEEDS)
def test_bag(k, D, n_bags, stride, weighted, mean, seed):
    rng = np.random.default_rng(seed)
    bags, table, rows, bag_of, w, sizes = random_bags(k, rng, D, n_bags, 9, weighted, mean, stride)
    factor = 1 / np.maximum(sizes, 1) if mean else np.ones(n_bags)
    terms = w[:, None] * table[rows] * factor[bag_of, None]
    assert_close(k, k.bag(bags), sum_by(bag_of, n_bags, terms), sum_by(bag_of, n_bags, np.abs(terms)))

    dy = normal(k, rng, (n_bags, D))
    check_rows_back(k, rng, "bag_back", bags, dy, (w * factor[bag_of])[:, None] * dy[bag_of], None)

    terms = dy[bag_of] * table[rows] * factor[bag_of, None]
    expected, size = terms.sum(1), np.abs(terms).sum(1)
    assert_close(k, k.weights_back("bag_weights_back", bags, dy), expected, size)
    before = normal(k, rng, rows.size)
    added = k.weights_back("bag_weights_back", bags, dy, before)
    assert_close(k, added, before + expected, np.abs(before) + size)


@examples(D=DIMS, n_bags=BAGS, stride=STRIDES, weighted=FLAGS, mean=FLAGS, seed=SEEDS)
def test_fm(k, D, n_bags, stride, weighted, mean, seed):
    rng = np.random.default_rng(seed)
    bags, table, rows, bag_of, w, _ = random_bags(k, rng, D, n_bags, 9, weighted, mean, stride)
    v = w[:, None] * table[rows]
    S = sum_by(bag_of, n_bags, v)
    size = sum_by(bag_of, n_bags, np.abs(v))
    y, sums = k.fm(bags)
    assert_close(k, sums, S, size)
    # The pairs, one by one.
    expected = np.array([
        sum(v[i] @ v[j] for i in np.flatnonzero(bag_of == bag) for j in np.flatnonzero(bag_of == bag) if i < j)
        for bag in range(n_bags)
    ])  # fmt: skip
    assert_close(k, y, expected.reshape(n_bags), (size**2).sum(1), steps=16)

    S = sums.astype(np.float64)
    dy = normal(k, rng, n_bags)
    by_position = dy[bag_of, None] * w[:, None] * (S[bag_of] - v)
    check_rows_back(k, rng, "fm_back", bags, dy, by_position,
                    np.abs(dy[bag_of, None] * w[:, None]) * (np.abs(S[bag_of]) + np.abs(v)), sums)  # fmt: skip

    terms = dy[bag_of, None] * table[rows] * (S[bag_of] - v)
    size = (np.abs(dy[bag_of, None] * table[rows]) * (np.abs(S[bag_of]) + np.abs(v))).sum(1)
    assert_close(k, k.weights_back("fm_weights_back", bags, dy, sums=sums), terms.sum(1), size)
    before = normal(k, rng, rows.size)
    added = k.weights_back("fm_weights_back", bags, dy, before, sums=sums)
    assert_close(k, added, before + terms.sum(1), np.abs(before) + size)


@pytest.mark.parametrize("D", [1, 3, 16, 64])
def test_a_long_bag_of_one_row(k, D):
    table = np.ones((1, D))
    bags = k.bags(table, D, np.zeros(1000), [0, 1000])
    np.testing.assert_array_equal(k.bag(bags), np.full((1, D), 1000))
    y, _ = k.fm(bags)
    np.testing.assert_array_equal(y, [D * 1000 * 999 / 2])
    added = k.rows_back("bag_back", bags, np.ones((1, D)), np.zeros(1000), 1, np.zeros((1, D)))
    np.testing.assert_array_equal(added, np.full((1, D), 1000))


def test_rows_far_into_a_table(k):
    table = np.zeros((3_000_000, 1), dtype=k.dtype)
    rows = np.array([0, 2_999_999, 1_500_000])
    table[rows, 0] = [1, 2, 3]
    bags = k.bags(table, 1, rows, [0, 3])
    np.testing.assert_array_equal(k.gather(bags)[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(k.bag(bags), [[6]])


@pytest.mark.parametrize("D", [1, 2, 16, 32, 33, 100])
@pytest.mark.parametrize("mapped", [False, True])
def test_prefetch_changes_nothing(k, D, mapped):
    table = np.arange(9 * D, dtype=k.dtype).reshape(9, D)
    rows = np.array([8, 0, 8, 3], dtype=np.int32)
    map = np.arange(8, -1, -1, dtype=np.int32) if mapped else None
    before = table.copy()
    k.call("prefetch", table, D, D, rows, map, rows.size)
    np.testing.assert_array_equal(table, before)
