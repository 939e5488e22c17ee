"""Updates by gradients that are products: no gradient is written."""

import numpy as np
import pytest
from hypothesis import strategies as st
from kernels.references import DIMS, SEEDS, assert_close, examples, normal

RATE, EPS = 0.25, 1e-6


def gradients(table, D, rows, source, sizes, weights, mean, slopes):
    """The gradient of every position, and the size of what was added up."""
    bag_of = np.repeat(np.arange(len(sizes)), sizes)
    w = (np.ones(rows.size) if weights is None else np.asarray(weights, float))[:, None]
    s, v = np.asarray(source, float)[bag_of, :D], np.asarray(table, float)[rows, :D]
    if slopes is not None:
        slope = np.asarray(slopes, float)[bag_of, None]
        return slope * w * (s - w * v), abs(slope * w) * (abs(s) + abs(w * v))
    g = w * s / (np.asarray(sizes)[bag_of, None] if mean else 1)
    return g, abs(g)


def case(k, rng, D, sizes, weighted, own, n_rows, distinct):
    n = sum(sizes)
    rows = rng.permutation(n_rows)[:n] if distinct else rng.integers(0, n_rows, n)
    source = normal(k, rng, (len(sizes), D + 1))
    weights = normal(k, rng, n) if weighted else None
    return rows, source, weights, normal(k, rng, len(sizes)) if own else None


@examples(
    D=DIMS, sizes=st.lists(st.integers(0, 21), min_size=1, max_size=4), weighted=st.booleans(), own=st.booleans(),
    mean=st.booleans(), beside=st.integers(0, 3), eps=st.sampled_from([EPS, 1e-7, 0.1]), seed=SEEDS,
)  # fmt: skip
def test_adagrad(k, D, sizes, weighted, own, mean, beside, eps, seed):
    rng = np.random.default_rng(seed)
    mean = mean and not own
    n_rows = sum(sizes) + 2
    rows, source, weights, slopes = case(k, rng, D, sizes, weighted, own, n_rows, True)
    table = normal(k, rng, (n_rows, 2 * D + beside))
    table[:, D : 2 * D] = np.where(rng.random((n_rows, D)) < 0.2, 0, table[:, D : 2 * D] ** 2)  # some have no sum yet
    table = np.asarray(np.asarray(table, k.dtype), float)
    if own and seed % 2:
        source[:, :] = 0  # ... nor a gradient
        table[:, :D] = 0
    g, size = gradients(table, D, rows, source, sizes, weights, mean, slopes)
    found = k.products(
        "adagrad_products", table, D, rows, source, RATE, np.concatenate([[0], np.cumsum(sizes)]), weights, mean,
        slopes=slopes, eps=eps,
    )  # fmt: skip
    expected = table.copy()
    expected[rows, D : 2 * D] += g**2
    step = RATE * g / (np.sqrt(expected[rows, D : 2 * D]) + eps)
    expected[rows, :D] -= step
    terms = abs(table)
    terms[rows, D : 2 * D] += size * (size + abs(g))
    # A step is at most the rate, however large the gradient, and off by as much as the gradient is, relatively.
    terms[rows, :D] += RATE * size / np.maximum(np.sqrt(expected[rows, D : 2 * D]), 1e-30)
    assert_close(k, found, expected, terms, steps=32)


@pytest.mark.parametrize("D", [1, 3, 8, 21, 25, 50, 96, 100, 200, 313])
@pytest.mark.parametrize("form", ["plain", "mean", "fm"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("even", [False, True])
def test_sgd(k, D, form, weighted, even):
    """Rows that repeat (but for those of an interaction), empty bags, and a table with something beside its values."""
    rng = np.random.default_rng(D)
    sizes = [3] * 4 if even else [2, 0, 5, 1]
    own = form == "fm"
    n_rows = 20 if own else 4
    rows, source, weights, slopes = case(k, rng, D, sizes, weighted, own, n_rows, own)
    table = normal(k, rng, (n_rows + 2, D + 2))
    offsets = None if even else np.concatenate([[0], np.cumsum(sizes)])
    found = k.products("sgd_products", table, D, rows, source, RATE, offsets, weights, form == "mean",
                       3 if even else 0, slopes=slopes)  # fmt: skip
    g, size = gradients(table, D, rows, source, sizes, weights, form == "mean", slopes)
    expected, terms = np.array(table, float), np.abs(np.array(table, float))
    np.subtract.at(expected[:, :D], rows, RATE * g)
    np.add.at(terms[:, :D], rows, RATE * size)
    assert_close(k, found, expected, terms, steps=16)
