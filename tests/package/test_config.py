import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import scipy

import wyrm
from wyrm.threads import usable_threads


def test_version_is_stated_once():
    assert wyrm.__version__ == version("wyrm") == wyrm.show_config(mode="dicts")["wyrm"]


def test_show_config_as_a_dictionary():
    found = wyrm.show_config(mode="dicts")
    assert found["python"] == platform.python_version().partition("+")[0].partition("rc")[0]
    assert found["numpy"] == np.__version__
    assert found["scipy"] == scipy.__version__
    assert found["instruction_set"] in found["available_instruction_sets"]
    assert found["available_instruction_sets"][0] == "baseline"
    assert found["instruction_set"] == os.environ.get("WYRM_ISA", found["available_instruction_sets"][-1])
    assert found["threads"] == usable_threads() >= 1
    assert found["blas"], "SciPy's BLAS is loaded by the engine"


def test_sanitizers_are_those_asked_for():
    """`make sanitize` names its sanitizers, so this fails where it tests another build."""
    asked = [name for name in os.environ.get("WYRM_SANITIZE", "").split(",") if name]
    assert wyrm.show_config(mode="dicts")["sanitizers"] == asked


def test_show_config_prints(capsys):
    assert wyrm.show_config() is None
    printed = capsys.readouterr().out
    assert f"wyrm            {wyrm.__version__}" in printed
    assert "instruction set" in printed
    assert "fast math" in printed


def test_show_config_rejects_another_mode():
    with pytest.raises(ValueError, match="mode must be 'stdout' or 'dicts', not 'json'"):
        wyrm.show_config(mode="json")


def test_python_m_wyrm():
    done = subprocess.run([sys.executable, "-m", "wyrm"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("wyrm ")
    assert "instruction set" in done.stdout


def test_get_include_holds_the_headers():
    folder = Path(wyrm.get_include())
    assert list(folder.rglob("*.pxd"))
    assert list(folder.glob("*.h"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_usable_threads_is_that_of_the_affinity_mask():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from wyrm.threads import usable_threads; print(usable_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
