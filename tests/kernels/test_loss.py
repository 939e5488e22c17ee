"""Losses and their slopes."""

import numpy as np
import pytest
from kernels.references import SEEDS, SIZES, assert_close, examples, normal
from scipy.special import expit


@examples(n=SIZES, seed=SEEDS)
def test_squared_error(k, n, seed):
    rng = np.random.default_rng(seed)
    y_hat, y = normal(k, rng, n), normal(k, rng, n)
    loss, slope = k.loss("squared_error", y_hat, y)
    assert_close(k, loss, (y_hat - y) ** 2)
    assert_close(k, slope, 2 * (y_hat - y))


@examples(n=SIZES, seed=SEEDS)
def test_logistic_with_labels(k, n, seed):
    rng = np.random.default_rng(seed)
    z, y = normal(k, rng, n, scale=8), rng.integers(0, 2, n).astype(np.float64)
    loss, slope = k.loss("logistic", z, y)
    # For labels neither cancels: relative accuracy however confident the answer.
    assert_close(k, loss, np.logaddexp(0, (1 - 2 * y) * z))
    assert_close(k, slope, (1 - 2 * y) * expit((1 - 2 * y) * z))


@examples(n=SIZES, seed=SEEDS)
def test_logistic_with_probabilities(k, n, seed):
    rng = np.random.default_rng(seed)
    z, y = normal(k, rng, n, scale=4), rng.uniform(size=n).astype(k.dtype).astype(np.float64)
    loss, slope = k.loss("logistic", z, y)
    assert_close(k, loss, np.logaddexp(0, z) - y * z, 1 + np.abs(z))
    assert_close(k, slope, expit(z) - y, np.ones(n))


@pytest.mark.parametrize("size", [11.0, 30.0, 90.0, 104.0, 1e3, 1e4, 1e30])
def test_logistic_of_large_logits(k, size):
    z, y = np.array([size, size, -size, -size]), np.array([0.0, 1.0, 0.0, 1.0])
    loss, slope = k.loss("logistic", z, y)
    large, small = np.logaddexp(0, [size, -size])
    likely, unlikely = expit([size, -size])
    denormal = 2 * np.finfo(k.dtype).smallest_subnormal
    np.testing.assert_allclose(loss, [large, small, small, large], rtol=8 * k.eps, atol=denormal)
    np.testing.assert_allclose(slope, [likely, -unlikely, unlikely, -likely], rtol=8 * k.eps, atol=denormal)


@examples(n=SIZES, seed=SEEDS)
def test_hinge(k, n, seed):
    rng = np.random.default_rng(seed)
    y_hat, y = normal(k, rng, n), rng.choice([-1.0, 1.0], n)
    loss, slope = k.loss("hinge", y_hat, y)
    assert_close(k, loss, np.maximum(0, 1 - y * y_hat))
    np.testing.assert_array_equal(slope, np.where(y * y_hat < 1, -y, 0))


@pytest.mark.parametrize("name", ["squared_error", "logistic", "hinge"])
def test_nan_shows(k, name):
    loss, _ = k.loss(name, np.full(11, np.nan), np.ones(11))
    assert np.isnan(loss).all()
