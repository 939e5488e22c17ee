"""Memory: what grows with the graph and the batch never grows with the table, and a steady loop allocates nothing."""

import gc
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from engine.support import allocated_bytes, counts_allocations, parameter

import wyrm
from wyrm.nn.losses import logistic
from wyrm.optim import SGD, Adagrad
from wyrm.replica import Replica

pytestmark = pytest.mark.skipif(not counts_allocations(), reason="needs glibc's own malloc")


def grown(action):
    """Bytes by which what malloc has handed out grows over an action, and the action's result."""
    gc.collect()
    before = allocated_bytes()
    result = action()
    gc.collect()
    return allocated_bytes() - before, result


def factorisation(table, batch=1):
    """A model over one big table: a lookup, a bag and an interaction."""
    index, other = wyrm.IndexInputNode(np.zeros((batch, 1), int)), wyrm.IndexInputNode(np.zeros((batch, 3), int))
    y = wyrm.InputNode(np.ones((batch, 1)))
    score = wyrm.vector_dot(table.embedding(index), table.embedding_bag(other)) + table.fm_interaction(other)
    return logistic(score, y).sum(), index, other


def step(loss, index, other, first, batch=1):
    index.set_value(np.arange(first, first + batch).reshape(-1, 1))
    other.set_value(first + np.arange(3 * batch).reshape(batch, 3) // 2)
    loss.forward()
    loss.backward()


@pytest.mark.slow
def test_graphs_and_replicas_over_ten_million_rows():
    n = 10_000_000
    table = wyrm.ParameterNode(np.zeros((n, 8), dtype=np.float32))
    optimizer = SGD(0.1)

    def build():
        loss, index, other = factorisation(table, batch=10)
        for first in (0, n // 2, n - 40):
            step(loss, index, other, first, batch=10)
            assert len(table.sparse_gradient.indices) > 0
            optimizer.step([table])
        return loss

    size, loss = grown(build)
    assert size < 1_000_000
    for _ in range(3):
        size, replica = grown(lambda: Replica(loss))
        assert size < 1_000_000
        del replica


def test_a_table_of_a_million_rows_costs_its_values_under_sgd():
    values = np.zeros((1_000_000, 32), dtype=np.float32)

    def train():
        table = wyrm.ParameterNode(values)
        loss, index, other = factorisation(table)
        optimizer = SGD(0.1)
        for first in range(0, 900_000, 100_000):
            step(loss, index, other, first)
            optimizer.step(loss.parameters())
        return loss, index, other

    size, kept = grown(train)
    assert len(kept) == 3
    assert values.nbytes <= size < values.nbytes + 5_000_000


def test_nothing_depends_on_where_in_the_table_the_rows_are():
    sizes = {}
    for n in (1_000, 1_000_000):
        table = wyrm.ParameterNode(np.zeros((n, 4), dtype=np.float32))
        for first in (0, n - 400):

            def train(first=first, table=table):
                node = wyrm.ParameterNode.shared(table.parameter)
                loss, index, other = factorisation(node, batch=100)
                for _ in range(3):
                    step(loss, index, other, first, batch=100)
                    node.zero_gradients()
                return loss, index, other

            train()
            sizes[n, first], _ = grown(train)
    assert max(sizes.values()) - min(sizes.values()) < 4096, sizes  # malloc rounds up


def test_replicas_over_a_table_grow_with_the_batch_alone():
    sizes = []
    for n in (100, 1_000_000):
        loss, *_ = factorisation(wyrm.ParameterNode(np.zeros((n, 16), dtype=np.float32)))
        loss.parameters()
        size, _ = grown(lambda loss=loss: Replica(loss))
        sizes.append(size)
    assert max(sizes) < 20_000
    assert abs(sizes[0] - sizes[1]) < 1_000, sizes  # malloc rounds up


@pytest.mark.parametrize("optimizer", [SGD(0.01), Adagrad(0.01), SGD(0.01, l2=0.1)], ids=["SGD", "Adagrad", "decay"])
def test_a_steady_loop_does_not_grow(optimizer, rng):
    table, w = parameter(rng.normal(size=(1000, 4))), parameter(rng.normal(size=(4, 1)))
    index, x = wyrm.IndexInputNode([0]), wyrm.InputNode([[1.0]])
    loss = logistic(table.embedding(index) @ w, x).mean() + (w * w).sum() * 0.01

    def run(steps):
        for i in range(steps):
            n = 1 + i % 40
            index.set_value(np.arange(n) * 7 % 1000)
            x.set_value(np.ones((n, 1)))
            loss.forward()
            loss.backward()
            optimizer.step([table, w])

    run(200)
    size, _ = grown(lambda: run(2000))
    assert size < 5_000


# Every malloc of a page or more is made a mapping of its own, whose first touch is a page fault. In a loop without such
# allocations, faults are few; each that is made in every step shows up as a fault per step.
FAULTS = textwrap.dedent("""
    import ctypes, resource, sys
    import numpy as np, wyrm
    from wyrm.nn.losses import logistic
    from wyrm.optim import Adagrad

    M_MMAP_THRESHOLD = -3
    assert ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 4096)
    rebuild = sys.argv[1] == "rebuild"
    rng = np.random.default_rng(0)
    table = wyrm.ParameterNode(rng.normal(size=(5000, 16)))
    w = wyrm.ParameterNode(rng.normal(size=(16, 1)))
    batches = [(rng.integers(5000, size=n).astype(np.int32), rng.integers(2, size=(n, 1)).astype(np.float32))
               for n in (4096, 1500, 3000)]
    index, y = wyrm.IndexInputNode(batches[0][0]), wyrm.InputNode(batches[0][1])

    def build():
        rows = table.embedding(index)
        return logistic((rows * rows).tanh() @ w, y).mean() + table.embedding_bag(index).sum() * 0.0

    loss = build()
    optimizer = Adagrad(0.1)

    def run(steps):
        global loss
        for i in range(steps):
            rows, targets = batches[i % 3]
            index.set_value(rows)
            y.set_value(targets)
            if rebuild:
                loss = build()
            loss.forward()
            loss.backward()
            optimizer.step([table, w])

    run(30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run(300)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 300)
""")


def faults_per_step(how):
    return float(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)


def test_a_steady_loop_allocates_nothing():
    assert faults_per_step("rebuild") > 10  # the measure works: a new arena for every step
    assert faults_per_step("steady") < 0.2


# Steps under a limit on the address space, so that some buffer or other can't grow; then, without it, a step that
# must give the right gradient.
SHORTAGE = textwrap.dedent("""
    import resource
    import numpy as np, wyrm

    rng = np.random.default_rng(0)
    storage = wyrm.HogwildParameter(rng.normal(size=(5000, 64)))
    rows, weights = rng.integers(5000, size=60_000), rng.normal(size=(60_000, 1)).astype(np.float32)

    def build():
        table = wyrm.ParameterNode.shared(storage)
        index, other, weight = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([1]), wyrm.InputNode([[1.0]])
        loss = table.embedding_bag(index, weight).sum() + table.embedding(other).square().sum()
        return table, index, other, weight, loss + table.fm_interaction(index)

    def run(table, index, other, weight, loss, n, m):
        index.set_value(rows[:n])
        weight.set_value(weights[:n])
        other.set_value(rows[-m:])
        loss.forward()
        loss.backward()
        loss.backward()

    def expected(n, m):
        values, gradient = storage.value.astype(float), np.zeros((5000, 64))
        np.add.at(gradient, rows[:n], weights[:n] + values[rows[:n]].sum(axis=0) - values[rows[:n]])
        np.add.at(gradient, rows[-m:], 2 * values[rows[-m:]])
        return 2 * gradient

    passed = failed = 0
    graph = build()
    for attempt in range(100):
        now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        limit = now + int(rng.integers(100 * 2**20))
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            run(*graph, *(int(n) for n in rng.integers(1, 60_000, size=2)))
            passed += 1
        except MemoryError:
            failed += 1
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        graph[0].zero_gradients()
        run(*graph, 50, 7)
        np.testing.assert_allclose(graph[0].gradient, expected(50, 7), rtol=1e-3, atol=1e-3)
        if attempt % 3 == 2:
            graph = None
            graph = build()
        graph[0].zero_gradients()
    print(passed, failed)
""")


def test_running_out_of_memory():
    done = subprocess.run([sys.executable, "-c", SHORTAGE], capture_output=True, text=True, check=True)
    passed, failed = map(int, done.stdout.split())
    assert passed
    assert failed
