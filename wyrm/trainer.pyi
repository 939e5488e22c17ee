from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wyrm.callbacks import Callback
from wyrm.feeds.base import Feed
from wyrm.history import History
from wyrm.node import OperatorNode
from wyrm.optim.update import Optimizer
from wyrm.worker import Control, Worker

# By input node, or pair of an index node and its weights; a dict is invariant, so its types can't be narrower.
_Feed: TypeAlias = Feed | dict[Any, Any] | Iterable[dict[Any, Any]] | Callable[[], Iterable[dict[Any, Any]]]
_Callback: TypeAlias = Callback | Callable[[Trainer], object]

class Trainer:
    loss: OperatorNode
    optimizer: Optimizer
    n_threads: int
    batch_size: int
    seed: int
    history: History
    def __init__(
        self,
        loss: OperatorNode,
        optimizer: Optimizer,
        n_threads: int | None = None,
        batch_size: int = 1,
        seed: int = 0,
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
    ) -> History: ...
    def partial_fit(self, feed: _Feed, *, shuffle: bool = False) -> float: ...
    def evaluate(self, feed: _Feed) -> float: ...
    def predict(self, node: OperatorNode, feed: _Feed) -> npt.NDArray[np.float32]: ...

def checked_count(what: str, value: object, least: int = 1) -> int: ...
def watch(
    workers: Sequence[Worker], control: Control, bar: Any, callbacks: Sequence[Callback], trainer: Trainer
) -> None: ...
def guarded(worker: Worker, control: Control) -> None: ...
