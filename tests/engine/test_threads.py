"""Threads: graphs of their own over shared values train together; one graph in two threads is refused, not a crash."""

import itertools
import threading
import time

import numpy as np
import pytest
from engine.support import parameter

import wyrm
from wyrm.optim import SGD, Adagrad, Adam

N_THREADS = 4


def run_threads(*targets):
    """Run each in a thread; raise what the first of them raised."""
    errors = []

    def guarded(target):
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def lookup_graph(table, batch):
    """A loss over random rows of a table: squared distance of their sums to targets."""
    node = wyrm.ParameterNode.shared(table)
    index, y = wyrm.IndexInputNode(np.zeros((batch, 4), int)), wyrm.InputNode(np.zeros((batch, 1)))
    loss = (node.embedding_bag(index).sum(axis=1) - y).square().mean()
    return node, index, y, loss


@pytest.mark.parametrize("kind", [SGD, Adagrad])
@pytest.mark.parametrize("batch", [3, 4000])
def test_graphs_over_shared_values_train_together(batch, kind):
    """Small batches keep the GIL, large ones give it up."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(300, 8))
    table = wyrm.HogwildParameter(np.zeros((300, 8)))
    rates = {(SGD, 3): 0.01, (SGD, 4000): 0.4, (Adagrad, 3): 0.1, (Adagrad, 4000): 0.1}
    optimizer = kind(rates[kind, batch])
    steps = 60 if batch > 3 else 1500

    def evaluate():
        rows = np.random.default_rng(1).integers(300, size=(2000, 4))
        _, index, y, loss = lookup_graph(table, 1)
        index.set_value(rows)
        y.set_value(truth[rows].sum(axis=(1, 2)).reshape(-1, 1))
        loss.forward()
        return loss.value[0, 0]

    def train(seed):
        own = np.random.default_rng(seed)
        node, index, y, loss = lookup_graph(table, batch)
        for _ in range(steps):
            rows = own.integers(300, size=(batch, 4))
            index.set_value(rows)
            y.set_value(truth[rows].sum(axis=(1, 2)).reshape(-1, 1))
            loss.forward()
            loss.backward()
            assert len(node.sparse_gradient.indices) == len(np.unique(rows))
            optimizer.step([node])

    before = evaluate()
    run_threads(*(lambda seed=seed: train(seed) for seed in range(N_THREADS)))
    assert np.isfinite(table.value).all()
    assert evaluate() < 0.05 * before


def test_gradients_of_threads_are_their_own(rng):
    table = wyrm.HogwildParameter(rng.normal(size=(1000, 16)))

    def work(seed):
        own = np.random.default_rng(seed)
        node, index, y, loss = lookup_graph(table, 2000)
        values = table.value.astype(float)
        for _ in range(20):
            rows = own.integers(1000, size=(2000, 4))
            y.set_value(own.normal(size=(2000, 1)))
            index.set_value(rows)
            loss.zero_gradients()
            loss.forward()
            loss.backward()
            slope = 2 / 2000 * (values[rows].sum(axis=(1, 2)) - y.value[:, 0])
            expected = np.zeros((1000, 16))
            np.add.at(expected, rows, slope[:, None, None])
            np.testing.assert_allclose(node.gradient, expected, rtol=1e-3, atol=1e-4)

    run_threads(*(lambda seed=seed: work(seed) for seed in range(N_THREADS)))


class Busy:
    """A thread that runs a slow graph over and over, without the GIL, until the block ends."""

    def __init__(self, rng):
        self.w = parameter(rng.normal(size=(100, 100)), name="w")
        self.x = wyrm.InputNode(rng.normal(size=(1000, 100)), name="x")
        self.index = wyrm.IndexInputNode(rng.integers(100, size=1000), name="rows")
        self.table = wyrm.ParameterNode(rng.normal(size=(100, 100)), name="table")
        self.hidden = (self.x * self.w.embedding(self.index) + self.table.embedding(self.index)).tanh()
        self.loss = (self.hidden.exp().log().softmax() + self.w.sum()).square().mean()
        self.loss.forward()
        self.loss.backward()
        self.runs = self.refused = 0
        self.stop = False
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.stop:
            try:
                self.loss.forward()
                self.loss.backward()
                self.runs += 1
            except RuntimeError:
                self.refused += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stop = True
        self.thread.join()

    def refuses(self, action):
        """Whether the action is refused while the graph runs; it is tried until then, for a while."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                action(self)
            except RuntimeError as error:
                assert "another thread" in str(error)
                return True
        return False


ACTIONS = {
    "forward": lambda busy: busy.loss.forward(),
    "backward": lambda busy: busy.loss.backward(),
    "a graph that shares an input": lambda busy: busy.x.sum().forward(),
    "a graph that shares a parameter node": lambda busy: busy.w.sum().forward(),
    "a graph that uses a table whole": lambda busy: wyrm.concatenate([busy.table], 0).parameters(),
    "the value of an inner node": lambda busy: busy.hidden.value,
    "set_value": lambda busy: busy.x.set_value(np.zeros((1000, 100), dtype=np.float32)),
    "set_value of an index": lambda busy: busy.index.set_value(np.arange(1000) % 100),
    "gradient": lambda busy: busy.w.gradient,
    "sparse_gradient": lambda busy: busy.w.sparse_gradient,
    "zero_gradients": lambda busy: busy.w.zero_gradients(),
    "backward of a parameter": lambda busy: busy.w.backward(),
    "an optimiser's step": lambda busy: SGD(1e-6).step([busy.w]),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_one_graph_in_two_threads_is_refused(action, rng):
    with Busy(rng) as busy:
        assert busy.refuses(ACTIONS[action])
    busy.loss.forward()  # and nothing stays taken
    busy.loss.backward()
    assert np.isfinite(busy.w.gradient).all()
    busy.x.set_value(np.ones((2, 100)))
    busy.index.set_value([1, 2])
    busy.loss.forward()


OPTIMIZERS = {
    "Adagrad": lambda: Adagrad(0.1),
    "decay": lambda: SGD(1e-30, l2=1e-9),
    "lazy": lambda: Adam(1e-30),
    "different ones": itertools.cycle([lambda: Adagrad(0.1), lambda: Adam(1e-30), lambda: SGD(1e-30, l2=1e-9)]),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_state_is_attached_while_another_thread_runs(kind, rng):
    """The storage, and how it catches up, change only between the runs of others."""
    make = OPTIMIZERS[kind]
    table = wyrm.HogwildParameter(rng.normal(size=(300, 8)))
    stop = threading.Event()

    def run():
        _, index, _, loss = lookup_graph(table, 4000)
        index.set_value(np.random.default_rng(2).integers(300, size=(4000, 4)))
        loss.forward()
        expected = loss.value
        while not stop.is_set():
            loss.forward()
            np.testing.assert_array_equal(loss.value, expected)

    def attach():
        try:
            for _ in range(30):
                node = wyrm.ParameterNode.shared(table)
                loss = (node.embedding(wyrm.IndexInputNode([3])) * 0.0).sum()
                loss.forward()
                loss.backward()
                (make if callable(make) else next(make))().step([node])
                time.sleep(0.001)
        finally:
            stop.set()

    run_threads(run, attach)


def test_graphs_are_built_in_several_threads_over_shared_nodes(rng):
    """Compiling marks nodes; small runs over shared leaves keep the GIL and so never collide."""
    w, x = parameter(rng.normal(size=(3, 3))), wyrm.InputNode(rng.normal(size=(2, 3)))
    shared = (x @ w).tanh()
    shared.forward()
    expected = (shared.value * 3.0 - shared.value**2).sum()

    def build():
        for _ in range(300):
            loss = (shared * 3.0 - shared.square()).sum()
            try:
                loss.forward()
                value = loss.value
            except RuntimeError:  # a free-threaded Python runs them at the same time
                continue
            np.testing.assert_allclose(value, [[expected]], rtol=1e-5)
            shared.parameters()
            assert loss.parameters() == (w,)

    run_threads(*[build] * N_THREADS)
