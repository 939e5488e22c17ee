"""Graphs as wholes: order of calls, shared parts, batches."""

import numpy as np
import pytest
from engine.support import assert_gradients, assert_value, parameter

import wyrm


def exact_gradient(w, x, y):
    return 2 * x.value.T.astype(float) @ (x.value.astype(float) @ w.value - y.value)


# --- Order of calls ----------------------------------------------------------------------------------------------


def test_forward_and_backward(regression):
    loss, y_hat, w, x, y = regression
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(y_hat.value, x.value @ w.value, rtol=1e-5)
    np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-5)


def test_backward_twice_doubles(regression):
    loss, _, w, _, _ = regression
    loss.forward()
    loss.backward()
    once = w.gradient
    loss.backward()
    np.testing.assert_allclose(w.gradient, 2 * once, rtol=1e-6)
    loss.backward(-2.0)
    np.testing.assert_allclose(w.gradient, 0 * once, atol=1e-5)


def test_weight_scales_the_gradient(regression):
    loss, _, w, x, y = regression
    loss.forward()
    loss.backward(np.float32(0.25))
    np.testing.assert_allclose(w.gradient, 0.25 * exact_gradient(w, x, y), rtol=1e-5)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf, 1e39])
def test_weights_that_are_not_finite_in_float32_are_refused(regression, weight):
    loss, _, w, _, _ = regression
    loss.forward()
    for node in (loss, w):
        with pytest.raises(ValueError, match="finite in float32"):
            node.backward(weight)
    assert not w.gradient.any()


@pytest.mark.parametrize("weight", ["1", None, 1j, [[1.0]], object()])
def test_weights_that_are_no_number_are_refused(regression, weight):
    loss, _, _, _, _ = regression
    loss.forward()
    with pytest.raises(TypeError):
        loss.backward(weight)


def test_zero_gradients(regression):
    loss, _, w, _, _ = regression
    loss.forward()
    loss.backward()
    assert w.gradient.any()
    loss.zero_gradients()
    assert not w.gradient.any()
    loss.backward()
    w.zero_gradients()
    assert not w.gradient.any()


def test_forward_without_backward(regression):
    loss, _, w, x, y = regression
    for n in (2, 5):
        x.set_value(np.ones((n, 3)))
        y.set_value(np.ones((n, 1)))
        loss.forward()
    assert not w.gradient.any()
    loss.backward()
    np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-5)


def test_backward_without_forward(regression):
    loss, y_hat, w, _, _ = regression
    for node in (loss, y_hat):
        with pytest.raises(RuntimeError, match=r"forward\(\) first"):
            node.backward()
    loss.forward()
    with pytest.raises(RuntimeError, match=r"forward\(\) first"):
        y_hat.backward()
    assert not w.gradient.any()


def test_backward_after_an_input_changed(regression):
    loss, _, w, x, y = regression
    loss.forward()
    for change in (lambda: x.set_value(np.ones((4, 3))), lambda: y.set_value(y.value)):
        change()
        with pytest.raises(RuntimeError, match="an input was set after"):
            loss.backward()
        assert not w.gradient.any()
        loss.forward()
    loss.backward()
    np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-5)


def test_backward_after_an_index_changed(rng):
    table = parameter(rng.normal(size=(5, 2)))
    index = wyrm.IndexInputNode([1, 2])
    loss = table.embedding(index).sum()
    loss.forward()
    index.set_value(3)
    with pytest.raises(RuntimeError, match="an input was set after"):
        loss.backward()
    assert len(table.sparse_gradient.indices) == 0


@pytest.mark.parametrize("rows", [4, 9])
def test_building_on_a_node_does_not_hide_that_an_input_changed(regression, rows):
    _, y_hat, w, x, _ = regression
    y_hat.forward()
    x.set_value(np.ones((rows, 3)))
    y_hat[:, 0]  # asks y_hat how many rows it has now
    with pytest.raises(RuntimeError, match=r"forward\(\)"):
        y_hat.backward()
    y_hat.forward()
    y_hat.backward()
    np.testing.assert_allclose(w.gradient, np.full((3, 1), rows))


def test_a_refused_value_does_not_count_as_a_change(regression):
    loss, _, w, x, y = regression
    loss.forward()
    with pytest.raises(ValueError):
        x.set_value(np.full((4, 3), np.nan))
    loss.backward()
    np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-5)


def test_value_before_forward(regression):
    loss, y_hat, _, _, _ = regression
    for node in (loss, y_hat):
        with pytest.raises(RuntimeError, match="no value yet"):
            node.value  # noqa: B018
    loss.forward()
    assert y_hat.value.shape == (4, 1)


def test_value_is_a_copy(regression):
    loss, y_hat, w, x, _ = regression
    loss.forward()
    kept = y_hat.value
    before = kept.copy()
    y_hat.value[...] = 7
    x.value[...] = 7
    np.testing.assert_array_equal(y_hat.value, before)
    w.value[...] = 0
    loss.forward()
    np.testing.assert_array_equal(kept, before)


def test_an_inner_node_first(regression):
    loss, y_hat, w, x, y = regression
    y_hat.forward()
    np.testing.assert_allclose(y_hat.value, x.value @ w.value, rtol=1e-5)
    x.set_value(np.ones((4, 3)))
    loss.forward()
    np.testing.assert_allclose(y_hat.value, x.value @ w.value, rtol=1e-5)
    x.set_value(np.full((2, 3), 2.0))
    y.set_value(np.ones((2, 1)))
    y_hat.forward()
    np.testing.assert_allclose(y_hat.value, x.value @ w.value, rtol=1e-5)
    assert y_hat.shape == (2, 1)
    with pytest.raises(RuntimeError, match=r"an input was set after|forward\(\)"):
        loss.backward()
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-5)
    w.zero_gradients()
    y_hat.backward()
    np.testing.assert_allclose(w.gradient, x.value.sum(axis=0, keepdims=True).T, rtol=1e-5)


def test_a_failed_forward_leaves_no_value_to_go_back_from(rng):
    table = parameter(rng.normal(size=(5, 2)))
    index = wyrm.IndexInputNode([1, 2])
    loss = table.embedding(index).sum()
    loss.forward()
    index.set_value([1, 5])
    with pytest.raises(IndexError):
        loss.forward()
    with pytest.raises(RuntimeError):
        loss.backward()
    index.set_value([4, 4])
    loss.forward()
    loss.backward()
    np.testing.assert_array_equal(table.sparse_gradient.indices, [4])


# --- Shared parts ------------------------------------------------------------------------------------------------


def test_a_shared_part_gets_its_gradient_once(rng):
    w = parameter(rng.normal(size=(3, 3)))
    shared = (w @ w).tanh()
    loss = shared * shared + shared.sum(axis=0) - shared.T @ shared + shared[0:1, :]
    assert_gradients(loss, rng)


def test_two_losses_share_a_part(rng):
    w, v = parameter(rng.normal(size=(3, 2)), name="w"), parameter(rng.normal(size=(3, 2)), name="v")
    x = wyrm.InputNode(rng.normal(size=(4, 3)))
    shared = (x @ w).tanh()
    first, second = shared.square().sum(), (shared * (x @ v)).sum()
    assert first.parameters() == (w,)
    assert set(second.parameters()) == {w, v}
    gradients = []
    for loss in (first, second):
        loss.forward()
        loss.backward()
        gradients.append((w.gradient, v.gradient))
        second.zero_gradients()
    first.forward()
    second.forward()
    first.backward()
    second.backward()
    for node, one, other in zip((w, v), *gradients):
        np.testing.assert_allclose(node.gradient, one + other, rtol=1e-5, atol=1e-6)
    x.set_value(rng.normal(size=(7, 3)))
    for loss in (first, second):
        assert wyrm.check_gradients(loss) < 1e-3
    x.set_value(np.zeros((2, 3)))
    first.forward()
    assert not shared.value.any()
    assert shared.shape == (2, 2)


def test_the_value_of_a_shared_part_is_the_newest(rng):
    w = parameter(np.ones((1, 1)))
    x = wyrm.InputNode(1.0)
    shared = x * w
    first, second = shared + 1, shared + 2
    for step, node in enumerate([first, second, shared, second, first, first, shared]):
        x.set_value(float(step))
        node.forward()
        assert shared.value == [[step]]


def test_parameters_are_listed_once(rng):
    a, b = parameter(rng.normal(size=(2, 2))), parameter(rng.normal(size=(2, 2)))
    index = wyrm.IndexInputNode([0])
    loss = (a * b + a @ b - a).sum() + a.embedding(index).sum() + b.fm_interaction(index)
    assert sorted(map(id, loss.parameters())) == sorted(map(id, (a, b)))
    assert a.parameters() == (a,)
    assert index.parameters() == wyrm.InputNode(1.0).parameters() == (wyrm.InputNode(1.0) * 2).parameters() == ()


def test_two_nodes_over_one_storage_have_gradients_of_their_own(rng):
    shared = wyrm.HogwildParameter(rng.normal(size=(4, 2)))
    a, b = wyrm.ParameterNode.shared(shared, name="a"), wyrm.ParameterNode.shared(shared, name="b")
    loss = (a * a).sum() + b.embedding(wyrm.IndexInputNode([2])).sum()
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(a.gradient, 2 * shared.value, rtol=1e-6)
    np.testing.assert_array_equal(b.sparse_gradient.indices, [2])
    assert wyrm.check_gradients(loss) < 1e-3


def test_backward_of_leaves(rng):
    w = parameter(rng.normal(size=(2, 3)))
    w.forward()
    w.backward(2)
    w.backward(0.5)
    np.testing.assert_array_equal(w.gradient, np.full((2, 3), 2.5))
    for leaf in (wyrm.InputNode(1.0), wyrm.IndexInputNode([1])):
        leaf.forward()
        with pytest.raises(ValueError, match="no parameter"):
            leaf.backward()


# --- Batches -----------------------------------------------------------------------------------------------------


def test_batches_grow_and_shrink(regression, rng):
    loss, y_hat, w, x, y = regression
    for n in (4, 1, 2, 1000, 3, 5000, 1, 17):
        x.set_value(rng.normal(size=(n, 3)))
        y.set_value(rng.normal(size=(n, 1)))
        loss.zero_gradients()
        loss.forward()
        loss.backward()
        assert y_hat.shape == (n, 1)
        np.testing.assert_allclose(w.gradient, exact_gradient(w, x, y), rtol=1e-3, atol=1e-3)


def test_inputs_that_no_longer_fit_each_other_are_named(regression):
    loss, _, _, x, _ = regression
    loss.forward()
    x.set_value(np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"subtract: .*rows that broadcast.*'y' \(4x1\).*matmul \(5x1\)"):
        loss.forward()
    x.set_value(np.ones((1, 3)))  # broadcasts
    loss.forward()


def test_a_graph_built_after_its_inputs_changed(rng):
    w = parameter(rng.normal(size=(3, 1)))
    x, y = wyrm.InputNode(np.ones((1, 3))), wyrm.InputNode(np.ones((1, 1)))
    y_hat = (x @ w).tanh()
    x.set_value(rng.normal(size=(6, 3)))
    y.set_value(rng.normal(size=(6, 1)))
    assert_gradients(y - y_hat, rng)
    assert_gradients(wyrm.concatenate([y_hat, y], axis=1), rng)
    assert_gradients(y_hat[2:5], rng)


def test_broadcasting_that_changes_with_the_batch(rng):
    a, b = wyrm.InputNode(np.ones((4, 1))), wyrm.InputNode(np.ones((4, 3)))
    w = parameter(rng.normal(size=(1, 3)))
    y = (a * w) * (b + w) / (a + 3)
    for n, m in [(4, 4), (1, 5), (5, 1), (1, 1), (300, 1), (2, 2)]:
        a.set_value(rng.uniform(size=(n, 1)))
        b.set_value(rng.uniform(size=(m, 3)))
        assert_value(y, (a.value * w.value) * (b.value + w.value) / (a.value + 3), rtol=1e-5)
        assert_gradients(y, rng)
