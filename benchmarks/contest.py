"""wyrm beside other libraries: throughput, what was learnt, memory; the same data, threads and settings, by turns.

    python benchmarks/contest.py                                        every contest, on one thread
    python benchmarks/contest.py --only lr fm --threads 1,2
    python benchmarks/contest.py --update docs/benchmarks.md --plot docs/throughput.svg
    python benchmarks/contest.py --only --update docs/benchmarks.md --plot docs/throughput.svg       the plot alone

Each library trains in a process of its own (contests/worker.py). They take turns, so that none profits from a quiet
moment. On one thread a time is that of the processor. A rate is the median over the turns, with half their range, and
`wyrm is` the median of the ratios of each turn. Libraries that aren't installed are left out, and said so: `make
bench-peers` sets them up. Results are kept as JSON in build/benchmarks/results. The plot shows what the tables of the
page do, so that contests may be run one at a time.
"""

import argparse
import json
import sys
from pathlib import Path

import report
from contests.entries import CONTESTS
from contests.parent import compete
from scaling import thread_counts

REPORTED = "reported, not measured here"
RESULTS = Path(__file__).resolve().parent.parent / "build" / "benchmarks" / "results"


def figures(results):
    """What is kept of results, as JSON; the first is wyrm's."""
    first = next(iter(results.values()))
    return {
        name: {
            "version": found.version,
            "settings": found.settings,
            "rate": found.rate,
            "spread": found.spread,
            "epochs": found.epoch_rate,
            "wyrm is": found.ratio_to(first),
            "quality": found.quality,
            "memory": found.memory,
        }
        for name, found in results.items()
    }


def rate(value, unit):
    if unit == "bytes":
        return f"{report.number(value / 1e6)} MB/s"
    return f"{report.number(value)} {unit}/s"


def quality(found):
    return ", ".join(f"{name} {value:.4f}" for name, value in found.items() if isinstance(value, float)) or "–"


HEADER = ["", "threads", "speed", "±", "its epochs alone", "wyrm is", "what was learnt", "memory beyond the data"]


def lines(contest, measured):
    """Of a contest at each number of threads; those reported by others last."""
    for n_threads, found in measured.items():
        for i, (name, one) in enumerate(found.items()):
            yield [
                f"{name} {one['version']}",
                n_threads,
                rate(one["rate"], contest.unit),
                f"{100 * one['spread']:.0f} %",
                rate(one["epochs"], contest.unit) if one["epochs"] else "",
                "" if i == 0 else f"{one['wyrm is']:.2f}x",
                quality(one["quality"]),
                f"{one['memory'] / 1e6:,.0f} MB",
            ]
    for name, value in contest.reported.items():
        yield [f"{name}: {REPORTED}", 1, rate(value, contest.unit), "", "", "", "–", "–"]


def section(name, measured, missing, turns):
    contest = CONTESTS[name]
    notes = {
        f"{entry} {one['version']}": one["settings"] for found in measured.values() for entry, one in found.items()
    }
    text = [report.machine(), report.table(HEADER, list(lines(contest, measured)))]
    text.append("\n".join(f"- {entry}: {settings}." for entry, settings in notes.items()))
    text.append(f"Medians of {turns} turns. {' '.join(missing)}".strip())
    return "\n\n".join(text)


def runs(page, name):
    """Of the table of a contest in a page, what was run on one thread or reported: its rows, names without versions."""
    for name_of, threads, *cells in report.shown(page, f"contest-{name}"):
        entry, reported, _ = name_of.partition(f": {REPORTED}")
        if threads == "1":
            yield [f"{entry} (reported)" if reported else entry.rpartition(" ")[0], *cells]


def plot(path, page):
    """Throughput on one thread, as the tables of the page have it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kept = {name: list(runs(page, name)) for name in CONTESTS}
    kept = {name: found for name, found in kept.items() if found}
    heights = [len(found) for found in kept.values()]
    figure, axes = plt.subplots(
        len(kept),
        1,
        figsize=(9, 0.42 * sum(heights) + 0.75 * len(kept)),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    for axis, (name, found) in zip(axes[:, 0], kept.items()):
        names, speeds, spreads = zip(*(row[:3] for row in found))
        rates = [float(speed.split()[0].replace(",", "")) for speed in speeds]
        halves = [rate * float(spread.strip(" %") or 0) / 100 for rate, spread in zip(rates, spreads)]
        colors = [
            "#c2410c" if entry.startswith("wyrm") else "#64748b" if spread else "#e2e8f0"
            for entry, spread in zip(names, spreads)
        ]
        axis.barh(names, rates, xerr=halves, color=colors, ecolor="#1e293b")
        axis.invert_yaxis()
        axis.bar_label(axis.containers[-1], [f"  {speed}" for speed in speeds], fontsize="small")
        axis.set_xlim(0, 1.3 * max(rate + half for rate, half in zip(rates, halves)))
        axis.set_title(f"{CONTESTS[name].title}: one thread", fontsize="medium", loc="left")
        axis.xaxis.set_visible(False)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def measure(name, options):
    """Figures by number of threads, and who was missing."""
    measured, missing = {}, []
    for n_threads in options.threads:
        print(f"{CONTESTS[name].title}: {n_threads} threads …", file=sys.stderr, flush=True)
        results, absent = compete(name, n_threads, options.turns, options.size)
        missing += [f"{entry} on {n_threads} threads: {reason}." for entry, reason in absent.items()]
        if any(entry.startswith("wyrm") for entry in results):
            measured[str(n_threads)] = figures(results)
    return measured, missing


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(CONTESTS)
    parser.add_argument("--only", nargs="*", choices=CONTESTS, default=list(CONTESTS), metavar="CONTEST", help=names)
    parser.add_argument("--threads", type=thread_counts, default=[1], metavar="N,…", help="default 1")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--size", type=int, help="rows or words of the data (default: the contest's)")
    parser.add_argument("--update", metavar="PAGE", help="put the tables between the markers of a page")
    parser.add_argument("--plot", metavar="FILE", help="draw what the page of --update shows; needs matplotlib")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="default: in build/benchmarks")
    options = parser.parse_args()
    if options.plot and not options.update:
        parser.error("--plot draws what a page shows: name it with --update")
    return options


def main():
    options = parse()
    options.results.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        measured, missing = measure(name, options)
        if not measured:
            print(f"{CONTESTS[name].title}: left out. {' '.join(missing)}", file=sys.stderr)
            continue
        (options.results / f"{name}.json").write_text(json.dumps(measured, indent=1))
        if options.update:
            report.fill(options.update, f"contest-{name}", section(name, measured, missing, options.turns))
        else:
            print(f"\n{CONTESTS[name].title}\n{report.aligned([HEADER, *lines(CONTESTS[name], measured)])}")
            print("\n".join(missing))
    if options.plot:
        plot(options.plot, options.update)


if __name__ == "__main__":
    main()
