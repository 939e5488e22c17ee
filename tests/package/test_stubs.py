"""Each compiled module has a stub beside it that names what it offers; `make types` checks the signatures too."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import wyrm

# The kernel modules offer one capsule, and those for instructions this processor lacks must not be loaded.
COMPILED = [
    module.name
    for module in pkgutil.walk_packages(wyrm.__path__, "wyrm.")
    if not module.ispkg
    and not module.name.startswith("wyrm.kernels._")
    and getattr(module.module_finder.find_spec(module.name), "origin", "").endswith((".so", ".pyd"))
]


def public_names(module):
    """What `module` defines itself: not what it imported, nor what Cython leaves in it."""
    own = lambda value: getattr(value, "__module__", module.__name__) == module.__name__  # noqa: E731
    modules = type(pkgutil)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, modules) and own(value)
    }


def test_there_are_compiled_modules():
    assert "wyrm.parameter" in COMPILED


@pytest.mark.parametrize("name", COMPILED)
def test_public_names_are_in_the_stub(name):
    module = importlib.import_module(name)
    names = public_names(module)
    stub = Path(module.__file__).parent / f"{name.rpartition('.')[2]}.pyi"
    if not names and not stub.exists():
        return
    assert stub.exists(), f"{name} offers {sorted(names)} and has no stub"
    stated = set()
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign):
            stated.add(node.target.id)
        elif isinstance(node, ast.Assign):
            stated |= {target.id for target in node.targets}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            stated.add(node.name)
    assert names <= stated, f"{stub.name} lacks {sorted(names - stated)}"
