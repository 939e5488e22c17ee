"""The documentation is true: its examples run, its links lead somewhere, and it knows every public name."""

import contextlib
import doctest
import importlib
import pkgutil
import re

import numpy as np
import pytest

import wyrm

PAGES = [
    "README.md",
    "docs/index.md",
    "docs/engine.md",
    "docs/optimisers.md",
    "docs/training.md",
    "docs/feeds.md",
    "docs/benchmarks.md",
    "docs/performance.md",
    "docs/io.md",
    "docs/models.md",
    "docs/preprocessing.md",
    "docs/datasets.md",
    "docs/vectors.md",
    "docs/word2vec.md",
    "docs/api.md",
]
OPTIONAL = {"gensim", "graphviz", "matplotlib", "pandas", "polars", "pooch", "sklearn"}
FENCE = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NAME = re.compile(r"^- `(wyrm[\w.]*)", re.M)
DOCTEST_FLAGS = doctest.NORMALIZE_WHITESPACE


def modules():
    """Every module of the package, without those of single instruction sets, which may not run here."""
    names = [module.name for module in pkgutil.walk_packages(wyrm.__path__, "wyrm.")]
    return ["wyrm", *(name for name in names if not name.startswith(("wyrm.kernels._", "wyrm.__main__")))]


def run_doctest(test, names):
    report = []
    runner = doctest.DocTestRunner(optionflags=DOCTEST_FLAGS)
    test.globs = names
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_run(page, root):
    """Its blocks run one after the other, as a reader would type them."""
    text = (root / page).read_text(encoding="utf-8")
    names = {"__name__": "page"}
    np.random.seed(0)  # noqa: NPY002 (the README's example uses it)
    for match in FENCE.finditer(text):
        block, line = match[1], text[: match.start(1)].count("\n")
        if block.startswith(">>>"):
            run_doctest(doctest.DocTestParser().get_doctest(block, names, page, page, line), names)
        else:
            try:
                exec(compile("\n" * line + block, str(root / page), "exec"), names)
            except ModuleNotFoundError as error:
                if error.name not in OPTIONAL:
                    raise
                pytest.skip(f"from line {line} on, {page} needs {error.name}")
    if page == "README.md":
        np.testing.assert_allclose(names["slope"].value, 3.0, atol=0.05)
        np.testing.assert_allclose(names["intercept"].value, 5.0, atol=0.05)


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings_run(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder().find(module):
        if test.examples:
            run_doctest(test, dict(test.globs))


def test_docstrings_of_compiled_modules_are_found():
    found = {test.name for test in doctest.DocTestFinder().find(importlib.import_module("wyrm.ops")) if test.examples}
    assert "wyrm.ops.embedding_bag" in found


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page, root):
    path = root / page
    links = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    broken = [link for link in links if not (path.parent / link).exists()]
    assert not broken


def test_every_page_is_listed_here(root):
    assert {f"docs/{path.name}" for path in (root / "docs").glob("*.md")} <= set(PAGES)


def names_in_api(root):
    return set(NAME.findall((root / "docs/api.md").read_text(encoding="utf-8")))


def resolve(name):
    """What a dotted name stands for."""
    parts = name.split(".")
    found = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(".".join(parts[:i]))
        found = getattr(found, part)
    return found


def test_the_reference_has_no_other_names(root):
    missing = []
    for name in names_in_api(root):
        try:
            resolve(name)
        except AttributeError:
            missing.append(name)
    assert not missing, f"docs/api.md names what there isn't: {sorted(missing)}"


def names_of(room, defined_there):
    """Functions and classes of a module: those it defines, or those it imports from others of the package."""
    for name, value in vars(importlib.import_module(room)).items():
        home = str(getattr(value, "__module__", ""))
        if callable(value) and not name.startswith("_") and home.startswith("wyrm") and (home == room) == defined_there:
            yield f"{room}.{name}"


def test_the_reference_has_every_public_name(root):
    """What packages import into their __init__.py is public, and so are the losses."""
    packages = ["wyrm", *(found.name for found in pkgutil.walk_packages(wyrm.__path__, "wyrm.") if found.ispkg)]
    public = {name for room in packages for name in names_of(room, False)} | set(names_of("wyrm.nn.losses", True))
    missing = public - names_in_api(root)
    assert not missing, f"docs/api.md lacks {sorted(missing)}"


@pytest.mark.parametrize("kind", [wyrm.Node, wyrm.InputNode, wyrm.IndexInputNode, wyrm.ParameterNode])
def test_members_of_nodes_are_documented(kind):
    bare = [
        name
        for name in dir(kind)
        if not name.startswith("_") and name not in {"name", "parameter"} and not getattr(kind, name).__doc__
    ]
    assert not bare
