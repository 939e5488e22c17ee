"""Feeds made of other feeds: side by side, or one after the other."""

import numpy as np

from wyrm.errors import describe
from wyrm.feeds.arrays import ArrayFeed
from wyrm.feeds.base import epoch_order
from wyrm.feeds.sampling cimport random_at
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.replica cimport Replica
from wyrm.sync cimport wyrm_fetch_add


def checked_feeds(what, feeds):
    """tuple of Feed: dicts made into feeds, others refused where their examples can't be reached by number."""
    if not feeds:
        raise ValueError(f"{what}: expected at least one feed, got none")
    checked = tuple(ArrayFeed(feed) if isinstance(feed, dict) else feed for feed in feeds)
    for feed in checked:
        if not isinstance(feed, Feed):
            raise TypeError(f"{what}: expected feeds or dicts of input node to array, got {type(feed).__name__}")
        if not (<Feed> feed).random_access:
            raise TypeError(f"{what}: expected feeds whose examples can be reached by number, "
                            f"got {type(feed).__name__}")
    return checked


cdef class CombinedFeed(Feed):
    """What combined feeds have in common."""

    cdef set parts(self):
        cdef Feed feed
        found = set()
        for feed in self.feeds:
            found |= feed.parts()
        return found

    cdef int allow(self, dim_t epochs) except -1:
        cdef Feed feed
        for feed in self.feeds:
            feed.allow(epochs)
        return 0

    cdef object finish(self):
        cdef Feed feed
        cdef object error = None
        for feed in self.feeds:
            error = feed.finish() or error
        return error


cdef class CombinedCursor(Cursor):
    """What the cursors of combined feeds have in common."""

    def __dealloc__(self):
        wyrm_free(self.borrowed)

    cdef int gather(self, tuple feeds, dict leaves) except -1:
        """Make a cursor of each feed."""
        self.n_cursors = len(feeds)
        self.borrowed = <void**> wyrm_alloc(self.n_cursors * sizeof(void*))
        if self.borrowed == NULL:
            raise MemoryError("no memory for a cursor")
        self.cursors = [(<Feed> feed).cursor(self.replica, leaves, self.batch_size) for feed in feeds]
        for i, cursor in enumerate(self.cursors):
            self.borrowed[<dim_t> i] = <void*> cursor
        return 0


# --- Side by side ------------------------------------------------------------------------------------------------

cdef class ZipFeed(CombinedFeed):
    """Feeds side by side: example i consists of example i of each.

    Parameters
    ----------
    *feeds : Feed or dict
        With as many examples each, for different input nodes. They are shuffled alike.

    Raises
    ------
    TypeError
        If one is no feed, or gives its examples in an order of its own only, as :class:`WindowFeed` and
        :class:`IterableFeed` do.
    ValueError
        If lengths differ, two fill the same node, or there is none.

    Examples
    --------
    Pairs with negatives, and a weight for each pair:

    >>> import wyrm
    >>> from wyrm.feeds import PairFeed, ZipFeed
    >>> user, item, negative = (wyrm.IndexInputNode(0) for _ in range(3))
    >>> weight = wyrm.InputNode([[1.0]])
    >>> pairs = PairFeed(([0, 1, 1], [2, 0, 1]), user=user, item=item, negative=negative)
    >>> len(ZipFeed(pairs, {weight: [0.5, 1.0, 2.0]}))
    3
    """

    def __cinit__(self, *feeds):
        cdef Feed feed
        self.feeds = checked_feeds("ZipFeed", feeds)
        seen = set()
        for feed in self.feeds:
            if feed.n_examples != len(self.feeds[0]):
                raise ValueError("ZipFeed: expected as many examples in every feed, got "
                                 + ", ".join(str(len(other)) for other in self.feeds))
            for node in feed.inputs():
                if node in seen:
                    raise ValueError(f"ZipFeed: expected one feed for each node, got two for {describe(node)}")
                seen.add(node)
        self.n_examples = len(self.feeds[0])
        self.random_access = True

    def _refuse_changes(self):
        for feed in self.feeds:
            feed._refuse_changes()

    def inputs(self):
        """set of Node: the input nodes they fill."""
        return set().union(*(feed.inputs() for feed in self.feeds))

    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1:
        cdef Feed feed
        Feed.start(self, order, n_threads, batch_size)
        for i, feed in enumerate(self.feeds):
            feed.stream, feed.lasting, feed.epoch = random_at(self.stream, i), random_at(self.lasting, i), self.epoch
            feed.start(order, n_threads, batch_size)
        return 0

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef ZipCursor cursor = ZipCursor.__new__(ZipCursor)
        cursor.feed = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.gather(self.feeds, leaves)
        return cursor


cdef class ZipCursor(CombinedCursor):
    """One thread's way through a ZipFeed."""

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        cdef dim_t i
        for i in range(self.n_cursors):
            if (<Cursor> self.borrowed[i]).lay(first, n) < 0:
                return -1
        return n


# --- One after the other -----------------------------------------------------------------------------------------

cdef class ConcatFeed(CombinedFeed):
    """Feeds one after the other: the examples of the first, then those of the second, and so on.

    Nothing is copied, so arrays in several files can be trained on as memory maps. With shuffling, each feed is
    shuffled in itself, and the threads take shares of up to 1,024 batches from all of them in random order. No batch
    has examples of two feeds.

    Parameters
    ----------
    *feeds : Feed or dict
        For the same input nodes.

    Raises
    ------
    TypeError
        If one is no feed, or gives its examples in an order of its own only.
    ValueError
        If they fill different nodes, or there is none.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.feeds import ConcatFeed
    >>> x = wyrm.InputNode([[0.0]])
    >>> len(ConcatFeed({x: np.zeros(3)}, {x: np.ones(4)}))
    7
    """

    def __cinit__(self, *feeds):
        cdef Feed feed
        self.feeds = checked_feeds("ConcatFeed", feeds)
        self.offsets = tuple(np.cumsum([0, *map(len, self.feeds)]).tolist())
        for feed in self.feeds:
            if feed.inputs() != self.feeds[0].inputs():
                odd = next(iter(feed.inputs() ^ self.feeds[0].inputs()))
                raise ValueError(f"ConcatFeed: expected feeds for the same nodes, but not all of them fill "
                                 f"{describe(odd)}")
        self.n_examples = self.offsets[len(self.feeds)]

    def __dealloc__(self):
        wyrm_free(self.shares)

    def _refuse_changes(self):
        for feed in self.feeds:
            feed._refuse_changes()

    def inputs(self):
        """set of Node: the input nodes they fill."""
        return self.feeds[0].inputs()

    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1:
        cdef Feed feed
        cdef dim_t i, begin, n = 0
        cdef share_t* share
        Feed.start(self, order, n_threads, batch_size)
        for i, feed in enumerate(self.feeds):
            begin = self.offsets[i]
            own = None
            if order is not None:
                own = order[(order >= begin) & (order < begin + feed.n_examples)] - begin
            feed.stream, feed.lasting, feed.epoch = random_at(self.stream, i), random_at(self.lasting, i), self.epoch
            feed.start(own, n_threads, batch_size)
            n += (feed.n_examples + self.share - 1) // self.share
        wyrm_free(self.shares)
        self.n_shares = 0
        self.shares = <share_t*> wyrm_alloc(n * sizeof(share_t))
        if self.shares == NULL:
            raise MemoryError("no memory for the shares of an epoch")
        turns = range(n) if order is None else epoch_order(n, self.stream, 0)
        for i, feed in enumerate(self.feeds):
            begin = 0
            while begin < feed.n_examples:
                share = self.shares + <dim_t> turns[self.n_shares]
                share.feed, share.offset = i, self.offsets[i]
                share.begin = begin
                share.end = min(begin + self.share, feed.n_examples)
                begin = share.end
                self.n_shares += 1
        return 0

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef ConcatCursor cursor = ConcatCursor.__new__(ConcatCursor)
        cursor.feed = cursor.all = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.gather(self.feeds, leaves)
        return cursor


cdef class ConcatCursor(CombinedCursor):
    """One thread's way through a ConcatFeed."""

    cdef bint take(self) noexcept nogil:
        cdef dim_t turn = wyrm_fetch_add(&self.all.taken, 1)
        cdef share_t* share = self.all.shares + turn
        if turn >= self.all.n_shares:
            return False
        self.now = share.feed
        self.offset = share.offset
        self.at, self.end = share.begin, share.end
        return True

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        """Lay n examples of the feed whose share is at hand."""
        self.first = self.offset + first
        return (<Cursor> self.borrowed[self.now]).lay(first, n)
