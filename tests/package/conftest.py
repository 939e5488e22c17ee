import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = {".c", ".so", ".pyd", ".o", ".pyc"}


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def project_files():
    """Every file of the project, relative to its root: what git tracks or would, or all files of an unpacked sdist."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        found = {Path(name) for name in names if name}
    else:
        top = (path for path in ROOT.iterdir() if path.name not in {".venv", "build", "dist"})
        files = (file for path in top for file in ([path] if path.is_file() else path.rglob("*")))
        found = {file.relative_to(ROOT) for file in files if file.suffix not in BUILT}
    return sorted(path for path in found if (ROOT / path).is_file())
