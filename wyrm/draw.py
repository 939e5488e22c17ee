"""Graphs as drawings."""

from __future__ import annotations

import os
from typing import Any

from wyrm.leaf import IndexInputNode, InputNode, ParameterNode
from wyrm.node import ConstantNode, Node

# Shape and fill of each kind of node; operations are plain boxes.
STYLES: list[tuple[type, str]] = [
    (ParameterNode, "shape=cylinder, style=filled, fillcolor=lightgoldenrod1"),
    (IndexInputNode, "shape=parallelogram, style=filled, fillcolor=palegreen"),
    (InputNode, "shape=parallelogram, style=filled, fillcolor=lightblue"),
    (ConstantNode, "shape=plain, style=filled, fillcolor=white"),
]
OPERATION = 'shape=box, style="rounded,filled", fillcolor=gray95'


class DotSource:
    """A graph in the DOT language, for where the ``graphviz`` package is not installed.

    Attributes
    ----------
    source : str
        The text; ``dot -Tsvg`` and many viewers on the web render it.
    """

    __slots__ = ("source",)

    def __init__(self, source: str):
        self.source = source

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"<DotSource: {self.source.count(chr(10))} lines; str() or .source is the text>"

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the text to a file.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        str
            The path.
        """
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.source)
        return os.fspath(path)


def draw(node: Node) -> Any:
    """Draw the graph below a node with Graphviz.

    Operations are boxes, parameters cylinders, inputs parallelograms; each shows its name, where it has one, and its
    shape. A node that several others use is drawn once.

    Parameters
    ----------
    node : Node

    Returns
    -------
    graphviz.Source or DotSource
        The former, which notebooks render, where the ``graphviz`` package is installed. Both have ``.source``, the text
        in the DOT language, and ``.save(path)``.

    Raises
    ------
    TypeError
        If `node` is something else.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> x = wyrm.InputNode(np.zeros((1, 3)), name="x")
    >>> weights = wyrm.ParameterNode(np.zeros((3, 1)), name="weights")
    >>> drawing = wyrm.draw(x @ weights)
    >>> "matmul" in drawing.source
    True
    """
    if not isinstance(node, Node):
        raise TypeError(f"draw: expected a node, got {type(node).__name__}")
    source = _dot(node)
    try:
        import graphviz
    except ImportError:
        return DotSource(source)
    return graphviz.Source(source)


def _dot(root: Node) -> str:
    lines = ["digraph {", "  rankdir=TB", '  node [fontname="Helvetica", fontsize=11]']
    numbers = {root: 0}
    stack = [root]
    while stack:
        node = stack.pop()
        number = numbers[node]
        lines.append(f"  n{number} [label={_quoted(_label(node))}, {_style(node)}]")
        for operand in node.operands:
            if operand not in numbers:
                numbers[operand] = len(numbers)
                stack.append(operand)
            lines.append(f"  n{numbers[operand]} -> n{number}")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _label(node: Node) -> list[str]:
    """The lines of a node's label: kind, name, shape."""
    if isinstance(node, ConstantNode) and not isinstance(node, InputNode) and node.shape == (1, 1):
        return [f"{node.value[0, 0]:g}"]
    lines = [getattr(node, "operation", None) or type(node).__name__]
    if node.name is not None:
        lines.append(node.name)
    if isinstance(node, IndexInputNode):
        lines.append(f"{node.shape[0]} indices in {node.bags} bag{'s' * (node.bags != 1)}")
    else:
        lines.append(" x ".join(str(n) for n in node.shape))
    return lines


def _style(node: Node) -> str:
    return next((style for kind, style in STYLES if isinstance(node, kind)), OPERATION)


def _quoted(lines: list[str]) -> str:
    """A quoted string of DOT, where backslashes, too, have a meaning."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\0", "") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
