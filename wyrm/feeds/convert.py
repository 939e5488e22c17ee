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
    """
    if isinstance(data, Feed):
        return data
    if isinstance(data, dict):
        return ArrayFeed(data)
    return IterableFeed(data)
