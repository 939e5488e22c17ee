"""Graphs as wholes: order of calls, shared parts, batches, chains, the life of nodes."""

import gc
import resource
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest
from engine.support import allocated_bytes, assert_gradients, assert_value, counts_allocations, parameter, weighted

import wyrm


@pytest.fixture
def regression(rng):
    """A small graph: loss, its middle (y_hat), weights, x, y."""
    w = parameter(rng.normal(size=(3, 1)), name="w")
    x, y = wyrm.InputNode(rng.normal(size=(4, 3)), name="x"), wyrm.InputNode(rng.normal(size=(4, 1)), name="y")
    y_hat = x @ w
    return (y - y_hat).square().sum(), y_hat, w, x, y


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
    loss, y_hat, w, x, _ = regression
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
    with pytest.raises(RuntimeError, match="an input was set after|forward"):
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


# --- Depth -------------------------------------------------------------------------------------------------------

CHAIN = textwrap.dedent("""
    import sys, numpy as np, wyrm
    n = int(sys.argv[1])
    w = wyrm.ParameterNode([[0.5]])
    node = w
    for _ in range(n):
        node = node + w
    node.forward()
    assert node.value == n * 0.5 + 0.5, node.value
    node.backward()
    assert w.gradient == n + 1, w.gradient
    repr(node), node.parameters(), node.zero_gradients(), node.operands
    inner = node.operands[0]
    inner.forward()
    del inner
    if len(sys.argv) > 2:
        assert wyrm.draw(node).source.count("->") == 2 * n
        zero, node = wyrm.InputNode(0.0), w.square()
        for _ in range(n):
            node = node + zero
        assert wyrm.check_gradients(node) < 1e-3
    del node
    v = wyrm.ParameterNode(np.ones((2, 3)))
    node = v
    for i in range(n // 10):
        node = [lambda: node.tanh(), lambda: wyrm.concatenate([node, v], 0)[0:2], lambda: node.T.T][i % 3]()
    node.sum().forward()
    print("done")
""")


def run_chain(*arguments, stack=None):
    def limit():
        if stack is not None:
            resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))

    done = subprocess.run(
        [sys.executable, "-c", CHAIN, *map(str, arguments)], preexec_fn=limit, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


def test_a_deep_chain():
    run_chain(20_000, "draw", stack=256 * 1024)


@pytest.mark.slow
def test_a_chain_of_a_million_nodes():
    run_chain(1_000_000)


@pytest.mark.slow
def test_a_chain_of_a_million_nodes_on_a_small_stack():
    run_chain(1_000_000, stack=256 * 1024)


# --- The life of nodes -------------------------------------------------------------------------------------------


def test_an_inner_value_outlives_the_root(regression):
    loss, y_hat, w, x, _ = regression
    loss.forward()
    expected = x.value @ w.value
    gone = weakref.ref(loss) if hasattr(type(loss), "__weakref__") else None
    del loss, regression
    gc.collect()
    assert gone is None or gone() is None
    np.testing.assert_allclose(y_hat.value, expected, rtol=1e-5)
    x.set_value(np.ones((2, 3)))
    del x
    gc.collect()
    np.testing.assert_allclose(y_hat.value, expected, rtol=1e-5)
    assert y_hat.shape == (4, 1)


def test_an_inner_value_outlives_root_and_leaves():
    w = wyrm.ParameterNode(np.full((50, 50), 2.0))
    index = wyrm.IndexInputNode(np.arange(40))
    inner = w.embedding(index) * wyrm.InputNode(np.full((40, 50), 3.0))
    root = inner.sum() + w.sum()
    root.forward()
    inner_operands = inner.operands
    del root, w, index
    gc.collect()
    churn = [wyrm.InputNode(np.full((40, 50), 9.0)) for _ in range(50)]
    np.testing.assert_array_equal(inner.value, np.full((40, 50), 6.0))
    np.testing.assert_array_equal(inner_operands[0].value, np.full((40, 50), 2.0))
    inner.forward()
    np.testing.assert_array_equal(inner.value, np.full((40, 50), 6.0))
    assert len(churn) == 50


def test_leaves_live_as_long_as_the_graph_needs_them(rng):
    def build():
        w = wyrm.ParameterNode(rng.normal(size=(3, 2)))
        return (wyrm.InputNode(rng.normal(size=(5, 3))) @ w).square() + w.embedding(wyrm.IndexInputNode([1]))

    loss = build()
    gc.collect()
    assert_gradients(loss, rng)


def test_storage_outlives_its_nodes(rng):
    w = wyrm.ParameterNode(rng.normal(size=(3, 2)))
    storage, view, expected = w.parameter, w.value, w.value.copy()
    del w
    gc.collect()
    np.testing.assert_array_equal(storage.value, expected)
    del storage
    gc.collect()
    np.testing.assert_array_equal(view, expected)
    view[...] = 1


@pytest.mark.skipif(not counts_allocations(), reason="needs glibc's own malloc")
@pytest.mark.parametrize("keep_inner", [False, True])
def test_rebuilding_each_step_does_not_grow(keep_inner, rng):
    table, w = parameter(rng.normal(size=(50, 4))), parameter(rng.normal(size=(4, 1)))
    index, y = wyrm.IndexInputNode([0]), wyrm.InputNode([[1.0]])
    inner = (table.embedding(index) @ w).tanh()

    def step():
        middle = inner if keep_inner else (table.embedding(index) @ w).tanh()
        index.set_value(rng.integers(50, size=3))
        y.set_value(rng.normal(size=(3, 1)))
        loss = (middle - y).square().sum()
        middle.forward()
        loss.forward()
        loss.backward()
        loss.zero_gradients()
        assert middle.value.shape == (3, 1)

    for _ in range(200):
        step()
    gc.collect()
    before = allocated_bytes()
    for _ in range(2000):
        step()
    gc.collect()
    assert allocated_bytes() - before < 20_000


def test_nodes_are_collected_even_when_a_subclass_makes_a_cycle(rng):
    class Holder(wyrm.ParameterNode):
        pass

    class Probe:
        pass

    holder = Holder(rng.normal(size=(2, 2)))
    holder.loss = (holder * holder).sum()
    holder.loss.forward()
    holder.probe = Probe()
    gone = weakref.ref(holder.probe)
    del holder
    gc.collect()
    assert gone() is None


# --- Objects that are no nodes of a graph ------------------------------------------------------------------------


def test_nodes_cannot_be_made_from_nothing():
    operator = type(wyrm.InputNode(1.0) + 1)
    for kind in (wyrm.Node, operator):
        with pytest.raises(TypeError):
            kind()


@pytest.mark.parametrize(
    "use",
    [
        lambda node: node.forward(),
        lambda node: node.backward(),
        lambda node: node.parameters(),
        lambda node: (node + 1).forward(),
        lambda node: (wyrm.InputNode(1.0) * node).forward(),
        lambda node: node.tanh().forward(),
        lambda node: wyrm.concatenate([node, node], 0).forward(),
        lambda node: node[0],
        lambda node: node.T @ node,
        lambda node: node.value,
        lambda node: repr(node),
        lambda node: node.operands,
        lambda node: wyrm.draw(node),
        lambda node: wyrm.check_gradients(node),
    ],
)
def test_nodes_that_were_never_initialised_do_no_harm(use):
    for kind in (wyrm.Node, type(wyrm.InputNode(1.0) + 1)):
        try:
            use(kind.__new__(kind))
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError):
            pass


def test_nodes_are_neither_copied_nor_pickled(regression):
    import copy

    for node in regression:
        for way in (copy.copy, copy.deepcopy, lambda node: node.__reduce_ex__(4)):
            with pytest.raises(TypeError):
                way(node)


def test_reprs(regression):
    loss, y_hat, w, x, _ = regression
    assert repr(w) == "<ParameterNode 'w' (3x1)>"
    assert repr(x) == "<InputNode 'x' (4x3)>"
    assert repr(y_hat) == "<matmul (4x1)>"
    assert repr(loss) == "<sum (1x1)>"
    assert repr(wyrm.IndexInputNode([1, 2, 3], name="rows")) == "<IndexInputNode 'rows' (3x1)>"
    assert "(3, 1)" in repr(w.parameter)
    assert "SparseGradient" in repr(w.sparse_gradient)
