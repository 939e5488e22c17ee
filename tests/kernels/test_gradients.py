"""Each backward kernel is the derivative of its forward kernel, in random directions and double precision."""

import numpy as np
import pytest
from kernels.references import BINARY, CLIP, UNARY, random_bags, sum_by

STEP = 1e-6


def assert_gradient(f, x, gradient, rng):
    """f is a number; `gradient` its derivative at x."""
    for _ in range(3):
        direction = rng.normal(size=x.shape)
        numeric = (f(x + STEP * direction) - f(x - STEP * direction)) / (2 * STEP)
        exact = float(np.vdot(direction, gradient))
        assert abs(numeric - exact) <= 1e-6 * max(1.0, abs(exact))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", UNARY)
def test_unary(k64, rng, name):
    x = rng.uniform(0.2, 2, 13) * (1 if name in {"log", "sqrt"} else rng.choice([-1, 1], 13))
    dy, attr = rng.normal(size=13), CLIP if name == "clip" else None
    dx = k64.unary_back(name, dy, x, k64.unary(name, x, attr), attr)
    assert_gradient(lambda x: dy @ k64.unary(name, x, attr), x, dx, rng)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(("a_step", "b_step"), [(1, 1), (1, 0), (0, 1)])
def test_binary(k64, rng, name, a_step, b_step):
    n = 13
    a, b = rng.normal(size=n if a_step else 1), rng.uniform(0.5, 2, n if b_step else 1)
    dy = rng.normal(size=n)
    y = k64.binary(name, a, b, n, a_step, b_step)
    da = k64.binary_back("a", name, dy, a, b, y, a_step, b_step)
    db = k64.binary_back("b", name, dy, a, b, y, a_step, b_step)
    da, db = (d if step else d.sum(keepdims=True) for d, step in ((da, a_step), (db, b_step)))
    assert_gradient(lambda a: dy @ k64.binary(name, a, b, n, a_step, b_step), a, da, rng)
    assert_gradient(lambda b: dy @ k64.binary(name, a, b, n, a_step, b_step), b, db, rng)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(k64, rng, name):
    x, dy = rng.normal(size=(3, 7)), rng.normal(size=(3, 7))
    dx = k64.softmax_back(f"{name}_back", dy, k64.softmax(name, x, 7))
    assert_gradient(lambda x: np.vdot(dy, k64.softmax(name, x, 7)), x, dx, rng)


@pytest.mark.parametrize("name", ["squared_error", "logistic", "hinge"])
def test_loss(k64, rng, name):
    y_hat = rng.normal(size=9)
    y = rng.choice([-1.0, 1.0], 9) if name == "hinge" else rng.uniform(size=9)
    _, slope = k64.loss(name, y_hat, y)
    assert_gradient(lambda y_hat: k64.loss(name, y_hat, y)[0].sum(), y_hat, slope, rng)


def test_product(k64, rng):
    a, b, dc = rng.normal(size=(3, 9)), rng.normal(size=(9, 5)), rng.normal(size=(3, 5))
    da = k64.product(dc, b, transpose_b=True)
    db = k64.product(a, dc, transpose_a=True)
    assert_gradient(lambda a: np.vdot(dc, k64.product(a, b)), a, da, rng)
    assert_gradient(lambda b: np.vdot(dc, k64.product(a, b)), b, db, rng)


@pytest.mark.parametrize("D", [1, 4, 5, 16])
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("name", ["bag", "fm"])
def test_bags(k64, rng, name, D, mean):
    n_bags, n_rows = 4, 6
    _, table, rows, _, weights, sizes = random_bags(k64, rng, D, n_bags, n_rows, weighted=True)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    dy = rng.normal(size=(n_bags, D) if name == "bag" else n_bags)

    def forward(table, weights):
        bags = k64.bags(table, D, rows, offsets, weights, mean)
        return k64.bag(bags) if name == "bag" else k64.fm(bags)[0]

    bags = k64.bags(table, D, rows, offsets, weights, mean)
    sums = None if name == "bag" else k64.fm(bags)[1]
    by_position = k64.rows_back(f"{name}_back", bags, dy, None, rows.size, sums=sums)
    d_table = sum_by(rows, n_rows, by_position)
    d_weights = k64.weights_back(f"{name}_weights_back", bags, dy, sums=sums)
    assert_gradient(lambda table: np.vdot(dy, forward(table, weights)), table, d_table, rng)
    assert_gradient(lambda weights: np.vdot(dy, forward(table, weights)), weights, d_weights, rng)


def test_gather(k64, rng):
    table, rows = rng.normal(size=(6, 5)), np.array([3, 3, 0, 5])
    dy = rng.normal(size=(4, 5))
    bags = k64.bags(table, 5, rows, [0, 4])
    d_table = k64.rows_back("scatter", bags, dy, rows, 6, np.zeros((6, 5)))
    assert_gradient(lambda table: np.vdot(dy, k64.gather(k64.bags(table, 5, rows, [0, 4]))), table, d_table, rng)
