"""A file imports and cimports from lower ranks and from its own room, so the engine can be read from the bottom up."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RANKS = {
    "wyrm._version": 0,
    "wyrm._build": 0,
    "wyrm.errors": 0,
    "wyrm.kernels": 0,  # arithmetic on raw pointers
    "wyrm.memory": 0,
    "wyrm.sync": 0,
    "wyrm.threads": 0,
    "wyrm.container": 0,
    "wyrm.metrics": 0,
    "wyrm.top_k": 0,  # the best of many scores
    "wyrm.columns": 0,  # passes over the entries of sparse matrices
    "wyrm.blas": 1,
    "wyrm.indices": 1,
    "wyrm.parameter": 1,
    "wyrm.gradient": 1,
    "wyrm.instructions": 2,
    "wyrm.tape": 3,
    "wyrm.node": 4,
    "wyrm.leaf": 5,
    "wyrm.replica": 5,
    "wyrm.detours": 6,
    "wyrm.private": 7,
    "wyrm.ops": 6,
    "wyrm.draw": 6,
    "wyrm.gradient_check": 6,
    "wyrm.optim": 6,
    "wyrm.feeds": 7,
    "wyrm.nn": 7,
    "wyrm.history": 7,
    "wyrm.blas_threads": 7,
    "wyrm.callbacks": 8,
    "wyrm.progress": 8,
    "wyrm.snapshot": 8,
    "wyrm.worker": 8,
    "wyrm.deterministic": 9,
    "wyrm.outcome": 9,
    "wyrm.checkpoint": 9,
    "wyrm.watch": 9,
    "wyrm.trainer": 10,
    "wyrm.io": 10,
    "wyrm.datasets": 11,
    "wyrm.text": 11,
    "wyrm.models": 12,
    "wyrm.preprocessing": 13,
    "wyrm.config": 13,
    "wyrm": 14,  # wyrm/__init__.py
    "wyrm.cli": 15,
    "wyrm.__main__": 16,
}

# Cython: strings first, so that the examples in docstrings are not taken for imports, then comments.
STRINGS_AND_COMMENTS = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|#[^\n]*", re.S)
FROM = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n]*)", re.M)
IMPORT = re.compile(r"^[ \t]*c?import[ \t]+([^\n]*)", re.M)
INCLUDE = re.compile(r"^[ \t]*include[ \t]+[\"']([^\"']+)[\"']", re.M)


def module_of(path):
    parts = list(path.with_suffix("").parts)
    if parts[0] == "models":
        parts = ["wyrm", *parts]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def room_of(module):
    """The longest name of the table that `module` is or lies in; None for a module of somebody else."""
    if module != "wyrm" and not module.startswith("wyrm."):
        return None
    names = [name for name in RANKS if name != "wyrm" and (module == name or module.startswith(name + "."))]
    return max(names, key=len, default="wyrm")


def imports_in(text, path):
    """Pairs (module, name or None) of the import statements of a file, relative ones resolved."""
    found = []
    if path.suffix == ".py":
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
                node.body = []  # not imported when it runs
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [("." * node.level + (node.module or ""), alias.name) for alias in node.names]
    else:
        text = STRINGS_AND_COMMENTS.sub(lambda match: "" if match[0].startswith("#") else "''", text)
        text = text.replace("\\\n", " ")
        for module, names in FROM.findall(text):
            found += [(module, name.split()[0]) for name in names.strip("() \t\n").split(",") if name.strip()]
        for names in IMPORT.findall(text):
            found += [(name.split()[0], None) for name in names.split(",") if name.strip()]
    package = module_of(path).split(".")
    if path.stem != "__init__":
        package.pop()
    resolved = []
    for module, name in found:
        dots = len(module) - len(module.lstrip("."))
        if dots:
            base = package[: len(package) - dots + 1]
            module = ".".join([*base, *filter(None, [module[dots:]])])
        resolved.append((module, name))
    return resolved


def rooms_imported(text, path):
    for module, name in imports_in(text, path):
        if module.split(".")[0] == "models":
            yield "models"
        elif name is not None and room_of(f"{module}.{name}") not in (None, "wyrm"):
            yield room_of(f"{module}.{name}")  # from wyrm import ops
        elif room_of(module) is not None:
            yield room_of(module)


def source(path):
    """The text of a file, with that of the files it includes, which are part of it."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.suffix in {".pyx", ".pxd", ".pxi"}:
        for name in INCLUDE.findall(text):
            text += "\n" + source(path.parent / name)
    return text


SOURCES = sorted(
    path.relative_to(ROOT)
    for folder in ("wyrm", "models")
    for suffix in ("py", "pyx", "pxd")
    for path in (ROOT / folder).rglob(f"*.{suffix}")
)


def test_the_parser_of_cython_sees_what_it_should():
    text = '''
"""A docstring.

from wyrm.trainer import Trainer
"""
from libc.stdint cimport int32_t
from wyrm.kernels.table cimport (  # a reason
    dim_t,
    row_t as row,
)
    from wyrm.node import Node, \\
        InputNode
cimport wyrm.tape as tape, numpy
import numpy as np  # from wyrm.io import nothing
from . cimport blas
from .optim import SGD
from wyrm import ops
'''
    path = Path("wyrm/example.pyx")
    assert ("wyrm.kernels.table", "row_t") in imports_in(text, path)
    assert ("wyrm.node", "InputNode") in imports_in(text, path)
    assert sorted(rooms_imported(text, path)) == sorted(
        ["wyrm.kernels", "wyrm.kernels", "wyrm.node", "wyrm.node", "wyrm.tape", "wyrm.blas", "wyrm.optim", "wyrm.ops"]
    )


def test_relative_imports_are_resolved():
    assert imports_in("from .. import tape", Path("wyrm/optim/__init__.py")) == [("wyrm", "tape")]
    assert imports_in("from .schedules import X", Path("wyrm/optim/sgd.py")) == [("wyrm.optim.schedules", "X")]
    assert imports_in("from ..nn import X", Path("models/linear.py")) == [("wyrm.nn", "X")]


def test_imports_for_type_checkers_alone_do_not_count():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wyrm.trainer import Trainer\n"
    assert imports_in(text, Path("wyrm/optim/sgd.py")) == [("typing", "TYPE_CHECKING")]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_go_down(path):
    own = room_of(module_of(path))
    assert own != "wyrm" or module_of(path) == "wyrm", f"{path} has no rank: give it one in the table above."
    for other in rooms_imported(source(path), path):
        assert other != "models", f"{path} imports models/ under a second name: it is wyrm.models."
        assert other == own or RANKS[other] < RANKS[own], (
            f"{path} (rank {RANKS[own]}) imports {other} (rank {RANKS[other]})"
        )


def test_nothing_imports_models_by_its_folder():
    for folder in ("tests", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            for module, _ in imports_in(path.read_text(encoding="utf-8"), path.relative_to(ROOT)):
                assert module.split(".")[0] != "models", f"{path} imports models/: it is wyrm.models."
