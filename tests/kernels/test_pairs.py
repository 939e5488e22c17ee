"""Dot products of rows with rows, in blocks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.references import assert_close, normal

SIZES = st.tuples(
    st.integers(0, 4), st.integers(1, 19), st.integers(1, 14), st.sampled_from([1, 2, 7, 8, 25, 31, 50, 100, 200])
)


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


@settings(max_examples=80)
@given(
    M=st.integers(1, 32), N=st.integers(1, 32), D=st.sampled_from([1, 3, 8, 20, 31, 100]), repeats=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_step_on_pairs(k, M, N, D, repeats, seed):
    """Rows of both tables move at once, those named twice by the sum of both slopes."""
    rng = np.random.default_rng(seed)
    tables = [normal(k, rng, (40, D + 2)) for _ in range(2)]
    ats = [rng.integers(0, 7, n) if repeats else rng.permutation(40)[:n] for n in (M, N)]
    dy, rate = normal(k, rng, (M, N)), 0.25
    found = k.sgd_pairs(tables, ats, M, N, D, dy, rate, not repeats)
    a, b = (np.asarray(table, float)[at, :D] for table, at in zip(tables, ats, strict=True))
    g = np.asarray(dy, float)
    for table, at, step, size, after in zip(
        tables, ats, (g @ b, g.T @ a), (abs(g) @ abs(b), abs(g).T @ abs(a)), found, strict=True
    ):
        expected, terms = np.array(table, float), np.abs(np.array(table, float))
        np.subtract.at(expected[:, :D], at, rate * step)
        np.add.at(terms[:, :D], at, rate * size)
        assert_close(k, after, expected, terms, steps=128)


@settings(max_examples=80)
@given(
    blocks=st.integers(0, 9), N=st.integers(1, 14), D=st.sampled_from([1, 3, 8, 20, 31, 36, 100]),
    repeats=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_step_on_dots(k, blocks, N, D, repeats, seed):
    """Rows may come in several blocks, and more than once in one; all gradients are by the values before."""
    rng = np.random.default_rng(seed)
    a, table = normal(k, rng, (blocks, D + 3)), normal(k, rng, (130, D + 2))
    at = rng.integers(0, 7, blocks * N) if repeats else rng.permutation(130)[: blocks * N]
    dy, rate = normal(k, rng, (blocks, N)), 0.25
    da, after = k.sgd_dots(a, table, at, blocks, N, D, dy, rate)
    b, g, x = np.asarray(table, float)[at, :D].reshape(blocks, N, D), np.asarray(dy, float), np.asarray(a, float)[:, :D]
    assert_close(k, da, np.einsum("kn,knd->kd", g, b), np.einsum("kn,knd->kd", abs(g), abs(b)), steps=32)
    expected, terms = np.array(table, float), np.abs(np.array(table, float))
    step = (g[:, :, None] * x[:, None]).reshape(-1, D)
    np.subtract.at(expected[:, :D], at, rate * step)
    np.add.at(terms[:, :D], at, rate * abs(step))
    assert_close(k, after, expected, terms, steps=128)
