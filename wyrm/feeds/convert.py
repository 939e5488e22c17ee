"""A feed of whatever a trainer accepts as one."""

from wyrm.feeds.arrays import ArrayFeed
from wyrm.feeds.base import Feed
from wyrm.feeds.iterable import IterableFeed


def as_feed(data):
    """A feed of whatever a trainer accepts as one.

    Parameters
    ----------
    data : Feed, dict of input node to array, iterable of such dicts, or callable that returns one

    Returns
    -------
    Feed
        The feed itself, an :class:`ArrayFeed` or an :class:`IterableFeed`.

    Raises
    ------
    TypeError
        If it is something else.
    IndexError
        If indices that a feed points into were changed since it was made, to ones out of range.
    """
    if isinstance(data, Feed):
        data._refuse_changes()
        return data
    if isinstance(data, dict):
        return ArrayFeed(data)
    return IterableFeed(data)
