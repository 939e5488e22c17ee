from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Self, TypeVar

from typing_extensions import disjoint_base

from wyrm.feeds.arrays import ArrayFeed
from wyrm.feeds.base import Cursor, Feed

ONCE: str

_T = TypeVar("_T")

@disjoint_base
class IterableFeed(Feed):
    def __new__(
        cls,
        source: Iterable[dict[Any, Any]] | Callable[[], Iterable[dict[Any, Any]]],
        *,
        n_examples: int | None = None,
        block_size: int = 8192,
    ) -> Self: ...
    def chunks(self) -> Iterator[dict[Any, Any]]: ...
    def blocks(self, batch_size: int = 1) -> Iterator[tuple[int, ArrayFeed]]: ...

@disjoint_base
class IterableCursor(Cursor): ...

def put_back(first: _T, rest: Iterator[_T]) -> Generator[_T]: ...
