"""What it costs to lay down an example, in ns, without training: a step is one example of a feed.

Tables have the sizes that the ids ask for, since feeds fetch ahead the rows of tables larger than the caches.
"""

import numpy as np
import pytest
import scipy.sparse

import wyrm
from wyrm.feeds import ArrayFeed, IterableFeed, PairFeed, WindowFeed
from wyrm.feeds.preview import Reader
from wyrm.nn.losses import bpr, logistic

SIZES = {"small": 1_000, "regular": 50_000, "large": 1_000_000}  # rows of the tables
N = 500_000


@pytest.fixture(params=SIZES)
def size(request):
    return SIZES[request.param]


@pytest.fixture
def n(measuring):
    return N if measuring else 2_000


def exhaust(feed, loss, n, batch_size=1, shuffle=True):
    """Go through an epoch of n examples."""
    reader = Reader(feed, loss, batch_size, 0, 0, shuffle)
    assert reader.exhaust() == n
    reader.finish()


def table(rows, cols=16):
    return wyrm.ParameterNode(np.zeros((rows, cols)))


@pytest.mark.parametrize("shuffle", [False, True], ids=["in-order", "shuffled"])
@pytest.mark.parametrize("batch_size", [1, 256])
def test_array_feed(size, batch_size, shuffle, n, measure):
    """Rows of a CSR matrix with 39 entries, and a target."""
    rng = np.random.default_rng(0)
    index, weights, y = wyrm.IndexInputNode([0]), wyrm.InputNode([[1.0]]), wyrm.InputNode(0.0)
    loss = logistic(table(size).fm_interaction(index, weights), y)
    starts = np.arange(0, 39 * n + 1, 39)
    rows = np.sort(rng.integers(0, size, (n, 39)), axis=1).ravel()
    X = scipy.sparse.csr_matrix((np.ones(39 * n, np.float32), rows, starts), shape=(n, size))
    X.sum_duplicates()
    feed = ArrayFeed({(index, weights): X, y: rng.integers(0, 2, n)})
    measure(lambda n: exhaust(feed, loss, n, batch_size, shuffle), n, bytes=39 * 8 + 4, rounds=5)


PAIRS = {
    "uniform": {"reject": False},
    "uniform-rejecting": {},
    "by-count": {"reject": False, "power": 0.75},
    "by-count-rejecting": {"power": 0.75},
    "five-by-count-rejecting": {"power": 0.75, "n_negatives": 5},
}


@pytest.mark.parametrize("batch_size", [1, 256])
@pytest.mark.parametrize("kind", PAIRS)
def test_pair_feed(kind, size, batch_size, n, measure):
    """Pairs in random order; items follow a power law."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, size, n), (rng.zipf(1.3, n) - 1) % size
    user, item, negative = (wyrm.IndexInputNode(0) for _ in range(3))
    U, V = table(size), table(size)
    u = U.embedding(user)
    loss = bpr(wyrm.vector_dot(u, V.embedding(item)), u @ V.embedding(negative).T)
    feed = PairFeed((users, items), user=user, item=item, negative=negative, n_items=size, **PAIRS[kind])
    k = PAIRS[kind].get("n_negatives", 1)
    measure(lambda n: exhaust(feed, loss, n, batch_size), n, bytes=4 * (2 + k), rounds=5)


@pytest.mark.parametrize("sample", [0, 1e-4], ids=["all-tokens", "sampled"])
def test_window_feed(size, sample, n, measure):
    """Windows of up to five tokens on both sides, five negatives; a step is one place of the stream."""
    tokens = (np.random.default_rng(0).zipf(1.2, n) - 1) % size
    counts = np.bincount(tokens, minlength=size)
    context, output = wyrm.IndexInputNode([0]), wyrm.IndexInputNode(range(6))
    target = wyrm.InputNode(np.zeros((1, 6)))
    loss = logistic(table(size).embedding(context) @ table(size).embedding(output).T, target)
    nodes = {"context": context, "output": output, "target": target}
    feed = WindowFeed(tokens, **nodes, counts=counts, sample=sample)

    def call(n):
        reader = Reader(feed, loss, 1, 0, 0, False)
        assert 0 < reader.exhaust() <= n
        reader.finish()

    measure(call, n, rounds=5)


@pytest.mark.parametrize("chunk", [10, 100, 1_000, 100_000])
def test_iterable_feed(chunk, n, measure):
    """Dicts of `chunk` examples, each 8 row numbers and a target, made beforehand: converted, cut, handed over."""
    n = min(n, 1_000 * chunk)
    rng = np.random.default_rng(0)
    index, y = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
    loss = (table(1_000, 1).embedding_bag(index) - y).square()
    rows, targets = rng.integers(0, 1_000, (n, 8), dtype=np.int32), rng.random(n, dtype=np.float32)
    chunks = [{index: rows[at : at + chunk], y: targets[at : at + chunk]} for at in range(0, n, chunk)]
    measure(lambda n: exhaust(IterableFeed(chunks), loss, n), n, bytes=36, rounds=5)
