import os
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from wyrm.callbacks import Callback
from wyrm.feeds.base import Feed
from wyrm.history import History
from wyrm.node import OperatorNode
from wyrm.optim.update import Optimizer

# By input node, or pair of an index node and its weights; a dict is invariant, so its types can't be narrower.
_Feed: TypeAlias = Feed | dict[Any, Any] | Iterable[dict[Any, Any]] | Callable[[], Iterable[dict[Any, Any]]]
_Callback: TypeAlias = Callback | Callable[[Trainer], object]

class Trainer:
    loss: OperatorNode
    optimizer: Optimizer
    n_threads: int
    batch_size: int
    seed: int
    deterministic: bool
    reduction: str
    history: History
    def __init__(
        self,
        loss: OperatorNode,
        optimizer: Optimizer,
        n_threads: int | None = None,
        batch_size: int = 1,
        seed: int = 0,
        deterministic: bool = False,
        reduction: str = "mean",
    ) -> None: ...
    def fit(
        self,
        feed: _Feed,
        epochs: int = 1,
        *,
        validation: _Feed | None = None,
        patience: int | None = None,
        callbacks: Iterable[_Callback] = (),
        shuffle: bool = True,
        verbose: int = 0,
        keep_good: bool = True,
    ) -> History: ...
    def partial_fit(self, feed: _Feed, *, shuffle: bool = False) -> float: ...
    def evaluate(self, feed: _Feed) -> float: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], loss: OperatorNode, optimizer: Optimizer, n_threads: int | None = None
    ) -> Self: ...
    def predict(self, node: OperatorNode, feed: _Feed) -> npt.NDArray[np.float32]: ...
