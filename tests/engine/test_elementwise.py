"""Arithmetic with broadcasting, and functions of one operand: values against NumPy, gradients against differences."""

import operator

import numpy as np
import pytest
from engine.support import LAYOUTS, SHAPES, assert_gradients, assert_value, away_from, parameter, weighted

import wyrm


def sigmoid(x):
    return np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


# name: (reference, lowest and highest value to try, kinks)
UNARY = {
    "square": (np.square, -2, 2, ()),
    "sqrt": (np.sqrt, 0.5, 4, ()),
    "exp": (np.exp, -2, 2, ()),
    "log": (np.log, 0.5, 4, ()),
    "tanh": (np.tanh, -2, 2, ()),
    "sigmoid": (sigmoid, -2, 2, ()),
    "relu": (lambda x: np.maximum(x, 0), -2, 2, (0.0,)),
    "softplus": (lambda x: np.logaddexp(x, 0), -2, 2, ()),
    "negative": (np.negative, -2, 2, ()),
    "clip": (lambda x: np.clip(x, -0.5, 1.0), -2, 2, (-0.5, 1.0)),
}
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]
PAIRS = [
    ((1, 1), (1, 1)),
    ((4, 1), (4, 1)),
    ((1, 4), (1, 4)),
    ((3, 5), (3, 5)),
    ((3, 5), (1, 1)),
    ((1, 1), (3, 5)),
    ((3, 5), (1, 5)),
    ((1, 5), (3, 5)),
    ((3, 5), (3, 1)),
    ((3, 1), (3, 5)),
    ((3, 1), (1, 5)),
    ((1, 5), (3, 1)),
    ((1, 1), (6, 1)),
    ((1, 6), (1, 1)),
    ((37, 19), (37, 1)),
    ((1, 19), (37, 19)),
    ((100, 1), (1, 100)),
]


def apply(name, node):
    if name == "negative":
        return -node
    return node.clip(-0.5, 1.0) if name == "clip" else getattr(node, name)()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_function_of_one_operand(name, shape, layout, rng):
    reference, low, high, kinks = UNARY[name]
    x = parameter(away_from(rng, shape, kinks, low=low, high=high), layout)
    y = apply(name, x)
    assert y.shape == shape
    assert_value(y, reference(x.value.astype(float)))
    assert_gradients(y, rng)


@pytest.mark.parametrize("name", UNARY)
def test_function_of_a_computed_value_that_is_used_twice(name, rng):
    reference, low, high, kinks = UNARY[name]
    x = parameter(away_from(rng, (4, 3), [2 * k for k in kinks], gap=0.1, low=2 * low, high=2 * high))
    half = x * 0.5
    y = apply(name, half) * half
    assert_value(y, reference(x.value / 2.0) * x.value / 2.0)
    assert_gradients(y, rng)


@pytest.mark.parametrize("layouts", [("contiguous", "contiguous"), ("strided", "contiguous"), ("strided", "strided")])
@pytest.mark.parametrize(("left", "right"), PAIRS)
@pytest.mark.parametrize("operation", BINARY)
def test_arithmetic_broadcasts(operation, left, right, layouts, rng):
    a = parameter(rng.uniform(0.5, 2, size=left), layouts[0])
    b = parameter(rng.uniform(0.5, 2, size=right), layouts[1])
    y = operation(a, b)
    assert_value(y, operation(a.value.astype(float), b.value))
    assert_gradients(y, rng)


@pytest.mark.parametrize(("left", "right"), PAIRS)
@pytest.mark.parametrize("operation", BINARY)
def test_arithmetic_with_an_input_on_either_side(operation, left, right, rng):
    a = parameter(rng.uniform(0.5, 2, size=left))
    b = wyrm.InputNode(rng.uniform(0.5, 2, size=right))
    for y, expected in [
        (operation(a, b), operation(a.value.astype(float), b.value)),
        (operation(b, a), operation(b.value.astype(float), a.value)),
    ]:
        assert_value(y, expected)
        assert_gradients(y, rng)


@pytest.mark.parametrize("other", [3, 2.5, np.float32(1.5), np.float64(2.5), np.int64(4), np.full((2, 3), 1.5),
                                   np.array(2.0), np.arange(1, 4)[None], np.full((2, 1), 3, dtype=np.uint8)],
                         ids=lambda value: f"{type(value).__name__}{np.shape(value)}")  # fmt: skip
@pytest.mark.parametrize("operation", BINARY)
def test_arithmetic_with_numbers_and_arrays(operation, other, rng):
    x = parameter(rng.uniform(0.5, 2, size=(2, 3)))
    assert_value(operation(x, other), operation(x.value.astype(float), other))
    assert_value(operation(other, x), operation(other, x.value.astype(float)))
    assert_gradients(operation(other, x), rng)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("operation", BINARY)
def test_both_operands_the_same(operation, layout, shape, rng):
    x = parameter(rng.uniform(0.5, 2, size=shape), layout)
    assert_value(operation(x, x), operation(x.value.astype(float), x.value))
    assert_gradients(operation(x, x), rng)
    doubled = x * 2
    assert_gradients(operation(doubled, doubled), rng)


def test_gradient_of_x_times_x_is_exact():
    x = wyrm.ParameterNode([[3.0]])
    y = x * x
    y.forward()
    y.backward()
    assert x.gradient == [[6.0]]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_chains_of_arithmetic_that_reuse_every_value(depth, rng):
    x = parameter(rng.uniform(0.5, 1.5, size=(3, 4)))
    y, expected = x, x.value.astype(float)
    for _ in range(depth):
        y, expected = (y + x) * y / (x + 1) - y, (expected + x.value) * expected / (x.value + 1) - expected
    assert_value(y, expected, rtol=1e-5, atol=1e-5)
    assert_gradients(y, rng)


def test_relu_has_gradient_zero_at_zero():
    x = wyrm.ParameterNode([[-1.0, 0.0, 2.0]])
    y = x.relu().sum()
    y.forward()
    y.backward()
    np.testing.assert_array_equal(x.gradient, [[0, 0, 1]])


def test_clip_lets_no_gradient_through_outside():
    x = wyrm.ParameterNode([[-3.0, -0.2, 0.7, 5.0]])
    y = x.clip(-0.5, 1.0)
    y.forward()
    y.backward(2.0)
    np.testing.assert_array_equal(y.value, np.float32([[-0.5, -0.2, 0.7, 1.0]]))
    np.testing.assert_array_equal(x.gradient, [[0, 2, 2, 0]])


@pytest.mark.parametrize(("low", "high"), [(1.0, -1.0), (np.nan, 1.0), (0.0, np.nan)])
def test_clip_refuses_bounds_that_make_no_range(low, high):
    with pytest.raises(ValueError, match="expected low <= high"):
        wyrm.ParameterNode([[1.0]]).clip(low, high)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (9, 4)])
def test_clip_to_one_side(shape, rng):
    x = parameter(away_from(rng, shape))
    assert_value(x.clip(0, np.inf), np.maximum(x.value, 0))
    assert_value(x.clip(-np.inf, 0), np.minimum(x.value, 0))
    assert_gradients(x.clip(-np.inf, 0), rng)


@pytest.mark.parametrize("size", [1, 3, 8, 17])
def test_functions_far_from_zero(size):
    x = wyrm.InputNode(np.array([[-1e4, -200.0, -50.0, 50.0, 200.0, 1e4]]).repeat(size, axis=0))
    with np.errstate(over="ignore"):
        for name in ("tanh", "sigmoid", "softplus", "exp", "relu"):
            y = apply(name, x)
            y.forward()
            expected = UNARY[name][0](x.value.astype(float)).astype(np.float32)
            np.testing.assert_allclose(y.value, expected, rtol=2e-6, atol=1e-37, err_msg=name)


@pytest.mark.parametrize("size", [1, 3, 8, 17])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus"])
def test_gradients_far_from_zero_are_finite(name, size):
    x = wyrm.ParameterNode(np.tile([[-1e4, -100.0, 100.0, 1e4]], (size, 1)))
    y = apply(name, x).sum()
    y.forward()
    y.backward()
    expected = {"softplus": [0, 0, 1, 1]}.get(name, [0, 0, 0, 0])
    np.testing.assert_allclose(x.gradient, np.tile(expected, (size, 1)), atol=1e-30)


@pytest.mark.parametrize("size", [1, 3, 8, 17])
def test_nan_and_infinity_keep_their_meaning(size):
    x = wyrm.InputNode(np.tile([[-1.0, 0.0, 1.0]], (size, 1)))

    def value(node):
        node.forward()
        return node.value[-1]

    np.testing.assert_array_equal(value(x.log()), [np.nan, -np.inf, 0])
    np.testing.assert_array_equal(value(x.sqrt()), [np.nan, 0, 1])
    np.testing.assert_array_equal(value(x / 0.0), [-np.inf, np.nan, np.inf])
    nan = x.log()
    for name in UNARY:
        if name not in ("sqrt", "log"):
            assert np.isnan(value(apply(name, nan))[0]), f"{name} hides NaN"
    for operation in BINARY:
        assert np.isnan(value(operation(nan, x))[0])


def test_forward_again_after_a_parameter_changed(rng):
    x = parameter(rng.normal(size=(2, 2)))
    y = x.square()
    y.forward()
    x.value[...] = 3
    assert_value(y, np.full((2, 2), 9.0))
    x.value = np.full((2, 2), 4)
    assert_value(y, np.full((2, 2), 16.0))
    x.parameter.value[0, 0] = 0
    assert_value(y, [[0, 16], [16, 16]])


@pytest.mark.parametrize("operation", BINARY)
def test_shapes_that_do_not_broadcast_are_refused(operation):
    a, b = wyrm.ParameterNode(np.ones((2, 3)), name="left"), wyrm.InputNode(np.ones((4, 3)), name="right")
    with pytest.raises(ValueError, match=r"rows that broadcast.*'left' \(2x3\).*'right' \(4x3\)"):
        operation(a, b)
    with pytest.raises(ValueError, match=r"columns that broadcast.*\(2x3\).*\(2x2\)"):
        operation(a, np.ones((2, 2)))


@pytest.mark.parametrize("foreign", [None, "1", [1.0], (1,), 1j, object(), b"", {}], ids=repr)
@pytest.mark.parametrize("operation", [*BINARY, operator.matmul])
def test_foreign_operands_are_refused(operation, foreign):
    x = wyrm.ParameterNode([[1.0]])
    with pytest.raises(TypeError):
        operation(x, foreign)
    with pytest.raises(TypeError):
        operation(foreign, x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39, 10**400, np.array([[np.nan]]), np.ones(3),
                                 np.ones((2, 0)), np.ones((1, 1, 1))], ids=lambda value: f"{value!r:.20}")  # fmt: skip
@pytest.mark.parametrize("operation", [*BINARY, operator.matmul])
def test_constants_that_are_no_finite_matrix_are_refused(operation, bad):
    x = wyrm.ParameterNode([[1.0]])
    with pytest.raises(ValueError, match="expected"):
        operation(x, bad)
    with pytest.raises(ValueError, match="expected"):
        operation(bad, x)


def test_row_numbers_are_no_values():
    x, index = wyrm.ParameterNode([[1.0]]), wyrm.IndexInputNode([0])
    for operation in [*BINARY, operator.matmul]:
        with pytest.raises(TypeError, match="row numbers"):
            operation(x, index)
        with pytest.raises(TypeError, match="row numbers"):
            operation(index, 1.0)
    for use in [
        lambda: -index, lambda: index.T, lambda: index.sum(), lambda: index.mean(), lambda: index.exp(),
        lambda: index.clip(0, 1), lambda: index[0], lambda: index.softmax(), lambda: weighted(index, None),
        lambda: wyrm.concatenate([x, index], axis=0), lambda: wyrm.vector_dot(index, x),
    ]:  # fmt: skip
        with pytest.raises((TypeError, AttributeError)):
            use()
