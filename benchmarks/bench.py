"""Where wyrm stands, against its peers and against the machine: regenerates docs/benchmarks.md and its plots.

    make bench                                    every section: about a quarter of an hour on a quiet machine
    make bench ARGS="--only contests curves"      some; the others stay as they are on the page
    make bench ARGS="--quick --page page.md" on little data, to see that it works

Each section is a script of this folder, which can be run by itself too. One that fails is named at the end, and its
part of the page stays as it was. Last comes the comparison with the baseline, where one was saved: what got slower.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import compare

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"

# For a quick run, whose results must not be taken for those of a real one.
SMALL = ["--size", "2000", "--results", str(HERE.parent / "build" / "benchmarks" / "quick")]

# Of each section: the script, its options, those that make it quick, and the plot it draws.
SECTIONS = {
    "contests": ("contest.py", ["--threads", "1,2"], [*SMALL, "--turns", "1"], "throughput.svg"),
    "curves": ("curves.py", [], SMALL, "time-to-accuracy.svg"),
    "prediction": ("prediction.py", [], ["--size", "2000"], None),
    "roofline": ("roofline.py", [], ["--scale", "0.001", "--no-machine", "--only", "lr-adagrad", "ffm-adagrad"], None),
    "scaling": ("scaling.py", [], ["--rows", "1000", "--turns", "2", "--threads", "1,2"], "scaling.svg"),
    "accuracy": ("accuracy.py", [], [*SMALL, "--seeds", "1"], None),
    "memory": ("memory.py", [], [], "memory.svg"),
}


def run(name, page, quick):
    """Whether the section could be written."""
    script, options, small, plot = SECTIONS[name]
    command = [sys.executable, str(HERE / script), *options, *(small if quick else []), "--update", str(page)]
    if plot:
        command += ["--plot", str(page.with_name(plot))]
    start = time.perf_counter()
    done = subprocess.run(command)
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(SECTIONS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=names)
    parser.add_argument("--page", type=Path, default=PAGE, help="default: docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="on little data")
    options = parser.parse_args()
    if options.page != PAGE and not options.page.exists():
        shutil.copy(PAGE, options.page)
    failed = [name for name in options.only if not run(name, options.page, options.quick)]
    if failed:
        print(f"Not written: {', '.join(failed)}", file=sys.stderr)
    if options.only == list(SECTIONS) and compare.BASELINE.exists() and not options.quick:
        os.execv(sys.executable, [sys.executable, str(HERE / "compare.py"), "check"])
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
