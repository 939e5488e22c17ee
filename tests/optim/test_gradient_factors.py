"""Factors of the gradients of rows: rows that learn less than others, or not at all."""

import copy
import pickle

import numpy as np
import pytest

import wyrm
from wyrm.callbacks import Callback, Checkpoint
from wyrm.nn.losses import logistic
from wyrm.optim import FTRL, SGD, Adagrad, Adam, LinearDecay

N_ROWS = 40
RNG = np.random.default_rng(0)
START = RNG.normal(size=(N_ROWS, 3)).astype(np.float32)
ROWS, LABELS = RNG.integers(0, N_ROWS, (600, 4)), RNG.integers(0, 2, 600)
FACTORS = RNG.choice([0.0, 0.5, 1.0], N_ROWS).astype(np.float32)


def graph(factors=FACTORS, whole=False):
    table, bias = wyrm.ParameterNode(START), wyrm.ParameterNode([[0.0]])
    table.parameter.gradient_factors = factors
    index, label = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
    logit = table.fm_interaction(index) + table.embedding_bag(index)[:, 0:1] + bias
    loss = logistic(logit, label)
    if whole:
        loss = loss + table.square().sum() * 1e-3
    return table, index, label, loss


@pytest.mark.parametrize("whole", [False, True], ids=["looked up", "used whole"])
@pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: SGD(0.1, clip=(-1, 1)), lambda: Adagrad(0.1)])
def test_a_step_is_that_of_gradients_times_factors(make, whole):
    (table, index, label, loss), (plain, _, _, _) = graph(whole=whole), graph(None)
    optimizer, reference = make(), make()
    for row, y in zip(ROWS[:50], LABELS):
        index.set_value(row.tolist())
        label.set_value(float(y))
        plain.value[:] = table.value
        loss.forward()
        loss.backward()
        plain.zero_gradients()
        # The same step by hand, on a table of its own: its loss has the gradient that is wanted.
        wanted = wyrm.InputNode(np.zeros((N_ROWS, 3)))
        wanted.set_value(table.gradient * FACTORS[:, np.newaxis])
        by_hand = (plain * wanted).sum()
        by_hand.forward()
        by_hand.backward()
        optimizer.step(loss.parameters())
        reference.step([plain])
        np.testing.assert_allclose(table.value, plain.value, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(table.value[FACTORS == 0], START[FACTORS == 0])
    assert (table.value[np.intersect1d(ROWS[:50], np.flatnonzero(FACTORS))] != START[0]).any()


def test_factors_that_are_set_between_steps_are_heeded():
    table, index, _, loss = graph(None)
    optimizer = SGD(0.1)
    index.set_value([1, 2])

    def step():
        before = table.value.copy()
        loss.forward()
        loss.backward()
        optimizer.step(loss.parameters())
        return (table.value != before).any(axis=1).nonzero()[0].tolist()

    assert step() == [1, 2]
    table.parameter.gradient_factors = np.arange(N_ROWS) != 1
    assert step() == [2]
    table.parameter.gradient_factors = None
    assert step() == [1, 2]


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize(
    ("deterministic", "n_threads"), [(False, 1), (False, 3), (True, 1), (True, 3)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("make", [lambda: SGD(LinearDecay(0.1, 0.01)), lambda: Adagrad(0.1)], ids=["SGD", "Adagrad"])
def test_frozen_rows_stay_bit_for_bit_while_others_learn(make, deterministic, n_threads, batch_size):
    table, index, label, loss = graph()
    trainer = wyrm.Trainer(loss, make(), n_threads=n_threads, batch_size=batch_size, deterministic=deterministic)
    feed = {index: np.repeat(ROWS, 20, axis=0), label: np.repeat(LABELS, 20)}
    history = trainer.fit(feed, epochs=2)
    frozen = FACTORS == 0
    np.testing.assert_array_equal(table.value[frozen], START[frozen])
    assert (table.value[~frozen] != START[~frozen]).any(axis=1).all()
    assert history.loss[1] < history.loss[0]
    trainer.evaluate(feed)
    np.testing.assert_array_equal(table.parameter.gradient_factors, FACTORS)


def test_threads_share_batches_and_come_to_the_same():
    values = []
    for n_threads in (1, 2, 8):
        table, index, label, loss = graph()
        trainer = wyrm.Trainer(loss, Adagrad(0.1), n_threads=n_threads, batch_size=50, deterministic=True)
        trainer.fit({index: ROWS, label: LABELS}, epochs=2)
        values.append(table.value.copy())
    np.testing.assert_array_equal(values[1], values[0])
    np.testing.assert_array_equal(values[2], values[0])


def test_ones_come_close_to_none():
    results = []
    for factors in (None, np.ones(N_ROWS)):
        table, index, label, loss = graph(factors)
        wyrm.Trainer(loss, SGD(0.1), n_threads=1).fit({index: ROWS, label: LABELS}, epochs=2)
        results.append(table.value.copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    feed, path = (lambda index, label: {index: ROWS, label: LABELS}), tmp_path / "checkpoint"
    table, index, label, loss = graph()
    whole = wyrm.Trainer(loss, Adagrad(0.1), n_threads=1)

    def stop(trainer):
        return len(trainer.history.loss) == 1

    whole.fit(feed(index, label), epochs=2, callbacks=[Checkpoint(path), stop])
    again, index, label, loss = graph()
    wyrm.Trainer.resume(path, loss, Adagrad(0.1), n_threads=1).fit(feed(index, label), epochs=2)
    straight, index, label, loss = graph()
    wyrm.Trainer(loss, Adagrad(0.1), n_threads=1).fit(feed(index, label), epochs=2)
    np.testing.assert_array_equal(again.value, straight.value)
    assert (table.value != straight.value).any()


@pytest.mark.parametrize("make", [lambda: SGD(0.1, l2=0.1), lambda: Adagrad(0.1, l1=0.1), Adam, FTRL])
def test_optimisers_that_move_rows_without_a_gradient_refuse_them(make):
    table, index, label, loss = graph()
    with pytest.raises(ValueError, match=r"gradient_factors, which SGD and Adagrad without l1 and l2"):
        wyrm.Trainer(loss, make()).fit({index: ROWS, label: LABELS})
    table.parameter.gradient_factors = None
    loss.forward()
    loss.backward()
    optimizer = make()
    optimizer.step(loss.parameters())
    table.parameter.gradient_factors = FACTORS
    loss.forward()
    loss.backward()
    with pytest.raises(ValueError, match="gradient_factors"):
        optimizer.step(loss.parameters())


def test_what_they_may_be():
    parameter = wyrm.HogwildParameter(START)
    assert parameter.gradient_factors is None
    for wrong in (FACTORS[:-1], -FACTORS, np.full(N_ROWS, np.nan), 1.0, FACTORS[:, np.newaxis]):
        with pytest.raises(ValueError, match=f"expected None or {N_ROWS} finite numbers >= 0"):
            parameter.gradient_factors = wrong
    factors = FACTORS.copy()
    parameter.gradient_factors = factors
    factors[:] = 7
    parameter.gradient_factors[:] = 7
    np.testing.assert_array_equal(parameter.gradient_factors, FACTORS)
    for other in (copy.copy(parameter), pickle.loads(pickle.dumps(parameter))):
        np.testing.assert_array_equal(other.gradient_factors, FACTORS)
    np.testing.assert_array_equal(parameter.grown(START[:2]).gradient_factors, [*FACTORS, 1, 1])


def test_they_do_not_change_under_threads_that_train():
    table, index, label, loss = graph()
    seen = []

    class Change(Callback):
        interval = 1e-9

        def on_interval(self, trainer):
            with pytest.raises(RuntimeError, match="can't change while threads train"):
                table.parameter.gradient_factors = None
            seen.append(True)

    def chunks():
        while not seen:
            yield {index: ROWS, label: LABELS}

    wyrm.Trainer(loss, SGD(0.1)).fit(chunks, callbacks=[Change()])
