"""Trainers and feeds that somebody uses while they are at work; runs that end before their last epoch."""

import copy
import pickle
import threading
import time

import numpy as np
import pytest
from training.problems import Machine, examples, same_bits

import wyrm
from wyrm.callbacks import Callback
from wyrm.feeds import ArrayFeed, ConcatFeed, IterableFeed, PairFeed, ZipFeed
from wyrm.optim import SGD, Adagrad, Adam, LinearDecay
from wyrm.watch import Gate


class Often(Callback):
    """Calls a function again and again while threads train, and ends training after the third time."""

    interval = 0.002

    def __init__(self, function):
        self.function = function
        self.results = []

    def on_interval(self, trainer):
        self.results.append(self.function(trainer))
        return len(self.results) >= 3


def long_feed(machine, n=400_000):
    rows, labels = examples(n)
    return {machine.index: rows, machine.label: labels}


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("optimizer", [Adagrad, Adam])
def test_a_callback_may_evaluate_and_predict_while_threads_train(n_threads, optimizer):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, optimizer(0.01), n_threads=n_threads)
    small = machine.feed(300, seed=3)

    def look(trainer):
        return trainer.evaluate(small), trainer.predict(machine.score, small), trainer.predict(machine.loss, small)

    often = Often(look)
    history = trainer.fit(long_feed(machine), epochs=50, callbacks=[often])
    assert history.stopped == "callback" and len(history.loss) < 50
    assert len(often.results) >= 3
    for loss, scores, losses in often.results:
        assert np.isfinite(loss) and np.isfinite(scores).all() and losses.shape == (300, 1)


@pytest.mark.parametrize(
    "again",
    [
        lambda trainer, feed, path: trainer.fit(feed),
        lambda trainer, feed, path: trainer.partial_fit(feed),
        lambda trainer, feed, path: trainer.save(path),
    ],
)
def test_what_would_disturb_the_threads_is_refused(again, tmp_path):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=2)
    small = machine.feed(300)
    with pytest.raises(RuntimeError, match="training"):
        trainer.fit(long_feed(machine), callbacks=[Often(lambda t: again(t, small, tmp_path / "run.ckpt"))])
    assert not list(tmp_path.iterdir())
    trainer.fit(small)
    trainer.save(tmp_path / "run.ckpt")


def test_the_feed_that_is_trained_on_is_not_gone_through_by_others():
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=2)
    feed = ArrayFeed(long_feed(machine))
    for given in (feed, ZipFeed(feed), ConcatFeed(feed, machine.feed())):
        other = wyrm.Trainer(machine.loss, SGD(0.01))
        with pytest.raises(RuntimeError, match="ArrayFeed: a trainer is going through it"):
            trainer.fit(given, callbacks=[Often(lambda _, other=other: other.evaluate(feed))])
    assert np.isfinite(trainer.evaluate(feed))
    assert trainer.fit(ConcatFeed(feed, feed)).examples == [800_000]


def test_trainers_of_several_threads_share_no_feed():
    machine = Machine()
    feed = ArrayFeed(long_feed(machine))
    outcomes = []

    def work(seed):
        trainer = wyrm.Trainer(machine.loss, SGD(0.001), n_threads=2, seed=seed)
        for _ in range(5):
            try:
                outcomes.append(trainer.fit(feed).examples)
            except RuntimeError as error:
                outcomes.append(str(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [400_000] in outcomes
    assert all(outcome == [400_000] or "going through it" in outcome for outcome in outcomes)


def test_what_a_callback_ends_is_training_and_not_the_epoch():
    machine = Machine()
    history = wyrm.Trainer(machine.loss, SGD(0.001), n_threads=2).fit(
        long_feed(machine), epochs=50, callbacks=[Often(lambda trainer: None)], validation=machine.feed(100)
    )
    assert history.stopped == "callback"
    assert 1 <= len(history.loss) == len(history.validation_loss) < 50


def after_two_epochs(error):
    """A callback that raises an error then."""

    def stop(trainer):
        if len(trainer.history.loss) == 2:
            raise error

    return stop


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_a_fit_after_one_that_broke_off_has_all_its_epochs(error):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=1)

    with pytest.raises(error):
        trainer.fit(machine.feed(), epochs=3, callbacks=[after_two_epochs(error)])
    history = trainer.fit(machine.feed(), epochs=3)
    assert len(history.loss) == 3 and len(trainer.history.loss) == 5
    assert history.stopped is None and trainer.history.stopped is None


def test_an_interrupted_fit_that_is_saved_goes_on_where_it_was(tmp_path):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=1)

    with pytest.raises(KeyboardInterrupt):
        trainer.fit(machine.feed(), epochs=5, callbacks=[after_two_epochs(KeyboardInterrupt)])
    trainer.save(tmp_path / "run.ckpt")
    history = wyrm.Trainer.resume(tmp_path / "run.ckpt", machine.loss, SGD(0.01), 1).fit(machine.feed(), epochs=5)
    assert len(history.loss) == 5 and history.stopped is None


def test_an_interruption_in_validation_leaves_a_history_that_fits_together():
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=2)
    calls = []

    def held_out():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield machine.feed(100)

    with pytest.raises(KeyboardInterrupt):
        trainer.fit(machine.feed(), epochs=5, validation=IterableFeed(held_out))
    history = trainer.history
    assert len(history.loss) == len(history.validation_loss) == len(history.seconds) == len(history.examples)
    assert history.stopped == "interrupt"


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8, "deterministic": True}])
def test_a_slow_graph_does_not_keep_the_calling_thread(settings):
    """A few examples run in the calling thread, where Ctrl-C waits for C to return."""
    machine, looks = Machine(), []

    class Look(Callback):
        interval = 1e-9

        def on_interval(self, trainer):
            looks.append(time.monotonic())

    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=1, **settings)
    trainer.fit(machine.feed(4000), callbacks=[Look()])
    assert len(looks) > 10


@pytest.mark.parametrize("batch_size", [1, 16])
def test_pauses_change_nothing(batch_size):
    """The same bits in the calling thread, with pauses, and in a thread of its own, as streams have it."""
    values = []
    for wrap in (ArrayFeed, lambda data: IterableFeed([data], n_examples=4000)):
        machine = Machine()
        trainer = wyrm.Trainer(machine.loss, SGD(LinearDecay(0.1, 0.01)), n_threads=1, batch_size=batch_size)
        trainer.fit(wrap(machine.feed(4000)), epochs=2, shuffle=False)
        values.append(machine.values())
    assert same_bits(*values)


def test_threads_that_wait_for_each_other_begin_together_or_not_at_all():
    gate, let_in = Gate(together=3), []
    threads = [threading.Thread(target=lambda: let_in.append(gate.enter())) for _ in range(3)]
    for thread in threads[:2]:
        thread.start()
    gate.close()
    threads[2].start()
    for thread in threads:
        thread.join(5)
    assert let_in == [False] * 3


def test_a_thread_that_cannot_be_started_ends_a_deterministic_run(monkeypatch):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.01), n_threads=3, batch_size=8, deterministic=True)
    started, start = [], threading.Thread.start

    def fail(thread):
        started.append(thread)
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        trainer.fit(machine.feed())
    monkeypatch.undo()
    trainer.fit(machine.feed())


# --- Numbers that don't stay finite ------------------------------------------------------------------------------


def line():
    x, y, w = wyrm.InputNode(0.0), wyrm.InputNode(0.0), wyrm.ParameterNode([[0.5]], name="slope")
    return x, y, w, (x * w - y).square()


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_last_step_that_overflows_is_noticed(epochs):
    x, y, w, loss = line()
    trainer = wyrm.Trainer(loss, SGD(1e30), n_threads=1)
    with pytest.raises(FloatingPointError, match=r"epoch 1: .*'slope'.* became NaN or infinite.*learning rate"):
        trainer.fit({x: [1e10], y: [1e10]}, epochs=epochs)
    assert w.value == 0.5
    assert not trainer.history.loss


def test_a_validation_loss_that_is_not_finite_names_the_epoch_and_restores():
    x, y, w, loss = line()
    trainer = wyrm.Trainer(loss, SGD(0.1), n_threads=1)
    with pytest.raises(FloatingPointError, match=r"epoch 1: .* of evaluation"):
        trainer.fit({x: [1.0], y: [2.0]}, validation={x: [1e25], y: [0.0]})
    assert w.value == 0.5
    assert trainer.history.loss == trainer.history.validation_loss == []


# --- Arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{"batch_size": 2**31}, {"batch_size": 2**62}, {"seed": 2**64}])
def test_numbers_that_are_too_large_are_refused(arguments):
    with pytest.raises(ValueError, match="at most"):
        wyrm.Trainer(Machine().loss, SGD(0.1), **arguments)


def test_callbacks_come_in_a_list():
    machine = Machine()
    with pytest.raises(TypeError, match="in a list"):
        wyrm.Trainer(machine.loss, SGD(0.1)).fit(machine.feed(), callbacks=print)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_trainers_and_feeds_are_not_pickled_or_copied(duplicate):
    machine = Machine()
    with pytest.raises(TypeError, match=r"Trainer: .*save\(\)"):
        duplicate(wyrm.Trainer(machine.loss, SGD(0.1)))
    user, item, negative = (wyrm.IndexInputNode(0) for _ in range(3))
    pairs = PairFeed(([0], [0]), user=user, item=item, negative=negative, n_items=2)
    for feed in (ArrayFeed(machine.feed()), pairs, IterableFeed([machine.feed()]), ZipFeed(pairs)):
        with pytest.raises(TypeError, match=f"{type(feed).__name__}: .*of the same data"):
            duplicate(feed)
