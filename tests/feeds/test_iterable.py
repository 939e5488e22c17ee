"""Feeds over Python iterables: what reaches the workers, how they end, and how they fail."""

import gc
import itertools
import threading
import time
import traceback
import weakref

import numpy as np
import pytest
import scipy.sparse
from feeds.graphs import Regression
from hypothesis import given, settings
from hypothesis import strategies as st

import wyrm
from wyrm.feeds import ArrayFeed, Feed, IterableFeed, as_feed, batches
from wyrm.feeds.prefetch import Prefetcher
from wyrm.optim import SGD, Adagrad, LinearDecay

RNG = np.random.default_rng(0)
N = 3000
X = RNG.random((N, 2)).astype(np.float32)
CSR = scipy.sparse.random(N, 20, 0.2, "csr", random_state=0, dtype=np.float32)
Y = (X @ [[1.0], [2.0]] + CSR @ np.arange(20.0)[:, None] / 20).astype(np.float32)


def data_of(graph, begin=0, end=N):
    return {graph.x: X[begin:end], (graph.index, graph.weights): CSR[begin:end], graph.y: Y[begin:end]}


def chunks_of(graph, size):
    """The data in dicts of `size` examples, or of the sizes that an iterable gives in turn."""
    sizes = itertools.cycle([size] if isinstance(size, int) else size)
    begin = 0
    while begin < N:
        end = begin + next(sizes)
        yield data_of(graph, begin, min(end, N))
        begin = end


def no_threads_left():
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not [thread for thread in threading.enumerate() if thread.name == "wyrm-prefetch"]:
            return True
        time.sleep(0.01)
    return False


def train(feed, graph, batch_size=1, n_threads=1, epochs=2, **settings):
    trainer = wyrm.Trainer(graph.loss.mean(), SGD(0.05), n_threads=n_threads, batch_size=batch_size)
    return trainer.fit(feed, epochs, shuffle=False, **settings)


# --- What is laid down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 32, 5000])
@pytest.mark.parametrize("size", [1, 10, 777, N, [1, 0, 2000, 3]])
def test_chunks_make_the_batches_that_arrays_do(size, batch_size):
    """Where chunks end changes nothing, not even in the last bit."""
    by_array, by_chunk = Regression(), Regression()
    expected = train(data_of(by_array), by_array, batch_size)
    feed = IterableFeed(lambda: chunks_of(by_chunk, size), block_size=1000)
    found = train(feed, by_chunk, batch_size)
    assert found.loss == expected.loss
    assert found.examples == [N, N]
    np.testing.assert_array_equal(by_chunk.slope.value, by_array.slope.value)
    np.testing.assert_array_equal(by_chunk.table.value, by_array.table.value)


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=10).filter(any),
    batch_size=st.integers(1, 9),
    block_size=st.integers(1, 50),
)
def test_every_example_comes_once_and_in_order(sizes, batch_size, block_size):
    graph = Regression()
    n = sum(sizes)
    ends = np.cumsum(sizes)
    chunks = [data_of(graph, end - size, end) for end, size in zip(ends, sizes)]
    found = list(batches(IterableFeed(chunks, block_size=block_size), graph.loss, batch_size))
    assert [len(batch[graph.y]) for batch in found] == [min(batch_size, n - at) for at in range(0, n, batch_size)]
    np.testing.assert_array_equal(np.concatenate([batch[graph.x] for batch in found]), X[:n])
    np.testing.assert_array_equal(np.concatenate([batch[graph.y] for batch in found]), Y[:n])
    rows = CSR[:n]
    np.testing.assert_array_equal(np.concatenate([batch[graph.index][0] for batch in found]), rows.indices)
    np.testing.assert_array_equal(np.concatenate([batch[graph.weights] for batch in found]).ravel(), rows.data)
    lengths = np.concatenate([np.diff(batch[graph.index][1]) for batch in found])
    np.testing.assert_array_equal(lengths, np.diff(rows.indptr))


def test_forms_of_indices_may_change_from_chunk_to_chunk():
    graph = Regression()
    x, y = np.zeros((2, 2)), np.zeros(2)
    chunks = [
        {graph.x: x, graph.y: y, graph.index: [1, 2]},
        {graph.x: x, graph.y: y, graph.index: np.array([[3, 4], [5, 6]])},
        {graph.x: x, graph.y: y, graph.index: [[], [7, 8, 9]]},
        {graph.x: x, graph.y: y, graph.index: (np.array([10, 11]), np.array([0, 0, 2]))},
        {graph.x: x, graph.y: y, graph.index: np.zeros((2, 0), int)},
    ]
    (batch,) = batches(chunks, graph.plain_loss, batch_size=100)
    np.testing.assert_array_equal(batch[graph.index][0], range(1, 12))
    np.testing.assert_array_equal(np.diff(batch[graph.index][1]), [1, 1, 2, 2, 0, 3, 0, 2, 0, 0])


def test_chunks_may_be_written_over():
    """A generator that fills the same arrays again and again, as readers do."""
    graph = Regression()

    def chunks():
        x, y = np.zeros((100, 2), np.float32), np.zeros((100, 1), np.float32)
        rows, starts = np.zeros(100, np.int32), np.arange(101)
        for i in range(20):
            x[:], y[:], rows[:] = i, i, i
            yield {graph.x: x, graph.y: y, graph.index: (rows, starts)}
        x[:], y[:], rows[:] = -1, -1, 0

    found = list(batches(chunks, graph.plain_loss))
    expected = np.repeat(np.arange(20), 100)
    np.testing.assert_array_equal([batch[graph.x][0, 1] for batch in found], expected)
    np.testing.assert_array_equal([batch[graph.y].item() for batch in found], expected)
    np.testing.assert_array_equal([batch[graph.index][0].item() for batch in found], expected)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_training_fits_the_line(n_threads, batch_size):
    graph = Regression()
    trainer = wyrm.Trainer(graph.loss.mean(), Adagrad(0.3), n_threads=n_threads, batch_size=batch_size)
    history = trainer.fit(lambda: chunks_of(graph, 500), epochs=30)
    assert history.examples == [N] * 30
    assert history.loss[-1] < 0.05 * history.loss[0]
    np.testing.assert_allclose(graph.slope.value.ravel(), [1, 2], atol=0.2)
    assert no_threads_left()


def test_several_threads_share_the_blocks():
    graph = Regression()
    seen = []

    def chunks():
        for chunk in chunks_of(graph, 100):
            seen.append(threading.current_thread().name)
            yield chunk

    train(IterableFeed(chunks, block_size=256), graph, n_threads=3, epochs=1)
    # The first chunk is looked at by the caller.
    assert seen[0] == threading.current_thread().name
    assert set(seen[1:]) == {"wyrm-prefetch"}


@pytest.mark.parametrize("stated", [None, N])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_predictions_come_in_order(n_threads, stated):
    graph = Regression()
    train(data_of(graph), graph)
    trainer = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=n_threads, batch_size=8)
    expected = trainer.predict(graph.y_hat, data_of(graph))
    feed = IterableFeed(lambda: chunks_of(graph, 333), n_examples=stated)
    np.testing.assert_array_equal(trainer.predict(graph.y_hat, feed), expected)
    np.testing.assert_array_equal(trainer.predict(graph.y_hat, chunks_of(graph, 50)), expected)
    assert trainer.evaluate(feed) == pytest.approx(trainer.evaluate(data_of(graph)), rel=1e-6)


# --- How often ---------------------------------------------------------------------------------------------------


def test_a_list_and_a_callable_are_gone_through_in_every_epoch():
    graph = Regression()
    calls = []

    def chunks():
        calls.append(1)
        return chunks_of(graph, 1000)

    assert train(list(chunks_of(graph, 1000)), graph, epochs=3).examples == [N] * 3
    assert train(chunks, graph, epochs=3, validation=chunks).examples == [N] * 3
    assert len(calls) == 6


def test_an_iterator_serves_one_epoch():
    graph = Regression()
    assert train(chunks_of(graph, 1000), graph, epochs=1).examples == [N]
    before = graph.slope.value.copy()
    generator = chunks_of(graph, 1000)
    with pytest.raises(ValueError, match=r"an iterator can be gone through only once.*callable"):
        train(generator, graph, epochs=2)
    with pytest.raises(ValueError, match="an iterator can be gone through only once"):
        train(data_of(graph), graph, epochs=2, validation=generator)
    np.testing.assert_array_equal(graph.slope.value, before)
    feed = IterableFeed(generator)
    trainer = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=1)
    trainer.partial_fit(feed)
    for again in (trainer.partial_fit, trainer.evaluate):
        with pytest.raises(ValueError, match="an iterator can be gone through only once"):
            again(feed)


def test_partial_fit_takes_what_comes():
    graph = Regression()
    trainer = wyrm.Trainer(graph.loss.mean(), SGD(0.05), n_threads=2)
    losses = [trainer.partial_fit(chunks_of(graph, 1000)) for _ in range(4)]
    assert losses[3] < losses[0]


def test_schedules_need_a_length():
    graph = Regression()
    trainer = wyrm.Trainer(graph.loss, SGD(LinearDecay(0.1, 0.0)), n_threads=1)
    with pytest.raises(ValueError, match="n_examples="):
        trainer.fit(lambda: chunks_of(graph, 100), epochs=2)
    feed = IterableFeed(lambda: chunks_of(graph, 100), n_examples=N)
    assert len(feed) == N
    assert trainer.fit(feed, epochs=2).examples == [N, N]


def test_a_length_that_is_not_known_is_not_guessed():
    with pytest.raises(TypeError, match="not known beforehand"):
        len(IterableFeed([]))


@pytest.mark.parametrize(("stated", "words"), [(N - 1, "goes on after them"), (N + 1, f"ended after {N}")])
def test_a_wrong_length_is_noticed(stated, words):
    graph = Regression()
    feed = IterableFeed(lambda: chunks_of(graph, 100), n_examples=stated)
    trainer = wyrm.Trainer(graph.loss, SGD(0.01), n_threads=2)
    for use in (trainer.fit, trainer.evaluate, lambda feed: trainer.predict(graph.y_hat, feed)):
        with pytest.raises(ValueError, match=words):
            use(feed)
    assert no_threads_left()


# --- Failures ----------------------------------------------------------------------------------------------------


class Trouble(Exception):
    pass


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_an_exception_of_the_iterable_is_raised_with_its_traceback(after, n_threads):
    graph = Regression()

    def chunks_with_a_bug():
        for i, chunk in enumerate(chunks_of(graph, 200)):
            if i == after:
                raise Trouble("on purpose")
            yield chunk

    trainer = wyrm.Trainer(graph.loss, SGD(0.01), n_threads=n_threads)
    for use in (trainer.fit, trainer.evaluate, trainer.partial_fit, lambda feed: trainer.predict(graph.y_hat, feed)):
        with pytest.raises(Trouble, match="on purpose") as caught:
            use(chunks_with_a_bug)
        assert "chunks_with_a_bug" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert no_threads_left()
    # The trainer is as good as new.
    assert trainer.fit(data_of(graph)).examples == [N]


def test_a_callback_that_fails_stops_the_iterable():
    graph = Regression()
    closed = []

    def endless():
        try:
            yield from itertools.cycle(chunks_of(graph, 200))
        finally:
            closed.append(True)

    class Fails(wyrm.callbacks.Callback):
        interval = 0.05

        def on_interval(self, trainer):
            raise Trouble

    with pytest.raises(Trouble):
        wyrm.Trainer(graph.loss, SGD(1e-6), n_threads=2).fit(endless, callbacks=[Fails()])
    assert no_threads_left()
    assert closed == [True]


def test_stopping_does_not_wait_for_a_slow_iterable():
    """The workers wait for data when the callback says stop; the iterable is asleep, and still is when fit returns."""
    graph = Regression()
    awake, went_on = threading.Event(), []

    def slow():
        yield data_of(graph, 0, 256)
        awake.wait(60)
        went_on.append(True)
        yield data_of(graph, 256, 512)

    class Stops(wyrm.callbacks.Callback):
        interval = 0.05

        def on_interval(self, trainer):
            return True

    history = wyrm.Trainer(graph.loss, SGD(0.01), n_threads=3).fit(slow, callbacks=[Stops()])
    assert not went_on
    assert history.examples == [256]
    awake.set()
    assert no_threads_left()


def test_a_loss_that_is_not_finite_stops_the_iterable():
    graph = Regression()
    with pytest.raises(FloatingPointError):
        wyrm.Trainer(graph.loss, SGD(1e6), n_threads=2).fit(lambda: chunks_of(graph, 100), epochs=5)
    assert no_threads_left()


def test_no_data_is_kept_alive():
    graph = Regression()
    chunks = [chunk | {graph.y: chunk[graph.y].copy()} for chunk in chunks_of(graph, 100)]
    kept = [weakref.ref(chunk[graph.y]) for chunk in chunks]
    feed = IterableFeed(chunks)
    trainer = wyrm.Trainer(graph.loss, SGD(0.01), n_threads=2)
    trainer.fit(feed)
    del chunks, feed
    gc.collect()
    assert not any(ref() is not None for ref in kept)


@pytest.mark.parametrize(
    ("chunk", "error", "words"),
    [
        (lambda g: [1, 2], TypeError, "dicts of input node to array, got list"),
        (lambda g: {}, TypeError, "dicts"),
        (lambda g: data_of(g, 0, 9) | {g.y: Y[:8]}, ValueError, "as many examples"),
        (lambda g: {g.x: X[:9], g.y: Y[:9]}, ValueError, "the keys of the first"),
        (lambda g: data_of(g, 0, 9) | {g.x: np.zeros((9, 3))}, ValueError, "array \\(n, 2\\)"),
        (lambda g: data_of(g, 0, 9) | {g.y: np.full((9, 1), np.nan)}, ValueError, "finite"),
        (lambda g: data_of(g, 0, 9) | {g.y: ["a"] * 9}, TypeError, "real numbers"),
        (
            lambda g: data_of(g, 0, 1) | {(g.index, g.weights): scipy.sparse.csr_matrix(([1.0], [20], [0, 1]))},
            IndexError,
            "index 20",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 3])
def test_hostile_dicts_are_refused(chunk, error, words, place):
    """Each is checked before any of it reaches a thread, and the message says which one it was."""
    graph = Regression()
    chunks = list(chunks_of(graph, 300))
    chunks[place] = chunk(graph)
    trainer = wyrm.Trainer(graph.loss, SGD(0.01), n_threads=2)
    if place == 0 and "keys of the first" in words:
        error, words = ValueError, "has nothing for it"
    with pytest.raises(error, match=words) as caught:
        trainer.fit(chunks)
    assert no_threads_left()
    if place and error is not IndexError:
        assert caught.value.__notes__ == ["in dict number 3 of an iterable, from 0"]


@pytest.mark.parametrize("key", [3, "x", (1, 2), (1, 2, 3)])
def test_hostile_keys_are_refused(key):
    graph = Regression()
    feed = IterableFeed([data_of(graph) | {key: np.zeros(N)}])
    with pytest.raises(TypeError, match="as key"):
        wyrm.Trainer(graph.loss, SGD(0.01), n_threads=1).fit(feed)


@pytest.mark.parametrize("empty", [[], list, lambda: iter([])])
def test_nothing_is_too_little(empty):
    graph = Regression()
    with pytest.raises(ValueError, match="at least one example"):
        wyrm.Trainer(graph.loss, SGD(0.01)).fit(empty)


def test_only_empty_dicts_are_too_little():
    graph = Regression()
    with pytest.raises(ValueError, match="at least one example, got none"):
        wyrm.Trainer(graph.loss, SGD(0.01)).fit([data_of(graph, 0, 0)] * 3)


@pytest.mark.parametrize("source", [3, None, "path", b"path", 1.5])
def test_what_is_no_iterable_is_refused(source):
    with pytest.raises(TypeError, match=f"got {type(source).__name__}"):
        as_feed(source)


def test_a_callable_must_return_an_iterable():
    graph = Regression()
    with pytest.raises(TypeError, match="the callable to return an iterable of dicts, got int"):
        wyrm.Trainer(graph.loss, SGD(0.01)).fit(lambda: 3)


@pytest.mark.parametrize("settings", [{"n_examples": 0}, {"block_size": 0}, {"n_examples": -1}])
def test_hostile_numbers_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        IterableFeed([], **settings)


def test_as_feed():
    graph = Regression()
    feed = as_feed(data_of(graph))
    assert isinstance(feed, ArrayFeed)
    assert as_feed(feed) is feed
    for source in ([data_of(graph)], chunks_of(graph, 100), lambda: chunks_of(graph, 100)):
        found = as_feed(source)
        assert isinstance(found, IterableFeed)
        assert isinstance(found, Feed)
        assert found.inputs() == {graph.x, graph.y, graph.index, graph.weights}


# --- The thread --------------------------------------------------------------------------------------------------


def test_the_prefetcher_keeps_no_more_than_it_should():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    prefetcher = Prefetcher(items(), depth=2)
    assert prefetcher.take(5) == 0
    time.sleep(0.1)
    assert len(made) <= 4  # one taken, two ready, one in hand
    assert [prefetcher.take(5) for _ in range(9)] == list(range(1, 10))
    assert prefetcher.take(5) is None
    assert prefetcher.take(5) is None
    prefetcher.stop(5)


def test_the_prefetcher_says_when_it_waits():
    go = threading.Event()

    def items():
        go.wait(60)
        yield 1

    prefetcher = Prefetcher(items(), depth=1)
    assert prefetcher.take(0.01) is Prefetcher.WAITING
    go.set()
    assert prefetcher.take(5) == 1
    prefetcher.stop(5)
    assert no_threads_left()
