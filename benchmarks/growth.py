"""How the cost of a step grows with rows, dimensions, values per row and threads, with lines fitted to it.

    python benchmarks/growth.py --update docs/performance.md

Factorisation machines under Adagrad, by the trainer, on rows drawn uniformly. Each cost is the best of several turns
over all sizes, so a busy moment hurts no size alone. With the number of values and dimensions it grows as a line, whose
slope is what one more costs; with the size of the table by the level of cache that the table falls out of, so a slope
is given per doubling, below and above what the caches hold; with threads as a power, 1 being perfect.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import report
from timing import by_turns, clock_for

import wyrm
from wyrm.feeds import ArrayFeed
from wyrm.nn.losses import logistic
from wyrm.optim import Adagrad
from wyrm.threads import usable_threads

TURNS = 7


@dataclass(frozen=True)
class Setting:
    """A factorisation machine and the machine's part of its training."""

    n_rows: int = 100_000
    dim: int = 16
    values: int = 39
    n_threads: int = 1


AXES = {
    "values per row": ("values", (5, 10, 20, 39, 80, 160)),
    "dimensions": ("dim", (1, 2, 4, 8, 16, 32, 64, 128)),
    "rows of the table": ("n_rows", (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000)),
    "threads": ("n_threads", tuple(range(1, usable_threads() + 1))),
}


def make(setting, n):
    """A call that trains on n examples."""
    rng = np.random.default_rng(0)
    size = setting.n_rows // setting.values
    starts = np.arange(0, size * setting.values, size, dtype=np.int32)
    rows = rng.integers(0, size, (n, setting.values), dtype=np.int32) + starts
    y = rng.integers(0, 2, (n, 1)).astype(np.float32)
    index, target = wyrm.IndexInputNode(rows[0]), wyrm.InputNode(0.0)
    table = wyrm.ParameterNode(0.01 * rng.standard_normal((setting.n_rows, setting.dim), dtype=np.float32))
    trainer = wyrm.Trainer(logistic(table.fm_interaction(index), target), Adagrad(0.01), n_threads=setting.n_threads)
    feed = ArrayFeed({index: rows, target: y})
    loss = trainer.partial_fit(feed)
    assert np.isfinite(loss), loss
    return lambda: trainer.partial_fit(feed)


def costs(axis, scale):
    """ns per example for each value of an axis; at least 64 examples."""
    field, values = AXES[axis]
    settings = {value: Setting(**{field: value}) for value in values}
    numbers = {
        value: max(64, int(scale * 4_000_000 / (setting.values * (setting.dim + 16) / 16)))
        for value, setting in settings.items()
    }
    calls = {value: make(setting, numbers[value]) for value, setting in settings.items()}
    times = by_turns(calls, TURNS, clock_for(1) if axis != "threads" else clock_for(0))
    return {value: min(times[value]) / numbers[value] * 1e9 for value in values}


# --- Fits ------------------------------------------------------------------------------------------------------------


def line(found):
    """(constant, slope, R squared) of cost = constant + slope x, weighing relative errors alike."""
    x, y = np.array(list(found), dtype=float), np.array(list(found.values()))
    A = np.stack([np.ones_like(x), x], axis=1)
    (constant, slope), *_ = np.linalg.lstsq(A / y[:, None], np.ones_like(y), rcond=None)
    rest = 1 - (constant + slope * x) / y
    spread = 1 - y.mean() / y
    return constant, slope, 1 - np.square(rest).sum() / np.square(spread).sum()


def power(found):
    """The exponent of cost ~ x^exponent."""
    return float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])


def in_words(axis, found):
    if axis in ("values per row", "dimensions"):
        constant, slope, r2 = line(found)
        one = "value" if axis == "values per row" else "dimension"
        return f"{constant:.0f} ns + {slope:.1f} ns for each {one} (R² {r2:.3f})"
    if axis == "threads":
        if len(found) < 2:
            return "one thread"
        return f"speed ~ threads^{-power(found):.2f}"
    near = {x: y for x, y in found.items() if x <= 64_000}
    far = {x: y for x, y in found.items() if x >= 64_000}
    each = [
        f"{100 * (2 ** power(part) - 1):.0f} % for each doubling {where}"
        for part, where in ((near, "up to 64,000 rows"), (far, "from there on"))
    ]
    return ", ".join(each)


def section(results):
    yield report.machine()
    for axis, found in results.items():
        header = [axis, *(f"{value:,}" for value in found)]
        yield report.table(header, [["ns per example", *(report.number(ns) for ns in found.values())]])
        yield f"Fitted: {in_words(axis, found)}."
    yield "FM under Adagrad; what isn't varied is 39 values of 100,000 rows of 16, and one thread."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS", help=", ".join(AXES))
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of examples (default 1)")
    parser.add_argument("--update", metavar="PAGE", help="put the tables between the markers of a page")
    options = parser.parse_args()
    results = {}
    for axis in options.only:
        print(f"{axis} …", file=sys.stderr, flush=True)
        results[axis] = costs(axis, options.scale)
        if not options.update:
            print(report.aligned([[axis, "ns"], *([f"{x:,}", report.number(ns)] for x, ns in results[axis].items())]))
            print(f"{in_words(axis, results[axis])}\n")
    if options.update:
        report.fill(options.update, "growth", "\n\n".join(section(results)))


if __name__ == "__main__":
    main()
