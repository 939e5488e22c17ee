"""Kernels alone, called from a loop in C on arrays in the cache: bytes or flops moved per second.

A step is one call. `flops` counts a multiplication, an addition, a division, a root or a function as one; `bytes` what
is read and written once. The instruction set is the one in use: WYRM_ISA chooses another.
"""

import numpy as np
import pytest

LENGTHS = {"small": 32, "regular": 1_000, "large": 100_000}
DIMS = {"small": 1, "regular": 16, "large": 128}  # floats in a row
N_ROWS, BAG = 1_000, 39
CALLS = 200_000  # of the cheapest kernels; fewer of longer ones


@pytest.fixture(params=LENGTHS)
def size(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def aligned(array):
    """A copy that starts on a cache line, as the engine's tables do."""
    room = np.empty(array.nbytes + 64, dtype=np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.fixture
def table(size, rng):
    return aligned(rng.standard_normal((N_ROWS, DIMS[size]), dtype=np.float32))


@pytest.fixture
def bag(rng):
    """Distinct rows, and the ends of their one bag."""
    return np.sort(rng.permutation(N_ROWS)[:BAG]).astype(np.int32), np.array([0, BAG], dtype=np.int32)


@pytest.fixture
def calls(measuring):
    """calls(work): how many to time, of calls with so many flops or bytes."""
    return lambda work: max(20, min(CALLS, 200_000_000 // work)) if measuring else 2


FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, fast, size, rng, loops, calls, measure):
    """Elementwise functions; `fast` are those of set_fast_math(True)."""
    n = LENGTHS[size]
    x = rng.uniform(0.1, 4, n).astype(np.float32)
    y = np.zeros_like(x)
    loops.unary(name, y, x, 1, fast)
    rtol, atol = (2e-4, 2e-5) if fast else (1e-6, 1e-7)
    np.testing.assert_allclose(y, FUNCTIONS[name](x.astype(np.float64)), rtol=rtol, atol=atol)
    measure(lambda m: loops.unary(name, y, x, m, fast), calls(20 * n), bytes=8 * n)


def test_logistic_loss(size, rng, loops, calls, measure):
    n = LENGTHS[size]
    logits, y = rng.standard_normal(n, dtype=np.float32), rng.integers(0, 2, n).astype(np.float32)
    loss, slope = np.zeros_like(y), np.zeros_like(y)
    loops.logistic(loss, slope, logits, y, 1)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose(loss, -np.log(np.where(y == 1, p, 1 - p)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, p - y, rtol=1e-5, atol=1e-6)
    measure(lambda m: loops.logistic(loss, slope, logits, y, m), calls(50 * n), bytes=16 * n)


def test_total(size, rng, loops, calls, measure):
    x = rng.standard_normal(LENGTHS[size], dtype=np.float32)
    assert loops.total(x, 1) == pytest.approx(x.sum(dtype=np.float64), rel=1e-4, abs=1e-3)
    measure(lambda m: loops.total(x, m), calls(x.nbytes), bytes=x.nbytes, flops=x.size)


def test_dot(size, rng, loops, calls, measure):
    a, b = rng.standard_normal((2, LENGTHS[size]), dtype=np.float32)
    assert loops.dot(a, b, 1) == pytest.approx(a.astype(np.float64) @ b, rel=1e-4, abs=1e-3)
    measure(lambda m: loops.dot(a, b, m), calls(2 * a.nbytes), bytes=2 * a.nbytes, flops=2 * a.size)


def test_softmax(size, rng, loops, calls, measure):
    x = rng.standard_normal({"small": (1, 10), "regular": (32, 32), "large": (100, 1_000)}[size], dtype=np.float32)
    y = np.zeros_like(x)
    loops.softmax(y, x, 1)
    expected = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(y, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    measure(lambda m: loops.softmax(y, x, m), calls(20 * x.size), bytes=8 * x.size)


# M, N, K: what word2vec multiplies for a centre word (context rows, outputs, dimensions), and a small layer's.
PRODUCTS = {
    "small": {"row": (1, 10, 128), "window": (6, 6, 100), "layer": (16, 16, 16)},
    "regular": {"row": (1, 64, 128), "window": (10, 6, 300), "layer": (16, 16, 100)},
    "large": {"row": (1, 512, 512), "window": (64, 6, 300), "layer": (64, 64, 64)},
}


@pytest.mark.parametrize("transposed", ["none", "a", "b"])
@pytest.mark.parametrize("shape", PRODUCTS["small"])
def test_product(shape, transposed, size, rng, loops, calls, measure):
    M, N, K = PRODUCTS[size][shape]
    a = rng.standard_normal((K, M) if transposed == "a" else (M, K), dtype=np.float32)
    b = rng.standard_normal((N, K) if transposed == "b" else (K, N), dtype=np.float32)
    c = np.zeros((M, N), dtype=np.float32)
    which = transposed == "a", transposed == "b"
    loops.product(c, a, b, *which, 1)
    left, right = a.T if which[0] else a, b.T if which[1] else b
    np.testing.assert_allclose(c, left.astype(np.float64) @ right, rtol=1e-4, atol=1e-4)
    flops = 2 * M * N * K
    measure(lambda m: loops.product(c, a, b, *which, m), calls(flops), bytes=4 * (M * K + K * N + M * N), flops=flops)


def test_gather(table, bag, loops, calls, measure):
    y = np.zeros((BAG, table.shape[1]), dtype=np.float32)
    loops.gather(y, table, *bag, 1)
    np.testing.assert_array_equal(y, table[bag[0]])
    measure(lambda m: loops.gather(y, table, *bag, m), calls(2 * y.nbytes), bytes=2 * y.nbytes)


def test_bag(table, bag, loops, calls, measure):
    y = np.zeros(table.shape[1], dtype=np.float32)
    loops.bag(y, table, *bag, 1)
    np.testing.assert_allclose(y, table[bag[0]].sum(axis=0), rtol=1e-5, atol=1e-5)
    n_bytes = BAG * y.nbytes
    measure(lambda m: loops.bag(y, table, *bag, m), calls(n_bytes), bytes=n_bytes, flops=BAG * y.size)


def test_factorisation_machine(table, bag, loops, calls, measure):
    y, sums = np.zeros(1, dtype=np.float32), np.zeros(table.shape[1], dtype=np.float32)
    loops.fm(y, sums, table, *bag, 1)
    v = table[bag[0]].astype(np.float64)
    pairs = (v @ v.T)[np.triu_indices(BAG, 1)].sum()
    np.testing.assert_allclose(y, pairs, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(sums, v.sum(axis=0), rtol=1e-4, atol=1e-4)
    work = BAG * sums.nbytes
    measure(lambda m: loops.fm(y, sums, table, *bag, m), calls(work), bytes=work, flops=3 * BAG * sums.size)


def test_factorisation_machine_backward(table, bag, loops, calls, measure):
    grad, dy = np.zeros((BAG, table.shape[1]), dtype=np.float32), np.array([0.5], dtype=np.float32)
    v = table[bag[0]]
    sums = v.sum(axis=0)
    loops.fm_back(grad, dy, sums, table, *bag, 1)
    np.testing.assert_allclose(grad, 0.5 * (sums - v), rtol=1e-5, atol=1e-5)
    call = lambda m: loops.fm_back(grad, dy, sums, table, *bag, m)  # noqa: E731
    measure(call, calls(2 * grad.nbytes), bytes=2 * grad.nbytes, flops=2 * grad.size)


@pytest.mark.parametrize("rule", ["SGD", "Adagrad"])
def test_update(rule, table, bag, rng, loops, calls, measure):
    D, state = table.shape[1], rule == "Adagrad"
    both = aligned(np.concatenate([table, np.ones_like(table)], axis=1) if state else table)
    grad = aligned(1e-3 * rng.standard_normal((BAG, D), dtype=np.float32))
    loops.update(rule, both, D, bag[0], grad, 0.1, 1)
    expected = table.astype(np.float64)
    expected[bag[0]] -= 0.1 * grad / (np.sqrt(1 + np.square(grad.astype(np.float64))) if state else 1)
    np.testing.assert_allclose(both[:, :D], expected, rtol=1e-5, atol=1e-6)
    work = 4 * BAG * D * (3 + 2 * state)
    call = lambda m: loops.update(rule, both, D, bag[0], grad, 1e-9, m)  # noqa: E731
    measure(call, calls(2 * work), bytes=work, flops=BAG * D * (6 if state else 2))


def test_unique_rows(size, rng, loops, calls, measure):
    rows = rng.integers(0, N_ROWS, {"small": 39, "regular": 1_000, "large": 30_000}[size], dtype=np.int32)
    unique, slots = np.zeros_like(rows), np.zeros_like(rows)
    buckets = np.zeros(1 << (2 * len(rows) - 1).bit_length(), dtype=np.int32)
    found = loops.unique_rows(unique, slots, buckets, rows, 1)
    assert sorted(unique[:found]) == sorted(set(rows.tolist()))
    np.testing.assert_array_equal(unique[slots], rows)
    call = lambda m: loops.unique_rows(unique, slots, buckets, rows, m)  # noqa: E731
    measure(call, calls(20 * len(rows)), bytes=8 * len(rows))
