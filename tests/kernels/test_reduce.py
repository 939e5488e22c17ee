"""Sums, dot products and the row-wise softmax."""

import numpy as np
import pytest
from kernels.references import SEEDS, SIZES, assert_close, examples, normal
from scipy.special import log_softmax, softmax


@examples(n=SIZES, seed=SEEDS)
def test_total_and_dot(k, n, seed):
    rng = np.random.default_rng(seed)
    a, b = normal(k, rng, n), normal(k, rng, n)
    assert_close(k, k.total(a), a.sum(), np.abs(a).sum())
    assert_close(k, k.dot(a, b), a @ b, np.abs(a) @ np.abs(b))


@examples(rows=SIZES, cols=SIZES, seed=SEEDS)
def test_row_dots(k, rows, cols, seed):
    rng = np.random.default_rng(seed)
    a = normal(k, rng, (rows, cols + seed % 3))
    b = normal(k, rng, (rows, cols + seed % 2))
    terms = a[:, :cols] * b[:, :cols]
    assert_close(k, k.row_dots(a, b, cols), terms.sum(1), np.abs(terms).sum(1), steps=16)


@pytest.mark.parametrize(("name", "axis"), [("sum_rows", 0), ("sum_cols", 1)])
@examples(rows=SIZES, cols=SIZES, seed=SEEDS)
def test_sum_axis(k, name, axis, rows, cols, seed):
    rng = np.random.default_rng(seed)
    x = normal(k, rng, (rows, cols + seed % 3))
    used = x[:, :cols]
    alpha = float(normal(k, rng, ()))
    before = normal(k, rng, used.shape[1 - axis])
    expected, terms = alpha * used.sum(axis), np.abs(alpha) * np.abs(used).sum(axis)
    if name == "sum_rows" and cols == 0:
        return
    assert_close(k, k.sum_axis(name, x, cols, alpha), expected, terms, steps=16)
    assert_close(k, k.sum_axis(name, x, cols, alpha, before), before + expected, np.abs(before) + terms, steps=16)


@examples(rows=SIZES, cols=SIZES.filter(bool), seed=SEEDS)
def test_softmax(k, rows, cols, seed):
    rng = np.random.default_rng(seed)
    x = normal(k, rng, (rows, cols + seed % 3), scale=3)
    used = x[:, :cols]
    assert_close(k, k.softmax("softmax", x, cols), softmax(used, axis=1), steps=24)
    expected = log_softmax(used, axis=1)
    size = np.abs(used) + np.abs(used).max(1, keepdims=True, initial=0) + np.abs(expected)
    assert_close(k, k.softmax("log_softmax", x, cols), expected, size)


@examples(rows=SIZES, cols=SIZES.filter(bool), seed=SEEDS)
def test_softmax_back(k, rows, cols, seed):
    rng = np.random.default_rng(seed)
    dy, before = normal(k, rng, (rows, cols)), normal(k, rng, (rows, cols))
    y = softmax(normal(k, rng, (rows, cols)), axis=1).astype(k.dtype).astype(np.float64)
    total = np.abs(dy * y).sum(1, keepdims=True)
    expected = y * (dy - (dy * y).sum(1, keepdims=True))
    terms = y * (np.abs(dy) + total)
    assert_close(k, k.softmax_back("softmax_back", dy, y), expected, terms)
    assert_close(k, k.softmax_back("softmax_back", dy, y, before), before + expected, np.abs(before) + terms)
    log_y = np.log(y).astype(k.dtype).astype(np.float64)
    expected = dy - np.exp(log_y) * dy.sum(1, keepdims=True)
    terms = np.abs(dy) + np.exp(log_y) * np.abs(dy).sum(1, keepdims=True)
    assert_close(k, k.softmax_back("log_softmax_back", dy, log_y), expected, terms)
    assert_close(k, k.softmax_back("log_softmax_back", dy, log_y, before), before + expected, np.abs(before) + terms)


@pytest.mark.parametrize("cols", [1, 2, 3, 9, 40])
@pytest.mark.parametrize("shift", [-1e4, -300.0, 300.0, 1e4, 1e30])
def test_softmax_of_large_logits(k, cols, shift):
    x = np.full((2, cols), shift)
    x[:, 0] += abs(shift)
    expected = softmax(x, axis=1)
    np.testing.assert_allclose(k.softmax("softmax", x, cols), expected, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(k.softmax("log_softmax", x, cols), log_softmax(x, axis=1), rtol=1e-6)


def test_softmax_with_masked_logits(k):
    x = np.array([[-np.inf, 0.0, 0.0], [1.0, -np.inf, -np.inf]])
    np.testing.assert_allclose(k.softmax("softmax", x, 3), [[0, 0.5, 0.5], [1, 0, 0]], rtol=1e-6)
