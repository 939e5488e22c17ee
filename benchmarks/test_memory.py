"""Memory and allocations of training. These are limits, not timings, and are asserted."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import allocation_counter
import pytest

import wyrm
from wyrm import _build

HERE = Path(__file__).resolve().parent
MB = 1_000_000

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.skipif(bool(_build.sanitizers), reason="a sanitizer brings its own malloc"),
]


def footprint(what, **variables):
    """The answer of footprint.py, from a process of its own that imports the wyrm that is imported here."""
    home = str(Path(wyrm.__file__).resolve().parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | variables
    command = [sys.executable, "-P", str(HERE / "footprint.py"), what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def asked(benchmark):
    """asked(what): the answer, which is in extra_info too; the time is that of the whole process and says nothing."""

    def ask(what, **variables):
        found = benchmark.pedantic(footprint, args=(what,), kwargs=variables, rounds=1)
        benchmark.extra_info.update(found)
        return found

    return ask


def test_a_million_rows_take_their_values_and_little_else(asked):
    """1,000,000 x 32 under SGD, driven from Python and by a trainer: 128 MB of values, and under 5 MB beyond."""
    assert asked("table")["added"] < 5 * MB


def test_a_replica_does_not_grow_with_the_table(asked):
    """10,000,000 x 8."""
    found = asked("replica")
    assert found["added"] < MB
    assert found["added by training"] < MB


def test_a_thread_takes_under_four_megabytes(asked):
    """Private copies of small parameters included."""
    found = asked("threads")
    assert max(found.values()) < 4 * MB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts the allocations of glibc")
def test_a_step_allocates_nothing(asked, tmp_path):
    """In steady state. The control is a graph built anew for each step, which does allocate."""
    try:
        library = allocation_counter.build(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no compiler for the counter: {error}")
    found = asked("allocations", LD_PRELOAD=str(library))
    rebuilt = {name: found.pop(name) for name in list(found) if name.endswith("rebuilt")}
    assert min(rebuilt.values()) >= 1_000
    assert set(found.values()) == {0}, found
