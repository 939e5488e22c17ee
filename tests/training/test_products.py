"""Trainers that leave the gradients of bags and factorisation machines as products, beside steps driven by hand."""

import numpy as np
import pytest

import wyrm
from wyrm.nn.losses import logistic
from wyrm.optim import FTRL, SGD, Adagrad, Adam

N = 24
OPTIMIZERS = [
    lambda: SGD(0.02), lambda: SGD(0.02, clip=(-0.05, 0.05)), lambda: SGD(0.02, l2=0.01), lambda: Adagrad(0.1),
    lambda: Adagrad(0.1, clip=(-0.05, 0.05)), lambda: Adagrad(0.1, l1=0.001), lambda: Adam(0.01), lambda: FTRL(0.1),
]  # fmt: skip


def lists(rng, sizes, n_rows, repeats):
    """Rows of lists of these sizes, and their offsets."""
    rows = [rng.integers(0, n_rows, k) if repeats else rng.permutation(n_rows)[:k] for k in sizes]
    return np.concatenate(rows).astype(np.int32), np.concatenate([[0], np.cumsum(sizes)])


class Graph:
    """Bias, linear part and interaction of a factorisation machine, in many forms."""

    def __init__(self, kind, n_factors=5, n_rows=60):
        rng = np.random.default_rng(0)
        repeats = kind == "repeated rows"
        self.linear = wyrm.ParameterNode(rng.normal(size=(n_rows, 1)))
        self.factors = wyrm.ParameterNode(0.3 * rng.normal(size=(n_rows, n_factors)))
        self.bias = wyrm.ParameterNode([[0.5]])
        self.own = wyrm.ParameterNode([[0.7], [1.3], [0.4]])
        self.i, self.j, self.y = wyrm.IndexInputNode([0, 1, 2]), wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
        self.x = wyrm.InputNode([[1.0], [1.0], [1.0]])
        sizes = np.full(N, 3) if kind == "learned weights" else rng.integers(kind == "weights", 7, N)
        self.rows = {self.i: lists(rng, sizes, n_rows, repeats), self.j: lists(rng, sizes[::-1], n_rows, repeats)}
        self.weights = rng.normal(size=(sizes.sum(), 1)).astype(np.float32)
        self.weighted = kind == "weights"
        self.both = kind in ("two lists", "read twice", "also whole")
        self.targets = rng.integers(0, 2, (N, 1)).astype(np.float32)
        bag, fm = self.linear.embedding_bag, self.factors.fm_interaction
        score = self.bias
        if kind in ("distinct rows", "repeated rows"):
            score = score + bag(self.i) + fm(self.i)
        elif kind == "weights":
            score = score + bag(self.i, self.x) + fm(self.i, self.x)
        elif kind == "learned weights":
            score = score + bag(self.i, self.own) + fm(self.i, self.own)
        elif kind == "mean":
            score = score + bag(self.i, mode="mean") + self.factors.embedding_bag(self.i, mode="mean").sum(axis=1)
        elif kind == "two lists":
            score = score + bag(self.i) + bag(self.j) + fm(self.i) * 0.5 + fm(self.j)
        elif kind == "read twice":
            score = score + fm(self.i) + self.factors.embedding_bag(self.i).sum(axis=1) + bag(self.j)
        elif kind == "also whole":
            score = score + bag(self.i) + fm(self.j) + 0.01 * (self.factors.sum() + self.linear.sum())
        self.loss = logistic(score, self.y)

    @property
    def parameters(self):
        return [p for p in (self.bias, self.linear, self.factors, self.own) if p in self.loss.parameters()]

    def data(self):
        """What a trainer takes: of the inputs that the graph has."""
        found = {self.y: self.targets}
        for node, (rows, offsets) in self.rows.items():
            if node is self.j and not self.both:
                continue
            if self.weighted and node is self.i:
                found[node, self.x] = rows, self.weights[:, 0], offsets
            else:
                found[node] = rows, offsets
        return found

    def steps(self, optimizer, batch_size, epochs):
        """Train by hand, which works every gradient out."""
        for first in list(range(0, N, batch_size)) * epochs:
            for node, (rows, offsets) in self.rows.items():
                some = slice(offsets[first], offsets[first + batch_size])
                node.set_value((rows[some], offsets[first : first + batch_size + 1] - offsets[first]))
                if node is self.i and self.weighted:
                    self.x.set_value(self.weights[some])
            self.y.set_value(self.targets[first : first + batch_size])
            self.loss.forward()
            self.loss.backward()
            optimizer.step(self.loss.parameters())


KINDS = [
    "distinct rows", "repeated rows", "weights", "learned weights", "mean", "two lists", "read twice", "also whole",
]  # fmt: skip


def compare(by_hand, trained, rtol=2e-4, atol=2e-5):
    for one, other in zip(by_hand.parameters, trained.parameters, strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=rtol, atol=atol)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_trainer_learns_what_steps_by_hand_do(kind, make, batch_size):
    if kind == "learned weights" and batch_size > 1:
        pytest.skip("the three weights are those of one example")
    by_hand, trained = Graph(kind), Graph(kind)
    by_hand.steps(make(), batch_size, 2)
    trainer = wyrm.Trainer(trained.loss, make(), batch_size=batch_size, reduction="sum", n_threads=1)
    trainer.fit(trained.data(), epochs=2, shuffle=False)
    compare(by_hand, trained)


@pytest.mark.parametrize("n_factors", [1, 2, 4, 8, 16, 19, 32, 40, 100])
@pytest.mark.parametrize("make", [lambda: SGD(0.02), lambda: Adagrad(0.1)])
def test_any_number_of_factors(n_factors, make):
    by_hand, trained = (Graph("distinct rows", n_factors=n_factors) for _ in range(2))
    by_hand.steps(make(), 1, 2)
    trainer = wyrm.Trainer(trained.loss, make(), n_threads=1)
    trainer.fit(trained.data(), epochs=2, shuffle=False)
    compare(by_hand, trained)


@pytest.mark.parametrize("kind", ["distinct rows", "repeated rows", "weights", "two lists", "read twice"])
@pytest.mark.parametrize("make", [lambda: SGD(0.02), lambda: Adagrad(0.1), lambda: Adagrad(0.1, l2=0.001)])
def test_rows_of_large_tables_are_fetched_ahead(kind, make):
    """Which changes nothing, nor does a feed that is gone leave anything behind."""
    by_hand, trained = (Graph(kind, n_factors=16, n_rows=140_000) for _ in range(2))
    by_hand.steps(make(), 1, 1)
    trainer = wyrm.Trainer(trained.loss, make(), n_threads=1)
    trainer.fit(trained.data(), epochs=1, shuffle=False)
    compare(by_hand, trained)
    feed = wyrm.feeds.IterableFeed(lambda: [trained.data()] * 2)
    trainer.partial_fit(feed)
    trainer.partial_fit(trained.data())
    assert np.isfinite(trained.factors.value).all()


def test_values_that_somebody_looks_at_stay_where_they_are():
    """The state then lies elsewhere, and gradients are worked out."""
    by_hand, trained = Graph("distinct rows"), Graph("distinct rows")
    views = [memoryview(parameter.parameter) for parameter in trained.parameters]
    by_hand.steps(Adagrad(0.1), 1, 2)
    wyrm.Trainer(trained.loss, Adagrad(0.1), n_threads=1).fit(trained.data(), epochs=2, shuffle=False)
    compare(by_hand, trained)
    for view, parameter in zip(views, trained.parameters, strict=True):
        np.testing.assert_array_equal(np.asarray(view), parameter.value)


@pytest.mark.parametrize("n_factors", [8, 64])
@pytest.mark.parametrize("make", [lambda: SGD(0.02), lambda: Adagrad(0.05)])
def test_threads_learn_as_one_does(n_factors, make):
    """With copies of whole tables, and of some rows of wide ones, of which the next are fetched."""
    rng = np.random.default_rng(0)
    n, n_rows = 12_000, 6000
    hot, cold = rng.integers(0, 30, n), rng.integers(30, n_rows, n)
    rows = np.stack([hot, np.where(rng.random(n) < 0.9, 30 + hot % 7, cold), n_rows // 2 + cold // 2], axis=1)
    effect = rng.normal(size=n_rows)
    y = (rng.random(n) < 1 / (1 + np.exp(-effect[rows].sum(axis=1)))).astype(np.float32)
    losses = []
    for n_threads in (1, 2):
        start = np.random.default_rng(1)
        linear = wyrm.ParameterNode(np.zeros((n_rows, 1)))
        factors = wyrm.ParameterNode(0.05 * start.normal(size=(n_rows, n_factors)))
        i, target = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
        loss = logistic(linear.embedding_bag(i) + factors.fm_interaction(i), target)
        history = wyrm.Trainer(loss, make(), n_threads=n_threads).fit({i: rows, target: y}, epochs=3)
        losses.append(history.loss[-1])
        untouched = np.setdiff1d(np.arange(n_rows), rows)
        assert (linear.value[untouched] == 0).all()
    assert losses[0] < 0.64
    assert abs(losses[1] - losses[0]) < 0.05 * losses[0]


def test_deterministic_training_sums_gradients():
    found = []
    for n_threads in (1, 2):
        graph = Graph("distinct rows")
        trainer = wyrm.Trainer(graph.loss, Adagrad(0.1), batch_size=4, n_threads=n_threads, deterministic=True)
        trainer.fit(graph.data(), epochs=2, shuffle=False)
        found.append(graph)
    by_hand = Graph("distinct rows")
    by_hand.steps(Adagrad(0.1), 4, 2)
    for one, other in zip(found[0].parameters, found[1].parameters, strict=True):
        np.testing.assert_array_equal(one.value, other.value)
    np.testing.assert_allclose(found[0].linear.value, by_hand.linear.value, rtol=0.1, atol=0.02)
