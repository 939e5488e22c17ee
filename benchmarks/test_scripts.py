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
    run("roofline.py", "--scale", 0.001, "--only", "lr-adagrad", "ffm-adagrad", "--no-machine", "--update", page)
    assert page.read_text().count("| LR, 39 of 100,000, Adagrad | ") == 1


def test_contest(tmp_path):
    """wyrm alone where nothing else is installed."""
    pytest.importorskip("matplotlib")
    page, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    page.write_text("<!-- contest-fm-clicks: begin -->\n<!-- contest-fm-clicks: end -->\n")
    options = ["--only", "fm-clicks", "--size", 300, "--turns", 2, "--results", tmp_path / "results"]
    run("contest.py", *options, "--update", page, "--plot", plot)
    assert page.read_text().count(f"| wyrm {wyrm.__version__} |") == 1
    figures = json.loads((tmp_path / "results" / "fm-clicks.json").read_text())["1"]
    assert figures["wyrm"]["rate"] > 0
    assert 0 < figures["wyrm"]["quality"]["AUC"] < 1
    before = plot.read_text()
    assert "</svg>" in before
    # Without contests, the plot is drawn anew from the page: the two never differ.
    page.write_text(page.read_text().replace(" rows/s |", "0 rows/s |", 1))
    run("contest.py", "--only", "--update", page, "--plot", plot)
    assert plot.read_text() != before


def test_curves(tmp_path):
    pytest.importorskip("matplotlib")
    page, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    page.write_text("<!-- curves: begin -->\n<!-- curves: end -->\n")
    options = ["--only", "fm-clicks", "--size", 300, "--results", tmp_path / "results"]
    run("curves.py", *options, "--update", page, "--plot", plot)
    assert page.read_text().count(f"| wyrm {wyrm.__version__} |") == 1
    assert "</svg>" in plot.read_text()


def test_bench_writes_the_sections_it_is_asked_for(tmp_path):
    pytest.importorskip("Cython")
    page = tmp_path / "page.md"
    run("bench.py", "--quick", "--only", "roofline", "--page", page)
    text = page.read_text()
    assert text.startswith("# Benchmarks\n")
    assert text.partition("<!-- roofline: begin -->")[2].startswith("\nMachine: ")


def test_growth(page):
    page.write_text("<!-- growth: begin -->\n<!-- growth: end -->\n")
    run("growth.py", "--scale", 0.0001, "--only", "values per row", "threads", "--update", page)
    assert page.read_text().count("| ns per example | ") == 2
    assert " for each value (R²" in page.read_text()
