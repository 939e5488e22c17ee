"""What this installation is made of, for bug reports and for the curious."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import scipy
import threadpoolctl

from wyrm import _build
from wyrm._version import __version__
from wyrm.kernels.dispatch import available_instruction_sets, fast_math, instruction_set
from wyrm.threads import usable_threads


def get_include() -> str:
    """Folder of the C headers that wyrm's ``.pxd`` files include.

    An extension module that cimports from wyrm needs it among its include directories.

    Returns
    -------
    str
        An absolute path.

    Examples
    --------
    >>> import os, wyrm
    >>> os.path.isdir(wyrm.get_include())
    True
    """
    return str(Path(__file__).resolve().parent)


def _gather() -> dict[str, Any]:
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "wyrm": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "free_threading": free_threaded,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "instruction_set": instruction_set(),
        "available_instruction_sets": list(available_instruction_sets()),
        "fast_math": fast_math(),
        "threads": usable_threads(),
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads", "filepath")}
            for pool in threadpoolctl.threadpool_info()
            if pool["user_api"] == "blas"
        ],
        "compiler": _build.compiler,
        "cython": _build.cython_version,
        "sanitizers": list(_build.sanitizers),
    }


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    available = ", ".join(found["available_instruction_sets"])
    lines = [
        ("wyrm", found["wyrm"]),
        ("Python", found["python"] + (", free-threaded" if found["free_threading"] else "")),
        ("NumPy, SciPy", f"{found['numpy']}, {found['scipy']}"),
        ("instruction set", f"{found['instruction_set']} (this machine runs {available})"),
        ("fast math", "on" if found["fast_math"] else "off"),
        ("threads", f"{found['threads']} usable"),
    ]
    for pool in found["blas"]:
        name = " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool[key])
        lines.append(("BLAS", f"{name}, {pool['num_threads']} threads, {os.path.basename(pool['filepath'])}"))
    lines.append(("built with", f"{found['compiler']}, Cython {found['cython']}"))
    if found["sanitizers"]:
        lines.append(("sanitizers", ", ".join(found["sanitizers"])))
    return lines


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Show the version, the instruction set in use, BLAS, threads and how wyrm was built.

    ``python -m wyrm`` prints the same.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Print the configuration, or return it as a dictionary.

    Returns
    -------
    dict or None
        With ``mode="dicts"``: ``wyrm``, ``python``, ``numpy``, ``scipy``, ``cython`` and ``compiler`` are versions;
        ``free_threading`` tells whether this process runs without the GIL; ``instruction_set`` is the one in use and
        ``available_instruction_sets`` are those that this machine runs; ``fast_math`` tells whether approximations of
        exp, log, tanh and sigmoid are used; ``threads`` is the number of processors this process may use; ``blas``
        lists the BLAS libraries that are loaded; ``sanitizers`` lists those that wyrm was built with.

    Raises
    ------
    ValueError
        If `mode` is neither of the two.

    Examples
    --------
    >>> import wyrm
    >>> wyrm.show_config(mode="dicts")["instruction_set"] in {"baseline", "v3", "v4"}
    True
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', not {mode!r}.")
    found = _gather()
    if mode == "dicts":
        return found
    for name, value in _lines(found):
        print(f"{name:<16}{value}")
    return None
