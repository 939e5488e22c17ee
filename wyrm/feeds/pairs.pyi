from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor, Feed
from wyrm.leaf import IndexInputNode, InputNode

@disjoint_base
class PairFeed(Feed):
    def __new__(
        cls,
        pairs: Any,
        *,
        user: IndexInputNode,
        item: IndexInputNode,
        negative: IndexInputNode | None = None,
        label: InputNode | None = None,
        n_negatives: int = 1,
        n_items: int | None = None,
        power: float = 0.0,
        reject: Any = True,
    ) -> Self: ...

@disjoint_base
class PairCursor(Cursor): ...

def pairs_of(what: str, pairs: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]: ...
