from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor, Feed
from wyrm.leaf import IndexInputNode, InputNode

@disjoint_base
class WindowFeed(Feed):
    def __new__(
        cls,
        tokens: npt.ArrayLike,
        *,
        context: IndexInputNode,
        output: IndexInputNode,
        target: InputNode,
        starts: npt.ArrayLike | None = None,
        counts: npt.ArrayLike | None = None,
        window: int = 5,
        shrink_windows: bool = True,
        n_negatives: int = 5,
        power: float = 0.75,
        sample: float = 1e-3,
        cbow: bool = False,
        paths: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> Self: ...
    @property
    def n_pairs(self) -> int: ...

@disjoint_base
class WindowCursor(Cursor): ...

def keep_thresholds(counts: npt.ArrayLike, sample: float) -> npt.NDArray[np.uint32]: ...
