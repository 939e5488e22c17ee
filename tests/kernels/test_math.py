"""exp, log, tanh, sigmoid and softplus over the whole range of float32."""

import numpy as np
import pytest
from kernels.references import UNARY

FUNCTIONS = ["exp", "log", "tanh", "sigmoid", "softplus"]


def every_float(step=1531):
    """All of float32 in steps of its bits, with the neighbourhoods of what is special."""
    bits = np.arange(0, 2**32, step, dtype=np.uint64)
    corners = [0, 1, -1, 0.5, 0.625, 2, np.sqrt(0.5), np.sqrt(2), np.inf, -np.inf, np.nan, 1e4, -1e4]
    corners += [88.72284, 89, 88.37626, -87.33655, -87.68, -88, -103.28, -103.97208, -104, 1.1754944e-38, 5, 10]
    corners = np.array(corners, dtype=np.float32).view(np.uint32).astype(np.int64)
    near = (corners[:, None] + np.arange(-300, 301)).ravel() % 2**32
    return np.concatenate([bits, near.astype(np.uint64)]).astype(np.uint32).view(np.float32)


@pytest.fixture(scope="module")
def x():
    return every_float()


def ulps(y, exact):
    """The error of y in units of the last place of the exact value rounded to float32."""
    spacing = np.spacing(np.abs(exact).clip(max=3e38).astype(np.float32)).astype(np.float64)
    return np.abs(y.astype(np.float64) - exact) / spacing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_four_ulp_everywhere(k32, x, name):
    with np.errstate(all="ignore"):
        exact = UNARY[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    y = k32.unary(name, x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(rounded))
    infinite = np.isinf(rounded) | np.isinf(y)
    np.testing.assert_array_equal(y[infinite], rounded[infinite])
    finite = np.isfinite(rounded)
    assert ulps(y[finite], exact[finite]).max() <= 4


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(k, name):
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0])
    with np.errstate(all="ignore"):
        expected = UNARY[name](x)
    y = k.unary(name, x)
    np.testing.assert_allclose(y, expected, rtol=4 * k.eps)
    if name == "tanh":
        np.testing.assert_array_equal(np.signbit(y), np.signbit(expected))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_lane_gives_the_same(k, name):
    for value in (0.3, -2.5, 1e-30, 60.0):
        for n in range(1, 40):
            y = k.unary(name, np.full(n, value))
            np.testing.assert_array_equal(y, np.full(n, y[0]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_double(k64, name):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=4000, scale=scale) for scale in (1e-8, 0.1, 1, 10, 200)])
    x = np.abs(x) if name == "log" else x
    with np.errstate(all="ignore"):
        exact = UNARY[name](x.astype(np.longdouble)) if name in {"exp", "log", "tanh"} else UNARY[name](x)
        exact = exact.astype(np.float64)
    np.testing.assert_allclose(k64.unary(name, x), exact, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("exp", -87.6, 88.3), ("sigmoid", -87.6, 3e38), ("tanh", -3e38, 3e38), ("log", 1.1754944e-38, 3e38)],
)
def test_fast_math_keeps_its_promise(k32, x, name, low, high):
    x = x[(x >= low) & (x <= high)]
    exact = UNARY[name](x.astype(np.float64))
    normal = np.abs(exact) > np.finfo(np.float32).tiny
    error = np.abs(k32.unary(name, x, fast=True) - exact)[normal]
    scale = np.abs(exact)[normal]
    assert (error / np.maximum(scale, 0.01 if name == "log" else 0)).max() < 1e-4


def test_fast_math_at_the_edges(k32):
    nan, inf = np.nan, np.inf
    np.testing.assert_array_equal(k32.unary("exp", [nan, inf, 89, -88, -inf], fast=True), [nan, inf, inf, 0, 0])
    np.testing.assert_array_equal(k32.unary("log", [nan, 0, -0.0, -1, -inf], fast=True), [nan, -inf, -inf, nan, nan])
    np.testing.assert_allclose(k32.unary("tanh", [nan, inf, -inf, 0], fast=True), [nan, 1, -1, 0], rtol=1e-4)
    np.testing.assert_array_equal(k32.unary("sigmoid", [nan, inf, -inf], fast=True), [nan, 1, 0])


@pytest.mark.parametrize("name", ["negate", "square", "sqrt", "relu", "softplus", "clip"])
def test_fast_math_leaves_the_others(k, name):
    assert k.addresses[f"unary_fast.{name}"] == k.addresses[f"unary.{name}"]
