"""Losses: values against NumPy in float64, gradients against differences, and both where the arithmetic is delicate."""

import numpy as np
import pytest
import scipy.special
from engine.support import LAYOUTS, SHAPES, assert_gradients, assert_value, away_from, parameter, weighted

import wyrm
from wyrm.nn import losses


def softplus(x):
    return np.logaddexp(x, 0)


# name: (reference, targets to draw from)
POINTWISE = {
    "squared_error": (lambda y_hat, y: (y_hat - y) ** 2, [-1.0, 0.3, 2.0]),
    "logistic": (lambda z, y: softplus(z) - y * z, [0.0, 1.0, 0.25]),
    "hinge": (lambda y_hat, y: np.maximum(1 - y * y_hat, 0), [-1.0, 1.0]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise(name, shape, with_weight, layout, rng):
    reference, targets = POINTWISE[name]
    y_hat = parameter(away_from(rng, shape, (-1.0, 1.0)), layout)
    y = wyrm.InputNode(rng.choice(targets, size=shape))
    weight = wyrm.InputNode(rng.uniform(0.2, 3, size=(shape[0], 1))) if with_weight else None
    loss = getattr(losses, name)(y_hat, y, weight)
    expected = reference(y_hat.value.astype(float), y.value) * (weight.value if with_weight else 1)
    assert loss.shape == shape
    assert_value(loss, expected, rtol=1e-5, atol=1e-6)
    assert_gradients(loss, rng)
    doubled = y_hat * 2 - y_hat
    assert_gradients(getattr(losses, name)(doubled, y, weight) * doubled, rng)


@pytest.mark.parametrize("name", POINTWISE)
def test_arrays_as_targets_and_weights(name, rng):
    reference, targets = POINTWISE[name]
    y_hat = parameter(away_from(rng, (4, 1), (-1.0, 1.0)))
    y, weight = rng.choice(targets, size=(4, 1)), rng.uniform(size=(4, 1))
    loss = getattr(losses, name)(y_hat, y, weight)
    assert_value(loss, weight * reference(y_hat.value.astype(float), np.float32(y)), rtol=1e-5)
    assert_gradients(loss, rng)


@pytest.mark.parametrize("name", POINTWISE)
def test_batches_that_change(name, rng):
    reference, targets = POINTWISE[name]
    w = parameter(rng.normal(size=(3, 1)))
    x, y, weight = wyrm.InputNode(np.ones((1, 3))), wyrm.InputNode([[1.0]]), wyrm.InputNode([[1.0]])
    loss = getattr(losses, name)(x @ w, y, weight)
    for n in (1, 300, 7, 1, 8):
        x.set_value(rng.normal(size=(n, 3)))
        y.set_value(rng.choice(targets, size=(n, 1)))
        weight.set_value(rng.uniform(size=(n, 1)))
        y_hat = x.value.astype(float) @ w.value
        assert_value(loss, weight.value * reference(y_hat, y.value), rtol=1e-4, atol=1e-5)


def test_mean_of_a_loss(rng):
    y_hat, y = parameter(rng.normal(size=(10, 1))), rng.normal(size=(10, 1)).astype(np.float32)
    loss = losses.squared_error(y_hat, y).mean()
    assert_value(loss, [[np.mean((y_hat.value - y) ** 2)]])
    loss.backward()
    np.testing.assert_allclose(y_hat.gradient, 0.2 * (y_hat.value - y), rtol=1e-5)


# --- Where the arithmetic is delicate ----------------------------------------------------------------------------

LOGITS = [-1e30, -1e4, -100.0, -88.0, -20.0, -10.1, -1e-3, 0.0, 1e-6, 10.1, 20.0, 88.0, 89.0, 100.0, 1e4, 1e30]


@pytest.mark.parametrize("size", [1, 16])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_log_loss_of_any_logit_is_finite_with_the_right_gradient(y, size):
    for logits in np.reshape(LOGITS, (-1, size)):
        z = wyrm.ParameterNode(logits.reshape(-1, 1))
        loss = losses.logistic(z, np.full((size, 1), y))
        exact = z.value.astype(float)
        assert_value(loss, softplus(exact if y == 0 else -exact), rtol=2e-6, atol=1e-37)
        loss.backward(2.0)
        gradient = 2 * scipy.special.expit(exact) if y == 0 else -2 * scipy.special.expit(-exact)
        np.testing.assert_allclose(z.gradient, gradient, rtol=2e-6, atol=1e-36)


@pytest.mark.parametrize("name", ["bpr", "negative_sampling"])
@pytest.mark.parametrize("logit", LOGITS[1:-1])
def test_ranking_losses_of_any_logit(name, logit):
    positive, negative = wyrm.ParameterNode([[logit]]), wyrm.ParameterNode([[0.5]])
    loss = getattr(losses, name)(positive, negative)
    exact = float(np.float32(logit))
    if name == "bpr":
        expected, slope = softplus(0.5 - exact), -scipy.special.expit(0.5 - exact)
    else:
        expected, slope = softplus(-exact) + softplus(0.5), -scipy.special.expit(-exact)
    assert_value(loss, [[expected]], rtol=3e-6, atol=1e-30)
    loss.backward()
    np.testing.assert_allclose(positive.gradient, [[slope]], rtol=2e-5, atol=1e-36)


def test_hinge_beyond_the_margin_has_no_gradient():
    y_hat = wyrm.ParameterNode([[2.0], [-0.5], [-3.0]])
    loss = losses.hinge(y_hat, np.array([[1.0], [1.0], [-1.0]]))
    assert_value(loss, [[0], [1.5], [0]])
    loss.backward()
    np.testing.assert_array_equal(y_hat.gradient, [[0], [-1], [0]])


# --- Cross-entropy -----------------------------------------------------------------------------------------------


def reference_crossentropy(logits, targets, weight):
    log_p = scipy.special.log_softmax(np.asarray(logits, dtype=float), axis=1)
    return np.array([[-w * sum(log_p[r, t] for t in bag)] for r, (bag, w) in enumerate(zip(targets, weight))])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backward_weight", [1.0, 0.25, -3.0])
@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("targets", [[[2]], [[0], [4], [4]], [[1, 3], [2, 2]], [[0, 1, 2, 3, 4]], [[], [3], [1, 1, 0]],
                                     [[c % 5] for c in range(40)]], ids=len)  # fmt: skip
def test_crossentropy(targets, with_weight, backward_weight, layout, rng):
    rows = len(targets)
    logits = parameter(rng.normal(size=(rows, 5)), layout)
    flat, offsets = [t for bag in targets for t in bag], np.cumsum([0] + [len(bag) for bag in targets])
    target = wyrm.IndexInputNode((flat, offsets))
    weight = rng.uniform(0.2, 3, size=(rows, 1)) if with_weight else None
    loss = losses.sparse_categorical_crossentropy(logits, target, weight)
    weights = np.ones(rows) if weight is None else weight[:, 0]
    assert_value(loss, reference_crossentropy(logits.value, targets, weights), rtol=1e-5, atol=1e-6)
    loss.backward(backward_weight)
    p = scipy.special.softmax(logits.value.astype(float), axis=1)
    expected = np.zeros((rows, 5))
    for r, bag in enumerate(targets):
        for t in bag:
            expected[r] += backward_weight * weights[r] * (p[r] - np.eye(5)[t])
    np.testing.assert_allclose(logits.gradient, expected, rtol=1e-4, atol=1e-5)
    assert_gradients(loss, rng)
    doubled = logits * 2
    assert_gradients(losses.sparse_categorical_crossentropy(doubled, target) * doubled[:, 0], rng)


def test_crossentropy_with_a_target_per_row_in_one_list(rng):
    logits = parameter(rng.normal(size=(3, 4)))
    loss = losses.sparse_categorical_crossentropy(logits, wyrm.IndexInputNode([0, 3, 1]))
    assert_value(loss, reference_crossentropy(logits.value, [[0], [3], [1]], np.ones(3)), rtol=1e-5)
    assert_gradients(loss, rng)


def test_crossentropy_with_several_targets_of_one_row(rng):
    logits = parameter(rng.normal(size=(1, 4)))
    loss = losses.sparse_categorical_crossentropy(logits, wyrm.IndexInputNode([0, 3, 1]))
    assert_value(loss, reference_crossentropy(logits.value, [[0, 3, 1]], [1]), rtol=1e-5)
    assert_gradients(loss, rng)


def test_crossentropy_of_batches_that_change(rng):
    w = parameter(rng.normal(size=(3, 6)))
    x, target = wyrm.InputNode(np.ones((1, 3))), wyrm.IndexInputNode([0])
    loss = losses.sparse_categorical_crossentropy(x @ w, target)
    for n in (1, 5, 200, 2):
        x.set_value(rng.normal(size=(n, 3)))
        target.set_value(rng.integers(6, size=n))
        expected = reference_crossentropy(x.value.astype(float) @ w.value, target.value.reshape(-1, 1), np.ones(n))
        assert_value(loss, expected, rtol=1e-4, atol=1e-5)
        assert_gradients(loss, rng)


@pytest.mark.parametrize("scale", [100, 1e4, 1e30])
def test_crossentropy_of_large_logits(scale):
    logits = wyrm.ParameterNode(scale * np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -2.0]]))
    loss = losses.sparse_categorical_crossentropy(logits, wyrm.IndexInputNode([1, 0]))
    assert_value(loss, reference_crossentropy(logits.value, [[1], [0]], np.ones(2)), rtol=1e-6)
    loss.backward()
    np.testing.assert_allclose(logits.gradient, [[1, -1, 0], [-0.5, 0.5, 0]], atol=1e-6)


def test_crossentropy_refuses_targets_that_do_not_fit(rng):
    logits = wyrm.ParameterNode(rng.normal(size=(3, 4)), name="scores")
    for bad in ([0, 1], [0, 1, 2, 3], ([0, 1], [0, 1, 2])):
        with pytest.raises(ValueError, match=r"one target.*'scores' \(3x4\)"):
            losses.sparse_categorical_crossentropy(logits, wyrm.IndexInputNode(bad))
    target = wyrm.IndexInputNode([0, 4, 1], name="classes")
    for weight in (None, np.ones((3, 1))):
        loss = losses.sparse_categorical_crossentropy(logits, target, weight)
        with pytest.raises(
            IndexError, match=r"index 4 at position 1 of .*'classes'.*columns of .*'scores' \(3x4\).*0 to 3"
        ):
            loss.forward()
    target.set_value([0, 3])
    with pytest.raises(ValueError, match="one target"):
        loss.forward()
    for foreign in ([0, 1, 2], np.array([0, 1, 2]), None, logits):
        with pytest.raises(TypeError, match="IndexInputNode"):
            losses.sparse_categorical_crossentropy(logits, foreign)


# --- Ranking losses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("n", [1, 4])
def test_ranking_losses(n, k, with_weight, rng):
    positive, negative = parameter(rng.normal(size=(n, 1))), parameter(rng.normal(size=(n, k)))
    weight = rng.uniform(0.2, 3, size=(n, 1)).astype(np.float32) if with_weight else None
    factor = 1 if weight is None else weight
    p, q = positive.value.astype(float), negative.value.astype(float)
    loss = losses.bpr(positive, negative, weight)
    assert_value(loss, factor * softplus(q - p), rtol=1e-5)
    assert_gradients(loss, rng)
    loss = losses.negative_sampling(positive, negative, weight)
    assert_value(loss, factor * (softplus(-p) + softplus(q).sum(axis=1, keepdims=True)), rtol=1e-5)
    assert_gradients(loss, rng)


# --- Refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_refuses_what_does_not_fit(name):
    function = getattr(losses, name)
    y_hat, other = wyrm.ParameterNode(np.ones((3, 2)), name="p"), wyrm.ParameterNode(np.ones((3, 2)))
    with pytest.raises(ValueError, match=rf"{name}: .*rows.*'p' \(3x2\).*\(1x2\)"):
        function(y_hat, np.ones((1, 2)))
    with pytest.raises(ValueError, match=rf"{name}: .*columns.*'p' \(3x2\).*\(3x1\)"):
        function(y_hat, np.ones((3, 1)))
    for shape in ((1, 1), (1, 3), (3, 2), (2, 1)):
        with pytest.raises(ValueError, match="one weight"):
            function(y_hat, np.ones((3, 2)), np.ones(shape))
    with pytest.raises(ValueError, match="depend on no parameter"):
        function(y_hat, other)
    with pytest.raises(ValueError, match="depend on no parameter"):
        function(y_hat, np.ones((3, 2)), other[:, 0])
    for foreign in (None, "a", [1.0], object(), wyrm.IndexInputNode([1])):
        with pytest.raises(TypeError, match=name):
            function(foreign, y_hat)
        with pytest.raises(TypeError, match=name):
            function(y_hat, foreign)
    with pytest.raises(TypeError, match=name):
        function(y_hat, np.ones((3, 2)), [1.0])
    with pytest.raises(ValueError, match="finite"):
        function(y_hat, np.full((3, 2), np.nan))


@pytest.mark.parametrize("name", ["bpr", "negative_sampling"])
def test_ranking_losses_refuse_what_does_not_fit(name):
    function = getattr(losses, name)
    with pytest.raises(ValueError, match="rows"):
        function(wyrm.ParameterNode(np.ones((3, 1))), wyrm.ParameterNode(np.ones((2, 4))))
    for foreign in (None, [1.0], wyrm.IndexInputNode([1])):
        with pytest.raises(TypeError, match=name):
            function(foreign, wyrm.ParameterNode([[1.0]]))
        with pytest.raises(TypeError, match=name):
            function(wyrm.ParameterNode([[1.0]]), foreign)
    with pytest.raises(ValueError, match="depend on no parameter"):
        function(wyrm.ParameterNode([[1.0]]), wyrm.ParameterNode([[1.0]]), wyrm.ParameterNode([[1.0]]))


def test_a_loss_of_inputs_alone_has_nothing_to_learn(rng):
    loss = weighted(losses.squared_error(wyrm.InputNode([[1.0]]), wyrm.InputNode([[3.0]])), rng)
    loss.forward()
    with pytest.raises(ValueError, match="no parameter"):
        loss.backward()


def test_negatives_may_count_less(rng):
    positive, negative = parameter(rng.normal(size=(3, 1))), parameter(rng.normal(size=(3, 8)))
    weight = rng.uniform(0.2, 3, size=(3, 1)).astype(np.float32)
    loss = losses.negative_sampling(positive, negative, weight, negative_weight=5 / 8)
    p, q = positive.value.astype(float), negative.value.astype(float)
    assert_value(loss, weight * (softplus(-p) + 5 / 8 * softplus(q).sum(axis=1, keepdims=True)), rtol=1e-5)
    assert_gradients(loss, rng)
    with pytest.raises(ValueError, match="negative_weight"):
        losses.negative_sampling(positive, negative, negative_weight=-1)
    with pytest.raises(ValueError, match="one positive score"):
        losses.negative_sampling(negative, positive)
