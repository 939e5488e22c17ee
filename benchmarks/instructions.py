"""Instructions per step, counted by callgrind: the same on a busy machine as on a quiet one.

    python benchmarks/instructions.py                          every row of the table of speeds to reach
    python benchmarks/instructions.py fm --functions 12        and where they are spent

Only the loop in C is counted: the trainer's, or the bare loop's for the product. A count says nothing about caches, so
it belongs beside a time, not in its place. Needs valgrind, which knows no AVX-512: it runs under WYRM_ISA=v3 at best.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import compiled
import report
from reach import ROWS

# Not the table of a million rows: the count does not depend on the rows, and under valgrind making them takes minutes.
COUNTED = [name for name, row in ROWS.items() if row.how != "rebuild" and name != "factorisation-million"]
LOOPS = {"step": "*Worker_work*", "product": "*BareLoop_work*"}


def drive(row, n):
    """What runs under callgrind."""
    if row.how == "product":
        step = row.make()
        step.check()
        compiled.bare_loop()(step.loss, None, {}).run(n)
    else:
        step = row.make(n=n)
        step.check(lambda n: step.trainer().partial_fit(step.feed(n)), n)


def count(name, n, folder):
    """Instructions of n steps, and the file that says where they were spent."""
    out = Path(folder) / f"{name}.callgrind"
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--toggle-collect={LOOPS[ROWS[name].how]}",
        f"--callgrind-out-file={out}",
        sys.executable,
        __file__,
        name,
        "--inside",
        "--steps",
        str(n),
    ]
    isa = os.environ.get("WYRM_ISA", "v3")
    done = subprocess.run(command, env=os.environ | {"WYRM_ISA": isa}, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(done.stderr)
    return int(found[1]), out


def functions(out, most):
    """The lines of callgrind_annotate for the functions that take most, without what callgrind adds to their names."""
    done = subprocess.run(["callgrind_annotate", str(out)], check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if re.match(r"\s*[\d,]+ \([\s\d.]+%\)\s+\S*:", line)]
    return [re.sub(r" \[.*\]$", "", line) for line in lines[:most]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(COUNTED))
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="show the N that take most")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--update", metavar="PAGE", help="put the Markdown between the markers of a page")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.rows) - set(COUNTED):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; expected some of {', '.join(COUNTED)}")
    if options.inside:
        return drive(ROWS[options.rows[0]], options.steps)
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind was not found (Debian: apt install valgrind)")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rows or COUNTED:
            n, out = count(name, options.steps, folder)
            lines.append([ROWS[name].title, f"{n / options.steps:,.0f}"])
            if not options.markdown:
                print(f"{n / options.steps:>10,.0f}  {ROWS[name].title}", flush=True)
            for line in functions(out, options.functions):
                print(f"            {line}")
    text = report.table(["step", "instructions"], lines)
    if options.markdown:
        print(text)
    if options.update:
        report.fill(options.update, "instructions", text)


if __name__ == "__main__":
    main()
