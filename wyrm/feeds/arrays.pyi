from typing import Any, Self, final

from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor, Feed

@disjoint_base
class ArrayFeed(Feed):
    def __new__(cls, data: dict[Any, Any]) -> Self: ...

@final
class ArrayCursor(Cursor): ...
