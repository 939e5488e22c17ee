"""What the tests of the kernels share: sizes, and NumPy references in double precision."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

# Around the widths of vectors and tiles of every instruction set.
SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 31, 32, 33, 48, 49, 63, 64, 65, 100, 130])
DIMS = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 25, 31, 32, 33, 48, 50, 64, 65, 96, 100, 200])
SEEDS = st.integers(0, 2**32 - 1)

UNARY = {
    "negate": lambda x: -x,
    "square": np.square,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": expit,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.logaddexp(0, x),
    "clip": lambda x: np.clip(x, *CLIP),
}
CLIP = (-0.5, 0.75)
UNARY_SLOPES = {
    "negate": lambda x: -np.ones_like(x),
    "square": lambda x: 2 * x,
    "sqrt": lambda x: 0.5 / np.sqrt(x),
    "exp": np.exp,
    "log": lambda x: 1 / x,
    "tanh": lambda x: 1 / np.cosh(x) ** 2,
    "sigmoid": lambda x: expit(x) * expit(-x),
    "relu": lambda x: (x > 0).astype(x.dtype),
    "softplus": expit,
    "clip": lambda x: ((x >= CLIP[0]) & (x <= CLIP[1])).astype(x.dtype),
}
BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}
BINARY_SLOPES = {
    "add": (lambda a, b: np.ones_like(a * b), lambda a, b: np.ones_like(a * b)),
    "subtract": (lambda a, b: np.ones_like(a * b), lambda a, b: -np.ones_like(a * b)),
    "multiply": (lambda a, b: b + 0 * a, lambda a, b: a + 0 * b),
    "divide": (lambda a, b: 1 / b + 0 * a, lambda a, b: -a / b**2),
}


def examples(**strategies):
    """hypothesis.given with as many examples as a suite that runs everything per instruction set can afford."""
    return lambda test: settings(max_examples=50)(given(**strategies)(test))


def normal(k, rng, shape, scale=1.0):
    """Normal numbers that are exact in the kernels' precision, as float64."""
    return rng.normal(scale=scale, size=shape).astype(k.dtype).astype(np.float64)


def assert_close(k, actual, expected, terms=None, steps=8):
    """|actual - expected| <= steps eps terms, with `terms` the size of what was added up (|expected| by default)."""
    expected = np.asarray(expected, dtype=np.float64)
    terms = np.abs(expected) if terms is None else np.asarray(terms, dtype=np.float64)
    actual = np.asarray(actual, dtype=np.float64)
    assert actual.shape == expected.shape
    error = np.abs(actual - expected)
    bound = steps * k.eps * terms + float(np.finfo(k.dtype).tiny)
    assert (error <= bound).all(), f"error {error.max()}, {np.max(error / bound)} times what is allowed"


def random_bags(k, rng, D, n_bags, n_rows=9, weighted=False, mean=False, stride=0):
    """Bags of 0 to 11 rows of a small table, so that rows repeat; returns the struct and what it was made of."""
    sizes = rng.integers(0, 12, size=n_bags)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    rows = rng.integers(0, n_rows, size=offsets[-1])
    table = normal(k, rng, (n_rows, D + stride))
    weights = normal(k, rng, rows.size) if weighted else None
    bags = k.bags(table, D, rows, offsets, weights, mean)
    bag_of = np.repeat(np.arange(n_bags), sizes)
    w = np.ones(rows.size) if weights is None else weights
    return bags, table[:, :D], rows, bag_of, w, sizes


def sum_by(bag_of, n_bags, x):
    """The sum of the rows of x in each bag."""
    total = np.zeros((n_bags, *x.shape[1:]))
    np.add.at(total, bag_of, x)
    return total
