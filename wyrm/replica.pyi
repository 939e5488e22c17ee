from typing import Self

from typing_extensions import disjoint_base

from wyrm.node import OperatorNode

@disjoint_base
class Replica:
    def __new__(cls, root: OperatorNode) -> Self: ...
