from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class RowState:
    def __new__(cls, kind: str, slots: tuple[str, ...], cols: int, l2: bool, l1: bool) -> Self: ...
    @property
    def kind(self) -> str: ...
    @property
    def slots(self) -> tuple[str, ...]: ...
