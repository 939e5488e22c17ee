"""Whether steps got slower since a baseline that was saved on this machine.

    make bench-baseline                           before a change (or on the branch to compare with)
    make bench-compare                            after it: fails past 10 %
    python benchmarks/compare.py check --only fm-sgd --limit 5

Two costs are taken of each step. *Instructions*, by callgrind, where valgrind is installed: they hardly vary, but know
nothing of caches. *Paired times*: the time of the trainer over that of the machine's row limit on the same rows, run by
turns, so that most of what the machine does to one it does to the other; a median over the turns. Each cost is measured
several times over. Its instability is the range of these over their median, in the baseline and now, whichever is
larger. The stabler of the two costs decides, unless the other is beyond all doubt higher, its least now above its
highest then by the limit: caches that are missed cost no instructions. Where the instability of the stabler one exceeds
the limit there is no verdict, and the command says so and fails, since a gate that can't see is not one that is open.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import instructions
import limits
import report
from reach import ROWS
from timing import by_turns, clock_for, ratio

BASELINE = Path(__file__).resolve().parent.parent / "build" / "benchmarks" / "baseline.json"
LIMIT = 10.0  # percent
REPEATS = {"instructions": 2, "paired times": 5}
TURNS = 7

# What is watched: steps of the table of speeds to reach, and how many examples a time is taken of.
WATCHED = {
    "factorisation-sgd": 100_000,
    "factorisation-adagrad": 100_000,
    "logistic-regression": 50_000,
    "fm": 30_000,
    "fm-adagrad": 30_000,
}
# --- Verdicts --------------------------------------------------------------------------------------------------------


def instability(values):
    """The range of repeated measurements over their median, in percent."""
    return 100 * (max(values) - min(values)) / statistics.median(values)


@dataclass
class Verdict:
    name: str
    cost: str  # what decided
    change: float  # of its median, percent
    unstable: float  # percent
    state: str  # "same", "slower", "faster" or "unclear"
    doubtless: bool = False  # the measurements of the two sides don't overlap


def judge(name, before, now, limit=LIMIT):
    """Compare repeated measurements of each cost: dicts of cost to values. None where no cost is in both."""
    verdicts = [judge_cost(name, cost, before[cost], now[cost], limit) for cost in before if cost in now]
    if not verdicts:
        return None
    stablest = min(verdicts, key=lambda verdict: verdict.unstable)
    # Instructions don't tell of a cache that is missed more often.
    doubtless = [verdict for verdict in verdicts if verdict.state == "slower" and verdict.doubtless]
    return stablest if stablest.state == "slower" else max(doubtless, key=lambda v: v.change, default=stablest)


def judge_cost(name, cost, before, now, limit):
    """Compare repeated measurements of one cost."""
    factor = 1 + limit / 100
    unstable = max(instability(before), instability(now))
    change = 100 * (statistics.median(now) / statistics.median(before) - 1)
    # Beyond all doubt: the best of one side is worse than the worst of the other.
    doubtless = min(now) > factor * max(before) or max(now) < min(before)
    if unstable > limit and not doubtless:
        state = "unclear"
    elif abs(change) > limit:
        state = "slower" if change > 0 else "faster"
    else:
        state = "same"
    return Verdict(name, cost, change, unstable, state, doubtless)


def compare(before, now, limit=LIMIT):
    """Verdicts on the steps that are in both."""
    found = (judge(name, before[name], now[name], limit) for name in now if name in before)
    return [verdict for verdict in found if verdict is not None]


# --- Costs -----------------------------------------------------------------------------------------------------------


def paired_times(name, scale):
    """The trainer's time over the row limit's, several times."""
    n = max(64, int(WATCHED[name] * scale))
    step = ROWS[name].make(n=n)
    step.check(lambda n: step.trainer().partial_fit(step.feed(n)), 64)
    trainer, feed = step.trainer(), step.feed(n)
    limit = limits.RowLimit(step.accesses(), step.rule)
    calls = {"wyrm": partial(trainer.partial_fit, feed), "limit": limit.run}
    by_turns(calls, 1)
    found = []
    for _ in range(REPEATS["paired times"]):
        times = by_turns(calls, TURNS, clock_for(1))
        found.append(ratio(times["wyrm"], times["limit"]))
    return found


def instruction_counts(name, folder):
    return [instructions.count(name, 500, folder)[0] / 500 for _ in range(REPEATS["instructions"])]


def measure(names, scale, with_instructions):
    """The costs of each step."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"{ROWS[name].title} …", file=sys.stderr, flush=True)
            found[name] = {"paired times": paired_times(name, scale)}
            if with_instructions:
                found[name]["instructions"] = instruction_counts(name, folder)
    return found


def machine():
    return f"{platform.node()}, {report.processor()}"


def show(costs):
    lines = [["step", "cost", "median", "instability"]]
    for name, found in costs.items():
        for cost, values in found.items():
            lines.append([ROWS[name].title, cost, f"{statistics.median(values):,.3f}", f"{instability(values):.2f} %"])
    print(report.aligned(lines))


def load(path):
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        raise SystemExit(f"There is no baseline at {path}: `make bench-baseline` saves one") from None
    if kept["machine"] != machine():
        raise SystemExit(f"The baseline at {path} is of another machine: {kept['machine']}, this is {machine()}")
    return kept["costs"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["save", "check"])
    names = ", ".join(WATCHED)
    parser.add_argument("--only", nargs="+", choices=WATCHED, default=list(WATCHED), metavar="STEP", help=names)
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="PERCENT", help=f"default {LIMIT:g}")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="default: in build/benchmarks")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of examples (default 1)")
    parser.add_argument("--no-instructions", action="store_true", help="times only, where valgrind takes too long")
    options = parser.parse_args()

    before = load(options.baseline) if options.what == "check" else None
    with_instructions = not options.no_instructions and shutil.which("valgrind") is not None
    costs = measure(options.only, options.scale, with_instructions)
    show(costs)
    if before is None:
        options.baseline.parent.mkdir(parents=True, exist_ok=True)
        options.baseline.write_text(json.dumps({"machine": machine(), "costs": costs}, indent=1))
        return
    verdicts = compare(before, costs, options.limit)
    rows = [[ROWS[v.name].title, v.cost, f"{v.change:+.2f} %", f"{v.unstable:.2f} %", v.state] for v in verdicts]
    print("\n" + report.aligned([["step", "decided by", "change", "instability", ""], *rows]))
    if not verdicts or any(verdict.state in ("slower", "unclear") for verdict in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
