from collections.abc import Iterable
from typing import Literal

import numpy.typing as npt

from wyrm.leaf import IndexInputNode, ParameterNode
from wyrm.node import OperatorNode, _Operand

def embedding(table: ParameterNode, index: IndexInputNode) -> OperatorNode: ...
def embedding_bag(
    table: ParameterNode,
    index: IndexInputNode,
    weights: _Operand | None = None,
    mode: Literal["sum", "mean"] = "sum",
    *,
    backward: Literal["sum", "mean"] | None = None,
) -> OperatorNode: ...
def fm_interaction(table: ParameterNode, index: IndexInputNode, weights: _Operand | None = None) -> OperatorNode: ...
def field_aware_interaction(
    table: ParameterNode,
    index: IndexInputNode,
    fields: IndexInputNode | npt.ArrayLike,
    weights: _Operand | None = None,
    *,
    n_fields: int,
) -> OperatorNode: ...
def vector_dot(a: _Operand, b: _Operand) -> OperatorNode: ...
def concatenate(nodes: Iterable[_Operand], axis: Literal[0, 1]) -> OperatorNode: ...
