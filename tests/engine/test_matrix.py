"""Products, transposes, slices, concatenations, dot products of rows, sums, means and softmax."""

import numpy as np
import pytest
import scipy.special
from engine.support import LAYOUTS, SHAPES, assert_gradients, assert_value, parameter

import wyrm

# (M, K, N): vectors, odd sizes, past the block sizes of the kernels, past the size where BLAS takes over.
PRODUCTS = [(1, 1, 1), (1, 7, 1), (7, 1, 5), (3, 4, 5), (1, 128, 10), (10, 128, 1), (17, 9, 33), (40, 50, 60)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("size", PRODUCTS)
def test_product(size, transpose_a, transpose_b, layout, rng):
    M, K, N = size
    a = parameter(rng.normal(size=(K, M) if transpose_a else (M, K)), layout)
    b = parameter(rng.normal(size=(N, K) if transpose_b else (K, N)), layout)
    y = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    left = a.value.T if transpose_a else a.value
    right = b.value.T if transpose_b else b.value
    assert_value(y, left.astype(float) @ right, rtol=1e-5, atol=1e-5 * K**0.5)
    assert_gradients(y, rng)


@pytest.mark.parametrize("n", [1, 2, 5, 16, 40])
def test_product_of_a_matrix_with_itself(n, rng):
    a = parameter(rng.normal(size=(n, n)))
    for y, expected in [(a @ a, a.value @ a.value), (a @ a.T, a.value @ a.value.T), (a.T @ a, a.value.T @ a.value)]:
        assert_value(y, expected, rtol=1e-5, atol=1e-5 * n)
        assert_gradients(y, rng)


def test_product_with_arrays_on_either_side(rng):
    a = parameter(rng.normal(size=(3, 4)))
    left, right = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)
    y = left @ a @ right
    assert_value(y, left @ a.value @ right, rtol=1e-5, atol=1e-5)
    assert_gradients(y, rng)


@pytest.mark.parametrize("n", [2, 40])
def test_transposed_products_of_computed_values(n, rng):
    w, x = parameter(rng.normal(size=(4, 3))), wyrm.InputNode(rng.normal(size=(2, 4)))
    hidden = (x @ w).tanh()
    y = hidden.T @ hidden + (hidden.T @ (x * 2)) @ w + (w.T @ x.T) @ hidden
    x.set_value(rng.normal(size=(n, 4)))
    h = np.tanh(x.value.astype(float) @ w.value)
    expected = h.T @ h + (h.T @ (2.0 * x.value)) @ w.value + (w.value.T @ x.value.T) @ h
    assert_value(y, expected, rtol=1e-5, atol=1e-4)
    assert_gradients(y, rng)


def test_product_used_four_times(rng):
    x, w = parameter(rng.normal(size=(1, 12))), parameter(rng.normal(size=(12, 10)))
    y = x @ w
    total = y + y * y - y / (y * y + 2)
    value = x.value.astype(float) @ w.value
    assert_value(total, value + value**2 - value / (value**2 + 2), rtol=1e-5, atol=1e-5)
    assert_gradients(total, rng)


def test_product_refuses_inner_sizes_that_differ():
    a, b = wyrm.ParameterNode(np.ones((2, 3)), name="a"), wyrm.ParameterNode(np.ones((2, 3)), name="b")
    with pytest.raises(
        ValueError, match=r"matmul: .*columns on the left as rows on the right.*'a' \(2x3\).*'b' \(2x3\)"
    ):
        a @ b
    assert (a @ b.T).shape == (2, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_transpose(shape, layout, rng):
    a = parameter(rng.normal(size=shape), layout)
    assert_value(a.T, a.value.T)
    assert_value(a.T.T, a.value)
    assert_gradients(a.T, rng)
    assert_gradients(a.T * (a * 2).T, rng)


KEYS = [
    np.s_[:], np.s_[:, :], np.s_[0], np.s_[-1], np.s_[4:], np.s_[:-2], np.s_[1:3], np.s_[2, 3], np.s_[-2, -1],
    np.s_[:, 0:3], np.s_[:, -2:], np.s_[:, 2], np.s_[1:4, 1:2], np.s_[0:100, 2:200], np.s_[np.int64(1), np.int8(2)],
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slice(key, layout, rng):
    a = parameter(rng.normal(size=(6, 5)), layout)
    y = a[key]
    expected = a.value[tuple(slice(k, k + 1 or None) if not isinstance(k, slice) else k
                             for k in (key if isinstance(key, tuple) else (key,)))]  # fmt: skip
    assert y.shape == expected.shape
    assert_value(y, expected)
    assert_gradients(y, rng)


def test_overlapping_slices_of_one_value(rng):
    a = parameter(rng.normal(size=(4, 6)))
    doubled = a * 2
    y = doubled[:, 0:4] * doubled[:, 2:6] + doubled[1:2, 1:5] + doubled[:, 3]
    value = 2 * a.value
    assert_value(y, value[:, 0:4] * value[:, 2:6] + value[1:2, 1:5] + value[:, 3:4])
    assert_gradients(y, rng)


@pytest.mark.parametrize("key", [np.s_[6], np.s_[-7], np.s_[:, 5], np.s_[3:3], np.s_[:, 4:2], np.s_[::2],
                                 np.s_[:, ::-1], np.s_[100:]], ids=str)  # fmt: skip
def test_slices_of_nothing_are_refused(key, rng):
    with pytest.raises(IndexError, match="expected"):
        parameter(rng.normal(size=(6, 5)))[key]


@pytest.mark.parametrize(
    "key", [None, ..., "a", 1.0, (0, 1, 2), np.s_[1.5:], np.s_[:, "a"], [0, 1], np.ones(6, bool)], ids=str
)
def test_other_subscripts_are_refused(key, rng):
    with pytest.raises((TypeError, IndexError), match="expected"):
        parameter(rng.normal(size=(6, 5)))[key]


def test_slice_of_rows_follows_the_input(rng):
    w = parameter(rng.normal(size=(3, 2)))
    x = wyrm.InputNode(rng.normal(size=(5, 3)))
    rest, two = (x @ w)[1:], (x @ w)[0:2]
    for n in (5, 2, 9):
        x.set_value(rng.normal(size=(n, 3)))
        assert_value(rest, (x.value @ w.value)[1:], rtol=1e-5)
        assert_value(two, (x.value @ w.value)[:2], rtol=1e-5)
        assert_gradients(rest, rng)
    x.set_value(rng.normal(size=(1, 3)))
    with pytest.raises(IndexError, match="slice"):
        two.forward()
    with pytest.raises(IndexError, match="slice"):
        rest.forward()
    x.set_value(rng.normal(size=(2, 3)))
    assert_value(rest, (x.value @ w.value)[1:], rtol=1e-5)


def test_negative_row_bounds_of_a_computed_value_are_refused():
    x = wyrm.InputNode(np.ones((5, 3))) * 2
    for key in (np.s_[-1], np.s_[-3:], np.s_[:-1]):
        with pytest.raises(IndexError):
            x[key]
    assert x[:, -1].shape == (5, 1)


def test_nodes_are_not_iterable():
    with pytest.raises(TypeError, match="not iterable"):
        list(wyrm.ParameterNode(np.ones((3, 3))))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [0, 1])
def test_concatenate(axis, layout, rng):
    shapes = [(2, 4), (1, 4), (5, 4)] if axis == 0 else [(3, 2), (3, 1), (3, 6)]
    nodes = [parameter(rng.normal(size=shape), layout) for shape in shapes]
    y = wyrm.concatenate(nodes, axis)
    assert_value(y, np.concatenate([node.value for node in nodes], axis))
    assert_gradients(y, rng)
    computed = [node * 2 for node in nodes]
    y = wyrm.concatenate([*computed, computed[0], nodes[1], nodes[1]], axis).square()
    values = [node.value for node in nodes]
    assert_value(y, np.square(np.concatenate([*(2 * v for v in values), 2 * values[0], values[1], values[1]], axis)))
    assert_gradients(y, rng)


def test_concatenate_with_arrays_inputs_and_a_single_piece(rng):
    a = parameter(rng.normal(size=(2, 3)))
    array = rng.normal(size=(2, 2)).astype(np.float32)
    x = wyrm.InputNode(rng.normal(size=(2, 1)))
    assert_value(wyrm.concatenate((array, a, x), axis=1), np.hstack([array, a.value, x.value]))
    assert_gradients(wyrm.concatenate((array, a, x), axis=1), rng)
    assert_value(wyrm.concatenate([a], axis=0), a.value)
    assert_gradients(wyrm.concatenate([a], axis=0), rng)
    assert_value(wyrm.concatenate(iter([a, a]), axis=1), np.hstack([a.value, a.value]))
    assert_gradients(wyrm.concatenate([array, x * 3, x, a], axis=1), rng)


@pytest.mark.parametrize("axis", [0, 1])
def test_concatenate_whose_rows_change(axis, rng):
    w = parameter(rng.normal(size=(3, 2)))
    x = wyrm.InputNode(np.ones((2, 3)))
    y = wyrm.concatenate([x @ w, (x @ w).tanh(), x[:, 0:2]], axis)
    for n in (1, 6, 3):
        x.set_value(rng.normal(size=(n, 3)))
        value = x.value @ w.value
        assert_value(y, np.concatenate([value, np.tanh(value), x.value[:, :2]], axis), rtol=1e-5)
        assert_gradients(y, rng)


def test_concatenate_refuses_what_does_not_fit(rng):
    a, b = wyrm.ParameterNode(np.ones((2, 3)), name="a"), wyrm.ParameterNode(np.ones((4, 5)), name="b")
    for axis in (0, 1):
        with pytest.raises(ValueError, match=r"'a' \(2x3\).*'b' \(4x5\)"):
            wyrm.concatenate([a, b], axis)
    x = wyrm.InputNode(np.ones((2, 3)))
    joined = wyrm.concatenate([a, x], axis=1)
    x.set_value(np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"concatenate.*\(2x3\).*\(3x3\)"):
        joined.forward()
    with pytest.raises(ValueError, match=r"concatenate.*\(2x3\).*\(3x3\)"):
        wyrm.concatenate([a, x], axis=1).forward()
    for axis in (2, -1, None, "0"):
        with pytest.raises(ValueError, match="axis 0 or 1"):
            wyrm.concatenate([a, a], axis)
    with pytest.raises(ValueError, match="at least one"):
        wyrm.concatenate([], 0)
    for foreign in ([a, None], [a, [1.0]], [object()], 3, a):
        with pytest.raises(TypeError):
            wyrm.concatenate(foreign, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_vector_dot(shape, layout, rng):
    a, b = parameter(rng.normal(size=shape), layout), parameter(rng.normal(size=shape))
    y = wyrm.vector_dot(a, b)
    assert_value(y, np.sum(a.value.astype(float) * b.value, axis=1, keepdims=True), atol=1e-5)
    assert_gradients(y, rng)
    assert_value(wyrm.vector_dot(a, a), np.sum(a.value.astype(float) ** 2, axis=1, keepdims=True))
    assert_gradients(wyrm.vector_dot(a, a), rng)
    doubled = b * 2
    assert_gradients(wyrm.vector_dot(doubled, a) + wyrm.vector_dot(doubled, doubled), rng)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("each", [2, 7])
def test_vector_dot_of_several_rows_each(shape, layout, each, rng):
    rows, cols = shape
    a, b = parameter(rng.normal(size=shape), layout), parameter(rng.normal(size=(rows * each, cols)), layout)
    fixed = np.float32(rng.normal(size=(rows * each, cols)))
    y = wyrm.vector_dot(a, b)
    assert y.shape == (rows, each)
    assert_value(y, np.einsum("rd,rnd->rn", a.value.astype(float), b.value.reshape(rows, each, cols)), atol=1e-5)
    assert_gradients(y, rng)
    assert_gradients(wyrm.vector_dot(a, fixed) + y, rng)
    assert_gradients(wyrm.vector_dot(np.float32(rng.normal(size=shape)), b) + wyrm.vector_dot(a * 2, b), rng)


def test_vector_dot_refuses_other_shapes():
    a = wyrm.ParameterNode(np.ones((2, 3)), name="a")
    with pytest.raises(ValueError, match=r"vector_dot: .*rows.*'a' \(2x3\)"):
        wyrm.vector_dot(a, np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"vector_dot: .*rows.*'a' \(2x3\)"):
        wyrm.vector_dot(a, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"vector_dot: .*columns.*'a' \(2x3\)"):
        wyrm.vector_dot(np.ones((2, 1)), a)
    with pytest.raises(TypeError, match="vector_dot"):
        wyrm.vector_dot(a, 3j)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_sum_and_mean(name, shape, axis, layout, rng):
    a = parameter(rng.normal(size=shape), layout)
    y = getattr(a, name)(axis)
    expected = getattr(np, name)(a.value.astype(float), axis=axis, keepdims=True)
    assert y.shape == expected.shape
    assert_value(y, expected, atol=1e-4)
    assert_gradients(y, rng)
    doubled = a * 2
    y = doubled * getattr(doubled, name)(axis)
    assert_value(y, 4 * a.value * expected, rtol=1e-5, atol=1e-3)
    assert_gradients(y, rng)


@pytest.mark.parametrize("axis", [2, -1, "0", 0.0, (0, 1)])
def test_sum_refuses_other_axes(axis):
    with pytest.raises(ValueError, match="axis: expected 0"):
        wyrm.ParameterNode([[1.0]]).sum(axis=axis)


def test_mean_follows_the_number_of_rows(rng):
    w = parameter(rng.normal(size=(3, 2)))
    x = wyrm.InputNode(np.ones((2, 3)))
    y, rows = (x @ w).mean(), (x @ w).mean(axis=0)
    for n in (5, 1, 1000, 2):
        x.set_value(rng.normal(size=(n, 3)))
        assert_value(y, [[(x.value.astype(float) @ w.value).mean()]], rtol=1e-5)
        assert_value(rows, (x.value.astype(float) @ w.value).mean(axis=0, keepdims=True), rtol=1e-5)
        assert_gradients(rows, rng)


def test_a_sum_of_many_small_numbers_is_accurate():
    x = wyrm.InputNode(np.full((1_000_000, 1), 0.1))
    exact = 1_000_000 * float(np.float32(0.1))
    assert_value(x.sum(), [[exact]], rtol=1e-5)
    assert_value(x.sum(axis=0), [[exact]], rtol=1e-4)
    assert_value(x.mean(), [[float(np.float32(0.1))]], rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (9, 16), (4, 100)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, shape, layout, rng):
    a = parameter(rng.normal(size=shape), layout)
    reference = getattr(scipy.special, name)
    assert_value(getattr(a, name)(), reference(a.value.astype(float), axis=1), atol=1e-6)
    assert_gradients(getattr(a, name)(), rng)
    doubled = a * 2
    assert_gradients(getattr(doubled, name)() * doubled, rng)


@pytest.mark.parametrize("scale", [10, 100, 1e4, 1e30])
def test_softmax_of_large_logits(scale):
    logits = scale * np.array([[1.0, 2.0, -3.0, 2.0], [0.0, 0.0, 0.0, 0.0], [-1.0, -2.0, -2.0, -5.0]])
    a = wyrm.ParameterNode(logits)
    exact = a.value.astype(float)
    assert_value(a.softmax(), scipy.special.softmax(exact, axis=1), atol=1e-7)
    assert_value(a.log_softmax(), scipy.special.log_softmax(exact, axis=1).astype(np.float32), rtol=1e-6, atol=1e-6)
    for node in (a.softmax()[:, 0], a.log_softmax()[:, 1]):
        loss = node.sum()
        loss.forward()
        loss.backward()
        assert np.isfinite(a.gradient).all()
