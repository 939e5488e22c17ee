"""The table of speeds to reach, measured: ns per step of wyrm, driven from Python and in C, and of PyTorch by turns.

    python benchmarks/engine_table.py                                  a table to read
    python benchmarks/engine_table.py --markdown                       the one of the documentation
    python benchmarks/engine_table.py --update docs/performance.md     ... and put it there

Every graph is first checked against a reference in float64. Each figure is the best of several medians of turns.
PyTorch is left out where it isn't installed.
"""

import argparse
import importlib.util
import sys
from dataclasses import dataclass, field

import compiled
import report
from peers import check_peer, torch_peer
from reach import ROWS
from steps import DRIVEN
from timing import best_median, by_turns, control_ns, ratio

CHECKED = 64  # steps
BLOCK = 5  # rounds of a median


@dataclass
class Measured:
    """Best medians in ns per step, by what drove it; and how many times as long PyTorch took, pair by pair."""

    ns: dict = field(default_factory=dict)
    ratio: float | None = None

    def text(self, name):
        return report.number(self.ns.get(name))


def drivers(row, with_torch, scale, bare_loop):
    """The calls to time, each with the number of steps it does."""
    n_python, n_torch, n_c = (max(CHECKED, int(n * scale)) for n in (DRIVEN, 300, row.n))
    if row.how == "product":
        return product_drivers(row.make(), n_python, n_c, bare_loop)
    step = row.make(n=max(n_python, n_c))
    calls = {}
    if with_torch and row.pytorch is not None:
        peer = torch_peer(step)
        check_peer(step, peer, CHECKED)
        calls["torch"] = (lambda: peer.run(n_torch), n_torch)
    run = step.run_rebuilding if row.how == "rebuild" else step.run
    step.check(run, CHECKED)
    calls["python"] = (lambda: run(n_python), n_python)
    if row.how == "step":
        trainer, feed = step.trainer(), step.feed(n_c)
        calls["c"] = (lambda: trainer.partial_fit(feed), n_c)
    return calls


def product_drivers(step, n_python, n_c, bare_loop):
    step.check()
    calls = {"python": (lambda: step.run(n_python), n_python)}
    if bare_loop is not None:
        loop = bare_loop(step.loss, None, {})
        calls["c"] = (lambda: loop.run(n_c), n_c)
    return calls


def measure(row, with_torch, blocks, scale, bare_loop):
    calls = drivers(row, with_torch, scale, bare_loop)
    alone = {name: call for name, (call, _) in calls.items()}
    by_turns(alone, 1)
    times = by_turns(alone, blocks * BLOCK)
    found = Measured({name: best_median(times[name], BLOCK) / n * 1e9 for name, (_, n) in calls.items()})
    if "torch" in calls:
        per_step = {name: [t / calls[name][1] for t in times[name]] for name in ("torch", "python")}
        found.ratio = ratio(per_step["torch"], per_step["python"])
    return found


HEADER = ["step, in ns", "PyTorch", "Rust ancestor", "from Python", "to reach", "in C", "to reach", "PyTorch / Python"]


def cells(row, found):
    return [
        row.title,
        found.text("torch") if "torch" in found.ns else f"({report.number(row.pytorch)})" if row.pytorch else "–",
        report.number(row.ancestor),
        found.text("python"),
        report.number(row.python),
        found.text("c"),
        report.number(row.c),
        f"{found.ratio:,.0f}x" if found.ratio else "–",
    ]


def markdown(results, controls, torch_version):
    versions = {"PyTorch": torch_version} if torch_version else {}
    control = f"{min(controls):.0f} to {max(controls):.0f} ns"
    return "\n\n".join(
        [
            report.machine(**versions),
            report.table(HEADER, [cells(ROWS[name], found) for name, found in results.items()]),
            f"Between the rows the control, a product of two vectors of 1,000 floats by NumPy, took {control}. The\n"
            "figures of the ancestor, and those of PyTorch in brackets, are quoted from a machine with two cores.",
        ]
    )


def plain(results, controls):
    print(report.aligned([HEADER, *(cells(ROWS[name], found) for name, found in results.items())]))
    print(f"control: {min(controls):.0f} to {max(controls):.0f} ns")
    for name, found in results.items():
        for key, reach in (("python", ROWS[name].python), ("c", ROWS[name].c)):
            if reach and key in found.ns and found.ns[key] > reach:
                where = "in C" if key == "c" else "from Python"
                print(f"misses: {ROWS[name].title}, {where}: {found.ns[key]:.0f} ns, to reach {reach}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--update", metavar="PAGE", help="put the Markdown between the markers of a page")
    parser.add_argument("--blocks", type=int, default=3, help="medians of which the best counts (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of steps in a measurement (default 1)")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    options = parser.parse_args()

    with_torch = not options.no_torch and importlib.util.find_spec("torch") is not None
    torch_version = None
    if with_torch:
        import torch

        torch_version = torch.__version__
    try:
        bare_loop = compiled.bare_loop()
    except ImportError as error:
        print(f"No product in C: {error}", file=sys.stderr)
        bare_loop = None

    results, controls = {}, [control_ns()]
    for name in options.only:
        print(f"{ROWS[name].title} …", file=sys.stderr, flush=True)
        results[name] = measure(ROWS[name], with_torch, options.blocks, options.scale, bare_loop)
        controls.append(control_ns())
    if options.update:
        report.fill(options.update, "engine-table", markdown(results, controls, torch_version))
    if options.markdown:
        print(markdown(results, controls, torch_version))
    elif not options.update:
        plain(results, controls)


if __name__ == "__main__":
    main()
