"""What every feed is: a producer of examples that threads draw from without the GIL.

A feed holds the data and the order of an epoch. Each thread has a cursor of its own, which takes a share of the epoch
at a time and lays batches of it into the leaves of its replica, by pointing them at the data where it can.
"""

import numpy as np

from libc.string cimport memset
from wyrm.detours cimport Detours
from wyrm.errors import describe
from wyrm.feeds.sampling cimport next_random, random_at
from wyrm.leaf cimport InputNode
from wyrm.node cimport Node, OperatorNode, walk
from wyrm.sync cimport wyrm_drop, wyrm_fetch_add, wyrm_load, wyrm_read, wyrm_take, wyrm_yield


cdef class Cursor:
    """One thread's way through a feed."""

    cdef dim_t next(self) noexcept nogil:
        """Lay the next batch into the leaves; the number of examples in it, 0 at the end, -1 when memory ran out.

        -2 says that the feed failed; its finish() has the reason.
        """
        cdef dim_t first, n
        if self.at >= self.end and not self.take():
            return 0
        first = self.at
        n = min(self.batch_size, self.end - first)
        self.at += n
        self.first = first
        return self.lay(first, n)

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        """Lay n examples of the epoch's order, from `first` on; n, -1 when memory ran out, -2 if it can't."""
        return -2

    cdef bint take(self) noexcept nogil:
        """Take another share of the epoch; false at its end."""
        self.at = wyrm_fetch_add(&self.feed.taken, self.feed.share)
        self.end = self.at + self.feed.share
        if self.end > self.feed.n_examples:
            self.end = self.feed.n_examples
        if self.feed.laid != NULL:
            while self.at < self.end and wyrm_read(self.feed.laid) < self.end:
                if self.stopped != NULL and wyrm_load(self.stopped):
                    self.end = self.at
                wyrm_yield()
        return self.at < self.end

    cdef void take_detours(self, Detours detours) noexcept:
        """Fetch rows of tables ahead from where these lead, if it fetches any."""


cdef class Feed:
    """Base of the feeds; ``len(feed)`` is the number of examples in an epoch."""

    def __len__(self):
        if self.n_examples < 0:
            raise TypeError(f"{type(self).__name__}: the number of examples is not known beforehand")
        return self.n_examples

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__}: a feed can't be pickled or copied, as its nodes belong to a graph; "
                        f"make another one of the same data")

    @property
    def unit(self):
        """str: what `n_examples` counts, for those who watch progress."""
        return "examples"

    def inputs(self):
        """set of Node: the input nodes it fills."""
        raise NotImplementedError

    cdef set parts(self):
        """It, or the feeds it is made of."""
        return {self}

    cdef int occupy(self) except -1:
        """Before an epoch: the place in it is the feed's, so nobody else may go through it until vacate()."""
        cdef Feed part, other
        taken = []
        for part in self.parts():
            if wyrm_take(&part.busy):
                taken.append(part)
                continue
            for other in taken:
                wyrm_drop(&other.busy)
            raise RuntimeError(f"{type(part).__name__}: a trainer is going through it, so it can't be gone through by "
                               f"another one or by a callback; make a feed for each, which may share arrays")
        return 0

    cdef int vacate(self) except -1:
        """After occupy()."""
        cdef Feed part
        for part in self.parts():
            wyrm_drop(&part.busy)
        return 0

    def _refuse_changes(self):
        """Refuse to be used again when arrays it points into were changed to what kernels must not meet."""

    cdef int enter_epoch(self, uint64_t seed, uint64_t epoch) except -1:
        """Give what it draws at random a beginning; before start()."""
        self.stream = epoch_stream(seed, epoch)
        self.lasting = lasting_stream(seed)
        self.epoch = <uint32_t> (epoch + (epoch >> 32))    # partial_fit() counts in the upper half
        return 0

    cdef int allow(self, dim_t epochs) except -1:
        """Refuse when it can't be gone through so many times."""
        return 0

    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1:
        """Begin an epoch. `order` is a permutation of the examples (int64), or None for their own order."""
        self.taken = 0
        self.kept_order = order
        self.laid = NULL
        self.order = NULL if order is None else <const int64_t*> address(order)
        # Shares small enough that no thread waits long for the last, large enough that taking one costs nothing.
        self.share = max(1, min(1024, self.n_examples // (16 * n_threads * batch_size))) * batch_size
        return 0

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        """A new cursor that fills `replica`; `leaves` maps each input node to its leaf number."""
        raise NotImplementedError

    cdef object finish(self):
        """End an epoch, whether it was gone through or not; the exception that kept it from going on, or None."""
        return None


def leaves_of(OperatorNode root, Feed feed):
    """The leaf number of each input of the graph, all of which the feed must fill."""
    cdef Node node
    cdef dim_t inputs = 0, indices = 0
    fed = feed.inputs()
    leaves = {}
    for node in walk(root):
        if node.input != NULL:
            if isinstance(node, InputNode):
                leaves[node] = inputs
            inputs += 1
        elif node.index != NULL:
            leaves[node] = indices
            indices += 1
    for node in leaves:
        if node not in fed:
            raise ValueError(f"feed: {describe(node)} is an input of {describe(root)}, but the feed has nothing for it")
    return leaves


# --- The order of an epoch ---------------------------------------------------------------------------------------

cdef enum:
    WORTH_PARTS = 1 << 21        # examples; the places of fewer stay in a core's caches
    PART_BITS = 9                # of the number of parts; four draws to a random number
    COUNTED = 1 << 10            # places that are counted at once


cdef void shuffle_part(dim_t* order, dim_t n, uint64_t* state, dim_t* laid) noexcept nogil:
    """Fisher and Yates, from the first place on, which are counted as they get what they keep."""
    cdef uint64_t bound, drawn
    cdef dim_t i, j, begin = 0, end
    while begin < n:
        end = min(begin + COUNTED, n)
        for i in range(begin, end):
            bound = <uint64_t> (n - i)
            drawn = next_random(state)
            if bound >> 32:
                j = i + <dim_t> (drawn % bound)
            else:                # without a division; the bias is below bound / 2^32
                j = i + <dim_t> (((drawn >> 32) * bound) >> 32)
            order[i], order[j] = order[j], order[i]
        wyrm_fetch_add(laid, end - begin)
        begin = end


cdef void shuffle(dim_t* order, dim_t n, uint64_t seed, uint64_t epoch, dim_t* laid) noexcept nogil:
    """A permutation of 0 to n - 1 that depends on seed and epoch alone.

    Of many, each first goes to a random part, and the parts are shuffled (Sanders, "Random permutations on distributed,
    external and hierarchical memory", IPL 1998): all permutations are equally likely, and hardly a place is fetched
    from memory just for one.
    """
    cdef uint64_t state = seed, stream, drawn = 0
    cdef dim_t i, part
    cdef dim_t ends[(1 << PART_BITS) + 1]
    state = next_random(&state) ^ (epoch * <uint64_t> 0xD1342543DE82EF95)
    if n < WORTH_PARTS:
        for i in range(n):
            order[i] = i
        shuffle_part(order, n, &state, laid)
        return
    stream = next_random(&state)
    memset(ends, 0, sizeof(ends))
    for i in range(n):
        drawn = random_at(stream, i >> 2) if i & 3 == 0 else drawn >> 16
        ends[(drawn & ((1 << PART_BITS) - 1)) + 1] += 1
    for part in range(1, 1 << PART_BITS):
        ends[part + 1] += ends[part]
    for i in range(n):                           # the start of a part moves on to its end
        drawn = random_at(stream, i >> 2) if i & 3 == 0 else drawn >> 16
        part = <dim_t> (drawn & ((1 << PART_BITS) - 1))
        order[ends[part]] = i
        ends[part] += 1
    i = 0
    for part in range(1 << PART_BITS):
        shuffle_part(order + i, ends[part] - i, &state, laid)
        i = ends[part]


cdef class Order:
    """The order of n examples in one epoch.

    Its places are laid out from the first on, so that threads may go by it while it is made.
    """

    def __init__(self, Py_ssize_t n, seed, epoch):
        self.places = np.empty(n, dtype=np.int64)
        self.seed, self.epoch = seed, epoch

    def lay(self):
        """Lay out all places; returns them, an ndarray of int64."""
        cdef dim_t n = len(self.places)
        cdef dim_t* places = <dim_t*> address(self.places)
        with nogil:
            shuffle(places, n, self.seed, self.epoch, &self.laid)
        return self.places


def epoch_order(Py_ssize_t n, seed, epoch):
    """ndarray of int64: the order of the examples in one epoch."""
    return Order(n, seed, epoch).lay()


def epoch_stream(uint64_t seed, uint64_t epoch):
    """int: where the random numbers start that feeds draw in one epoch."""
    return random_at(random_at(seed, 0), epoch)


def lasting_stream(uint64_t seed):
    """int: where those start that feeds have in all epochs."""
    return random_at(random_at(seed, 1), 0)
