"""One entry in a process of its own: `python worker.py CONTEST ENTRY --threads N --size N`, then a command per line.

It answers with a line of JSON each time, the first when its data is ready.
"""

import argparse
import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def give_back():
    """Return to the system what was freed, where the C library can: it would hide what a run takes."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contest")
    parser.add_argument("entry")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    # Before any library that reads them is loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer

    from timing import clock_for

    from contests.entries import CONTESTS, version

    contest = CONTESTS[options.contest]
    make = contest.entries[options.entry]
    entry = make(contest.data(options.size or contest.size), options.threads)

    def run():
        if hasattr(entry, "prepare"):
            entry.prepare()
        return timed(entry.run) | {"epochs": getattr(entry, "epoch_seconds", None)}

    clock = clock_for(options.threads)

    def timed(call):
        start = clock()
        done = call()
        return {"seconds": clock() - start, "done": done}

    def memory():
        """Peak of the resident memory of a run beyond what is there before it, in bytes."""
        from footprint import high_water, resident, start_high_water

        give_back()
        before = resident()
        start_high_water()
        run()
        return high_water() - before

    commands = {
        "run": run,
        "predict": lambda: timed(entry.predict),
        "quality": lambda: entry.quality(),
        "latency": lambda: entry.latency(),
        "memory": memory,
        "curve": lambda: entry.curve(12),
    }
    print(json.dumps({"version": version(make), "settings": make.settings}), file=answers)
    for line in sys.stdin:
        try:
            answer = {"answer": commands[line.strip()]()}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
