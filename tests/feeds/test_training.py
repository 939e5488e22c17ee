"""Feeds that draw at random, and what a trainer promises about repeating and resuming."""

import numpy as np
import pytest
from feeds.graphs import Pairwise, Windows

import wyrm
from wyrm.feeds import PairFeed, WindowFeed
from wyrm.optim import Adagrad

RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.integers(0, 30, 500), RNG.integers(0, 40, 500)
TOKENS = np.minimum(RNG.zipf(1.4, 3000) - 1, 59)


def pairs():
    graph = Pairwise(30, 40)
    return graph.loss, PairFeed((USERS, ITEMS), **graph.nodes, n_items=40), graph.users


def windows():
    graph = Windows(60)
    return graph.loss, WindowFeed(TOKENS, **graph.nodes), graph.inputs


class Stop(Exception):
    pass


@pytest.mark.parametrize("make", [pairs, windows])
def test_a_resumed_run_draws_what_it_would_have_drawn(make, tmp_path):
    loss, feed, whole = make()
    wyrm.Trainer(loss, Adagrad(0.1), n_threads=1, seed=4).fit(feed, epochs=5)

    def interrupt(trainer):
        trainer.save(tmp_path / "checkpoint")
        if len(trainer.history.loss) == 2:
            raise Stop

    loss, feed, _ = make()
    with pytest.raises(Stop):
        wyrm.Trainer(loss, Adagrad(0.1), n_threads=1, seed=4).fit(feed, epochs=5, callbacks=[interrupt])

    loss, feed, resumed = make()
    trainer = wyrm.Trainer.resume(tmp_path / "checkpoint", loss, Adagrad(0.1), n_threads=1)
    history = trainer.fit(feed, epochs=5)
    assert len(history.loss) == 5
    np.testing.assert_array_equal(resumed.value, whole.value)


@pytest.mark.parametrize("make", [pairs, windows])
def test_a_feed_may_be_used_again_and_by_several_trainers(make):
    loss, feed, table = make()
    start = table.value.copy()

    def train():
        for parameter in loss.parameters():
            parameter.value = start if parameter is table else np.full(parameter.shape, 0.1)
        wyrm.Trainer(loss, Adagrad(0.1), n_threads=1, seed=1).fit(feed, epochs=2)
        return table.value.copy()

    np.testing.assert_array_equal(train(), train())


@pytest.mark.parametrize("make", [pairs, windows])
def test_validation_is_the_same_for_any_number_of_threads(make):
    loss, feed, _ = make()
    one, three = (wyrm.Trainer(loss, Adagrad(0.1), n_threads=n).evaluate(feed) for n in (1, 3))
    assert one == pytest.approx(three, rel=1e-9)
