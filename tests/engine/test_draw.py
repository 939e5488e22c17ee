"""Drawings: every node and edge once, readable labels, with and without the graphviz package."""

import re
import sys
import types

import numpy as np
import pytest

import wyrm


@pytest.fixture(autouse=True)
def without_graphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)


def labels(source):
    return re.findall(r'label="((?:[^"\\]|\\.)*)"', source)


def edges(source):
    return re.findall(r"n(\d+) -> n(\d+)", source)


@pytest.fixture
def graph():
    x = wyrm.InputNode(np.zeros((4, 3)), name="x")
    w = wyrm.ParameterNode(np.zeros((3, 2)), name="weights")
    table = wyrm.ParameterNode(np.zeros((9, 2)), name="table")
    index = wyrm.IndexInputNode(([1, 2, 3], [0, 1, 2, 2, 3]), name="rows")
    hidden = (x @ w).tanh()
    return (hidden * hidden + table.embedding_bag(index) * 0.5).sum()


def test_every_node_is_drawn_once_with_its_name_and_shape(graph):
    source = wyrm.draw(graph).source
    found = labels(source)
    assert sorted(found) == sorted(
        [
            r"sum\n1 x 1", r"add\n4 x 2", r"multiply\n4 x 2", r"multiply\n4 x 2", r"tanh\n4 x 2", r"matmul\n4 x 2",
            r"InputNode\nx\n4 x 3", r"ParameterNode\nweights\n3 x 2", r"ParameterNode\ntable\n9 x 2",
            r"IndexInputNode\nrows\n3 indices in 4 bags", r"embedding_bag\n4 x 2", "0.5",
        ]
    )  # fmt: skip
    assert len(edges(source)) == 12
    tanh = found.index(r"tanh\n4 x 2")
    number = re.findall(r"n(\d+) \[label", source)[tanh]
    assert sum(start == number for start, _ in edges(source)) == 2


def test_kinds_of_nodes_are_told_apart(graph):
    lines = [line for line in wyrm.draw(graph).source.splitlines() if "[label" in line]
    styles = {kind: {line.split('", ', 1)[1] for line in lines if kind in line}
              for kind in ("tanh", "\"InputNode", "ParameterNode", "IndexInputNode")}  # fmt: skip
    assert all(len(found) == 1 for found in styles.values())
    assert len({next(iter(found)) for found in styles.values()}) == 4


def test_text_and_file(graph, tmp_path):
    drawing = wyrm.draw(graph)
    assert str(drawing) == drawing.source
    assert drawing.source.startswith("digraph")
    assert not hasattr(drawing, "_repr_mimebundle_")
    path = tmp_path / "graph.dot"
    assert drawing.save(path) == str(path)
    assert path.read_text(encoding="utf-8") == drawing.source
    assert "DotSource" in repr(drawing)


def test_with_the_graphviz_package(graph, monkeypatch):
    fake = types.ModuleType("graphviz")
    fake.Source = lambda text: ("source", text)
    text = wyrm.draw(graph).source
    monkeypatch.setitem(sys.modules, "graphviz", fake)
    assert wyrm.draw(graph) == ("source", text)


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "back\\slash\\", "two\nlines", "\\N", "nul\0", "<b>ünïcode</b> 🐉", "{|}"]
)
def test_names_are_escaped(name):
    source = wyrm.draw(wyrm.ParameterNode([[1.0]], name=name)).source
    (label,) = labels(source)
    kind, middle, shape = "".join(
        "\0" if symbol == r"\n" else symbol for symbol in re.findall(r"\\.|[^\\]", label)
    ).split("\0")
    assert (kind, shape) == ("ParameterNode", "1 x 1")
    plain = name.replace("\n", " ").replace("\0", "")
    assert middle.replace('\\"', '"').replace("\\\\", "\\") == plain
    assert source.count("\n") == 5


def test_shapes_are_those_of_now():
    x = wyrm.InputNode([[1.0]])
    y = x.exp()
    x.set_value([[1.0], [2.0]])
    y.forward()
    assert labels(wyrm.draw(y).source) == [r"exp\n2 x 1", r"InputNode\n2 x 1"]


def test_a_leaf_alone():
    assert edges(wyrm.draw(wyrm.IndexInputNode([3])).source) == []
    assert labels(wyrm.draw(wyrm.IndexInputNode([3])).source) == [r"IndexInputNode\n1 indices in 1 bag"]


def test_a_graph_that_doubles_at_each_level():
    node = wyrm.ParameterNode([[1.0]])
    for _ in range(60):
        node = node + node
    source = wyrm.draw(node).source
    assert len(labels(source)) == 61
    assert len(edges(source)) == 120


@pytest.mark.parametrize("foreign", [None, 1.0, "node", np.ones((2, 2)), [wyrm.InputNode(1.0)]])
def test_other_objects_are_refused(foreign):
    with pytest.raises(TypeError, match="expected a node"):
        wyrm.draw(foreign)
