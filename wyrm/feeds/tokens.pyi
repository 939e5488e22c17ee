from typing import Self

import numpy.typing as npt
from typing_extensions import disjoint_base

@disjoint_base
class TokenStream:
    @property
    def n_places(self) -> int: ...
    @property
    def n_tokens(self) -> int: ...
    @property
    def spacing(self) -> int: ...

@disjoint_base
class TokenReader: ...

@disjoint_base
class ArrayTokens(TokenStream):
    def __new__(cls, tokens: npt.ArrayLike, starts: npt.ArrayLike | None = None) -> Self: ...
    def close(self) -> None: ...

@disjoint_base
class ArrayReader(TokenReader): ...
