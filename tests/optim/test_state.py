"""Saving and restoring the optimiser's state: training goes on as if nothing had happened."""

import numpy as np
import pytest
from optim.graphs import DenseGraph, SparseGraph

import wyrm
from wyrm.optim import FTRL, SGD, Adagrad, Adam, LinearDecay

KINDS = [
    (SGD, {}),
    (SGD, {"l2": 0.3}),
    (SGD, {"l2": 0.3, "l1": 0.01}),
    (Adagrad, {}),
    (Adagrad, {"l1": 0.01}),
    (Adam, {}),
    (Adam, {"l2": 0.3}),
    (FTRL, {"l1": 0.1}),
]


class Run:
    """A table and a bias, trained on gradients that follow from the number of the step."""

    def __init__(self, cls, settings, values):
        self.nodes = [wyrm.ParameterNode(value) for value in values]
        self.sparse, self.dense = SparseGraph(self.nodes[0]), DenseGraph(self.nodes[1])
        self.optimizer = cls(LinearDecay(0.1, 0.01), self.nodes, **settings)

    def train(self, first, last):
        for step in range(first, last):
            rng = np.random.default_rng(step)
            self.optimizer.progress = step // 7 * 7 / 200
            self.sparse.read(rng.integers(0, 50, 4), rng.normal(size=(4, 3)))
            self.sparse.backward()
            if step % 3:
                self.dense.backward(rng.normal(size=(1, 3)))
            self.optimizer.step(self.nodes)

    def values(self):
        return [node.value.copy() for node in self.nodes]


@pytest.mark.parametrize(("cls", "settings"), KINDS, ids=[f"{c.__name__}-{s}" for c, s in KINDS])
def test_resuming_is_bit_for_bit(cls, settings):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=(1, 3)).astype(np.float32)]
    first = Run(cls, settings, start)
    first.train(0, 100)
    values, state = first.values(), first.optimizer.get_state()
    first.train(100, 200)
    second = Run(cls, settings, values)
    second.optimizer.set_state(state)
    for one, other in zip(values, second.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    second.train(100, 200)
    for one, other in zip(first.values(), second.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_the_state_holds():
    table = wyrm.ParameterNode(np.ones((5, 2)))
    optimizer = Adam(0.5, [table], beta1=0.5, beta2=0.75)
    graph = SparseGraph(table)
    graph.read([1, 3], [[1.0, 2.0], [3.0, 4.0]])
    graph.backward()
    optimizer.step()
    state = optimizer.get_state([table.parameter])
    (one,) = state["parameters"]
    assert one["kind"] == "Adam(beta1=0.5, beta2=0.75, eps=1e-08)"
    assert one["clock"]["steps"] == 1
    np.testing.assert_allclose(one["slots"]["m"][[1, 3]], [[0.5, 1.0], [1.5, 2.0]])
    np.testing.assert_allclose(one["slots"]["v"][[1, 3]], [[0.25, 1.0], [2.25, 4.0]])
    assert not one["slots"]["m"][[0, 2, 4]].any()
    assert (state["progress"], state["learning_rate"]) == (0.0, 0.5)
    one["slots"]["m"][:] = 7  # a copy
    np.testing.assert_allclose(optimizer.get_state()["parameters"][0]["slots"]["m"][0], 0)


def test_a_state_that_does_not_fit():
    table = wyrm.ParameterNode(np.ones((5, 2)))
    state = Adagrad(0.5, [table]).get_state()
    other = wyrm.ParameterNode(np.ones((5, 2)))
    with pytest.raises(ValueError, match="expected that of Adam"):
        Adam(0.5, [other]).set_state(state)
    with pytest.raises(ValueError, match="expected no state for the parameter of shape"):
        SGD(0.5, [other]).set_state(state)
    with pytest.raises(ValueError, match="expected the state of FTRL"):
        FTRL(0.5, [other]).set_state(SGD(0.5, [table]).get_state())
    with pytest.raises(ValueError, match="expected the state of 2 parameters, got that of 1"):
        Adagrad(0.5, [other, table]).set_state(state)
    with pytest.raises(ValueError, match=r"expected accumulator of shape \(4, 2\)"):
        Adagrad(0.5, [wyrm.ParameterNode(np.ones((4, 2)))]).set_state(state)


@pytest.mark.parametrize(("cls", "settings"), KINDS, ids=[f"{c.__name__}-{s}" for c, s in KINDS])
def test_a_grown_table_trains_like_one_that_had_the_rows_all_along(cls, settings):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3)).astype(np.float32)
    bias = np.zeros((1, 3), dtype=np.float32)
    small, large = Run(cls, settings, [values[:50], bias]), Run(cls, settings, [values, bias])
    for run in (small, large):
        run.train(0, 60)
    # Weight decay has moved the rows nobody touched, too.
    grown = small.nodes[0].parameter.grown(large.nodes[0].value[50:], small.optimizer)
    assert grown.shape == (60, 3)
    np.testing.assert_array_equal(small.nodes[0].value, large.nodes[0].value[:50])
    small.sparse = SparseGraph(wyrm.ParameterNode.shared(grown))
    small.nodes[0] = small.sparse.table
    for run in (small, large):
        run.train(60, 120)
        run.sparse.read(np.array([3, 55, 59]), np.ones((3, 3)))
        run.sparse.backward()
        run.optimizer.step(run.nodes)
    for one, other in zip(small.values(), large.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_growing_refuses_rows_of_another_width_and_numbers_that_are_none():
    parameter = wyrm.HogwildParameter(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="expected rows of 3 columns, got 2"):
        parameter.grown(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="finite"):
        parameter.grown([[0, np.nan, 0]])
    with pytest.raises(TypeError, match="expected real numbers"):
        parameter.grown([["a", "b", "c"]])
