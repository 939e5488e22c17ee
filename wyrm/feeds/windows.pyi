from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from wyrm.feeds.base import Feed
from wyrm.feeds.tokens import TokenStream
from wyrm.leaf import IndexInputNode, InputNode

@disjoint_base
class WindowFeed(Feed):
    def __new__(
        cls,
        tokens: npt.ArrayLike | TokenStream,
        *,
        context: IndexInputNode,
        output: IndexInputNode | None = None,
        target: InputNode | None = None,
        path: IndexInputNode | None = None,
        turn: InputNode | None = None,
        paths: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike] | None = None,
        starts: npt.ArrayLike | None = None,
        counts: npt.ArrayLike | None = None,
        window: int = 5,
        shrink_windows: bool = True,
        n_negatives: int = 5,
        power: float = 0.75,
        sample: float = 1e-3,
        cbow: bool = False,
        by_pair: bool = False,
        reuse: int = 1,
    ) -> Self: ...
    @property
    def n_pairs(self) -> int: ...

def keep_thresholds(counts: npt.ArrayLike, sample: float) -> npt.NDArray[np.uint32]: ...
