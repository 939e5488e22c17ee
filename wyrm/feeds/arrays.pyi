from typing import Any, Self

from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor, Feed

@disjoint_base
class ArrayFeed(Feed):
    def __new__(cls, data: dict[Any, Any]) -> Self: ...

@disjoint_base
class ArrayCursor(Cursor): ...
