"""This machine's limits, and training as a fraction of them. What a limit is stands in limits.py.

    python benchmarks/roofline.py                                   everything
    python benchmarks/roofline.py --only fm-adagrad --threads 2     one workload, on two threads
    python benchmarks/roofline.py --no-machine                      training only
    python benchmarks/roofline.py --update docs/benchmarks.md       ... into the report

A workload and its limits run by turns in one process; a fraction is the median over the turns, so the machine's drift
cancels out of it. On one thread, times are the processor's, in which other work on the machine doesn't count.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from functools import partial

import limits
import report
from steps import Factorisation, FieldAware, Linear
from timing import by_turns, clock_for, ratio
from word_steps import Vectors

from wyrm.datasets import DataUnavailableError
from wyrm.kernels.dispatch import instruction_set

DIMS = (1, 2, 4, 8, 16, 32, 64, 128)
SIZES = {"16 KB": 16e3, "256 KB": 256e3, "4 MB": 4e6, "32 MB": 32e6, "256 MB": 256e6}
WORKLOADS = {
    "lr-sgd": ("LR, 39 of 100,000, SGD", partial(Linear, n_rows=100_000), 200_000),
    "lr-adagrad": ("LR, 39 of 100,000, Adagrad", partial(Linear, n_rows=100_000, rule="Adagrad"), 200_000),
    "lr-adagrad-million": ("LR, 39 of 1,000,000, Adagrad", partial(Linear, n_rows=1_000_000, rule="Adagrad"), 200_000),
    "fm-sgd": ("FM, 39 of 100,000 x 16, SGD", partial(Linear, n_rows=100_000, n_factors=16), 100_000),
    "fm-adagrad": (
        "FM, 39 of 100,000 x 16, Adagrad",
        partial(Linear, n_rows=100_000, n_factors=16, rule="Adagrad"),
        100_000,
    ),
    "fm-adagrad-million": (
        "FM, 39 of 1,000,000 x 16, Adagrad",
        partial(Linear, n_rows=1_000_000, n_factors=16, rule="Adagrad"),
        100_000,
    ),
    "factorisation-adagrad": ("factorisation, 10,000 x 32, Adagrad", partial(Factorisation, rule="Adagrad"), 500_000),
    "factorisation-adagrad-million": (
        "factorisation, 1,000,000 x 32, Adagrad",
        partial(Factorisation, n_rows=1_000_000, rule="Adagrad"),
        300_000,
    ),
    "ffm-adagrad": ("FFM, 39 of 10,000 x 39 x 4, Adagrad", FieldAware, 10_000),
    "word2vec": ("Word2Vec, skip-gram, 100 dimensions, a word of text8", Vectors, 500_000),
    "word2vec-300": ("the same, 300 dimensions", partial(Vectors, dim=300), 200_000),
}


@dataclass
class Measured:
    """Medians in ns per example, and the fractions of the limits over pairs of turns."""

    ns: float
    row_ns: float
    rule_ns: float
    of_rows: float
    of_rule: float
    product_ns: float | None = None  # where small products are a good part of the work


def compare(calls, n, clock):
    """Take times by turns of 'wyrm', 'rows' and 'rule', each of which returns nothing or its own seconds."""
    by_turns(calls, 1)
    times = by_turns(calls, 9, clock)
    ns = {name: statistics.median(found) / n * 1e9 for name, found in times.items()}
    of_rows, of_rule = (ratio(times[name], times["wyrm"]) for name in ("rows", "rule"))
    return Measured(ns["wyrm"], ns["rows"], ns["rule"], of_rows, of_rule)


def measure(make, n, n_threads):
    step = make(n=n)
    step.check(lambda n: step.trainer().partial_fit(step.feed(n)), 64)
    train, n = step.training(n_threads)
    rows, rule = (limits.RowLimit(step.accesses(), step.rule, arithmetic) for arithmetic in (False, True))
    calls = {"wyrm": train, "rows": lambda: rows.run(n_threads), "rule": lambda: rule.run(n_threads)}
    found = compare(calls, n, clock_for(n_threads))
    if step.product_flops:
        found.product_ns = step.product_flops / n / limits.product_rate(limits.machine()) / n_threads
    return found


HEADER = [
    "training",
    "ns",
    "row limit, ns",
    "of the row limit",
    "with the rule's arithmetic, ns",
    "of that",
    "product limit, ns",
    "of that",
]


def cells(title, found):
    return [
        title,
        report.number(found.ns),
        report.number(found.row_ns),
        f"{100 * found.of_rows:.0f} %",
        report.number(found.rule_ns),
        f"{100 * found.of_rule:.0f} %",
        report.number(found.product_ns),
        f"{100 * found.product_ns / found.ns:.0f} %" if found.product_ns else "–",
    ]


def row_table(rule, arithmetic):
    header = ["weights in a row", *(f"table of {size}" for size in SIZES)]
    lines = []
    for dim in DIMS:
        found = [limits.row_ns(int(n_bytes), dim, rule, arithmetic) for n_bytes in SIZES.values()]
        moved = 2 * 4 * dim * (1 + limits.STATE[rule])  # read and written
        lines.append([dim, *(f"{ns:.1f} ns, {moved / ns:.1f} GB/s" for ns in found)])
    return header, lines


def product_table():
    header = ["instruction set", "multiply-adds on registers, Gflop/s", "product in the first cache, Gflop/s"]
    lines = []
    for isa, machine in limits.instruction_sets().items():
        lines.append([isa, f"{limits.multiply_add_rate(machine):.0f}", f"{limits.product_rate(machine):.0f}"])
    return header, lines


def machine_tables():
    """The limits of the machine: a title, a header and lines for each table."""
    yield "Random rows changed, SGD: values alone", *row_table("SGD", False)
    yield "The same, Adagrad: values and sums", *row_table("Adagrad", False)
    yield "... with Adagrad's arithmetic", *row_table("Adagrad", True)
    yield "Small products", *product_table()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(WORKLOADS)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD", help=names)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of examples (default 1)")
    parser.add_argument("--no-machine", action="store_true", help="leave the tables of the machine out")
    parser.add_argument("--update", metavar="PAGE", help="put the tables between the markers of a page")
    options = parser.parse_args()

    tables = [] if options.no_machine else list(machine_tables())
    lines = []
    for name in options.only:
        title, make, n = WORKLOADS[name]
        print(f"{title} …", file=sys.stderr, flush=True)
        try:
            lines.append(cells(title, measure(make, max(64, int(n * options.scale)), options.threads)))
        except DataUnavailableError as error:
            print(f"{title}: left out. {error}", file=sys.stderr)
    title = f"Training by {options.threads} thread{'s' * (options.threads > 1)}, {instruction_set()}"
    tables.append((title, HEADER, lines))
    if options.update:
        text = [report.machine(), *(f"**{title}**\n\n{report.table(header, rows)}" for title, header, rows in tables)]
        report.fill(options.update, "roofline", "\n\n".join(text))
    else:
        for title, header, rows in tables:
            print(f"\n{title}\n{report.aligned([header, *rows])}")


if __name__ == "__main__":
    main()
