"""A trainer's products read embeddings in their tables, and leave gradients to SGD as products."""

import numpy as np
import pytest

import wyrm
from wyrm.nn.losses import logistic
from wyrm.optim import FTRL, SGD, Adagrad, Adam

N, N_ROWS, COLS, EACH = 30, 9, 5, 3

OPTIMIZERS = [
    lambda: SGD(0.02), lambda: SGD(0.02, clip=(-0.05, 0.05)), lambda: SGD(0.02, l2=0.01), lambda: Adagrad(0.1),
    lambda: Adagrad(0.1, l1=0.001), lambda: Adam(0.01), lambda: FTRL(0.1),
]  # fmt: skip


class Graph:
    """A loss over two tables, and the lists of rows it takes: few rows, so that they repeat."""

    def __init__(self, kind, batch_size):
        rng = np.random.default_rng(0)
        self.a, self.b = (wyrm.ParameterNode(rng.normal(size=(N_ROWS, COLS))) for _ in range(2))
        self.whole = wyrm.ParameterNode(rng.normal(size=(1, COLS)))
        self.i, self.j = wyrm.IndexInputNode([0] * batch_size), wyrm.IndexInputNode([0] * batch_size * EACH)
        bags = np.concatenate([[0], np.cumsum(rng.integers(0, 5, N))])
        lists = rng.integers(0, N_ROWS, bags[-1]), bags
        singles = rng.integers(0, N_ROWS, N), np.arange(N + 1)
        several = rng.integers(0, N_ROWS, N * EACH), np.arange(N + 1) * EACH
        self.data = {self.i: singles, self.j: several}
        a, b = self.a.embedding, self.b.embedding
        if kind == "pairs":
            self.data[self.j] = rng.integers(0, N_ROWS, N), np.arange(N + 1)
            self.j.set_value([0] * batch_size)
            score = wyrm.vector_dot(a(self.i), b(self.j))
        elif kind == "several":
            score = wyrm.vector_dot(a(self.i), b(self.j))
        elif kind == "one table":
            score = wyrm.vector_dot(a(self.i), a(self.j))
        elif kind == "bags":
            self.data[self.i] = lists
            score = wyrm.vector_dot(self.a.embedding_bag(self.i, mode="mean"), b(self.j))
        elif kind == "bags of sums":
            self.data[self.i] = lists
            hidden = self.a.embedding_bag(self.i, mode="sum", backward="mean")
            score = wyrm.vector_dot(hidden, b(self.j)) + hidden.sum(axis=1)
        elif kind == "bags of one table":
            self.data[self.i] = lists
            score = wyrm.vector_dot(self.a.embedding_bag(self.i), a(self.j))
        elif kind == "bags of both":
            self.data[self.i] = lists
            score = self.b.embedding_bag(self.i).sum(axis=1) + wyrm.vector_dot(
                self.a.embedding_bag(self.i, mode="mean"), b(self.j)
            )
        elif kind == "bags of the table":
            self.data[self.i] = lists
            score = (a(self.j).sum(axis=0) + self.a.embedding_bag(self.i)) @ self.whole.T
        elif kind == "read twice":
            rows = b(self.j)
            score = wyrm.vector_dot(a(self.i), rows) + rows.sum()
        elif kind == "whole":
            score = wyrm.vector_dot(self.whole, b(self.j)) @ np.ones((EACH * batch_size, 1)) + a(self.i).sum(axis=1)
        elif kind == "matrix":
            score = (a(self.i) @ b(self.j).T).sum(axis=1)
        elif kind == "matrix and bags":
            self.data[self.i] = lists
            score = (self.a.embedding_bag(self.i) @ b(self.j).T).sum(axis=1)
        elif kind == "constant":
            score = (a(self.i) @ np.ones((4, COLS), dtype=np.float32).T).sum(axis=1) + b(self.j).sum()
        self.loss = score.tanh().square()

    def parameters(self):
        return [p for p in (self.a, self.b, self.whole) if p in self.loss.parameters()]

    def lay(self, node, first, end):
        rows, bags = self.data[node]
        node.set_value((rows[bags[first] : bags[end]], bags[first : end + 1] - bags[first]))


KINDS = [
    "pairs", "several", "one table", "bags", "bags of sums", "bags of one table", "bags of both", "bags of the table",
    "read twice", "whole", "matrix",
    "matrix and bags", "constant",
]  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_trainer_learns_what_steps_by_hand_do(kind, make, batch_size):
    by_hand, trained = Graph(kind, batch_size), Graph(kind, batch_size)
    optimizer, losses = make(), []
    for _ in range(2):
        for first in range(0, N, batch_size):
            by_hand.lay(by_hand.i, first, first + batch_size)
            by_hand.lay(by_hand.j, first, first + batch_size)
            by_hand.loss.forward()
            losses.append(by_hand.loss.value.sum())
            by_hand.loss.backward()
            optimizer.step(by_hand.loss.parameters())
    trainer = wyrm.Trainer(trained.loss, make(), batch_size=batch_size, reduction="sum", n_threads=1)
    history = trainer.fit({node: trained.data[node] for node in (trained.i, trained.j)}, epochs=2, shuffle=False)
    np.testing.assert_allclose(np.mean(history.loss), np.sum(losses) / (2 * N), rtol=1e-4)
    for one, other in zip(by_hand.parameters(), trained.parameters(), strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_deterministic_training_sums_the_same_gradients(kind):
    batch_size = 6
    single, deterministic = Graph(kind, batch_size), Graph(kind, batch_size)
    options = {"batch_size": batch_size, "reduction": "sum"}
    data = {node: single.data[node] for node in (single.i, single.j)}
    if kind in ("bags of the table", "read twice", "whole", "matrix", "matrix and bags", "constant"):
        pytest.skip("a loss of an example here depends on its batch")
    wyrm.Trainer(single.loss, SGD(0.02), n_threads=1, **options).fit(data, epochs=2, shuffle=False)
    data = {node: deterministic.data[node] for node in (deterministic.i, deterministic.j)}
    trainer = wyrm.Trainer(deterministic.loss, SGD(0.02), n_threads=2, deterministic=True, **options)
    trainer.fit(data, epochs=2, shuffle=False)
    for one, other in zip(single.parameters(), deterministic.parameters(), strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("bag", [True, False])
def test_threads_learn_with_copies_of_rows(bag):
    """Gradients left as products are counted, led to copies and merged as others are."""
    rng = np.random.default_rng(0)
    n, n_rows, cols, each = 20_000, 3000, 128, 2 if bag else 1
    users = rng.integers(0, 30, n * each), np.arange(n + 1) * each
    items = np.where(rng.random(n * 2) < 0.9, rng.integers(0, 40, n * 2), rng.integers(0, n_rows, n * 2))
    taste, quality = rng.normal(size=(30, 4)), rng.normal(size=(n_rows, 4))
    tastes = taste[users[0]].reshape(n, each, 4).mean(1)
    y = (np.einsum("nd,nkd->nk", tastes, quality[items].reshape(n, 2, 4)) > 0) * 1.0
    losses = []
    for n_threads in (1, 2):
        start = np.random.default_rng(1)
        a = wyrm.ParameterNode(start.normal(size=(30, cols)) * 0.1)
        b = wyrm.ParameterNode(start.normal(size=(n_rows, cols)) * 0.1)
        i, j, target = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0, 0]), wyrm.InputNode([[0.0, 0.0]])
        rows = b.embedding(j)
        score = wyrm.vector_dot(a.embedding_bag(i, mode="mean"), rows) if bag else a.embedding(i) @ rows.T
        loss = logistic(score, target)
        trainer = wyrm.Trainer(loss, SGD(0.05), n_threads=n_threads)
        history = trainer.fit({i: users, j: (items, np.arange(n + 1) * 2), target: y}, epochs=4)
        losses.append(history.loss[-1])
        untouched = np.setdiff1d(np.arange(n_rows), items)
        start = np.random.default_rng(1)
        start.normal(size=(30, cols))
        before = np.float32(start.normal(size=(n_rows, cols)) * 0.1)
        np.testing.assert_array_equal(b.value[untouched], before[untouched])
    assert abs(losses[1] - losses[0]) < 0.1 * losses[0]
    assert losses[0] < 0.5 * 2 * np.log(2)


def test_rows_out_of_range_are_refused_by_name():
    a, b = wyrm.ParameterNode(np.ones((4, 2)), name="a"), wyrm.ParameterNode(np.ones((3, 2)), name="b")
    i, j = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0])
    trainer = wyrm.Trainer(wyrm.vector_dot(a.embedding(i), b.embedding(j)), SGD(0.1), n_threads=1)
    with pytest.raises(IndexError, match=r"3 for .*out of range"):
        trainer.fit({i: np.array([0, 1]), j: np.array([0, 3])})
