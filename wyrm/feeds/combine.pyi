from collections.abc import Sequence
from typing import Any, Self

from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor, Feed

@disjoint_base
class CombinedFeed(Feed): ...

@disjoint_base
class CombinedCursor(Cursor): ...

class ZipFeed(CombinedFeed):
    def __new__(cls, *feeds: Feed | dict[Any, Any]) -> Self: ...

class ZipCursor(CombinedCursor): ...

@disjoint_base
class ConcatFeed(CombinedFeed):
    def __new__(cls, *feeds: Feed | dict[Any, Any]) -> Self: ...

@disjoint_base
class ConcatCursor(CombinedCursor): ...

def checked_feeds(what: str, feeds: Sequence[Feed | dict[Any, Any]]) -> tuple[Feed, ...]: ...
