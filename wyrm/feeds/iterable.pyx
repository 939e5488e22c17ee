"""A feed over any Python iterable: a thread goes through it and makes blocks of arrays, from which the workers draw.

A worker takes the GIL once per block of thousands of examples. Blocks are cut where batches end, so neither the size of
the chunks an iterable yields nor the speed at which they come changes what is trained on.
"""

from collections.abc import Iterable

from wyrm.sync cimport wyrm_load
from wyrm.feeds.arrays cimport ArrayFeed
from wyrm.feeds.blocks import blocks_of, nodes_of
from wyrm.feeds.prefetch import Prefetcher
from wyrm.feeds.prepare import as_count
from wyrm.replica cimport Replica

ONCE = ("feed: an iterator can be gone through only once, for one epoch or one validation; give a callable that "
        "returns a new one, or a list")


cdef class IterableFeed(Feed):
    """Examples from a Python iterable of dicts.

    Parameters
    ----------
    source : iterable, or callable that returns one
        What it yields are dicts as :class:`ArrayFeed` takes them: for each input node the values of some
        examples, any number of them, all dicts for the same nodes. A list, or an object whose ``__iter__`` starts anew,
        is gone through in every epoch; a callable is called for each; a generator or another iterator serves one epoch.
    n_examples : int, optional
        The number of examples in an epoch, if it is known; needed for learning-rate schedules, and checked.
    block_size : int, default 8192
        Examples that a thread takes at a time, at most; a few blocks more than there are threads are kept ready.

    Raises
    ------
    TypeError
        If `source` is neither iterable nor callable.
    ValueError
        If a number is out of range. While examples are drawn: if there are none, a dict doesn't fit the nodes or the
        graph, the number of examples is not the one stated, or an iterator is to be gone through a second time.

    Notes
    -----
    The iterable runs in a thread of its own, ahead of the workers; the first chunk is taken in the calling thread, to
    see which nodes there are. An exception that it raises ends training and is raised there. Examples come as they are
    yielded, ``shuffle`` doesn't reach them.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.feeds import IterableFeed
    >>> from wyrm.optim import SGD
    >>> w = wyrm.ParameterNode([[0.0]])
    >>> x, y = wyrm.InputNode([[0.0]]), wyrm.InputNode([[0.0]])
    >>> def chunks():
    ...     rng = np.random.default_rng(0)
    ...     for _ in range(10):
    ...         values = rng.random((100, 1))
    ...         yield {x: values, y: 3 * values}
    >>> trainer = wyrm.Trainer((y - w * x).square(), SGD(0.1), n_threads=1)
    >>> history = trainer.fit(IterableFeed(chunks), epochs=3)
    >>> history.examples
    [1000, 1000, 1000]
    >>> float(w.value.round(3).item())
    3.0
    """

    def __cinit__(self, source, *, n_examples=None, block_size=8192):
        self.iterable = isinstance(source, Iterable)
        if isinstance(source, (str, bytes)) or not (self.iterable or callable(source)):
            raise TypeError(f"feed: expected a dict of input node to array, a Feed, or an iterable of such dicts, "
                            f"got {type(source).__name__}")
        self.source = source
        self.once = self.iterable and iter(source) is source
        self.n_examples = -1 if n_examples is None else as_count("IterableFeed", "n_examples", n_examples)
        self.block_size = as_count("IterableFeed", "block_size", block_size)
        self.in_order = True

    def inputs(self):
        """set of Node: the input nodes it fills, as its first dict says."""
        if self.nodes is None:
            self._open()
        return self.nodes

    def chunks(self):
        """iterator of dict: a new pass over what the iterable yields."""
        if self.opened is None:
            self._open()
        chunks, self.opened = self.opened, None
        self.spent = self.once
        return chunks

    def blocks(self, batch_size=1):
        """iterator of (int, ArrayFeed): a new pass over its examples in blocks, each with the place of its first one.

        Parameters
        ----------
        batch_size : int, default 1
            All blocks but the last hold a multiple of it.
        """
        return blocks_of(self.chunks(), self.n_examples, batch_size, self.block_size)

    def _open(self):
        """Begin a pass, and look at its first chunk."""
        if self.spent:
            raise ValueError(ONCE)
        chunks = self.source if self.iterable else self.source()
        try:
            chunks = iter(chunks)
        except TypeError:
            raise TypeError(f"feed: expected the callable to return an iterable of dicts, "
                            f"got {type(chunks).__name__}") from None
        first = next(chunks, None)
        if first is None:
            raise ValueError("feed: expected at least one example, got an empty iterable")
        self.nodes = nodes_of(first)
        self.opened = put_back(first, chunks)

    cdef int allow(self, dim_t epochs) except -1:
        if self.once and (self.spent or epochs > 1):
            raise ValueError(ONCE)
        return 0

    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1:
        self.taken = 0
        self.error = None
        self.prefetcher = Prefetcher(self.blocks(batch_size), n_threads + 1)
        return 0

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef IterableCursor cursor = IterableCursor.__new__(IterableCursor)
        cursor.feed = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.leaves = leaves
        return cursor

    cdef object finish(self):
        error = self.error
        if self.prefetcher is not None:
            # Long enough for a thread that waits; one inside the iterable ends when that yields.
            self.prefetcher.stop(0.02)
            error = error or self.prefetcher.error
        self.prefetcher = self.error = None
        return error


def put_back(first, rest):
    """generator: `first`, and then the rest of an iterator, which it closes in the end."""
    try:
        yield first
        yield from rest
    finally:
        if hasattr(rest, "close"):
            rest.close()


cdef class IterableCursor(Cursor):
    """One thread's way through an IterableFeed."""

    cdef dim_t next(self) noexcept nogil:
        cdef dim_t n
        while True:
            if self.open:
                n = self.block.next()
                if n:
                    self.first = self.begin + self.block.first
                    return n
            n = self.advance()
            if n <= 0:
                return n

    cdef int advance(self) noexcept with gil:
        """Wait for the next block: 1, 0 at the end, -2 when something went wrong."""
        cdef IterableFeed feed = <IterableFeed> self.feed
        cdef ArrayFeed block
        self.open = False
        try:
            while True:
                item = feed.prefetcher.take(0.02)
                if item is None:
                    return 0 if feed.prefetcher.error is None else -2
                if item is not Prefetcher.WAITING:
                    break
                if self.stopped != NULL and wyrm_load(self.stopped):
                    return 0
            self.begin, block = item
            block.start(None, 1, self.batch_size)
            self.block = block.cursor(self.replica, self.leaves, self.batch_size)
            self.open = True
            return 1
        except BaseException as error:
            feed.error = error
            return -2
