"""The example of a feed in Cython: it builds against the installed package and trains."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wyrm

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/cython_feed"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("WYRM_SANITIZE" in os.environ, reason="a sanitizer's run-time library would be in every child"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the example, built."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("example") / "cython_feed"))
    run(folder, "setup.py", "--quiet", "build_ext", "--inplace")
    return folder


def run(folder, *arguments):
    # Cython finds .pxd files along the path, as Python finds modules.
    path = os.pathsep.join([str(Path(wyrm.__file__).resolve().parents[1]), str(folder)])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_the_example_trains(package):
    printed = run(package, "train.py")
    assert "walks from" in printed
    assert "mean score within communities" in printed


def test_its_walks_are_walks(package):
    """Along edges, as many steps as asked for, the same ones in any order and for any size of batch."""
    code = """
import numpy as np, scipy.sparse, wyrm
from walk_feed import WalkFeed
from wyrm.feeds import batches

n = 60
ring = scipy.sparse.csr_matrix((np.ones(n - 1), (np.arange(n - 1), np.arange(1, n))), shape=(n, n))
nodes = wyrm.ParameterNode(np.zeros((n, 2)))
start, near, other = (wyrm.IndexInputNode(0) for _ in range(3))
loss = nodes.embedding(start) + nodes.embedding(near) + nodes.embedding(other)

def walks(batch_size):
    feed = WalkFeed(ring, start=start, near=near, other=other, length=3, walks=50)
    found = [np.stack([b[node][0] for node in (start, near, other)]) for b in batches(feed, loss, batch_size, seed=1)]
    return np.concatenate(found, axis=1)

starts, ends, others = walks(7)
assert (starts == np.arange(50 * n) % n).all()
steps = (ends - starts)[starts < n - 3]            # it is a line: a walk goes on until its end
assert set(steps.tolist()) == {1, 2, 3}
assert abs(np.bincount(steps)[1:] / len(steps) - 1 / 3).max() < 0.05
assert (ends[starts == n - 1] == n - 1).all()
assert set(others.tolist()) == set(range(n))
assert (walks(1) == walks(64)).all()

for bad in (ring[:5], ring * 0, scipy.sparse.csr_matrix((n, n))):
    bad.eliminate_zeros()
    try:
        WalkFeed(bad, start=start, near=near, other=other)
    except ValueError:
        continue
    raise AssertionError(bad)

try:
    small = wyrm.ParameterNode(np.zeros((n - 1, 2))).embedding(start).sum()
    next(iter(batches(WalkFeed(ring, start=start, near=near, other=other), small)))
except IndexError:
    pass
else:
    raise AssertionError("a table that is too small was not refused")
"""
    run(package, "-c", code)
