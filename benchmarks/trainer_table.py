"""What the trainer adds to a loop written by hand in C, in ns per example: in order, and shuffled.

    python benchmarks/trainer_table.py [--markdown] [--update docs/performance.md]

That they compute the same is asserted by test_training.py, and checked here against a reference in float64.
"""

import argparse
import sys

import compiled
import report
from reach import ROWS
from timing import best_median, by_turns, ratio

CHECKED = 64  # steps
BLOCK = 5  # rounds of a median
HEADER = ["step, in ns", "bare loop", "trainer, in order", "ratio", "shuffled", "ratio"]


def measure(row, blocks, scale, bare_loop):
    """Best medians in ns per example, and the ratios to the bare loop, pair by pair."""
    n = max(CHECKED, int(row.n * scale))
    step, other = row.make(n=n), row.make(n=n)
    trainer, feed = step.trainer(), step.feed(n)
    loop = bare_loop(other.loss, other.optimizer, other.arrays)
    step.check(lambda n: trainer.partial_fit(step.feed(n)), CHECKED)
    other.check(loop.run, CHECKED)
    calls = {
        "bare": lambda: loop.run(n),
        "in order": lambda: trainer.partial_fit(feed),
        "shuffled": lambda: trainer.partial_fit(feed, shuffle=True),
    }
    by_turns(calls, 1)
    times = by_turns(calls, blocks * BLOCK)
    found = [report.number(best_median(times["bare"], BLOCK) / n * 1e9)]
    for name in ("in order", "shuffled"):
        found.append(report.number(best_median(times[name], BLOCK) / n * 1e9))
        found.append(f"{ratio(times[name], times['bare']):.2f}x")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = [name for name, row in ROWS.items() if row.how == "step"]
    parser.add_argument("--only", nargs="+", choices=rows, default=rows, metavar="ROW", help=", ".join(rows))
    parser.add_argument("--blocks", type=int, default=3, help="medians of which the best counts (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of steps in a measurement (default 1)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--update", metavar="PAGE", help="put the Markdown between the markers of a page")
    options = parser.parse_args()
    bare_loop = compiled.bare_loop()
    lines = []
    for name in options.only:
        print(f"{ROWS[name].title} …", file=sys.stderr, flush=True)
        lines.append([ROWS[name].title, *measure(ROWS[name], options.blocks, options.scale, bare_loop)])
    text = f"{report.machine()}\n\n{report.table(HEADER, lines)}"
    if options.update:
        report.fill(options.update, "trainer", text)
    if options.markdown:
        print(text)
    elif not options.update:
        print(report.aligned([HEADER, *lines]))


if __name__ == "__main__":
    main()
