"""Small matrix products."""

import itertools

import numpy as np
import pytest
from hypothesis import strategies as st
from kernels.references import SEEDS, assert_close, examples, normal

FORMS = pytest.mark.parametrize(("transpose_a", "transpose_b"), list(itertools.product([False, True], repeat=2)))
EDGES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 17, 24, 25, 33, 48, 51, 70])


def check(k, rng, M, N, K, transpose_a, transpose_b, pads=(0, 0, 0)):
    a, b, before = normal(k, rng, (M, K)), normal(k, rng, (K, N)), normal(k, rng, (M, N))
    stored = a.T if transpose_a else a, b.T if transpose_b else b
    expected, terms = a @ b, np.abs(a) @ np.abs(b)
    assert_close(k, k.product(*stored, transpose_a, transpose_b, pads=pads), expected, terms, steps=32)
    added = k.product(*stored, transpose_a, transpose_b, before, pads)
    assert_close(k, added, before + expected, np.abs(before) + terms, steps=32)


@FORMS
@examples(M=EDGES, N=EDGES, K=EDGES, pads=st.tuples(*[st.sampled_from([0, 0, 1, 3])] * 3), seed=SEEDS)
def test_product(k, transpose_a, transpose_b, M, N, K, pads, seed):
    check(k, np.random.default_rng(seed), M, N, K, transpose_a, transpose_b, pads)


@FORMS
@pytest.mark.parametrize(
    ("M", "N", "K"), [(1, 10, 128), (128, 10, 1), (1, 128, 10), (10, 6, 100), (10, 100, 6), (64, 1, 300), (5, 7, 600)]
)
def test_shapes_that_matter(k, transpose_a, transpose_b, M, N, K):
    check(k, np.random.default_rng(0), M, N, K, transpose_a, transpose_b)


@FORMS
def test_every_small_shape(k, transpose_a, transpose_b):
    rng = np.random.default_rng(1)
    for M, N, K in itertools.product(range(1, 6), (*range(1, 10), 17, 25), (1, 2, 3, 9)):
        check(k, rng, M, N, K, transpose_a, transpose_b)


@FORMS
def test_nan_and_infinity_reach_their_own_rows_and_columns_only(k, transpose_a, transpose_b):
    for M, N, K in [(5, 11, 7), (1, 10, 9), (6, 1, 9), (9, 3, 1)]:
        a, b = np.ones((M, K)), np.ones((K, N))
        a[0, K - 1] = np.nan
        b[0, N - 1] = np.inf
        c = k.product(a.T if transpose_a else a, b.T if transpose_b else b, transpose_a, transpose_b)
        assert np.isnan(c[0]).all()
        assert np.isinf(c[1:, -1]).all()
        np.testing.assert_array_equal(c[1:, :-1], np.full((M - 1, N - 1), K))
