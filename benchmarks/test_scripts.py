"""The scripts of this folder run, and fill in a page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wyrm

HERE = Path(__file__).resolve().parent


def run(script, *options):
    home = str(Path(wyrm.__file__).resolve().parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(HERE / script), *map(str, options)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(
        "".join(f"# {x}\n<!-- {x}: begin -->\nold\n<!-- {x}: end -->\n" for x in ("engine-table", "scaling"))
    )
    return path


def test_engine_table(page):
    pytest.importorskip("Cython")
    options = ["--blocks", 1, "--scale", 0.001, "--only", "regression", "rebuild", "product", "--no-torch"]
    run("engine_table.py", "--update", page, *options)
    before, table, after = page.read_text().partition("univariate regression, SGD")
    assert table
    assert before.startswith("# engine-table\n<!-- engine-table: begin -->\nMachine: ")
    assert "# scaling\n<!-- scaling: begin -->\nold\n" in after
    assert "from Python" in run("engine_table.py", *options)


def test_trainer_table(page):
    pytest.importorskip("Cython")
    page.write_text("<!-- trainer: begin -->\n<!-- trainer: end -->\n")
    run("trainer_table.py", "--blocks", 1, "--scale", 0.001, "--only", "factorisation-sgd", "--update", page)
    assert page.read_text().count("| factorisation 10,000 x 32, SGD | ") == 1


def test_scaling(page, tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--threads", "1,2", "--rows", 1_000, "--turns", 2, "--only", "lr-uniform", "fm-zipfian"]
    run("scaling.py", *options, "--update", page, "--plot", tmp_path / "plot.svg", "--json", tmp_path / "figures.json")
    assert page.read_text().count("| 2 | ") == 2
    assert "</svg>" in (tmp_path / "plot.svg").read_text()
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [found["threads"] for found in figures["fm-zipfian"]] == [1, 2]
    assert figures["lr-uniform"][0]["loss_ratio"] == 1  # one thread is repeatable


def test_roofline(page):
    pytest.importorskip("Cython")
    page.write_text("<!-- roofline: begin -->\n<!-- roofline: end -->\n")
    run("roofline.py", "--scale", 0.001, "--only", "lr-adagrad", "--no-machine", "--update", page)
    assert page.read_text().count("| LR, 39 of 100,000, Adagrad | ") == 1
