from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

@disjoint_base
class Sampler:
    def __new__(cls, counts: npt.ArrayLike, power: float = 1.0) -> Self: ...
    @property
    def n_drawable(self) -> int: ...
    def sample(self, size: int, *, seed: int = 0) -> npt.NDArray[np.int32]: ...
