"""How the benchmarks take times: by turns in one run, with a control that shows when the machine changed its pace."""

import statistics
import time

import numpy as np

CONTROL_LENGTH = 1_000
CONTROL_CALLS = 2_000


def clock_for(n_threads):
    """What to time work on so many threads with.

    One thread's is the processor's time, which doesn't run while something else has the core. Of several, that would be
    their sum, so it has to be the time that passes.
    """
    return time.process_time if n_threads == 1 else time.perf_counter


def seconds(call, *args, clock=time.perf_counter):
    """Time of one call."""
    start = clock()
    call(*args)
    return clock() - start


def control_ns(rounds=5):
    """ns per product of two vectors of 1,000 floats, called from a loop in Python: nothing of wyrm is in it.

    The best of several rounds. Benchmarks state it beside their own time; two runs of which it differs were made on
    machines, or in moments, of different speed.
    """
    a, b = np.ones((2, CONTROL_LENGTH), dtype=np.float32)
    dot = np.dot
    assert dot(a, b) == CONTROL_LENGTH

    def loop():
        for _ in range(CONTROL_CALLS):
            dot(a, b)

    return min(seconds(loop) for _ in range(rounds)) / CONTROL_CALLS * 1e9


def by_turns(calls, rounds, clock=time.perf_counter):
    """Times of several calls, taken one after the other in every round.

    Parameters
    ----------
    calls : dict of str to callable
    rounds : int
    clock : callable

    Returns
    -------
    dict of str to list of float
        Seconds, an entry per round.
    """
    times = {name: [] for name in calls}
    for turn in range(rounds):
        for name, call in list(calls.items())[:: 1 if turn % 2 else -1]:  # so that none is always the first
            times[name].append(seconds(call, clock=clock))
    return times


def ratio(over, under):
    """The median of the ratios of paired times, which drifts of the machine cancel out of."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def best_median(times, block):
    """The least of the medians of consecutive blocks of rounds."""
    return min(statistics.median(times[at : at + block]) for at in range(0, len(times) - block + 1, block))


def note_rate(benchmark, unit):
    """What a benchmark's steps are by the second."""
    if "ns/step" in benchmark.extra_info:
        benchmark.extra_info[f"{unit}/s"] = round(1e9 / benchmark.extra_info["ns/step"])
