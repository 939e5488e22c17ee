"""A look at what a feed lays down, without training."""

import numpy as np

from wyrm.feeds.convert import as_feed
from wyrm.feeds.prepare import as_count
from wyrm.feeds.base cimport Cursor, Feed
from wyrm.feeds.base import epoch_order, leaves_of
from wyrm.gradient cimport index_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.leaf cimport IndexInputNode
from wyrm.node cimport OperatorNode
from wyrm.replica cimport Replica
from wyrm.tape cimport input_t


cdef class Reader:
    """Goes through an epoch of a feed, as one thread of a trainer would."""

    cdef Feed feed
    cdef Cursor cursor
    cdef Replica replica
    cdef dict leaves

    def __cinit__(self, feed, OperatorNode loss, batch_size, seed, epoch, shuffle):
        as_count("batches", "batch_size", batch_size)
        self.feed = as_feed(feed)
        self.replica = Replica(loss)
        self.leaves = leaves_of(loss, self.feed)
        self.feed.allow(1)
        self.feed.enter_epoch(seed, epoch)
        self.cursor = self.feed.cursor(self.replica, self.leaves, batch_size)
        order = None
        if shuffle and self.feed.n_examples >= 0 and not self.feed.in_order:
            order = epoch_order(self.feed.n_examples, seed, epoch)
        self.feed.start(order, 1, batch_size)

    def next(self):
        """int: the size of the next batch, 0 at the end."""
        cdef dim_t n
        with nogil:
            n = self.cursor.next()
        if n == -1:
            raise MemoryError("no memory for a batch")
        return n

    def exhaust(self):
        """int: go through the whole epoch without looking; the number of examples."""
        cdef dim_t n = 1, total = 0
        with nogil:
            while n > 0:
                n = self.cursor.next()
                total += max(n, 0)
        return total

    def finish(self):
        error = self.feed.finish()
        if error is not None:
            raise error

    def values(self):
        """dict of what the leaves hold."""
        return {
            node: self._index(leaf) if isinstance(node, IndexInputNode) else self._input(leaf)
            for node, leaf in self.leaves.items()
        }

    def _input(self, dim_t leaf):
        cdef input_t* input = self.replica.inputs + leaf
        if not input.rows:
            return np.zeros((0, input.cols), np.float32)
        return np.array(<float[:input.rows, :input.cols]> input.value)

    def _index(self, dim_t leaf):
        cdef index_t* index = self.replica.indices + leaf
        rows = np.array(<row_t[:index.n]> <row_t*> index.rows) if index.n else np.zeros(0, np.int32)
        return rows, np.array(<row_t[:index.bags + 1]> <row_t*> index.offsets)


def batches(feed, loss, batch_size=1, *, seed=0, epoch=0, shuffle=False):
    """Go through an epoch of a feed and look at each batch, to see whether the feed does what it should.

    Parameters
    ----------
    feed : Feed, or what :func:`as_feed` makes one of
    loss : Node
        A graph that has the feed's nodes as inputs.
    batch_size : int, default 1
    seed : int, default 0
    epoch : int, default 0
        With the seed, what a feed draws at random, and the order if it is shuffled.
    shuffle : bool, default False

    Yields
    ------
    dict of input node to value
        For an InputNode an array (rows, cols), for an IndexInputNode (indices, offsets). Inputs of the loss alone.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.feeds import batches
    >>> x, y = wyrm.InputNode([[0.0]]), wyrm.InputNode([[0.0]])
    >>> loss = (y - wyrm.ParameterNode([[1.0]]) * x).square()
    >>> for batch in batches({x: np.arange(3.0), y: np.ones(3)}, loss, batch_size=2):
    ...     print(batch[x].ravel())
    [0. 1.]
    [2.]
    """
    if not isinstance(loss, OperatorNode):
        raise TypeError(f"batches: expected an operation as loss, got {type(loss).__name__}")
    reader = Reader(feed, loss, batch_size, seed, epoch, shuffle)
    try:
        while reader.next():
            yield reader.values()
    finally:
        reader.finish()
