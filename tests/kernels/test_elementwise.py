"""Functions of one or two operands, and their derivatives."""

import numpy as np
import pytest
from hypothesis import strategies as st
from kernels.references import (
    BINARY,
    BINARY_SLOPES,
    CLIP,
    SEEDS,
    SIZES,
    UNARY,
    UNARY_SLOPES,
    assert_close,
    examples,
    normal,
)

UNARY_NAMES = pytest.mark.parametrize("name", UNARY)
BINARY_NAMES = pytest.mark.parametrize("name", BINARY)


def attr(name):
    return CLIP if name == "clip" else None


def argument(k, rng, name, n):
    x = normal(k, rng, n, scale=2)
    return np.abs(x) + 0.1 if name in {"log", "sqrt"} else x


@UNARY_NAMES
@examples(n=SIZES, seed=SEEDS)
def test_unary(k, name, n, seed):
    rng = np.random.default_rng(seed)
    x = argument(k, rng, name, n).astype(k.dtype).astype(np.float64)
    y = k.unary(name, x, attr(name))
    assert_close(k, y, UNARY[name](x))
    np.testing.assert_array_equal(k.unary(name, x, attr(name), in_place=True), y)


@UNARY_NAMES
@examples(n=SIZES, seed=SEEDS)
def test_unary_back(k, name, n, seed):
    rng = np.random.default_rng(seed)
    x = argument(k, rng, name, n).astype(k.dtype).astype(np.float64)
    y = UNARY[name](x).astype(k.dtype)
    dy, before = normal(k, rng, n), normal(k, rng, n)
    dx = k.unary_back(name, dy, x, y, attr(name))
    expected = dy * UNARY_SLOPES[name](x)
    # y is rounded: what a unit of its last place changes counts too.
    noise = {"tanh": np.abs(dy), "sigmoid": np.abs(dy)}.get(name, 0)
    assert_close(k, dx, expected, np.abs(expected) + noise)
    np.testing.assert_array_equal(k.unary_back(name, dy, x, y, attr(name), in_place=True), dx)
    added = k.unary_back(name, dy, x, y, attr(name), dx=before)
    assert_close(k, added, before + expected, np.abs(before) + np.abs(expected) + noise)


def test_nan_stays(k):
    x = np.full(19, np.nan)
    for name in UNARY:
        assert np.isnan(k.unary(name, x, attr(name))).all(), name


def test_slopes_at_the_corners(k):
    x = np.array([0.0, -0.0, CLIP[0], CLIP[1], np.nextafter(CLIP[0], -9, dtype=k.dtype), 3.0])
    dy = np.ones(6)
    np.testing.assert_array_equal(k.unary_back("relu", dy, x, x), [0, 0, 0, 1, 0, 1])
    np.testing.assert_array_equal(k.unary_back("clip", dy, x, x, CLIP), [1, 1, 1, 1, 0, 0])
    # 1 - y^2 and y (1 - y) must not cancel when y is nearly 1.
    y = k.dtype.type(1) - k.dtype.type(k.eps)
    one = np.ones(1)
    assert_close(k, k.unary_back("tanh", one, one, [y]), np.array([2 * k.eps]))
    assert_close(k, k.unary_back("sigmoid", one, one, [y]), np.array([k.eps]))


def operands(k, rng, n, a_step, b_step):
    a = normal(k, rng, n if a_step else 1)
    b = normal(k, rng, n if b_step else 1)
    return a, np.where(np.abs(b) < 0.01, 1.0, b)


STEPS = st.sampled_from([(1, 1), (1, 0), (0, 1), (0, 0)])


@BINARY_NAMES
@examples(steps=STEPS, n=SIZES, seed=SEEDS)
def test_binary(k, name, steps, n, seed):
    a_step, b_step = steps
    a, b = operands(k, np.random.default_rng(seed), n, a_step, b_step)
    y = k.binary(name, a, b, n, a_step, b_step)
    # One operation, correctly rounded: equal, not close.
    expected = BINARY[name](a.astype(k.dtype), b.astype(k.dtype)) * np.ones(n, dtype=k.dtype)
    np.testing.assert_array_equal(y, expected)
    if a_step:
        np.testing.assert_array_equal(k.binary(name, a, b, n, a_step, b_step, in_place=True), y)


@BINARY_NAMES
@examples(steps=STEPS, n=SIZES, seed=SEEDS)
def test_binary_back(k, name, steps, n, seed):
    a_step, b_step = steps
    rng = np.random.default_rng(seed)
    a, b = operands(k, rng, n, a_step, b_step)
    y = (BINARY[name](a, b) * np.ones(n)).astype(k.dtype)
    dy, before = normal(k, rng, n), normal(k, rng, n)
    for side, slope in zip("ab", BINARY_SLOPES[name]):
        expected = dy * slope(a, b)
        assert_close(k, k.binary_back(side, name, dy, a, b, y, a_step, b_step), expected)
        added = k.binary_back(side, name, dy, a, b, y, a_step, b_step, dx=before)
        assert_close(k, added, before + expected, np.abs(before) + np.abs(expected))


@examples(n=SIZES, seed=SEEDS)
def test_scale(k, n, seed):
    rng = np.random.default_rng(seed)
    x, before = normal(k, rng, n), normal(k, rng, n)
    alpha = float(normal(k, rng, ()))
    assert_close(k, k.scale(x, alpha), alpha * x)
    assert_close(k, k.scale(x, alpha, before), before + alpha * x, np.abs(before) + np.abs(alpha * x))


@examples(rows=SIZES, cols=SIZES, seed=SEEDS)
def test_scale_rows(k, rows, cols, seed):
    rng = np.random.default_rng(seed)
    x = normal(k, rng, (rows, cols + seed % 3))
    alpha, before = normal(k, rng, rows), normal(k, rng, (rows, cols))
    expected = alpha[:, None] * x[:, :cols]
    assert_close(k, k.scale_rows(x, alpha, cols), expected)
    assert_close(k, k.scale_rows(x, alpha, cols, before), before + expected, np.abs(before) + np.abs(expected))
