"""Deep chains, the life of nodes and what they leave behind, objects that are no nodes of a graph."""

import contextlib
import copy
import gc
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest
from engine.support import allocated_bytes, assert_gradients, counts_allocations, parameter

import wyrm

# --- Depth -------------------------------------------------------------------------------------------------------

CHAIN = textwrap.dedent("""
    import sys, threading
    import numpy as np, wyrm

    def chain(n, check):
        w = wyrm.ParameterNode([[0.5]])
        node = w
        for _ in range(n):
            node = node + w
        node.forward()
        assert node.value == n * 0.5 + 0.5, node.value
        node.backward()
        assert w.gradient == n + 1, w.gradient
        repr(node), node.parameters(), node.zero_gradients()
        inner = node.operands[0]
        inner.forward()
        del inner
        if check:
            assert wyrm.draw(node).source.count("->") == 2 * n
        del node
        if check:
            zero, node = wyrm.InputNode(0.0), w.square()
            for _ in range(n):
                node = node + zero
            assert wyrm.check_gradients(node) < 1e-3
        v = wyrm.ParameterNode(np.ones((2, 3)))
        node = v
        for i in range(n // 10):
            if i % 3 == 0:
                node = node.tanh()
            elif i % 3 == 1:
                node = wyrm.concatenate([node, v], 0)[0:2]
            else:
                node = node.T.T
        node.sum().forward()
        del node
        print("done")

    if int(sys.argv[2]):
        threading.stack_size(int(sys.argv[2]))
    thread = threading.Thread(target=chain, args=(int(sys.argv[1]), int(sys.argv[3])))
    thread.start()
    thread.join()
""")


# Python 3.13 nests up to 10,000 deallocations before it puts them off, of lists and tuples as of nodes.
SMALL = (512 if sys.version_info[:2] == (3, 13) else 256) * 1024


def run_chain(length, stack, check=False):
    command = [sys.executable, "-c", CHAIN, str(length), str(stack), str(int(check))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n", done.stderr


def test_a_deep_chain():
    run_chain(20_000, stack=SMALL, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("stack", [0, SMALL])
def test_a_chain_of_a_million_nodes(stack):
    run_chain(1_000_000, stack)


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


def test_many_living_roots_over_one_node(rng):
    w = parameter(rng.normal(size=(2, 2)))
    shared = w.tanh()
    roots = [shared * float(i) for i in range(3000)]
    for root in roots[::-1]:
        root.forward()
    np.testing.assert_array_equal(roots[7].value, np.float32(7) * shared.value)
    w.value[...] = 1
    roots[1234].forward()
    np.testing.assert_array_equal(roots[1234].value, np.float32(1234) * shared.value)
    del roots[::2]
    roots[0].forward()
    np.testing.assert_array_equal(roots[0].value, shared.value)


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
        with contextlib.suppress(TypeError, ValueError, RuntimeError, AttributeError, IndexError):
            use(kind.__new__(kind))


def test_nodes_are_neither_copied_nor_pickled(regression):
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
