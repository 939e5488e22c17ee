import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class Parser:
    @property
    def name(self) -> str: ...
    refuse_zero: bool
    def __init__(
        self,
        name: str,
        *,
        with_fields: bool = ...,
        sum_duplicates: bool = ...,
        refuse_zero: bool = ...,
        index_limit: int = ...,
        field_limit: int = ...,
    ) -> None: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def has_zero(self) -> bool: ...
    @property
    def max_index(self) -> tuple[int, int, int]: ...
    @property
    def max_field(self) -> int: ...
    def feed(self, text: bytearray, start: int, stop: int, max_rows: int) -> int: ...
    def take(
        self,
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.int64] | None,
        NDArray[np.int64],
        NDArray[np.int32] | None,
        NDArray[np.int32] | NDArray[np.int64],
        NDArray[np.float32],
    ]: ...
