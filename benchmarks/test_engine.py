"""Steps of the engine, in ns: driven from Python, driven in C, and PyTorch beside them.

A step gives the inputs their values and runs forward, backward and the optimiser. From Python it is the loop that a
user writes; in C it is the trainer's, with one thread, over arrays in their own order. What is learnt in the first
steps is compared with a reference in float64 before any time is taken. `ns / control` sets a time against products of
NumPy in the same moments.
"""

from functools import partial

import numpy as np
import pytest
from peers import check_peer, torch_peer
from reach import ROWS
from steps import DRIVEN, Factorisation, Linear, Product, Regression
from timing import by_turns, ratio

CHECKED = 64  # steps
TABLES = {"small": 1_000, "regular": 10_000, "large": 1_000_000}
WIDE_TABLES = {"small": 1_000, "regular": 100_000, "large": 1_000_000}
CASES = {
    "regression": (lambda batch, n: Regression(batch, n), {"small": 1, "regular": 32, "large": 1_024}),
    "factorisation-sgd": (lambda rows, n: Factorisation(rows, "SGD", n=n), TABLES),
    "factorisation-adagrad": (lambda rows, n: Factorisation(rows, "Adagrad", n=n), TABLES),
    "logistic-regression": (lambda rows, n: Linear(rows, n=n), WIDE_TABLES),
    "fm-sgd": (lambda rows, n: Linear(rows, 16, n=n), WIDE_TABLES),
    "fm-adagrad": (lambda rows, n: Linear(rows, 16, "Adagrad", n=n), WIDE_TABLES),
}
# What a case and size is called in the table of speeds to reach.
IN_TABLE = {
    ("regression", "small"): "regression",
    ("factorisation-sgd", "regular"): "factorisation-sgd",
    ("factorisation-adagrad", "regular"): "factorisation-adagrad",
    ("factorisation-adagrad", "large"): "factorisation-million",
    ("logistic-regression", "regular"): "logistic-regression",
    ("fm-sgd", "regular"): "fm",
}


@pytest.fixture(params=["small", "regular", "large"])
def size(request):
    return request.param


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def make(case, size, steps_of):
    """make(n): the step of this case and size with n examples; fewer of larger batches."""
    build, sizes = CASES[case]
    per_step = sizes[size] if case == "regression" else 1
    return lambda n: build(sizes[size], max(steps_of(n) // per_step, CHECKED))


@pytest.fixture
def row(case, size):
    """The row of the table, or None."""
    return ROWS.get(IN_TABLE.get((case, size)))


def test_driven_from_python(make, row, measure):
    step = make(DRIVEN)
    step.check(step.run, CHECKED)
    measure(step.run, len(step.steps), bytes=step.bytes, flops=step.flops, reach=row and row.python)


def test_driven_in_c(make, row, measure):
    step = make(row.n if row else 100_000)
    trainer = step.trainer()
    step.check(lambda n: trainer.partial_fit(step.feed(n)), CHECKED)
    n = len(next(iter(step.arrays.values()))) // step.batch_size
    feed = step.feed(n)
    measure(lambda n: trainer.partial_fit(feed), n, bytes=step.bytes, flops=step.flops, reach=row and row.c)


@pytest.mark.parametrize("case", ["regression", "factorisation-sgd", "factorisation-adagrad"], indirect=True)
def test_pytorch(make, row, measure, benchmark, measuring):
    """The peer, with `ratio`: how many times as long its step takes as wyrm's, both driven from Python by turns."""
    pytest.importorskip("torch")
    step = make(2_000)
    peer = torch_peer(step)
    check_peer(step, peer, CHECKED)
    n = min(len(step.steps), 500)
    measure(peer.run, n, reach=row and row.pytorch, rounds=3)
    if measuring:
        times = by_turns({"torch": lambda: peer.run(n), "wyrm": lambda: step.run(n)}, rounds=7)
        benchmark.extra_info["ratio"] = round(ratio(times["torch"], times["wyrm"]), 1)


def test_build_and_step(size, steps_of, measure, benchmark, measuring):
    """A new graph for every step, with `ratio` to a step of a graph that is kept."""
    step = Factorisation(TABLES[size], n=steps_of(5_000))
    step.check(step.run_rebuilding, min(CHECKED, len(step.steps)))
    n = len(step.steps)
    measure(step.run_rebuilding, n, reach=ROWS["rebuild"].python)
    if measuring:
        times = by_turns({"rebuilt": lambda: step.run_rebuilding(n), "kept": lambda: step.run(n)}, rounds=7)
        benchmark.extra_info["ratio"] = round(ratio(times["rebuilt"], times["kept"]), 2)


DIMS = {"small": 32, "regular": 128, "large": 512}


def test_product_driven_from_python(size, steps_of, measure):
    step = Product(DIMS[size])
    step.check()
    measure(step.run, steps_of(5_000), bytes=step.bytes, flops=step.flops)


def test_product_driven_in_c(size, steps_of, measure, bare_loop):
    """By the bare loop, since a trainer would also step: forward, backward, and clearing the gradients."""
    step = Product(DIMS[size])
    step.check()
    loop = bare_loop(step.loss, None, {})
    assert loop.run(1) == pytest.approx(4 * (step.x.value[0].astype(float) @ step.y.value[:, 0]), rel=1e-3, abs=1e-3)
    reach = ROWS["product"].c if size == "regular" else None
    measure(loop.run, steps_of(20_000), bytes=step.bytes, flops=step.flops, reach=reach)


@pytest.mark.parametrize("rule", ["SGD", "Adagrad"])
def test_cost_does_not_depend_on_where_rows_are(rule, measuring, steps_of, measure, benchmark):
    """The last 10,000 rows of a million, with `ratio` to the first 10,000, by turns."""
    n_rows = 1_000_000 if measuring else 20_000
    n, among = steps_of(300_000), min(10_000, n_rows // 2)
    step = Factorisation(n_rows, rule, n=n, among=among)
    trainer = step.trainer()
    step.check(lambda n: trainer.partial_fit(step.feed(n)), min(CHECKED, n))
    first = step.feed(n)
    for node in (step.i, step.j):
        step.arrays[node] = step.arrays[node] + np.int32(n_rows - among)
    step.check(lambda n: trainer.partial_fit(step.feed(n)), min(CHECKED, n))
    last = step.feed(n)
    measure(lambda n: trainer.partial_fit(last), n, bytes=step.bytes, flops=step.flops)
    if measuring:
        places = {"last": partial(trainer.partial_fit, last), "first": partial(trainer.partial_fit, first)}
        times = by_turns(places, rounds=9)
        benchmark.extra_info["ratio"] = round(ratio(times["last"], times["first"]), 2)
