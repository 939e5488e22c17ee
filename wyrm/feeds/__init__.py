"""Producers of examples for the trainer."""

from wyrm.feeds.arrays import ArrayFeed as ArrayFeed
from wyrm.feeds.base import Feed as Feed


def as_feed(data):
    """A feed of whatever a trainer accepts as one."""
    if isinstance(data, Feed):
        return data
    return ArrayFeed(data)
