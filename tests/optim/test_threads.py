"""Optimisers of several threads over one storage, without a lock."""

import threading

import numpy as np
import pytest
from optim.graphs import DenseGraph, SparseGraph

import wyrm
from wyrm.optim import FTRL, SGD, Adagrad, Adam

THREADS, STEPS = 4, 30


def in_threads(work):
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize(
    ("cls", "settings"),
    [(SGD, {}), (SGD, {"l2": 0.01}), (Adagrad, {"l1": 1e-4}), (Adam, {}), (Adam, {"l2": 0.01}), (FTRL, {"l1": 0.1})],
    ids=str,
)
def test_threads_of_their_own_graphs(cls, settings):
    # Batches large enough that steps give up the GIL and overlap.
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3000, 8)).astype(np.float32)
    shared = wyrm.HogwildParameter(np.zeros((3000, 8)))
    optimizers = []

    def work(i):
        random = np.random.default_rng(i)
        node = wyrm.ParameterNode.shared(shared)
        index, wanted = wyrm.IndexInputNode([0]), wyrm.InputNode(np.zeros((1, 8)))
        loss = (node.embedding(index) - wanted).square().sum()
        optimizer = cls(0.05, **settings)
        optimizers.append(optimizer)
        for step in range(STEPS):
            rows = random.permutation(3000)
            optimizer.learning_rate = 0.05 / (1 + 0.001 * step)
            index.set_value(rows)
            wanted.set_value(target[rows])
            loss.forward()
            loss.backward()
            optimizer.step(loss.parameters())

    in_threads(work)
    value = shared.value
    assert np.isfinite(value).all()
    before, after = np.square(target).mean(), np.square(target - value).mean()
    assert after < 0.3 * before
    if cls is Adam:
        assert optimizers[0].get_state([shared])["parameters"][0]["clock"]["steps"] == THREADS * STEPS


def test_no_step_of_a_clock_is_lost():
    shared = wyrm.HogwildParameter(np.ones((12_000, 2)))
    optimizers = []

    def work(i):
        node = wyrm.ParameterNode.shared(shared)
        graph = DenseGraph(node)
        optimizer = SGD(0.01, l2=0.1)
        optimizers.append(optimizer)
        for _ in range(STEPS):
            graph.backward(np.zeros((12_000, 2)))
            optimizer.step([node])

    in_threads(work)
    clock = optimizers[0].get_state([shared])["parameters"][0]["clock"]
    assert clock["decay"] == pytest.approx(-THREADS * STEPS * np.log1p(-0.001), rel=1e-12)


def test_one_node_in_two_threads_is_refused_or_safe():
    node = wyrm.ParameterNode(np.zeros((8_000, 8)))
    graph = DenseGraph(node)
    optimizer = Adagrad(0.1)
    refused = []

    def work(i):
        for _ in range(30):
            try:
                if i == 0:
                    graph.backward(np.ones((8_000, 8)))
                else:
                    optimizer.step([node])
            except RuntimeError as error:
                refused.append(str(error))

    in_threads(work)
    assert all("ParameterNode.shared" in message or "another thread" in message for message in refused)
    assert np.isfinite(node.value).all()


@pytest.mark.parametrize("cols", [3, 4])
@pytest.mark.parametrize("optimizer", [Adam(0.01, l2=0.1), SGD(0.01, l2=0.1), Adagrad(0.01, l2=0.1, l1=1e-6)], ids=repr)
def test_reading_while_another_trains(optimizer, cols):
    shared = wyrm.HogwildParameter(np.ones((8_000, cols)))
    node = wyrm.ParameterNode.shared(shared)
    graph = SparseGraph(node)
    done = threading.Event()

    def work(i):
        if i == 0:
            rows = np.arange(4_000)
            for _ in range(STEPS):
                graph.read(rows, np.ones((4_000, cols)))
                graph.backward()
                optimizer.step([node])
            done.set()
        elif i == 1:
            while not done.wait(0.001):
                assert np.isfinite(shared.value).all()

    in_threads(work)
    expected = 1.0
    for _ in range(STEPS):
        expected = (1 - 0.001) * expected - 0.01 * optimizer.config.get("l1", 0)
    np.testing.assert_allclose(shared.value[6_000:], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("cls", "settings"),
    [(SGD, {"l2": 0.1}), (SGD, {"l1": 0.1}), (Adagrad, {"l2": 0.1, "l1": 0.1}), (Adam, {"l2": 0.1})],
)
def test_of_several_readers_one_makes_up_what_rows_missed(cls, settings):
    shared = wyrm.HogwildParameter(np.ones((6_000, 8)))
    node = wyrm.ParameterNode.shared(shared)
    graph = SparseGraph(node)
    optimizer = cls(0.01, **settings)
    expected = 1.0
    for _ in range(6):
        for _ in range(10):
            graph.read([0], np.ones((1, 8)))
            graph.backward()
            optimizer.step([node])
            expected = (1 - 0.01 * settings.get("l2", 0)) * expected - 0.01 * settings.get("l1", 0)
        in_threads(lambda i: shared.value)
        np.testing.assert_allclose(shared.value[1:], expected, rtol=1e-5)
