"""Compiles the .pyx files of this folder against the wyrm that is imported, once for each state of their sources."""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np

import wyrm

HERE = Path(__file__).resolve().parent
PACKAGE = Path(wyrm.__file__).resolve().parent


def imported(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flags(isa):
    """Compiler flags of an instruction set, as setup.py gives them to the kernels."""
    setup = imported(HERE.parent / "setup.py", "wyrm_setup")
    width, gnu, msvc = setup.INSTRUCTION_SETS[isa]
    own = [*setup.MSVC_FLAGS, *msvc] if sys.platform == "win32" else [*setup.GNU_FLAGS, *gnu]
    return [*own, f"{'/D' if sys.platform == 'win32' else '-D'}WYRM_VECTOR_BYTES={width}"]


def digest(*facts):
    """Of all that compiled code depends on: C structs come from headers, so a stale one would not be noticed."""
    found = hashlib.sha256(f"{PACKAGE} {sys.implementation.cache_tag} {np.__version__} {facts}".encode())
    sources = [path for suffix in ("pxd", "pxi", "h") for path in sorted(PACKAGE.rglob(f"*.{suffix}"))]
    own = [path for suffix in ("pyx", "h") for path in sorted(HERE.glob(f"*.{suffix}"))]
    for path in [*sources, *own]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def compile_into(folder, name, options):
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # A copy, since Cython remembers the options of a file it has met in this process.
    folder.mkdir(parents=True, exist_ok=True)
    source = shutil.copy(HERE / f"{name}.pyx", folder)
    extension = Extension(
        name,
        [str(source)],
        include_dirs=[np.get_include(), str(HERE), str(PACKAGE), str(PACKAGE / "kernels")],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=options,
    )
    extensions = cythonize([extension], include_path=[str(PACKAGE.parent)], quiet=True, force=True)
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib, command.build_temp = str(folder), str(folder / "o")
    command.verbose = 0
    command.ensure_finalized()
    command.run()


def load(name, isa="baseline"):
    """The module NAME.pyx, compiled for an instruction set; ImportError where it can't be."""
    options = flags(isa)
    folder = HERE.parent / "build" / "benchmarks" / f"{isa}-{digest(options)}"
    suffix = ".pyd" if sys.platform == "win32" else ".so"
    if not list(folder.glob(f"{name}.*{suffix}")):
        try:
            compile_into(folder, name, options)
        except Exception as error:
            raise ImportError(f"benchmarks/{name}.pyx was not compiled: {error}") from error
    (path,) = folder.glob(f"{name}.*{suffix}")
    return imported(path, name)


def bare_loop():
    """The class BareLoop."""
    return load("bare_loop").BareLoop
