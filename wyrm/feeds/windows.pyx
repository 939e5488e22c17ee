"""A feed of tokens and their neighbours in a stream: the data of word2vec."""

import numpy as np

from libc.stdint cimport int64_t, uint32_t
from wyrm.errors import describe
from wyrm.feeds.prepare import as_count, as_rows, as_starts, counts_of, dense_column, index_node
from wyrm.feeds.base cimport Cursor, address
from wyrm.feeds.lookups cimport lookups_of
from wyrm.feeds.tokens cimport ArrayTokens, TokenStream
from wyrm.feeds.window_cursor cimport WindowCursor
from wyrm.feeds.sampling cimport Sampler
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.leaf cimport InputNode
from wyrm.replica cimport Replica

cdef enum:
    MOST_TARGETS = 1 << 26       # of a window
    RECENT = 50                  # for each negative of a window, draws among which it is chosen


def keep_thresholds(counts, double sample):
    """Of 2^32 random numbers, up to which a token stays in: those of word2vec, (sqrt(f / t) + 1) t / f.

    (Mikolov's word2vec.c; the formula in its paper differs.) f is the frequency of the token, t = sample.
    """
    counts = np.asarray(counts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = sample * (counts.sum() / counts)
        return (np.fmin(np.sqrt(ratio) + ratio, 1.0) * 0xFFFFFFFF).astype(np.uint32)


cdef object input_node(str name, object node, dim_t cols):
    if not isinstance(node, InputNode):
        raise TypeError(f"WindowFeed: expected {name}= to be an InputNode, got {type(node).__name__}")
    if node.shape[1] != cols:
        raise ValueError(f"WindowFeed: expected a {name} of {cols} columns, got {describe(node)}")
    return node


cdef class WindowFeed(Feed):
    """Tokens of a stream, each with its neighbours and some tokens drawn at random.

    An example is one token, the centre, unless it is left out or has no neighbours. For the m neighbours of a centre it
    lays down what skip-gram, CBOW, negative sampling and hierarchical softmax need; the notes have the graphs.

    Parameters
    ----------
    tokens : array_like of int, shape (n,), or TokenStream
        The stream, token numbers from 0. An array of int32 is not copied, and may be a memory map. A stream, such as
        :class:`wyrm.text.TextTokens` of a file, needs `counts`.
    context : IndexInputNode
        Takes the neighbours: a bag for each centre, in the order of the stream.
    output : IndexInputNode, optional
        Takes the centre and then the negatives: ``1 + n_negatives`` rows, in a batch those of one centre after the
        other.
    target : InputNode of ``1 + n_negatives`` columns, optional
        Goes with `output`. Takes what each neighbour (row) should say of each output (column): 1 in the first column,
        0 elsewhere. Shape (m, 1 + n_negatives), or with `cbow` (batch, 1 + n_negatives).
    path, turn : IndexInputNode and InputNode of one column, optional
        Take what `paths` has for the centre.
    paths : (rows, turns, starts), optional
        For each token rows and turns of its own: entries ``starts[w]`` to ``starts[w + 1]`` are laid down as `path` and
        `turn`, a column, when token w is the centre; without any, w is no centre. For hierarchical softmax: the inner
        nodes of a Huffman tree on the way to w, and the turns taken.
    starts : array_like of int, shape (n_sentences + 1,), optional
        Where sentences start, with the end of the last; windows end there. Default: one long sentence.
    counts : array_like, shape (n_tokens,), optional
        How often each token occurs; default: as in `tokens`.
    window : int, default 5
        Neighbours on each side at most.
    shrink_windows : bool, default True
        Draw the size of each window from 1 to `window`, which weighs near neighbours more. In the epochs that follow, a
        place has the other sizes in turn.
    n_negatives : int, default 5
        Tokens drawn for each centre, other than it.
    power : float, default 0.75
        Negatives are drawn in proportion to ``count ** power``.
    sample : float, default 1e-3
        Leaves out tokens more frequent than this at random, before windows are cut: a token of frequency f stays with
        probability ``sqrt(sample / f) + sample / f``, which each place follows over the epochs too. 0 keeps all.
    cbow : bool, default False
        Targets for the mean of the context, one row, instead of a row for each neighbour. Without `path`, the batch
        size may then be any.
    by_pair : bool, default False
        Draw negatives for each neighbour. `context` takes each of the m neighbours ``1 + n_negatives`` times in a row,
        `output` the centre and the negatives of each in turn, and `target`, of one column, 1 and then ``n_negatives``
        times 0. `reuse` has no effect then.
    reuse : int, default 1
        How many windows take a drawn token as a negative, on average. From 2 on, each window chooses among the last
        draws, 50 times as many as it needs or more, at random. A negative is as likely to be a token as without, those
        of neighbouring windows differ, and most of their rows are still in the cache: worth it where the table is not.

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
        If there is no token, sizes or nodes don't fit, or there is only one token to draw.
    IndexError
        If a token or a row of a path is negative or too large.

    Notes
    -----
    The graphs, with ``V`` and ``O`` the tables of neighbours and outputs:

    - skip-gram: ``logistic(V.embedding(context) @ O.embedding(output).T, target)``;
    - CBOW: ``logistic(vector_dot(V.embedding_bag(context, mode="mean"), O.embedding(output)), target)``;
    - skip-gram `by_pair`: ``logistic(vector_dot(V.embedding(context), O.embedding(output)), target)``;
    - skip-gram with paths, turns -1 and 1:
      ``(-turn * (O.embedding(path) @ V.embedding(context).T)).softplus()``.

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

    def __cinit__(self, tokens, *, context, output=None, target=None, path=None, turn=None, paths=None,
                  starts=None, counts=None, window=5, shrink_windows=True, n_negatives=5, double power=0.75,
                  double sample=1e-3, cbow=False, by_pair=False,
                  reuse=1):
        what = "WindowFeed"
        self.choices.has_output = output is not None
        self.choices.by_pair = bool(by_pair)
        self.choices.shrink_windows, self.choices.cbow = bool(shrink_windows), bool(cbow)
        self.choices.window = as_count(what, "window", window)
        reuse = as_count(what, "reuse", reuse)
        self.choices.n_negatives = as_count(what, "n_negatives", n_negatives) if output is not None else 0
        if self.choices.window > MOST_TARGETS // (2 * (1 + self.choices.n_negatives)):
            raise ValueError(f"WindowFeed: a window of {window} on each side with {n_negatives} negatives has too many "
                             f"targets, more than {MOST_TARGETS}")
        if not 0 <= sample < np.inf:
            raise ValueError(f"WindowFeed: expected sample from 0, got {sample}")
        if (path is None) != (turn is None) or (path is None) != (paths is None):
            raise ValueError("WindowFeed: path=, turn= and paths= go together")
        if (output is None) != (target is None):
            raise ValueError("WindowFeed: output= and target= go together")
        if output is None and (path is None or by_pair):
            raise ValueError("WindowFeed: expected output= and target=, or path=")
        if by_pair and (path is not None or cbow):
            raise ValueError("WindowFeed: negatives by pair are for skip-gram with target= alone")
        self.context = index_node(what, "context", context)
        self.output = None if output is None else index_node(what, "output", output)
        self.path = None if path is None else index_node(what, "path", path)
        nodes = [node for node in (self.context, self.output, self.path) if node is not None]
        if len(set(nodes)) < len(nodes):
            raise ValueError("WindowFeed: expected different nodes for context, output and path")
        if target is not None:
            self.target = input_node("target", target, 1 if by_pair else 1 + self.choices.n_negatives)
        if turn is not None:
            self.turn = input_node("turn", turn, 1)
        self.kept, self.cursors = [], []
        self.tokens = tokens if isinstance(tokens, TokenStream) else ArrayTokens(tokens, starts)
        if isinstance(tokens, TokenStream) and (counts is None or starts is not None):
            raise ValueError("WindowFeed: a stream knows its sentences, and needs counts=")
        self.n_examples = self.tokens.n_places
        if counts is None:
            counts = counts_of("WindowFeed: tokens", (<ArrayTokens> self.tokens).rows, self.tokens.n_tokens)
        self.read_counts(counts, sample)
        if output is not None:
            self.read_outputs(counts, n_negatives, power)
            self.read_reuse(counts, reuse)
        if paths is not None:
            self.read_paths(paths)
        self.in_order = self.scattered = True

    @property
    def unit(self):
        """str: bytes of a text, or tokens; those that are left out count too."""
        return "bytes" if self.tokens.spacing > 1 else "tokens"

    cdef int read_counts(self, object counts, double sample) except -1:
        counts = np.asarray(counts)
        if counts.ndim != 1 or counts.dtype.kind not in "fiu" or not (np.isfinite(counts) & (counts >= 0)).all():
            raise ValueError("WindowFeed: expected counts (n_tokens,) of finite numbers from 0")
        if self.tokens.n_tokens > len(counts):
            raise IndexError(f"WindowFeed: tokens: token {self.tokens.n_tokens - 1} is out of range for "
                             f"{len(counts)} counts")
        self.n_tokens = len(counts)
        if sample > 0:
            self.keep = keep_thresholds(counts, sample)
            self.by_chance = True
        return 0

    cdef int read_outputs(self, object counts, object n_negatives, double power) except -1:
        self.sampler = Sampler(counts, power)
        if self.sampler.n_drawable < 2:
            raise ValueError("WindowFeed: expected at least two different tokens, to have negatives to draw")
        self.choices.sampler = &self.sampler.sampler
        return 0

    cdef int read_reuse(self, object counts, dim_t reuse) except -1:
        if reuse == 1 or self.choices.by_pair:
            return 0
        counts = np.asarray(counts, dtype=np.float64)
        kept = 1.0 if self.keep is None else (counts / counts.sum() * (self.keep / 0xFFFFFFFF)).sum()
        self.choices.pace = kept / self.tokens.spacing * self.choices.n_negatives / reuse
        self.choices.n_recent = 1
        while self.choices.n_recent < max(2 * self.choices.n_negatives, min(RECENT * self.choices.n_negatives, 4096)):
            self.choices.n_recent *= 2
        return 0

    cdef object ones_first(self, dim_t rows):
        """The targets of so many rows: 1 for the centre, 0 for negatives."""
        targets = np.zeros((rows, 1 + self.choices.n_negatives), dtype=np.float32)
        targets[:, 0] = 1
        return targets

    cdef int read_paths(self, object paths) except -1:
        what = "WindowFeed: paths"
        if not isinstance(paths, tuple) or len(paths) != 3:
            raise TypeError(f"{what}: expected (rows, turns, starts), got {type(paths).__name__}")
        rows = np.array(as_rows(what, paths[0]))
        turns = np.array(dense_column(self.turn, paths[1]))
        starts = np.array(as_starts(what, paths[2], len(rows)))
        if rows.ndim != 1 or len(turns) != len(rows):
            raise ValueError(f"{what}: expected as many turns as rows, got {len(turns)} and shape {rows.shape}")
        if len(starts) != self.n_tokens + 1:
            raise ValueError(f"{what}: expected {self.n_tokens + 1} starts, one more than there are tokens, "
                             f"got {len(starts)}")
        self.high_path = rows.max(initial=0)
        self.kept += [rows, turns, starts]
        self.choices.paths.rows = <const row_t*> address(rows)
        self.choices.paths.turns = <const float*> address(turns)
        self.choices.paths.starts = <const int64_t*> address(starts)
        return 0

    def _refuse_changes(self):
        if isinstance(self.tokens, ArrayTokens):
            self.tokens._refuse_changes()

    def inputs(self):
        """set of Node: the input nodes it fills."""
        return {self.context, self.output, self.target, self.path, self.turn} - {None}

    cdef int start(self, object order, dim_t n_threads, dim_t batch_size) except -1:
        Feed.start(self, order, n_threads, batch_size)
        self.share = self.tokens.share(n_threads)
        return 0

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef WindowCursor cursor
        if batch_size != 1 and not (self.choices.cbow and self.path is None):
            raise ValueError(f"WindowFeed: a step is one window, so the batch size must be 1, not {batch_size}; only "
                             f"with cbow=True and without path= there are batches")
        cursor = WindowCursor.__new__(WindowCursor)
        cursor.feed = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.choices = self.choices
        cursor.choices.batch_size = batch_size
        ones_first = self.ones_first(max(batch_size, 2 * self.choices.window))
        cursor.choices.ones_first = <const float*> address(ones_first)
        cursor.kept = (self.kept, self.sampler, self.keep, ones_first)
        cursor.reader = self.tokens.reader()
        cursor.context = lookups_of(replica, leaves, self.context, self.n_tokens - 1)
        cursor.output = lookups_of(replica, leaves, self.output, self.n_tokens - 1)
        cursor.path = lookups_of(replica, leaves, self.path, self.high_path)
        if self.target in leaves:
            cursor.target = replica.inputs + <dim_t> leaves[self.target]
        if self.turn in leaves:
            cursor.turn = replica.inputs + <dim_t> leaves[self.turn]
        cursor.reserve()
        if self.keep is not None:
            cursor.chunk.keep = <const uint32_t*> address(self.keep)
        self.cursors.append(cursor)
        return cursor

    cdef object finish(self):
        cdef WindowCursor cursor
        failure = None
        self.n_pairs = 0
        for cursor in self.cursors:
            self.n_pairs += cursor.n_pairs
            reason = cursor.reader.finish()
            failure = reason if failure is None else failure
        self.cursors = []
        return failure
