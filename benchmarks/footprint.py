"""What memory and allocations training takes, measured in a process of its own: `python footprint.py WHAT` prints JSON.

Run under a preloaded counter of allocations (allocation_counter.py) for the last of the four.
"""

import argparse
import ctypes
import json
import os

import numpy as np

import wyrm
from wyrm.feeds import ArrayFeed
from wyrm.nn.losses import squared_error
from wyrm.optim import SGD, Adagrad
from wyrm.replica import Replica

N_PYTHON, N_TRAINER = 5_000, 100_000


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start_high_water():
    """Let the peak of resident memory begin anew."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def high_water():
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Model:
    """A factorisation of which both sides look into one table."""

    def __init__(self, n_rows, dim, rule=SGD):
        self.table = wyrm.ParameterNode(np.full((n_rows, dim), 0.1, dtype=np.float32))
        self.i, self.j, self.y = wyrm.IndexInputNode(0), wyrm.IndexInputNode(0), wyrm.InputNode(0.5)
        self.optimizer = rule(0.01)
        self.loss = self.build()

    def build(self):
        return squared_error(wyrm.vector_dot(self.table.embedding(self.i), self.table.embedding(self.j)), self.y)

    def drive(self, rows, rebuild=False):
        for i, j in rows:
            self.i.set_value(i)
            self.j.set_value(j)
            self.y.set_value(0.5)
            if rebuild:
                self.loss = self.build()
            self.loss.forward()
            self.loss.backward()
            self.optimizer.step(self.loss.parameters())

    def trainer(self, n_threads=1):
        return wyrm.Trainer(self.loss, self.optimizer, n_threads=n_threads)

    def feed(self, rows):
        return ArrayFeed({self.i: rows[0], self.j: rows[1], self.y: np.full(rows.shape[1], 0.5, dtype=np.float32)})


def draw(n_rows, n=N_TRAINER):
    return np.random.default_rng(0).integers(0, n_rows, (2, n), dtype=np.int32)


def train(model, rows, n_threads=1, fit=False):
    model.drive(list(zip(*rows[:, :N_PYTHON].tolist())))
    trainer = model.trainer(n_threads)
    trainer.fit(model.feed(rows)) if fit else trainer.partial_fit(model.feed(rows))


def table(n_rows=1_000_000, dim=32):
    """Bytes that making and training a table adds beside its values; and how far fit() goes beyond them on its way."""
    rows = draw(n_rows)
    small = Model(1_000, dim)
    for fit in (False, True):  # imports, threads and what else comes with the first time
        train(small, rows % 1_000, fit=fit)
    before = resident()
    model = Model(n_rows, dim)
    train(model, rows)
    values = n_rows * dim * 4
    added = resident() - before - values
    start_high_water()
    train(model, rows, fit=True)
    return {"added": added, "values": values, "peak of fit": high_water() - before - values}


def replica(n_rows=10_000_000, dim=8):
    """Bytes that a replica of a graph over a table adds, which has run over rows from its whole length."""
    model = Model(n_rows, dim)
    model.drive([(0, n_rows - 1)])
    before = resident()
    copies = [Replica(model.loss) for _ in range(10)]
    added = (resident() - before) / len(copies)
    del copies
    train(Model(1_000, dim), draw(1_000))
    trainer, feed = model.trainer(), model.feed(draw(n_rows))
    before = resident()
    trainer.partial_fit(feed)
    return {"added": added, "added by training": resident() - before}


def threads(dim=32, n_threads=4):
    """Peak of the bytes a thread of a trainer adds: over a table too large for private copies, and over a small one."""
    found = {}
    for n_rows, rule in ((1_000_000, SGD), (5_500, Adagrad)):
        model = Model(n_rows, dim, rule)
        feed = model.feed(draw(n_rows))
        model.trainer(1).partial_fit(feed)
        trainer = model.trainer(n_threads)
        before = resident()
        start_high_water()
        trainer.partial_fit(feed)
        found[f"{n_rows} rows"] = (high_water() - before) / n_threads
    return found


def allocations(n=1_000):
    """Calls of malloc and its kin in n steps: of a graph that is kept, from Python and in C, and of one rebuilt."""
    counter = ctypes.c_long.in_dll(ctypes.CDLL(None), "wyrm_allocations")
    found = {}
    for rule in (SGD, Adagrad):
        model = Model(10_000, 32, rule)
        rows = draw(10_000, 3 * n)
        pairs = list(zip(*rows[:, :n].tolist()))
        name = rule.__name__

        def count(call, *args):
            call(*args)
            counts = []
            for _ in range(5):
                before = counter.value
                call(*args)
                counts.append(counter.value - before)
            return min(counts)

        found[f"{name}, from Python"] = count(model.drive, pairs)
        # A run in C makes threads and the like; what it does not make is more of them for more examples.
        trainer, short, long = model.trainer(), model.feed(rows[:, :n]), model.feed(rows)
        found[f"{name}, in C"] = count(trainer.partial_fit, long) - count(trainer.partial_fit, short)
        found[f"{name}, rebuilt"] = count(model.drive, pairs, True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    what = {function.__name__: function for function in (table, replica, threads, allocations)}
    parser.add_argument("what", choices=what)
    print(json.dumps(what[parser.parse_args().what]()))


if __name__ == "__main__":
    main()
