"""Feeds made of other feeds, and the look at what a feed lays down."""

import itertools

import numpy as np
import pytest
from feeds.graphs import Pairwise, Regression, Windows

import wyrm
from wyrm.feeds import ConcatFeed, IterableFeed, PairFeed, WindowFeed, ZipFeed, batches
from wyrm.nn.losses import bpr
from wyrm.optim import SGD, Adagrad

N = 900
RNG = np.random.default_rng(0)
X, ROWS = RNG.random((N, 2)).astype(np.float32), RNG.integers(0, 20, (N, 3))
Y = (X @ [[1.0], [2.0]] + ROWS.sum(axis=1, keepdims=True) / 20).astype(np.float32)


def data_of(graph, begin=0, end=N):
    return {graph.x: X[begin:end], graph.index: ROWS[begin:end], graph.y: Y[begin:end]}


def seen(feed, graph, **where):
    """The examples of an epoch, by the place of their target."""
    found = list(batches(feed, graph.plain_loss, **where))
    for batch in found:
        for x, y, rows in zip(batch[graph.x], batch[graph.y], batch[graph.index][0].reshape(-1, 3)):
            (at,) = np.flatnonzero(y[0] == Y)[:1]
            np.testing.assert_array_equal(x, X[at])
            np.testing.assert_array_equal(rows, ROWS[at])
    return [int(np.flatnonzero(Y.ravel() == y)[0]) for batch in found for y in batch[graph.y].ravel()]


def trained(feed, graph, **settings):
    trainer = wyrm.Trainer(graph.plain_loss.mean(), SGD(0.05), **({"n_threads": 1, "seed": 3} | settings))
    trainer.fit(feed, epochs=2)
    return graph.slope.value.copy()


# --- Side by side ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("shuffle", [False, True])
def test_zipped_feeds_lay_down_what_one_would(batch_size, shuffle):
    graph = Regression()
    zipped = ZipFeed({graph.x: X, graph.y: Y}, {graph.index: ROWS})
    assert len(zipped) == N
    assert zipped.inputs() == {graph.x, graph.y, graph.index}
    where = {"batch_size": batch_size, "shuffle": shuffle, "seed": 2}
    assert seen(zipped, graph, **where) == seen(data_of(graph), graph, **where)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}, {"batch_size": 16, "deterministic": True, "n_threads": 3}])
def test_training_on_zipped_feeds_is_that_on_one(settings):
    one, two = Regression(), Regression()
    expected = trained(data_of(one), one, **settings)
    np.testing.assert_array_equal(trained(ZipFeed({two.x: X}, {two.y: Y, two.index: ROWS}), two, **settings), expected)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_pairs_may_have_weights(n_threads):
    """A pair that weighs nothing teaches nothing."""
    graph = Pairwise(40, 30)
    weight = wyrm.InputNode([[1.0]])
    u, v = graph.users.embedding(graph.user), graph.items
    scores = (wyrm.vector_dot(u, v.embedding(node)) for node in (graph.item, graph.negative))
    users, items = RNG.integers(0, 40, 2000), RNG.integers(0, 30, 2000)
    pairs = PairFeed((users, items), **graph.nodes, reject=False)
    before = graph.users.value.copy()
    feed = ZipFeed(pairs, {weight: (users % 2).astype(float)})
    trainer = wyrm.Trainer(bpr(*scores, weight), Adagrad(0.1), n_threads=n_threads)
    trainer.fit(feed, epochs=2)
    np.testing.assert_array_equal(graph.users.value[::2], before[::2])
    assert (graph.users.value[1::2] != before[1::2]).any(axis=1).all()


def test_zipped_feeds_draw_independently():
    first, second = Pairwise(5, 50), Pairwise(5, 50)
    pairs = np.arange(200) % 5, np.arange(200) % 40
    feeds = [PairFeed(pairs, **graph.nodes, n_items=50) for graph in (first, second)]
    found = list(batches(ZipFeed(*feeds), first.loss + second.loss))
    drawn = np.array([[batch[first.negative][0][0], batch[second.negative][0][0]] for batch in found])
    assert (drawn[:, 0] != drawn[:, 1]).mean() > 0.8


def test_feeds_that_cannot_be_zipped_are_refused():
    graph, windows = Regression(), Windows(20)
    with pytest.raises(ValueError, match="at least one feed"):
        ZipFeed()
    with pytest.raises(ValueError, match="as many examples in every feed, got 900, 899"):
        ZipFeed({graph.x: X}, {graph.y: Y[1:]})
    with pytest.raises(ValueError, match="got two for InputNode"):
        ZipFeed({graph.x: X, graph.y: Y}, {graph.y: Y})
    with pytest.raises(TypeError, match="reached by number, got WindowFeed"):
        ZipFeed({graph.x: X}, WindowFeed(ROWS.ravel(), **windows.nodes))
    with pytest.raises(TypeError, match="reached by number, got IterableFeed"):
        ZipFeed({graph.x: X}, IterableFeed([]))
    with pytest.raises(TypeError, match="got list"):
        ZipFeed([{graph.x: X}])


def test_errors_of_zipped_feeds_come_before_training():
    graph = Regression(n_rows=10)
    with pytest.raises(IndexError, match="index 19"):
        trained(ZipFeed({graph.x: X, graph.y: Y}, {graph.index: ROWS}), graph)
    with pytest.raises(ValueError, match="the feed has nothing for it"):
        trained(ZipFeed({graph.x: X}, {graph.y: Y}), graph)


# --- One after the other -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[], [1], [300, 301, 700], [899]])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_concatenated_feeds_hold_the_examples_of_all(cuts, batch_size):
    graph = Regression()
    ends = [0, *cuts, N]
    feed = ConcatFeed(*(data_of(graph, begin, end) for begin, end in itertools.pairwise(ends)))
    assert len(feed) == N
    assert feed.inputs() == {graph.x, graph.y, graph.index}
    assert seen(feed, graph, batch_size=batch_size) == list(range(N))
    shuffled = seen(feed, graph, batch_size=batch_size, shuffle=True, seed=1)
    assert sorted(shuffled) == list(range(N))
    assert shuffled != list(range(N))
    assert shuffled == seen(feed, graph, batch_size=batch_size, shuffle=True, seed=1)
    assert shuffled != seen(feed, graph, batch_size=batch_size, shuffle=True, seed=1, epoch=1)


def test_shares_of_concatenated_feeds_are_taken_in_turns():
    """Shuffled: not all of the first, then all of the second."""
    graph = Regression()
    feed = ConcatFeed(data_of(graph, 0, 450), data_of(graph, 450))
    from_second = np.array(seen(feed, graph, shuffle=True)) >= 450
    assert 4 < np.count_nonzero(np.diff(from_second)) < 400


@pytest.mark.parametrize("n_threads", [1, 3])
def test_training_and_predicting_on_concatenated_feeds(n_threads):
    one, two = Regression(), Regression()
    feed = ConcatFeed(data_of(two, 0, 100), zipped_part(two))
    trainer = wyrm.Trainer(two.plain_loss, Adagrad(0.3), n_threads=n_threads)
    history = trainer.fit(feed, epochs=10)
    assert history.examples == [N] * 10
    assert history.loss[-1] < 0.5 * history.loss[0]
    trained(data_of(one), one)
    trainer = wyrm.Trainer(one.plain_loss, SGD(0.1), n_threads=n_threads, batch_size=7)
    expected = trainer.predict(one.plain, data_of(one))
    parts = ConcatFeed(data_of(one, 0, 123), data_of(one, 123, 124), data_of(one, 124))
    np.testing.assert_array_equal(trainer.predict(one.plain, parts), expected)
    assert trainer.evaluate(parts) == pytest.approx(trainer.evaluate(data_of(one)), rel=1e-6)


def zipped_part(graph):
    """Feeds of several kinds may be combined."""
    return ZipFeed({graph.x: X[100:], graph.y: Y[100:]}, {graph.index: ROWS[100:]})


def test_feeds_that_cannot_be_concatenated_are_refused():
    graph = Regression()
    with pytest.raises(ValueError, match="at least one feed"):
        ConcatFeed()
    with pytest.raises(ValueError, match="not all of them fill IndexInputNode"):
        ConcatFeed(data_of(graph), {graph.x: X, graph.y: Y})
    with pytest.raises(TypeError, match="reached by number, got ConcatFeed"):
        ZipFeed(ConcatFeed({graph.x: X}), {graph.y: Y})


# --- A look ------------------------------------------------------------------------------------------------------


def test_batches_show_only_what_the_loss_has():
    graph = Regression()
    batch = next(iter(batches(data_of(graph), graph.x.sum() * graph.slope.sum())))
    assert set(batch) == {graph.x}


@pytest.mark.parametrize("batch_size", [0, -1, 1.5])
def test_batches_refuse_odd_sizes(batch_size):
    graph = Regression()
    with pytest.raises((TypeError, ValueError), match="batch_size"):
        next(iter(batches(data_of(graph), graph.plain_loss, batch_size)))


def test_batches_refuse_what_is_no_loss():
    graph = Regression()
    with pytest.raises(TypeError, match="expected an operation as loss, got InputNode"):
        next(iter(batches(data_of(graph), graph.x)))


def test_batches_may_be_left_early():
    graph = Regression()
    looked = batches(IterableFeed(lambda: (data_of(graph) for _ in range(100))), graph.plain_loss)
    next(looked)
    looked.close()
