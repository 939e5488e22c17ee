"""Dot products of rows with rows, in blocks, and the updates that need no gradient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.references import assert_close, normal

SIZES = st.tuples(st.integers(0, 4), st.integers(1, 19), st.integers(1, 14), st.sampled_from([1, 2, 7, 8, 31, 100]))


def case(k, rng, sizes, looked_up, stride=3):
    """Blocks of rows, and the two matrices they stand for in double precision."""
    blocks, M, N, D = sizes
    tables, ats, stacked = [], [], []
    for rows, named in zip((M, N), looked_up, strict=True):
        n = 7 if named else blocks * rows
        table = normal(k, rng, (n, D + stride))
        at = rng.integers(0, n, blocks * rows) if named else None
        tables.append(table)
        ats.append(at)
        stacked.append(np.asarray(table if at is None else table[at], float)[:, :D].reshape(blocks, rows, D))
    return k.pairs(tables, ats, blocks, M, N, D), *stacked


@settings(max_examples=60)
@given(sizes=SIZES, looked_up=st.tuples(st.booleans(), st.booleans()), seed=st.integers(0, 2**32 - 1))
def test_dots(k, sizes, looked_up, seed):
    pairs, a, b = case(k, np.random.default_rng(seed), sizes, looked_up)
    terms = np.einsum("kmd,knd->kmn", np.abs(a), np.abs(b))
    assert_close(k, k.pair_dots(pairs), np.einsum("kmd,knd->kmn", a, b), terms, steps=32)


@settings(max_examples=80)
@given(
    sizes=SIZES,
    looked_up=st.tuples(st.booleans(), st.booleans()),
    add=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradients(k, sizes, looked_up, add, seed):
    """By slots that repeat, where they are added to."""
    rng = np.random.default_rng(seed)
    blocks, M, N, D = sizes
    pairs, a, b = case(k, rng, sizes, looked_up)
    dy = normal(k, rng, (blocks, M, N))
    g = np.asarray(dy, float)
    slots, values, expected, terms = [], [], [], []
    for rows, adds, other, spec in ((M, add[0], b, "kmn,knd->kmd"), (N, add[1], a, "kmn,kmd->knd")):
        n = blocks * rows
        at = rng.integers(0, 5, n) if adds and n else None
        before = normal(k, rng, ((n if at is None else at.max() + 1), D)) if adds else None
        want = np.zeros((n if at is None else at.max() + 1, D)) if before is None else np.array(before, float)
        size = np.abs(want)
        np.add.at(want, slice(None) if at is None else at, np.einsum(spec, g, other).reshape(n, D))
        np.add.at(size, slice(None) if at is None else at, np.einsum(spec, abs(g), abs(other)).reshape(n, D))
        slots.append(at)
        values.append(before)
        expected.append(want)
        terms.append(size)
    for found, want, size in zip(k.pair_dots_back(pairs, dy, slots, values), expected, terms, strict=True):
        assert_close(k, found, want, size, steps=64)
    if M == 1:
        da, db = k.pair_dots_back(pairs, dy, slots, values, both=False)
        assert_close(k, da, expected[0], terms[0], steps=64)
        assert np.isnan(db).all() if values[1] is None else (db == np.asarray(values[1], k.dtype)).all()


@pytest.mark.parametrize("D", [1, 3, 8, 21])
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("even", [False, True])
def test_products_are_subtracted(k, D, mean, weighted, even):
    """Rows that repeat, empty bags, and a table with something beside its values."""
    rng = np.random.default_rng(D)
    sizes = np.full(4, 3) if even else np.array([2, 0, 5, 1])
    bag_of = np.repeat(np.arange(4), sizes)
    rows = rng.integers(0, 4, sizes.sum())
    table, source = normal(k, rng, (6, D + 2)), normal(k, rng, (4, D + 1))
    weights = normal(k, rng, rows.size) if weighted else None
    offsets = None if even else np.concatenate([[0], np.cumsum(sizes)])
    found = k.sgd_products(table, D, rows, source, 0.25, offsets, weights, mean, 3 if even else 0)
    factor = 0.25 * (np.ones(rows.size) if weights is None else np.asarray(weights, float))
    factor /= sizes[bag_of] if mean else 1
    step = factor[:, None] * np.asarray(source, float)[bag_of, :D]
    expected, terms = np.array(table, float), np.abs(np.array(table, float))
    np.subtract.at(expected[:, :D], rows, step)
    np.add.at(terms[:, :D], rows, np.abs(step))
    assert_close(k, found, expected, terms, steps=16)
