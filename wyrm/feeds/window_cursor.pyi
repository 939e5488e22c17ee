from typing_extensions import disjoint_base

from wyrm.feeds.base import Cursor

@disjoint_base
class WindowCursor(Cursor): ...
