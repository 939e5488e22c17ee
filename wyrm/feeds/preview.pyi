from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from wyrm.leaf import IndexInputNode, InputNode
from wyrm.node import Node, OperatorNode

@disjoint_base
class Reader:
    def __new__(cls, feed: Any, loss: OperatorNode, batch_size: int, seed: int, epoch: int, shuffle: bool) -> Self: ...
    def next(self) -> int: ...
    def exhaust(self) -> int: ...
    def finish(self) -> None: ...
    def values(self) -> dict[InputNode | IndexInputNode, Any]: ...

def batches(
    feed: Any, loss: Node, batch_size: int = 1, *, seed: int = 0, epoch: int = 0, shuffle: bool = False
) -> Iterator[dict[InputNode | IndexInputNode, Any]]: ...
