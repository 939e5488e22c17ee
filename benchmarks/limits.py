"""What this machine can do at most, measured: rows of tables changed, and multiply-adds of small products.

**The row limit.** Training on sparse rows reads each touched row, changes it and writes it back, with the state of its
optimiser; the arithmetic between is small. So the limit is a loop in C (machine.h) that does this and nothing else: it
goes over the very rows of the examples, in their order, in tables of the same size and layout, prefetches so far ahead
and into that cache which suit best, adds a number to every float and writes it. No gradient is computed, no example is
read but its row numbers, once, however many tables they reach, and each row is visited once, where a model visits it
twice: to compute with it, and to change it. Nothing that learns can be faster on the same rows, as long as it writes
them all.

**The limit with the rule's arithmetic** also computes what the optimiser needs for every float; for Adagrad a square
and a sum, a root and a division, exact, or estimated where that is faster. What lies between the two limits is what the
rule costs at least, whatever the engine.

**The product limit** is the rate of a tile of 4 rows by 3 vectors in twelve registers whose operands come from the
first cache: the shape that suits an instruction set best. Products that end in the middle of a vector, or sum across
one, are slower. The rate of multiply-adds on registers alone stands beside it.
"""

import threading
from dataclasses import dataclass
from itertools import pairwise

import compiled
import numpy as np
from timing import clock_for, seconds

from wyrm.kernels.dispatch import available_instruction_sets, instruction_set

# Rows to prefetch, and whether into the second cache and not the first; the best counts.
FETCHES = ((0, False), (8, False), (32, False), (64, False), (64, True), (128, True))
RULES = {"SGD": ("add",), "Adagrad": ("Adagrad", "Adagrad, estimated")}  # the ways to compute them
STATE = {"SGD": 0, "Adagrad": 1}  # floats per weight


@dataclass
class Access:
    """Rows of one table that the steps touch: (n, k) row numbers, or ragged ones with the n + 1 ends of the steps."""

    n_rows: int
    dim: int
    rows: np.ndarray
    offsets: np.ndarray | None = None

    def __post_init__(self):
        if self.offsets is None:
            n, k = self.rows.shape
            self.offsets = np.arange(0, n * k + 1, k)

    def __len__(self):
        return len(self.offsets) - 1


class RowLimit:
    """The row limit of an optimiser over some accesses of the same steps; its tables are made once.

    Parameters
    ----------
    accesses : list of Access
    rule : {'SGD', 'Adagrad'}
    arithmetic : bool
        With the arithmetic of the rule, not only an addition for every float of values and state.
    """

    def __init__(self, accesses, rule, arithmetic=False):
        self.machine = machine()
        self.n = min(map(len, accesses))
        self.tables = [self.machine.Table(access.n_rows, access.dim * (1 + STATE[rule])) for access in accesses]
        lists, self.ways = {}, []  # rows that find their way into several tables are one list, as in a feed
        for way in RULES[rule] if arithmetic else ("add",):
            self.ways.append([])
            for table, access in zip(self.tables, accesses):
                rows = lists.get(id(access.rows), access.rows)
                lists[id(access.rows)] = self.machine.Rows(table, rows, access.offsets, way)
                self.ways[-1].append(lists[id(access.rows)])
        self.best = None

    def run(self, n_threads=1):
        """Do all steps once, in the way and with the distance that proved best."""
        if self.best is None:
            trials = [(way, *fetch) for way in range(len(self.ways)) for fetch in FETCHES]
            times = [
                min(times) for times in zip(*([self.time(n_threads, *trial) for trial in trials] for _ in range(5)))
            ]
            self.best = trials[times.index(min(times))]
        return self.time(n_threads, *self.best)

    def time(self, n_threads, way, ahead, far):
        """Seconds of all steps, shared out between threads."""
        ends = np.linspace(0, self.n, n_threads + 1).astype(int).tolist()
        rows = self.ways[way]
        work = [
            threading.Thread(target=self.machine.update, args=(rows, first, end, ahead, 1e-9, far))
            for first, end in pairwise(ends)
        ]
        clock = clock_for(n_threads)
        start = clock()
        if n_threads == 1:
            self.machine.update(rows, 0, self.n, ahead, 1e-9, far)
        else:
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
        return clock() - start


def random_rows(n_rows, n, per_step=32, seed=0):
    """Uniform row numbers, distinct within every step where there are enough."""
    rng = np.random.default_rng(seed)
    if n_rows < 4 * per_step:
        return rng.permuted(np.tile(np.arange(n_rows, dtype=np.int32), (n, 1)), axis=1)[:, :per_step]
    size = n_rows // per_step  # a part of the table for each row of a step, in an order of its own
    return rng.integers(0, size, (n, per_step), dtype=np.int32) + size * rng.permutation(per_step).astype(np.int32)


def row_ns(n_bytes, dim, rule, arithmetic, rounds=5, n=200_000):
    """ns per row of `dim` weights, with their state, in a table of so many bytes."""
    width = 4 * dim * (1 + STATE[rule])
    n_rows = max(n_bytes // width, 1)
    per_step = min(32, n_rows)
    rows = random_rows(n_rows, max(n // per_step, 1), per_step)
    limit = RowLimit([Access(n_rows, dim, rows)], rule, arithmetic)
    return min(limit.run() for _ in range(rounds)) / rows.size * 1e9


def machine():
    """The loops for the instruction set in use."""
    return compiled.load("machine", instruction_set())


def instruction_sets():
    """Those that this machine runs, compiled: name to module."""
    return {isa: compiled.load("machine", isa) for isa in available_instruction_sets()}


def gflops(call, flops, rounds=31):
    """Gflop/s of a call, at its best."""
    times = []
    call()
    for _ in range(rounds):
        times.append(seconds(call, clock=clock_for(1)))
    return flops / min(times) / 1e9


def multiply_add_rate(machine, n=500_000):
    """Gflop/s on registers alone."""
    return gflops(lambda: machine.multiply_add(n), n * machine.tile_flops())


def product_rate(machine, depth=100, n=5_000):
    """Gflop/s of the product limit, for matrices so many columns deep."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, depth), dtype=np.float32)
    b = rng.standard_normal((depth, 3 * machine.lanes()), dtype=np.float32)
    np.testing.assert_allclose(machine.tile(a, b, 1), a @ b, rtol=1e-4, atol=1e-4)
    return gflops(lambda: machine.tile(a, b, n), n * depth * machine.tile_flops())
