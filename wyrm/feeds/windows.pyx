"""A feed of tokens and their neighbours in a stream: the data of word2vec.

A cursor reads its share of the stream in chunks, leaves out some frequent tokens, and lays down one centre after
another. Every random choice depends on the seed, the epoch and the place in the stream alone, so neighbours beyond the
end of a share are those that the thread next door sees, and an epoch has the same examples for any number of threads.
"""

import numpy as np

from libc.string cimport memcpy, memset
from wyrm.errors import describe
from wyrm.feeds.prepare import as_count, as_rows, as_starts, counts_of, dense_column, index_node
from wyrm.feeds.base cimport address
from wyrm.feeds.lookups cimport are_distinct, fetch, lay_bags, lookups_of
from wyrm.feeds.sampling cimport below, draw, fetch_draws, next_drawable, next_random, random_at, sampler_t
from wyrm.leaf cimport InputNode
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.replica cimport Replica

cdef enum:
    CHUNK = 1024                 # places of the stream that a cursor reads at a time
    MOST_TARGETS = 1 << 26       # of a window
    TRIES = 64                   # draws for a negative other than the centre, before the next larger one is taken


def keep_thresholds(counts, double sample):
    """Of 2^32 random numbers, up to which a token stays in: those of word2vec, (sqrt(f / t) + 1) t / f.

    (Mikolov's word2vec.c; the formula in its paper differs.) f is the frequency of the token, t = sample.
    """
    counts = np.asarray(counts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = sample * (counts.sum() / counts)
        return (np.fmin(np.sqrt(ratio) + ratio, 1.0) * 0xFFFFFFFF).astype(np.uint32)


cdef class WindowFeed(Feed):
    """Tokens of a stream, each with its neighbours and some tokens drawn at random.

    An example is one token, the centre, unless it is left out or has no neighbours. For the m neighbours of a centre it
    lays down what skip-gram with negative sampling shared by a window, CBOW and hierarchical softmax need; a step of
    training is one centre, so the trainer's batch size must be 1.

    Parameters
    ----------
    tokens : array_like of int, shape (n,)
        The stream, token numbers from 0. An array of int32 is not copied, and may be a memory map.
    context : IndexInputNode
        Takes the neighbours: one bag of m, in the order of the stream.
    output : IndexInputNode
        Takes the centre and then the negatives: one bag of ``1 + n_negatives``.
    target : InputNode of ``1 + n_negatives`` columns
        Takes what each neighbour (row) should say of each output (column): 1 in the first column, 0 elsewhere. Shape
        (m, 1 + n_negatives), or with `cbow` (1, 1 + n_negatives). With `paths`, of one column: see there.
    starts : array_like of int, shape (n_sentences + 1,), optional
        Where sentences start, with the end of the last; windows end there. Default: one long sentence.
    counts : array_like, shape (n_tokens,), optional
        How often each token occurs; default: as in `tokens`.
    window : int, default 5
        Neighbours on each side at most.
    shrink_windows : bool, default True
        Draw the size of each window from 1 to `window`, which weighs near neighbours more.
    n_negatives : int, default 5
        Tokens drawn for each centre, other than the centre.
    power : float, default 0.75
        Negatives are drawn in proportion to ``count ** power``.
    sample : float, default 1e-3
        Leaves out tokens more frequent than this at random, before windows are cut: a token of frequency f stays with
        probability ``sqrt(sample / f) + sample / f``. 0 keeps all.
    cbow : bool, default False
        Targets for the mean of the context, one row, instead of a row for each neighbour.
    paths : (rows, targets, starts), optional
        Output rows of each token's own, instead of the centre and negatives: entries ``starts[w]`` to ``starts[w + 1]``
        of `rows` and `targets` are laid down as output and target, a column, when token w is the centre; without any, w
        is no centre. For hierarchical softmax: the inner nodes of a Huffman tree on the way to w, and the turns taken.

    Attributes
    ----------
    n_examples : int
        Places in the stream, n; fewer of them become centres.
    n_pairs : int
        Pairs of centre and neighbour laid down in the last epoch.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If there is no token, sizes don't fit, or there is only one token to draw.
    IndexError
        If a token or a row of a path is negative or too large.

    Notes
    -----
    The graphs, with ``V`` and ``O`` the tables of neighbours and outputs:

    - skip-gram: ``logistic(V.embedding(context) @ O.embedding(output).T, target)``;
    - CBOW: ``logistic(V.embedding_bag(context, mode="mean") @ O.embedding(output).T, target)``;
    - skip-gram with paths, targets -1 and 1:
      ``(-target * (O.embedding(output) @ V.embedding(context).T)).softplus()``.

    A loss is then the sum over a window; ``n_pairs`` helps to turn it into a mean by pair.

    References
    ----------
    Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words and phrases and their
    compositionality", NeurIPS 2013. Negatives shared by a window: Ji, Satish, Li and Dubey, "Parallelizing word2vec in
    shared and distributed memory", IEEE TPDS 2019.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.feeds import WindowFeed
    >>> from wyrm.nn.losses import logistic
    >>> from wyrm.optim import SGD
    >>> tokens = np.random.default_rng(0).integers(0, 100, 5000) // 10 * 10      # ten tokens
    >>> V, O = wyrm.ParameterNode(np.full((100, 8), 0.1)), wyrm.ParameterNode(np.zeros((100, 8)))
    >>> context, output = wyrm.IndexInputNode([0]), wyrm.IndexInputNode(range(6))
    >>> target = wyrm.InputNode(np.zeros((1, 6)))
    >>> loss = logistic(V.embedding(context) @ O.embedding(output).T, target)
    >>> feed = WindowFeed(tokens, context=context, output=output, target=target, sample=0)
    >>> history = wyrm.Trainer(loss, SGD(0.05), n_threads=1).fit(feed, epochs=2)
    >>> history.loss[1] < history.loss[0]
    True
    """

    def __cinit__(self, tokens, *, context, output, target, starts=None, counts=None, window=5, shrink_windows=True,
                  n_negatives=5, double power=0.75, double sample=1e-3, cbow=False, paths=None):
        what = "WindowFeed"
        self.context, self.output = index_node(what, "context", context), index_node(what, "output", output)
        if context is output:
            raise ValueError("WindowFeed: expected different nodes for context and output")
        if not isinstance(target, InputNode):
            raise TypeError(f"WindowFeed: expected target= to be an InputNode, got {type(target).__name__}")
        self.target = target
        self.window = as_count(what, "window", window)
        self.n_negatives = 0 if paths is not None else as_count(what, "n_negatives", n_negatives)
        if self.window > MOST_TARGETS // (2 * (1 + self.n_negatives)):
            raise ValueError(f"WindowFeed: a window of {window} on each side with {n_negatives} negatives has too many "
                             f"targets, more than {MOST_TARGETS}")
        if not 0 <= sample < np.inf:
            raise ValueError(f"WindowFeed: expected sample from 0, got {sample}")
        if target.shape[1] != 1 + self.n_negatives:
            raise ValueError(f"WindowFeed: expected a target of {1 + self.n_negatives} columns, got {describe(target)}")
        self.shrink_windows, self.cbow = bool(shrink_windows), bool(cbow)
        self.kept, self.cursors = [], []
        counts = self.read_tokens(tokens, starts, counts, sample)
        if paths is not None:
            self.read_paths(paths)
        else:
            self.sampler = Sampler(counts, power)
            if self.sampler.n_drawable < 2:
                raise ValueError("WindowFeed: expected at least two different tokens, to have negatives to draw")
            self.high_output = self.n_tokens - 1
            ones_first = np.zeros((2 * self.window, 1 + self.n_negatives), dtype=np.float32)
            ones_first[:, 0] = 1
            self.kept.append(ones_first)
            self.ones_first = <const float*> address(ones_first)
        self.in_order = True

    cdef object read_tokens(self, object tokens, object starts, object counts, double sample):
        """Take over the stream; the counts of its tokens."""
        what = "WindowFeed: tokens"
        rows = as_rows(what, tokens)
        if rows.ndim != 1 or not rows.size:
            raise ValueError(f"{what}: expected an array (n,) with n >= 1, got shape {rows.shape}")
        high = int(rows.max())
        if counts is None:
            counts = counts_of(what, rows, high + 1)
        counts = np.asarray(counts)
        if counts.ndim != 1 or counts.dtype.kind not in "fiu" or not (np.isfinite(counts) & (counts >= 0)).all():
            raise ValueError("WindowFeed: expected counts (n_tokens,) of finite numbers from 0")
        if high >= len(counts):
            raise IndexError(f"{what}: token {high} is out of range for {len(counts)} counts")
        self.n_tokens = len(counts)
        self.tokens = <const row_t*> address(rows)
        self.n_examples = len(rows)
        starts = as_starts("WindowFeed: starts", [0, len(rows)] if starts is None else starts, len(rows))
        self.starts = <const int64_t*> address(starts)
        self.n_sentences = len(starts) - 1
        self.kept += [rows, starts]
        if sample > 0:
            keep = keep_thresholds(counts, sample)
            self.kept.append(keep)
            self.keep = <const uint32_t*> address(keep)
        return counts

    cdef int read_paths(self, object paths) except -1:
        what = "WindowFeed: paths"
        if not isinstance(paths, tuple) or len(paths) != 3:
            raise TypeError(f"{what}: expected (rows, targets, starts), got {type(paths).__name__}")
        rows = as_rows(what, paths[0])
        targets = dense_column(self.target, paths[1])
        starts = as_starts(what, paths[2], len(rows))
        if rows.ndim != 1 or len(targets) != len(rows):
            raise ValueError(f"{what}: expected as many targets as rows, got {len(targets)} and shape {rows.shape}")
        if len(starts) != self.n_tokens + 1:
            raise ValueError(f"{what}: expected {self.n_tokens + 1} starts, one more than there are tokens, "
                             f"got {len(starts)}")
        self.high_output = rows.max(initial=0)
        self.kept += [rows, targets, starts]
        self.paths.rows = <const row_t*> address(rows)
        self.paths.targets = <const float*> address(targets)
        self.paths.starts = <const int64_t*> address(starts)
        return 0

    def inputs(self):
        """set of Node: the input nodes it fills."""
        return {self.context, self.output, self.target}

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef WindowCursor cursor
        if batch_size != 1:
            raise ValueError(f"WindowFeed: a step is one window, so the batch size must be 1, not {batch_size}")
        cursor = WindowCursor.__new__(WindowCursor)
        cursor.feed = cursor.source = self
        cursor.replica = replica
        cursor.batch_size = 1
        cursor.context = lookups_of(replica, leaves, self.context, self.n_tokens - 1)
        cursor.output = lookups_of(replica, leaves, self.output, self.high_output)
        if self.target in leaves:
            cursor.target = replica.inputs + <dim_t> leaves[self.target]
        cursor.reserve()
        self.cursors.append(cursor)
        return cursor

    cdef object finish(self):
        cdef WindowCursor cursor
        self.n_pairs = 0
        for cursor in self.cursors:
            self.n_pairs += cursor.n_pairs
        self.cursors = []
        return None


cdef class WindowCursor(Cursor):
    """One thread's way through a WindowFeed."""

    def __dealloc__(self):
        cdef int i
        for i in range(2):
            wyrm_free(self.windows[i].context)
            wyrm_free(self.windows[i].output)
        wyrm_free(self.kept)
        wyrm_free(self.offsets)
        wyrm_free(self.ends)

    cdef int reserve(self) except -1:
        cdef int i
        for i in range(2):
            self.windows[i].context = <row_t*> wyrm_alloc(2 * self.source.window * sizeof(row_t))
            self.windows[i].output = <row_t*> wyrm_alloc((1 + self.source.n_negatives) * sizeof(row_t))
            if self.windows[i].context == NULL or self.windows[i].output == NULL:
                raise MemoryError("no memory for a cursor")
        self.kept = <row_t*> wyrm_alloc((2 * self.source.window + CHUNK) * sizeof(row_t))
        self.offsets = <int32_t*> wyrm_alloc(CHUNK * sizeof(int32_t))
        self.ends = <dim_t*> wyrm_alloc((CHUNK + 1) * sizeof(dim_t))
        if self.kept == NULL or self.offsets == NULL or self.ends == NULL:
            raise MemoryError("no memory for a cursor")
        memset(self.kept, 0, (2 * self.source.window + CHUNK) * sizeof(row_t))
        return 0

    # --- Examples ------------------------------------------------------------------------------------------------

    cdef dim_t next(self) noexcept nogil:
        cdef window_t* window
        cdef window_t* coming
        cdef uint64_t state
        if not self.ready and not self.prepare(self.windows + 1 - self.current):
            self.beside = self.passed
            self.passed = 0
            return 0
        self.current = 1 - self.current
        window = self.windows + self.current
        coming = self.windows + 1 - self.current
        self.first = window.place
        self.beside = window.passed - 1
        self.context_bag[1] = <row_t> window.m
        self.output_bag[1] = <row_t> window.n_output
        lay_bags(self.context, window.context, self.context_bag, window.m, 1, are_distinct(window.context, window.m))
        lay_bags(self.output, window.rows, self.output_bag, window.n_output, 1,
                 are_distinct(window.rows, window.n_output))
        if self.target != NULL:
            self.target.value = <float*> window.target
            self.target.rows = window.n_targets
            self.target.version += 1
        self.n_pairs += window.m
        self.ready = self.prepare(coming)
        if self.ready:
            # A neighbour is new when the window reaches it; the others have been looked up before.
            if coming.at + self.source.window < self.n_kept:
                fetch(self.context, self.kept + coming.at + self.source.window, 1)
            fetch(self.output, coming.rows, coming.n_output)
            if self.centre < self.n_centres and self.source.sampler is not None:
                state = random_at(self.source.stream, self.chunk_begin + self.offsets[self.centre])
                if self.source.shrink_windows:
                    next_random(&state)
                fetch_draws(&self.source.sampler.sampler, state, self.source.n_negatives)
        return 1

    cdef bint prepare(self, window_t* window) noexcept nogil:
        """Find the next example; false when there is none."""
        cdef dim_t place
        while True:
            while self.centre < self.n_centres:
                place = self.chunk_begin + self.offsets[self.centre]
                self.passed += place - self.last
                self.last = place
                self.centre += 1
                if self.cut(window, self.source.window + self.centre - 1):
                    window.place = place
                    window.passed = self.passed
                    self.passed = 0
                    return True
            if self.chunk_end:
                self.passed += self.chunk_end - 1 - self.last
            self.chunk_end = 0
            if self.at >= self.end and not self.take():
                return False
            self.read_chunk()

    cdef bint cut(self, window_t* window, dim_t at) noexcept nogil:
        """Make an example of the token at `at` in `kept`; false where there is none to make."""
        cdef uint64_t state = random_at(self.source.stream, self.chunk_begin + self.offsets[at - self.source.window])
        cdef dim_t reach = self.source.window
        cdef dim_t begin, end
        cdef row_t centre = self.kept[at]
        while self.ends[self.sentence] <= at:
            self.sentence_begin = self.ends[self.sentence]
            self.sentence += 1
        if self.source.shrink_windows:
            reach = 1 + below(<uint32_t> reach, &state)
        begin = max(at - reach, self.sentence_begin)
        end = min(at + reach + 1, self.ends[self.sentence])
        window.at = at
        window.m = end - begin - 1
        # Whole windows, which costs less than lengths nobody can predict; the right half overwrites what is too much.
        memcpy(window.context, self.kept + begin, self.source.window * sizeof(row_t))
        memcpy(window.context + at - begin, self.kept + at + 1, self.source.window * sizeof(row_t))
        if self.source.paths.starts == NULL:
            self.draw_negatives(window.output, centre, &state)
            window.rows = window.output
            window.n_output = 1 + self.source.n_negatives
            window.target = self.source.ones_first
            window.n_targets = 1 if self.source.cbow else window.m
        else:
            window.rows = self.source.paths.rows + self.source.paths.starts[centre]
            window.target = self.source.paths.targets + self.source.paths.starts[centre]
            window.n_output = window.n_targets = self.source.paths.starts[centre + 1] - self.source.paths.starts[centre]
        return window.m > 0 and window.n_output > 0

    cdef void draw_negatives(self, row_t* output, row_t centre, uint64_t* state) noexcept nogil:
        """The centre, then tokens other than it."""
        cdef sampler_t* sampler = &self.source.sampler.sampler
        cdef dim_t i, tries
        output[0] = centre
        for i in range(1, 1 + self.source.n_negatives):
            output[i] = draw(sampler, state)
            tries = 0
            while output[i] == centre:
                tries += 1
                output[i] = draw(sampler, state) if tries < TRIES else next_drawable(sampler, centre)

    # --- The stream ----------------------------------------------------------------------------------------------

    cdef inline bint stays(self, dim_t place) noexcept nogil:
        """Whether the token at a place is not left out."""
        cdef row_t token = self.source.tokens[place]
        return self.source.keep == NULL or <uint32_t> random_at(self.source.stream, place) <= self.source.keep[token]

    cdef void read_chunk(self) noexcept nogil:
        """Read the next places of the share, and around them as many tokens as windows reach."""
        cdef const int64_t* starts = self.source.starts
        cdef dim_t begin = self.at, end = min(self.at + CHUNK, self.end)
        cdef dim_t low = 0, high = self.source.n_sentences, middle, place, n, found
        self.chunk_begin, self.chunk_end = begin, end
        self.at = end
        self.last = begin - 1
        # The sentence of the first place: the last that starts at or before it.
        while high - low > 1:
            middle = (low + high) // 2
            if starts[middle] <= begin:
                low = middle
            else:
                high = middle
        found = 0
        place = begin - 1
        while place >= starts[low] and found < self.source.window:
            if self.stays(place):
                found += 1
                self.kept[self.source.window - found] = self.source.tokens[place]
            place -= 1
        self.sentence_begin = self.source.window - found
        self.sentence = 0
        n = 0
        found = 0                # sentences that have ended
        for place in range(begin, end):
            while place == starts[low + 1]:
                low += 1
                if found == 0 or self.ends[found - 1] != self.source.window + n:
                    self.ends[found] = self.source.window + n
                    found += 1
            self.kept[self.source.window + n] = self.source.tokens[place]
            self.offsets[n] = <int32_t> (place - begin)
            n += self.stays(place)
        self.centre = 0
        self.n_centres = n
        place = end
        while place < starts[low + 1] and n < self.n_centres + self.source.window:
            self.kept[self.source.window + n] = self.source.tokens[place]
            n += self.stays(place)
            place += 1
        self.n_kept = self.ends[found] = self.source.window + n
