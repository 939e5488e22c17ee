"""Time to accuracy: the loss on held-out data against the seconds spent on training, of wyrm and its peers.

    python benchmarks/curves.py --plot docs/time-to-accuracy.svg --update docs/benchmarks.md

Time that goes into validation is not counted. Only contests whose entries have a loss in common take part.
"""

import argparse
import json
import sys
from pathlib import Path

import report
from contest import RESULTS
from contests.entries import CONTESTS
from contests.parent import EntryError, enter

COMPARED = {name: contest for name, contest in CONTESTS.items() if contest.loss}
HEADER = ["", "threads", "best loss", "after, s", "s to within 1 % of wyrm's best"]
CLOSE = 1.01


def measure(name, n_threads, size):
    """The curve of each entry: a list of (seconds, loss)."""
    entries, missing = enter(name, n_threads, size)
    curves = {}
    for entry in entries:
        try:
            curves[f"{entry.name} {entry.version}"] = entry.ask("curve")
        except EntryError as error:
            missing[entry.name] = str(error).strip().splitlines()[-1]
        finally:
            entry.close()
    return curves, missing


def lines(curves, n_threads):
    """The first curve is wyrm's."""
    goal = CLOSE * min(loss for _, loss in next(iter(curves.values())))
    for name, points in curves.items():
        seconds, best = min(points, key=lambda point: point[1])
        reached = [seconds for seconds, loss in points if loss <= goal]
        within = f"{reached[0]:.2f}" if reached else "not reached"
        yield [name, n_threads, f"{best:.4f}", f"{seconds:.2f}", within]


def plot(path, folder):
    """The curves of all contests measured so far."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    files = {name: folder / f"curve-{name}.json" for name in COMPARED}
    kept = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    figure, axes = plt.subplots(1, len(kept), figsize=(5.2 * len(kept), 4.2), squeeze=False, layout="constrained")
    for axis, (name, curves) in zip(axes[0], kept.items()):
        for entry, points in curves.items():
            seconds, losses = zip(*points)
            style = {"linewidth": 2} if entry.startswith("wyrm") else {"linewidth": 1.2, "linestyle": "--"}
            axis.plot(seconds, losses, marker="o", markersize=3, label=entry, **style)
        best = min(loss for points in curves.values() for _, loss in points)
        worst = max(points[0][1] for points in curves.values())
        axis.set_ylim(best - 0.05 * (min(worst, 1.25 * best) - best), min(worst, 1.25 * best))
        axis.set(xscale="log", xlabel="seconds of training", title=COMPARED[name].title)
        axis.title.set_fontsize("medium")
        axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)  # beside the lines
    axes[0, 0].set_ylabel("log loss on held-out data")
    figure.savefig(path)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(COMPARED)
    parser.add_argument("--only", nargs="+", choices=COMPARED, default=list(COMPARED), metavar="CONTEST", help=names)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, help="rows of the data (default: the contest's)")
    parser.add_argument("--update", metavar="PAGE", help="put the tables between the markers of a page")
    parser.add_argument("--plot", metavar="FILE", help="draw the curves; needs matplotlib")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="default: in build/benchmarks")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    text = [report.machine()]
    for name in options.only:
        print(f"{COMPARED[name].title} …", file=sys.stderr, flush=True)
        curves, missing = measure(name, options.threads, options.size)
        notes = " ".join(f"{entry}: {reason}." for entry, reason in missing.items())
        if not curves:
            print(f"{COMPARED[name].title}: left out. {notes}", file=sys.stderr)
            continue
        (options.results / f"curve-{name}.json").write_text(json.dumps(curves))
        found = list(lines(curves, options.threads))
        text += [f"**{COMPARED[name].title}**", report.table(HEADER, found), notes]
        if not options.update:
            print(f"\n{COMPARED[name].title}\n{report.aligned([HEADER, *found])}\n{notes}")
    if options.update:
        report.fill(options.update, "curves", "\n\n".join(filter(None, text)))
    if options.plot:
        plot(options.plot, options.results)


if __name__ == "__main__":
    main()
