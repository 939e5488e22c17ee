"""What memory training takes: of wyrm's own parts, and of a whole run beside other libraries.

    python benchmarks/memory.py --update docs/benchmarks.md --plot docs/memory.svg

The parts are measured by footprint.py in processes of their own. The runs are those of the contests, by contest.py: the
peak of resident memory beyond what was there when the data was ready; the plot shows what their tables in the page do.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import report
from contest import runs
from contests.entries import CONTESTS

import wyrm

HERE = Path(__file__).resolve().parent
HEADER = ["", "MB"]


def footprint(what):
    home = str(Path(wyrm.__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-P", str(HERE / "footprint.py"), what]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def lines():
    table, replica, threads = (footprint(what) for what in ("table", "replica", "threads"))
    found = {
        "1,000,000 x 32 under SGD: its values": table["values"],
        "... all that making and training it adds": table["added"],
        "... and the peak of fit(), which keeps a copy to go back to": table["peak of fit"],
        "a replica of a graph over 10,000,000 x 8": replica["added"],
        "a thread of a trainer over 1,000,000 rows": threads["1000000 rows"],
        "... over 5,500 rows, with a private copy": threads["5500 rows"],
    }
    return [[name, f"{value / 1e6:.2f}"] for name, value in found.items()]


def plot(path, page):
    """A bar for each run on one thread."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = [
        (contest.title, entry, float(cells[-1].removesuffix(" MB").replace(",", "")))
        for name, contest in CONTESTS.items()
        for entry, *cells in runs(page, name)
        if cells[-1].endswith(" MB")
    ]
    figure, axis = plt.subplots(figsize=(9, 0.5 + 0.3 * (len(found) + len(CONTESTS))), layout="constrained")
    at, before = 0, None
    ticks, names = [], []
    for title, entry, megabytes in found:
        if title != before:
            axis.text(0, at + 0.35, f" {title}", fontsize="small", fontweight="bold")
            at, before = at + 1, title
        bar = axis.barh(at, megabytes, color="#c2410c" if entry.startswith("wyrm") else "#64748b")
        axis.bar_label(bar, [f" {megabytes:,.0f} MB"], fontsize="small")
        ticks.append(at)
        names.append(entry)
        at += 1
    axis.set_yticks(ticks, names, fontsize="small")
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel("peak beyond the data, MB")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", metavar="PAGE", help="put the table between the markers of a page")
    parser.add_argument("--plot", metavar="FILE", help="draw the runs that the page shows; needs matplotlib")
    options = parser.parse_args()
    if options.plot and not options.update:
        parser.error("--plot draws what a page shows: name it with --update")
    found = lines()
    if options.update:
        report.fill(options.update, "memory", f"{report.machine()}\n\n{report.table(HEADER, found)}")
    else:
        print(report.aligned([HEADER, *found]))
    if options.plot:
        plot(options.plot, options.update)


if __name__ == "__main__":
    main()
