"""Threads: deterministic mode, private copies, several trainers at once, fork and spawn."""

import multiprocessing
import os
import resource
import sys
import threading

import numpy as np
import pytest
import threadpoolctl
from training.problems import Machine, examples, same_bits

import wyrm
from wyrm.blas_threads import single_threaded_blas
from wyrm.feeds import ConcatFeed
from wyrm.nn.losses import squared_error
from wyrm.optim import FTRL, SGD, Adagrad, Adam

OPTIMIZERS = [
    lambda: SGD(0.05),
    lambda: SGD(0.05, l2=1e-3, l1=1e-4),
    lambda: Adagrad(0.1),
    lambda: Adam(0.01),
    lambda: FTRL(0.2, l1=1e-3),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [5, 64, 3000])
def test_deterministic_gives_the_same_bits_for_any_number_of_threads(make, batch_size):
    def run(n_threads):
        machine = Machine()
        trainer = wyrm.Trainer(
            machine.loss, make(), n_threads=n_threads, batch_size=batch_size, seed=2, deterministic=True
        )
        history = trainer.fit(machine.feed(1000), epochs=2)
        return machine.values(), history.loss

    values, loss = run(1)
    for n_threads in (2, 3, 8):
        others, other_loss = run(n_threads)
        assert same_bits(values, others) and loss == other_loss


@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("kind", ["arrays", "chunks", "one after the other"])
def test_deterministic_gives_the_same_bits_for_any_feed(kind, batch_size):
    def run(n_threads):
        machine = Machine()
        parts = [machine.feed(1000, seed=seed) for seed in range(3)]
        feed = {"arrays": parts[0], "chunks": lambda: iter(parts), "one after the other": ConcatFeed(*parts)}[kind]
        trainer = wyrm.Trainer(machine.loss, SGD(0.05), n_threads, batch_size, seed=2, deterministic=True)
        history = trainer.fit(feed, epochs=2, validation=machine.feed(3000, seed=9))
        return machine.values(), history.loss + history.validation_loss, history.examples

    values, loss, examples = run(1)
    assert examples == [1000 if kind == "arrays" else 3000] * 2
    for n_threads in (2, 8):
        others, other_loss, _ = run(n_threads)
        assert same_bits(values, others) and loss == other_loss


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_deterministic_takes_the_steps_of_plain_training(make):
    def run(deterministic):
        machine = Machine()
        wyrm.Trainer(machine.loss, make(), n_threads=1, batch_size=32, deterministic=deterministic).fit(machine.feed())
        return machine.values()

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 20])
@pytest.mark.parametrize("optimizer", [SGD, Adagrad])
def test_private_copies_are_as_good_as_one_thread(optimizer, batch_size):
    rows, labels = examples(40_000)

    def run(n_threads):
        machine = Machine()
        trainer = wyrm.Trainer(machine.loss, optimizer(0.02), n_threads, batch_size, reduction="sum")
        trainer.fit({machine.index: rows, machine.label: labels}, epochs=3)
        return trainer.evaluate(machine.feed(5000, seed=6))

    alone = run(1)
    for n_threads in (2, 4):
        # Which thread runs when is up to a machine that may be busy, and the table is tiny: a rough check.
        assert run(n_threads) == pytest.approx(alone, rel=0.05)


def test_threads_that_overshoot_together_hand_on_less():
    """Between two merges each thread goes nearly all the way to the optimum: the sum of what they do diverges."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(100_000, 4)), rng.normal(size=(100_000, 1))
    target = x @ [[1.0], [-2.0], [3.0], [0.5]] + 0.1 * noise

    def run(n_threads):
        features, y = wyrm.InputNode(np.zeros((1, 4))), wyrm.InputNode([[0.0]])
        weights = wyrm.ParameterNode(np.zeros((4, 1)))
        loss = squared_error(features @ weights, y)
        return wyrm.Trainer(loss, SGD(0.05), n_threads=n_threads).fit({features: x, y: target}, epochs=2).loss[-1]

    alone = run(1)
    for n_threads in (3, 8):
        assert run(n_threads) < 1.05 * alone


@pytest.mark.skipif(
    os.environ.get("WYRM_SANITIZE") == "thread",
    reason="it draws out the moments in which merges race",
)
def test_nothing_a_thread_learned_is_lost_at_the_end_of_an_epoch():
    """With a constant gradient the order of the steps doesn't matter, so every one of them must be there."""
    n = 80_000
    rows = np.arange(n) % 5

    def found():
        index, table = wyrm.IndexInputNode([0]), wyrm.ParameterNode(np.zeros((5, 1)))
        weight = wyrm.ParameterNode(np.zeros((1, 1)))
        x = wyrm.InputNode([[0.0]])
        loss = wyrm.embedding_bag(table, index) + weight * x
        wyrm.Trainer(loss, SGD(1.0), n_threads=4).fit({index: rows, x: np.ones(n)}, epochs=1)
        return -np.append(table.value[:, 0] * 5, weight.value[0, 0]) / n

    # Merges race by design: a thread that is put aside in the middle of one undoes what others did meanwhile, which on
    # a busy machine may be a lot. What is lost every time is lost by the trainer.
    shares = np.array([found() for _ in range(5)])
    assert shares.max() < 1.01
    np.testing.assert_allclose(shares.max(axis=0), 1, rtol=0.05)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_memory_per_thread_does_not_grow_with_the_table():
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    index, label = wyrm.IndexInputNode([0]), wyrm.InputNode([[0.0]])
    table = wyrm.ParameterNode(np.zeros((4_000_000, 16), dtype=np.float32))
    loss = (wyrm.embedding_bag(table, index).sum(axis=1) - label).square()
    rows = np.random.default_rng(0).integers(0, 4_000_000, (2000, 20))
    trainer = wyrm.Trainer(loss, SGD(0.01), n_threads=1)
    trainer.partial_fit({index: rows, label: np.zeros(2000)})
    before = peak()
    many = wyrm.Trainer(loss, trainer.optimizer, n_threads=8)
    many.partial_fit({index: rows, label: np.zeros(2000)})
    assert peak() - before < 8 * 4e6


def test_blas_is_held_at_one_thread_and_restored():
    def pools():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    before = pools()
    with single_threaded_blas():
        with single_threaded_blas():
            assert set(pools()) <= {1}
        assert set(pools()) <= {1}
    assert pools() == before


def test_trainers_of_several_python_threads_do_not_disturb_each_other():
    def run(results, k):
        machine = Machine(seed=k)
        wyrm.Trainer(machine.loss, Adagrad(0.1), n_threads=1, seed=k).fit(machine.feed(), epochs=3)
        results[k] = machine.values()

    together, alone = {}, {}
    threads = [threading.Thread(target=run, args=(together, k)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        run(alone, k)
        assert same_bits(together[k], alone[k])


def train_in_child(queue):
    machine = Machine()
    history = wyrm.Trainer(machine.loss, Adagrad(0.1), n_threads=2).fit(machine.feed(), epochs=2)
    queue.put(history.loss)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_child_process_can_train(method):
    machine = Machine()
    wyrm.Trainer(machine.loss, Adagrad(0.1), n_threads=2).fit(machine.feed())
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=train_in_child, args=(queue,))
    child.start()
    loss = queue.get(timeout=120)
    child.join(timeout=60)
    assert child.exitcode == 0 and len(loss) == 2 and loss[1] < loss[0]


@pytest.mark.parametrize("optimizer", [SGD, Adagrad])
def test_users_may_bring_their_own_threads(optimizer):
    shared = [wyrm.HogwildParameter(np.zeros((50, 1))), wyrm.HogwildParameter(np.zeros((1, 1)))]
    rows, labels = examples(6000)
    losses = {}

    def work(k, n_threads):
        index, label = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
        table, bias = (wyrm.ParameterNode.shared(parameter) for parameter in shared)
        loss = wyrm.nn.losses.logistic(table.embedding_bag(index) + bias, label)
        step = optimizer(0.05, [table, bias])
        total = 0.0
        for i in range(k, len(labels), n_threads):
            index.set_value(rows[i])
            label.set_value(float(labels[i]))
            loss.forward()
            loss.backward()
            step.step()
            total += float(loss.value[0, 0])
        losses[k] = total * n_threads / len(labels)

    threads = [threading.Thread(target=work, args=(k, 3)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(losses) == 3 and max(losses.values()) < 0.6
