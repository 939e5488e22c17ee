"""`make demo` does what it says."""

import subprocess
import sys

import pytest

import wyrm.io


@pytest.mark.slow
def test_the_demo(root, tmp_path):
    command = [sys.executable, root / "examples/demo.py", "--quiet", "--output", tmp_path / "demo"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for word in ("test AUC", "LR ", "FM ", "FFM ", "rows/s, 1 thread"):
        assert word in done.stdout
    files = {path.name for path in (tmp_path / "demo").iterdir()}
    assert files >= {"lr.model", "fm.model", "ffm.model", "encoder.model"}
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        assert "pip install matplotlib" in done.stdout
    else:
        for name in ("learning_curves.png", "calibration.png"):
            assert (tmp_path / "demo" / name).read_bytes().startswith(b"\x89PNG")
    model = wyrm.io.load(tmp_path / "demo" / "fm.model")
    assert type(model).__name__ == "FactorizationMachineClassifier"
    # The lines it prints run, and the README has them too.
    lines = done.stdout.partition("Python:\n\n")[2]
    names = {}
    exec(lines, names)
    assert names["model"].score(names["encoder"].transform(names["adult"].test), names["adult"].y_test) > 0.86
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert all(line.strip() in readme for line in lines.splitlines())
