import os
from collections.abc import Iterable
from typing import Self

from typing_extensions import disjoint_base

from wyrm.feeds.tokens import TokenReader, TokenStream
from wyrm.text.vocabulary import Vocabulary

@disjoint_base
class TextTokens(TokenStream):
    def __new__(cls, paths: Iterable[str | os.PathLike[str]], vocabulary: Vocabulary | Iterable[str]) -> Self: ...
    @property
    def n_words(self) -> int: ...
    def close(self) -> None: ...

@disjoint_base
class TextTokenReader(TokenReader): ...
