"""Producers of examples for the trainer."""

from wyrm.feeds.arrays import ArrayFeed as ArrayFeed
from wyrm.feeds.base import Feed as Feed
from wyrm.feeds.combine import ConcatFeed as ConcatFeed
from wyrm.feeds.combine import ZipFeed as ZipFeed
from wyrm.feeds.convert import as_feed as as_feed
from wyrm.feeds.iterable import IterableFeed as IterableFeed
from wyrm.feeds.pairs import PairFeed as PairFeed
from wyrm.feeds.preview import batches as batches
from wyrm.feeds.windows import WindowFeed as WindowFeed
