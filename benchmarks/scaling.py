"""How training scales with threads: rows per second, the ratio to one thread, and what it costs in accuracy.

    python benchmarks/scaling.py                                       1 to all cores
    python benchmarks/scaling.py --threads 1,2,4 --only fm-uniform
    python benchmarks/scaling.py --plot docs/scaling.svg --update docs/benchmarks.md

For each number of threads, two models start from the same values. One is trained by one thread and one by all, an epoch
each by turns; a ratio is the median over these pairs, and the validation loss is compared after the last of them. The
line of one thread is such a comparison as well, and shows the noise.

In the same turns runs the control: as many independent trainers as there are threads, each on a small table of its own.
They share nothing, so what they lack to perfect scaling the machine lacks: cores that others use, clocks that fall.

Census-Income is found in the folder that WYRM_DATA_DIR names, and left out without it.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import report
from steps import Linear
from timing import ratio
from workloads import DATA, WORKLOADS

from wyrm.datasets import DataUnavailableError
from wyrm.threads import usable_threads

MARGIN = 0.005  # of the validation loss, that threads may cost


@dataclass
class Measured:
    """One workload at one number of threads."""

    threads: int
    rows_per_second: float
    ratio: float  # to one thread, in the same turns
    control: float  # the same of trainers that share nothing
    loss: float  # on the validation data, after as many epochs as there were turns
    loss_ratio: float  # to one thread's

    @property
    def efficiency(self):
        return self.ratio / self.control


class Control:
    """Trainers on data of their own; each does the same fixed work."""

    def __init__(self, n, n_examples):
        self.trainers = []
        for _ in range(n):
            step = Linear(n_rows=1_000, n_factors=16, n=n_examples)
            self.trainers.append((step.trainer(), step.feed(n_examples)))

    def seconds(self, n):
        """Time until the first n, started together, are done."""
        threads = [threading.Thread(target=trainer.partial_fit, args=(feed,)) for trainer, feed in self.trainers[:n]]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start


def compare(workload, data, n_threads, turns, control):
    """Train one model by one thread and one by many, by turns."""
    models = {"one": workload.make(data, 1), "many": workload.make(data, n_threads)}
    times = {"one": [], "many": [], "control of one": [], "control of many": []}
    for turn in range(turns):
        order = 1 if turn % 2 else -1  # so that none is always the first
        for name, (trainer, feed, _) in list(models.items())[::order]:
            times[name].append(trainer.fit(feed).seconds[0])
        for name, n in [("control of one", 1), ("control of many", n_threads)][::order]:
            times[name].append(control.seconds(n))
    losses = {name: trainer.evaluate(held_out) for name, (trainer, _, held_out) in models.items()}
    return Measured(
        threads=n_threads,
        rows_per_second=len(data.y) / statistics.median(times["many"]),
        ratio=ratio(times["one"], times["many"]),
        control=n_threads * ratio(times["control of one"], times["control of many"]),
        loss=losses["many"],
        loss_ratio=losses["many"] / losses["one"],
    )


# --- Showing it --------------------------------------------------------------------------------------------------

HEADER = ["threads", "rows/s", "over one", "control over one", "of the control", "validation loss", "to one thread's"]


def cells(found):
    return [
        found.threads,
        report.number(found.rows_per_second),
        f"{found.ratio:.2f}x",
        f"{found.control:.2f}x",
        f"{100 * found.efficiency:.0f} %",
        f"{found.loss:.5f}",
        f"{100 * (found.loss_ratio - 1):+.2f} %",
    ]


def sections(results, turns):
    yield report.machine()
    for name, measured in results.items():
        yield f"**{WORKLOADS[name].title}**"
        yield report.table(HEADER, [cells(found) for found in measured])
    yield f"Medians of {turns} turns of an epoch each; validation loss after {turns} epochs."


def misses(results):
    """What falls short of the speeds to reach, in words."""
    for name, measured in results.items():
        workload = WORKLOADS[name]
        for found in measured:
            if found.threads == 2 and found.ratio < workload.reach:
                control = f"the control has {found.control:.2f}x"
                yield f"{workload.title}: 2 threads are {found.ratio:.2f}x one, to reach {workload.reach}x; {control}"
            if found.loss_ratio > 1 + MARGIN:
                excess = 100 * (found.loss_ratio - 1)
                yield f"{workload.title}: the loss of {found.threads} threads is {excess:.2f} % above one thread's"


def plot(results, path):
    """Speed and loss by threads, as lines; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (speed, loss) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    most = max(found.threads for measured in results.values() for found in measured)
    speed.plot([1, most], [1, most], color="lightgray", label="perfect")
    controls = {}
    for name, measured in results.items():
        threads = [found.threads for found in measured]
        (line,) = speed.plot(threads, [found.ratio for found in measured], marker="o", label=WORKLOADS[name].title)
        excess = [100 * (found.loss_ratio - 1) for found in measured]
        loss.plot(threads, excess, marker="o", color=line.get_color(), label=WORKLOADS[name].title)
        for found in measured:
            controls.setdefault(found.threads, []).append(found.control)
    threads = sorted(controls)
    medians = [statistics.median(controls[n]) for n in threads]
    speed.plot(threads, medians, color="black", linestyle="--", label="control, which shares nothing")
    speed.set(xlabel="threads", ylabel="speed over one thread", xlim=(0, None), ylim=(0, None))
    for margin in (-100 * MARGIN, 100 * MARGIN):
        loss.axhline(margin, color="lightgray")
    loss.set(xlabel="threads", ylabel="validation loss against one thread's, %", xlim=(0, None))
    for axes in (speed, loss):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*speed.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path)
    plt.close(figure)


# --- Running it --------------------------------------------------------------------------------------------------


def thread_counts(text):
    counts = sorted({int(part) for part in text.split(",")})
    if counts[0] < 1:
        raise argparse.ArgumentTypeError("expected counts from 1, such as 1,2,4")
    return counts


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = list(range(1, usable_threads() + 1))
    parser.add_argument("--threads", type=thread_counts, default=every, metavar="N,…", help="default: 1 to all cores")
    names = ", ".join(WORKLOADS)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD", help=names)
    parser.add_argument("--rows", type=int, default=500_000, help="examples to train on, at most (default 500,000)")
    parser.add_argument("--turns", type=int, default=5, help="epochs of each model (default 5)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--update", metavar="PAGE", help="put the Markdown between the markers of a page")
    parser.add_argument("--plot", metavar="FILE", help="draw speed and loss by threads; needs matplotlib")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    return parser.parse_args()


def plain(results):
    for name, measured in results.items():
        print(f"\n{WORKLOADS[name].title}")
        print(report.aligned([HEADER, *map(cells, measured)]))


def main():
    options = parse()
    control = Control(max(options.threads), min(options.rows, 100_000))
    results, data = {}, {}
    for name in options.only:
        workload = WORKLOADS[name]
        if workload.data not in data:
            try:
                data[workload.data] = DATA[workload.data](options.rows)
            except DataUnavailableError as error:
                print(f"{workload.title}: left out. {error}", file=sys.stderr)
                data[workload.data] = None
        if data[workload.data] is None:
            continue
        results[name] = []
        for n_threads in options.threads:
            print(f"{workload.title}: {n_threads} threads …", file=sys.stderr, flush=True)
            results[name].append(compare(workload, data[workload.data], n_threads, options.turns, control))
    if options.json:
        figures = {name: [asdict(found) for found in measured] for name, measured in results.items()}
        Path(options.json).write_text(json.dumps(figures, indent=1))
    if options.plot:
        plot(results, options.plot)
    text = "\n\n".join(sections(results, options.turns))
    if options.update:
        report.fill(options.update, "scaling", text)
    if options.markdown:
        print(text)
    elif not options.update:
        plain(results)
    for line in misses(results):
        print(f"misses: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
