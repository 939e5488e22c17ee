"""Compiles bare_loop.pyx against the wyrm that is imported, once for each state of its sources."""

import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np

import wyrm

HERE = Path(__file__).resolve().parent
PACKAGE = Path(wyrm.__file__).resolve().parent


def digest():
    """Of all that the compiled loop depends on: C structs come from headers, so a stale one would not be noticed."""
    found = hashlib.sha256(f"{PACKAGE} {sys.implementation.cache_tag} {np.__version__}".encode())
    sources = [path for suffix in ("pxd", "pxi", "h") for path in sorted(PACKAGE.rglob(f"*.{suffix}"))]
    for path in [*sources, HERE / "bare_loop.pyx"]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def compile_into(folder):
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    extension = Extension(
        "bare_loop",
        [str(HERE / "bare_loop.pyx")],
        include_dirs=[np.get_include(), str(PACKAGE), str(PACKAGE / "kernels")],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=["/O2"] if sys.platform == "win32" else ["-O3", "-g0"],
    )
    extensions = cythonize(
        [extension], include_path=[str(PACKAGE.parent)], build_dir=str(folder / "c"), quiet=True, force=True
    )
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib, command.build_temp = str(folder), str(folder / "o")
    command.verbose = 0
    command.ensure_finalized()
    command.run()


def bare_loop():
    """The class BareLoop; ImportError where it can't be compiled."""
    folder = HERE.parent / "build" / "benchmarks" / digest()
    if not list(folder.glob("bare_loop.*")):
        try:
            compile_into(folder)
        except Exception as error:
            raise ImportError(f"benchmarks/bare_loop.pyx was not compiled: {error}") from error
    (path,) = (path for path in folder.glob("bare_loop.*") if path.suffix in {".so", ".pyd"})
    spec = importlib.util.spec_from_file_location("bare_loop", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BareLoop
