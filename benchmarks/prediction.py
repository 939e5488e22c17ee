"""How fast fitted models predict: one row at a time from Python, and many at once; wyrm's and its peers'.

python benchmarks/prediction.py --update docs/benchmarks.md
"""

import argparse
import statistics
import sys

import report
from contests.entries import CONTESTS
from contests.parent import EntryError, enter

PREDICTED = ("lr", "fm")
HEADER = ["", "one row, a matrix, µs", "one row, its columns, µs", "all held-out rows, rows/s"]
TURNS = 5


def median(values):
    return None if None in values else statistics.median(values)


def measure(name, n_threads, size):
    """Of each entry that can: seconds for one row, and rows per second of many, medians over turns."""
    entries, _ = enter(name, n_threads, size)
    entries = {entry: ([], []) for entry in entries}
    failed = set()
    for turn in range(TURNS):
        for entry, (latencies, rates) in list(entries.items())[:: 1 if turn % 2 else -1]:
            if entry in failed:
                continue
            try:
                if turn == 0:
                    entry.ask("run")
                latencies.append(entry.ask("latency"))
                found = entry.ask("predict")
                rates.append(found["done"] / found["seconds"])
            except EntryError:  # it has no such thing: Vowpal Wabbit reads files
                failed.add(entry)
    for entry in entries:
        entry.close()
    return {
        f"{entry.name} {entry.version}": ([median(times) for times in zip(*latencies)], median(rates))
        for entry, (latencies, rates) in entries.items()
        if entry not in failed
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, help="rows to train on")
    parser.add_argument("--update", metavar="PAGE", help="put the table between the markers of a page")
    options = parser.parse_args()
    lines = []
    for name in PREDICTED:
        print(f"{CONTESTS[name].title} …", file=sys.stderr, flush=True)
        for entry, (latencies, rate) in measure(name, options.threads, options.size).items():
            each = [report.number(seconds and seconds * 1e6) for seconds in latencies]
            lines.append([f"{CONTESTS[name].title}: {entry}", *each, report.number(rate)])
    if options.update:
        report.fill(options.update, "prediction", f"{report.machine()}\n\n{report.table(HEADER, lines)}")
    else:
        print(report.aligned([HEADER, *lines]))


if __name__ == "__main__":
    main()
