"""The stubs say what a user's type checker should know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")


@pytest.mark.slow
def test_a_type_checker_agrees(root, tmp_path):
    options = [
        "--config-file",
        str(root / "pyproject.toml"),
        "--follow-imports",
        "silent",
        "--cache-dir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mypy", *options, str(Path(__file__).with_name("typed_use.py"))],
        env=os.environ | {"MYPYPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
