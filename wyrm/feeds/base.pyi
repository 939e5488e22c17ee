import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from wyrm.leaf import IndexInputNode, InputNode

@disjoint_base
class Cursor: ...

@disjoint_base
class Feed:
    @property
    def n_examples(self) -> int: ...
    def __len__(self) -> int: ...
    def inputs(self) -> set[InputNode | IndexInputNode]: ...

def epoch_order(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]: ...
