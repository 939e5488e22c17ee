from typing import Self

from typing_extensions import disjoint_base

from wyrm.replica import Replica

@disjoint_base
class Detours:
    def __new__(cls, replica: Replica) -> Self: ...
