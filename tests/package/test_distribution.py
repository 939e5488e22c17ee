"""The sdist, the wheel made from it, and both put to work in a fresh environment outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("WYRM_SANITIZE" in os.environ, reason="a sanitizer's run-time library would be in every child"),
]

SOURCE = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h"}
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WYRM", "COV", "PYTEST"))}


def run(*command, cwd):
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=CLEAN, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", out, cwd=root)
    (file,) = out.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the unpacked sdist, so that it can't lean on the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist", cwd=source)
    shutil.rmtree(source)
    (file,) = (folder / "dist").glob("*.whl")
    return file


@pytest.fixture(scope="module")
def fresh_python(wheel, tmp_path_factory):
    """The Python of a new environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder)
    return python


def test_sdist_holds_every_source(sdist, root, project_files):
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()}
    wanted = {
        PurePosixPath(path.as_posix())
        for path in project_files
        if path.parts[0] not in {".ci", ".github", ".gitignore", "MANIFEST.in"}
    }
    assert sorted(map(str, wanted - names)) == []
    assert not [name for name in names if name.suffix in {".c", ".so", ".pyd", ".pyc", ".o"}]


def test_wheel_holds_what_users_and_their_compilers_need(wheel, project_files):
    with zipfile.ZipFile(wheel) as archive:
        names = {PurePosixPath(name) for name in archive.namelist()}
    suffixes = {".py", ".pyi", ".pxd", ".pxi", ".h", ".typed"}
    wanted = {PurePosixPath(path.as_posix()) for path in project_files if path.parts[0] == "wyrm"}
    wanted |= {PurePosixPath("wyrm", path.as_posix()) for path in project_files if path.parts[0] == "models"}
    data = {path for path in wanted if path.suffix not in suffixes and path.suffix != ".pyx"}
    kept = {path for path in wanted if path.suffix in suffixes and path.name != "py.typed"} | data
    assert not kept - names
    assert PurePosixPath("wyrm/py.typed") in names
    assert not [name for name in names if name.suffix in {".c", ".cpp", ".pyx", ".o", ".pyc"}]
    tops = {name.parts[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wyrm"}
    compiled = {path.with_suffix("") for path in wanted if path.suffix == ".pyx"}
    built = {name.parent / name.name.partition(".")[0] for name in names if name.suffix in {".so", ".pyd"}}
    by_machine = {PurePosixPath("wyrm/kernels", f"_{isa}") for isa in ("v3", "v4")}
    assert compiled - by_machine <= built <= compiled


def test_smoke_outside_the_checkout(fresh_python, root, tmp_path):
    script = Path(shutil.copy(root / "tests/package/smoke.py", tmp_path))
    assert "smoke test passed" in run(fresh_python, "-P", script, cwd=tmp_path)
    assert "instruction set" in run(fresh_python, "-m", "wyrm", cwd=tmp_path)


def test_dependencies_are_stated(fresh_python, tmp_path):
    """Nothing that the tests alone have installed is needed to import any module."""
    code = (
        "import importlib, pkgutil, wyrm\n"
        "for module in pkgutil.walk_packages(wyrm.__path__, 'wyrm.'):\n"
        "    name = module.name\n"
        "    if not name.endswith('__main__') and not name.startswith('wyrm.kernels._'):\n"
        "        importlib.import_module(name)\n"
    )
    run(fresh_python, "-P", "-c", code, cwd=tmp_path)


def test_a_user_can_cimport_from_the_installed_package(fresh_python, tmp_path):
    """An extension module of one's own, compiled against the installed .pxd files and headers."""
    (tmp_path / "mine.pyx").write_text(
        "from wyrm.feeds.base cimport Feed\n"
        "from wyrm.parameter cimport HogwildParameter\n\n\n"
        "cdef class Mine(Feed):\n"
        "    pass\n\n\n"
        "def shape(HogwildParameter parameter):\n"
        "    return parameter.storage.rows, parameter.storage.cols\n"
    )
    (tmp_path / "setup.py").write_text(
        "import numpy as np, wyrm\n"
        "from Cython.Build import cythonize\n"
        "from setuptools import Extension, setup\n"
        "include = [np.get_include(), wyrm.get_include()]\n"
        "setup(ext_modules=cythonize([Extension('mine', ['mine.pyx'], include_dirs=include)], language_level=3))\n"
    )
    run(fresh_python, "-m", "pip", "install", "--quiet", "setuptools", "cython", cwd=tmp_path)
    run(fresh_python, "setup.py", "build_ext", "--inplace", cwd=tmp_path)
    code = (
        "import mine, numpy as np, wyrm, wyrm.feeds\n"
        "assert issubclass(mine.Mine, wyrm.feeds.Feed)\n"
        "print(mine.shape(wyrm.HogwildParameter(np.zeros((5, 3)))))\n"
    )
    assert run(fresh_python, "-c", code, cwd=tmp_path).strip() == "(5, 3)"
