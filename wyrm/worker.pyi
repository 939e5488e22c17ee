from typing import Self, final

import numpy.typing as npt
from typing_extensions import disjoint_base

@disjoint_base
class Control:
    def __new__(cls, rates: npt.ArrayLike | None = None, total: float = 1, before: float = 0) -> Self: ...
    def stop(self) -> None: ...
    @property
    def done(self) -> int: ...

@final
class Worker:
    @property
    def loss(self) -> float: ...
    @property
    def examples(self) -> int: ...
    error: BaseException | None
    def run(self, most: int = 0) -> bool: ...
