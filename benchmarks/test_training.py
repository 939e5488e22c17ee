"""What the trainer adds to the loop it runs, in ns per example.

The bare loop (bare_loop.pyx) does what one would write by hand in C over a graph's program: point the inputs at the
next example, forward, backward, step. The trainer does that too, and takes shares of the epoch, looks ahead, watches
the loss, counts, follows schedules; shuffled, it also reads examples in random order. Both are timed by turns.
"""

import numpy as np
import pytest
from steps import Factorisation, FieldAware, Linear, Regression
from timing import by_turns, ratio

CASES = {
    "regression": (lambda rows, n: Regression(n=n), {"small": 1}),
    "factorisation": (
        lambda rows, n: Factorisation(rows, n=n),
        {"small": 1_000, "regular": 10_000, "large": 1_000_000},
    ),
    "logistic-regression": (lambda rows, n: Linear(rows, n=n), {"small": 1_000, "regular": 100_000}),
    "fm": (
        lambda rows, n: Linear(rows, 16, "Adagrad", n=n),
        {"small": 1_000, "regular": 100_000, "large": 1_000_000},
    ),
    "ffm": (lambda rows, n: FieldAware(rows, n=n), {"small": 1_000, "regular": 10_000, "large": 50_000}),
}
EXAMPLES = {
    "regression": 2_000_000,
    "factorisation": 500_000,
    "logistic-regression": 200_000,
    "fm": 100_000,
    "ffm": 10_000,
}


@pytest.fixture(params=[(case, size) for case, (_, sizes) in CASES.items() for size in sizes], ids="-".join)
def make(request, steps_of):
    case, size = request.param
    build, sizes = CASES[case]
    return lambda: build(sizes[size], steps_of(EXAMPLES[case]))


@pytest.mark.parametrize("shuffle", [False, True], ids=["in-order", "shuffled"])
def test_trainer_beside_the_bare_loop(make, shuffle, bare_loop, measure, benchmark, measuring):
    """`ratio`: the trainer's time over the bare loop's. In order, both learn the same to the last bit."""
    step, bare_step = make(), make()
    n = len(next(iter(step.arrays.values())))
    trainer, feed = step.trainer(), step.feed(n)
    bare = bare_loop(bare_step.loss, bare_step.optimizer, bare_step.arrays)

    mean = trainer.partial_fit(feed)
    assert bare.run(n) / n == pytest.approx(mean, rel=1e-9)
    for one, other in zip(step.loss.parameters(), bare_step.loss.parameters(), strict=True):
        np.testing.assert_array_equal(one.value, other.value)

    measure(lambda n: trainer.partial_fit(feed, shuffle=shuffle), n, bytes=step.bytes, flops=step.flops)
    if measuring:
        calls = {"trainer": lambda: trainer.partial_fit(feed, shuffle=shuffle), "bare": lambda: bare.run(n)}
        times = by_turns(calls, rounds=9)
        benchmark.extra_info["bare ns"] = round(min(times["bare"]) / n * 1e9, 1)
        benchmark.extra_info["ratio"] = round(ratio(times["trainer"], times["bare"]), 3)


def test_starting_a_run(measure):
    """What a call of partial_fit costs that does next to nothing: threads, plans, checks. Here a step is a call."""
    step = Regression(n=20_000)
    trainer, feed = step.trainer(), step.feed(1)
    step.check(lambda n: trainer.partial_fit(step.feed(n)), 64)

    def run(n):
        for _ in range(n):
            trainer.partial_fit(feed)

    measure(run, 20)
