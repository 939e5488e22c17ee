"""A feed of user/item pairs beside items drawn at random: the data of recommenders.

Negatives are drawn anew in every epoch, from a random state that depends on the seed, the epoch and the example alone.
While an example is computed, the next one is drawn and its table rows are on their way into the cache.
"""

import numpy as np
import scipy.sparse

from libc.stdint cimport uint8_t
from wyrm.errors import describe
from wyrm.feeds.prepare import as_count, as_rows, counts_of, index_node, refuse_gaps
from wyrm.feeds.base cimport address, example_at
from wyrm.feeds.lookups cimport are_distinct, fetch, lay_bags, lookups_of
from wyrm.feeds.sampling cimport draw, fetch_draws, next_drawable, random_at
from wyrm.leaf cimport InputNode
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_prefetch
from wyrm.replica cimport Replica

cdef enum:
    TRIES = 64                   # draws for a negative, before the next item that will do is taken
    AHEAD = 4                    # examples between fetching something and using it
    MOST_ROWS = 0x7FFFFFFF       # in a batch
    WORTH_MARKING = 64           # user-item cells to a known pair; up to so many, a bit for each takes 8 bytes a pair


cdef inline bint holds(const row_t* rows, dim_t n, row_t row) noexcept nogil:
    """Whether a rising list has a row."""
    cdef dim_t half
    if n == 0:
        return False
    while n > 1:
        half = n >> 1
        rows = rows + half if rows[half] <= row else rows
        n -= half
    return rows[0] == row


def pairs_of(what, pairs):
    """Users and items, both int32 (n,), of a sparse matrix or of two sequences."""
    if hasattr(pairs, "tocoo"):
        matrix = pairs.tocoo()
        stored = matrix.data != 0
        return as_rows(what, matrix.row[stored]), as_rows(what, matrix.col[stored])
    if isinstance(pairs, np.ndarray) and pairs.ndim == 2 and pairs.shape[1] == 2:
        pairs = pairs[:, 0], pairs[:, 1]
    if not isinstance(pairs, (tuple, list)) or len(pairs) != 2:
        raise TypeError(f"{what}: expected (users, items), an array (n, 2) or a sparse matrix, got "
                        + (f"an array {pairs.shape}" if isinstance(pairs, np.ndarray) else type(pairs).__name__))
    users, items = (np.array(as_rows(what, side)) for side in pairs)
    if users.ndim != 1 or users.shape != items.shape:
        raise ValueError(f"{what}: expected as many users as items, got shapes {users.shape} and {items.shape}")
    return users, items


cdef class PairFeed(Feed):
    """Pairs of users and items, and for each some items drawn at random.

    Parameters
    ----------
    pairs : (users, items), ndarray of shape (n, 2), or sparse matrix
        The pairs that were seen: two sequences of n integers; or the entries other than 0 of a matrix with a row per
        user and a column per item.
    user, item : IndexInputNode
        The nodes that take the user and the item, each in a bag of its own.
    negative : IndexInputNode, optional
        The node that takes the items drawn for the pair, a bag of `n_negatives`. An example is then a pair, and there
        are n of them. For losses that compare, as :func:`wyrm.nn.losses.bpr`.
    label : InputNode of one column, optional
        The node that takes 1 for a pair that was seen and 0 for a user and an item drawn. An example is
        then one labelled pair, and there are ``n * (1 + n_negatives)`` of them. For losses of single pairs, as
        :func:`wyrm.nn.losses.logistic`. Exactly one of `negative` and `label` must be given.
    n_negatives : int, default 1
        Items drawn for each pair, anew in every epoch.
    n_items : int, optional
        Items are drawn from 0 to n_items - 1; default: up to the last one in `pairs`, or the columns of a matrix.
    power : float, default 0.0
        Items are drawn in proportion to ``count ** power``, with the number of pairs each is in; 0 draws all alike.
    reject : bool or pairs, default True
        True never draws an item that was seen with the user; pairs, in the same form, say what not to draw (such
        as those of training and validation together); False draws any.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If there is no pair, sizes don't fit, or a user was seen with every item that could be drawn.
    IndexError
        If a number is negative or too large for any table.

    Notes
    -----
    A drawn item that is known is drawn again, up to 64 times; the next larger unknown one is taken then.

    With more than one negative to a pair, ``user_rows @ item_rows.T`` scores them in one product where the trainer's
    batch size is 1. In larger batches use one negative, or labels.

    Examples
    --------
    Bayesian personalised ranking (Rendle et al., UAI 2009):

    >>> import numpy as np, wyrm
    >>> from wyrm.feeds import PairFeed
    >>> from wyrm.nn.losses import bpr
    >>> from wyrm.optim import Adagrad
    >>> rng = np.random.default_rng(0)
    >>> users, items = rng.integers(50, size=2000), rng.integers(20, size=2000)
    >>> items = items // 2 * 2 + users % 2                 # even users like even items
    >>> U, V = wyrm.ParameterNode(rng.normal(0, 0.1, (50, 8))), wyrm.ParameterNode(rng.normal(0, 0.1, (20, 8)))
    >>> user, item, negative = wyrm.IndexInputNode(0), wyrm.IndexInputNode(0), wyrm.IndexInputNode(0)
    >>> u = U.embedding(user)
    >>> loss = bpr(wyrm.vector_dot(u, V.embedding(item)), wyrm.vector_dot(u, V.embedding(negative)))
    >>> feed = PairFeed((users, items), user=user, item=item, negative=negative)
    >>> len(feed)
    2000
    >>> history = wyrm.Trainer(loss, Adagrad(0.1), n_threads=1).fit(feed, epochs=5)
    >>> scores = U.value @ V.value.T
    >>> bool((scores[0, ::2].mean() > scores[0, 1::2].mean()))
    True
    """

    def __cinit__(self, pairs, *, user, item, negative=None, label=None, n_negatives=1, n_items=None, double power=0.0,
                  reject=True):
        what = "PairFeed"
        if (negative is None) == (label is None):
            raise TypeError("PairFeed: expected either negative= (a node for the items drawn) or label=")
        self.user, self.item = index_node(what, "user", user), index_node(what, "item", item)
        self.negative = None if negative is None else index_node(what, "negative", negative)
        self.label = label
        if label is not None and (not isinstance(label, InputNode) or label.shape[1] != 1):
            raise TypeError("PairFeed: expected label= to be an InputNode of one column, got "
                            + (describe(label) if isinstance(label, InputNode) else type(label).__name__))
        if len(self.inputs()) < 3:
            raise ValueError("PairFeed: expected different nodes for user, item and negative")
        self.n_negatives = as_count(what, "n_negatives", n_negatives)
        users, items = pairs_of(what, pairs)
        if not len(users):
            raise ValueError("PairFeed: expected at least one pair, got none")
        self.high_user, self.high_item = users.max(), items.max()
        if n_items is None:
            n_items = max(pairs.shape[1] if hasattr(pairs, "tocoo") else 0, int(items.max()) + 1)
        n_items = as_count(what, "n_items", n_items)
        if n_items <= self.high_item:
            raise ValueError(f"PairFeed: expected n_items above every item, got {n_items} and item {self.high_item}")
        self.sampler = Sampler(counts_of(what, items, n_items) if power else np.broadcast_to(1, n_items), power)
        self.kept = [users, items]
        self.users, self.items = <const row_t*> address(users), <const row_t*> address(items)
        if reject is not False:
            known_users, known_items = (users, items) if reject is True else pairs_of(f"{what}: reject", reject)
            shape = (int(known_users.max(initial=0)) + 1, int(known_items.max(initial=0)) + 1)
            refuse_gaps(f"{what}: users", shape[0], len(known_users))
            known = scipy.sparse.csr_matrix((np.ones(len(known_users), bool), (known_users, known_items)), shape=shape)
            known.sum_duplicates()
            rows, starts = as_rows(what, known.indices), np.ascontiguousarray(known.indptr, dtype=np.int64)
            self.kept += [rows, starts]
            self.known, self.known_starts = <const row_t*> address(rows), <const int64_t*> address(starts)
            self.n_known = shape[0]
            self.refuse_full_users()
            if self.n_known * n_items <= WORTH_MARKING * len(rows):
                self.mark(n_items)
        self.width = 1 if label is None else 1 + self.n_negatives
        self.n_examples = len(users) * self.width
        self.high_item = max(self.high_item, n_items - 1) if label is not None else self.high_item
        self.random_access = True

    def inputs(self):
        """set of Node: the input nodes it fills."""
        return {self.user, self.item, self.negative if self.label is None else self.label}

    cdef int refuse_full_users(self) except -1:
        """Make sure that each user leaves an item to draw: drawing would not end otherwise."""
        cdef dim_t u, i, n
        cdef const uint8_t* drawable = self.sampler.sampler.drawable
        for u in range(self.n_known):
            n = 0
            for i in range(self.known_starts[u], self.known_starts[u + 1]):
                if self.known[i] < <int64_t> self.sampler.sampler.n and (drawable == NULL or drawable[self.known[i]]):
                    n += 1
            if n == self.sampler.n_drawable:
                raise ValueError(f"PairFeed: user {u} was seen with all {n} items that can be drawn, so there is no "
                                 f"negative to draw; leave such users out, raise n_items, or give reject=False")
        return 0

    cdef int mark(self, dim_t n_items) except -1:
        """Lay the known items down as bits, a row of them for each user."""
        cdef dim_t u, i
        cdef row_t item
        cdef uint8_t* marks
        self.mark_bytes = (n_items + 7) // 8
        kept = np.zeros(self.n_known * self.mark_bytes, dtype=np.uint8)
        marks = <uint8_t*> address(kept)
        for u in range(self.n_known):
            for i in range(self.known_starts[u], self.known_starts[u + 1]):
                item = self.known[i]
                if item < n_items:
                    marks[u * self.mark_bytes + (item >> 3)] |= <uint8_t> (1 << (item & 7))
        self.kept.append(kept)
        self.marks = marks
        return 0

    cdef inline bint is_known(self, row_t user, row_t item) noexcept nogil:
        """Whether the item is one of the known ones of a user below n_known."""
        cdef int64_t start
        if self.marks != NULL:
            return (self.marks[user * self.mark_bytes + (item >> 3)] >> (item & 7)) & 1
        start = self.known_starts[user]
        return holds(self.known + start, self.known_starts[user + 1] - start, item)

    cdef row_t draw_item(self, row_t user, uint64_t* state) noexcept nogil:
        """An item for the user, none that is known."""
        cdef row_t row = draw(&self.sampler.sampler, state)
        cdef dim_t tries = 0
        if self.known_starts == NULL or user >= self.n_known:
            return row
        while self.is_known(user, row):
            tries += 1
            row = draw(&self.sampler.sampler, state) if tries < TRIES else next_drawable(&self.sampler.sampler, row)
        return row

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef PairCursor cursor = PairCursor.__new__(PairCursor)
        cursor.feed = cursor.pairs = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.user = lookups_of(replica, leaves, self.user, self.high_user)
        cursor.item = lookups_of(replica, leaves, self.item, self.high_item)
        cursor.negative = lookups_of(replica, leaves, self.negative, <row_t> (self.sampler.sampler.n - 1))
        if self.label is not None and self.label in leaves:
            cursor.label = replica.inputs + <dim_t> leaves[self.label]
        cursor.reserve(self.n_negatives)
        return cursor


cdef class PairCursor(Cursor):
    """One thread's way through a PairFeed."""

    def __dealloc__(self):
        wyrm_free(self.block)

    cdef int reserve(self, dim_t n_negatives) except -1:
        """Room for two batches, the one laid down and the next."""
        cdef dim_t b = self.batch_size, i, j
        cdef row_t* at
        if n_negatives > MOST_ROWS // b:
            raise ValueError(f"PairFeed: {n_negatives} negatives for each of {b} pairs are too many for one batch")
        at = <row_t*> wyrm_alloc((2 * b * (3 + n_negatives) + 2 * (b + 1)) * sizeof(row_t))
        if at == NULL:
            raise MemoryError("no memory for a cursor")
        self.block = at
        for i in range(2):
            self.batches[i].users = at
            self.batches[i].items = at + b
            self.batches[i].labels = <float*> (at + 2 * b)
            self.batches[i].negatives = at + 3 * b
            self.batches[i].n = 0
            at += b * (3 + n_negatives)
        self.bags = at
        self.negative_bags = at + b + 1
        for j in range(b + 1):
            self.bags[j] = <row_t> j
            self.negative_bags[j] = <row_t> (j * n_negatives)
        return 0

    cdef dim_t next(self) noexcept nogil:
        cdef dim_t n = Cursor.next(self)
        cdef pairs_t* coming
        if self.batch_size == 1 and self.at < self.end:
            coming = self.batches + 1 - self.current
            self.prepare(coming, self.at, 1)
            fetch(self.user, coming.users, 1, self.replica.trains)
            fetch(self.item, coming.items, 1, self.replica.trains)
            if self.negative.index != NULL:
                fetch(self.negative, coming.negatives, self.pairs.n_negatives, self.replica.trains)
        return n

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        cdef dim_t k = self.pairs.n_negatives
        cdef pairs_t* batch
        self.current = 1 - self.current
        batch = self.batches + self.current
        if batch.first != first or batch.n != n:
            self.prepare(batch, first, n)
        lay_bags(self.user, batch.users, self.bags, n, n, n == 1)
        lay_bags(self.item, batch.items, self.bags, n, n, n == 1)
        lay_bags(self.negative, batch.negatives, self.negative_bags, n * k, n,
                 n == 1 and are_distinct(batch.negatives, k))
        if self.label != NULL:
            self.label.value = batch.labels
            self.label.rows = n
            self.label.version += 1
        return n

    cdef void prepare(self, pairs_t* batch, dim_t first, dim_t n) noexcept nogil:
        """Draw the examples at n places of the epoch's order, from `first` on."""
        cdef dim_t j, i, example, pair
        cdef uint64_t state
        batch.first = first
        batch.n = n
        for j in range(n):
            self.look_ahead(first + j, max(self.end, first + n))
            example = example_at(self.pairs, first + j)
            state = random_at(self.pairs.stream, example)
            pair = self.pair_of(example)
            batch.users[j] = self.pairs.users[pair]
            batch.items[j] = self.pairs.items[pair]
            if self.pairs.width == 1:
                for i in range(self.pairs.n_negatives):
                    batch.negatives[j * self.pairs.n_negatives + i] = self.pairs.draw_item(batch.users[j], &state)
            else:
                batch.labels[j] = 1
                if example != pair * self.pairs.width:
                    batch.items[j] = self.pairs.draw_item(batch.users[j], &state)
                    batch.labels[j] = 0

    cdef void look_ahead(self, dim_t place, dim_t end) noexcept nogil:
        """Start fetching what coming examples, at places below `end`, are made of.

        One after the other: the pair; where its user's known items are, and what is drawn from; these items, or the
        bit of the first draw.
        """
        cdef const int64_t* starts
        cdef dim_t pair
        cdef uint64_t state
        cdef row_t user
        if place + 3 * AHEAD < end and self.pairs.order != NULL:
            pair = self.pair_of(self.pairs.order[place + 3 * AHEAD])
            wyrm_prefetch(self.pairs.users + pair, sizeof(row_t))
            wyrm_prefetch(self.pairs.items + pair, sizeof(row_t))
        if place + 2 * AHEAD < end:
            state = random_at(self.pairs.stream, example_at(self.pairs, place + 2 * AHEAD))
            fetch_draws(&self.pairs.sampler.sampler, state, self.pairs.n_negatives)
            user = self.user_at(place + 2 * AHEAD)
            if user < self.pairs.n_known and self.pairs.marks == NULL:
                wyrm_prefetch(self.pairs.known_starts + user, 2 * sizeof(int64_t))
        if place + AHEAD < end:
            user = self.user_at(place + AHEAD)
            if user < self.pairs.n_known and self.pairs.marks != NULL:
                state = random_at(self.pairs.stream, example_at(self.pairs, place + AHEAD))
                wyrm_prefetch(self.pairs.marks + user * self.pairs.mark_bytes
                              + (draw(&self.pairs.sampler.sampler, &state) >> 3), 1)
            elif user < self.pairs.n_known:
                starts = self.pairs.known_starts + user
                wyrm_prefetch(self.pairs.known + starts[0], min(starts[1] - starts[0], 64) * sizeof(row_t))

    cdef inline row_t user_at(self, dim_t place) noexcept nogil:
        return self.pairs.users[self.pair_of(example_at(self.pairs, place))]

    cdef inline dim_t pair_of(self, dim_t example) noexcept nogil:
        return example if self.pairs.width == 1 else example // self.pairs.width
