"""Trainer: what fit, partial_fit, evaluate and predict do."""

import threading

import numpy as np
import pytest
import scipy.sparse
from training.problems import Machine, examples, same_bits

import wyrm
from wyrm.callbacks import Callback
from wyrm.nn.losses import logistic, squared_error
from wyrm.optim import FTRL, SGD, Adagrad, Adam, LinearDecay

OPTIMIZERS = [
    lambda: SGD(0.05),
    lambda: SGD(LinearDecay(0.1, 0.01), l2=1e-3, l1=1e-4),
    lambda: Adagrad(0.1),
    lambda: Adam(0.01),
    lambda: FTRL(0.2, l1=1e-3),
]


def by_hand(machine, optimizer, feed, batch_size, epochs=1):
    """The same training as a Python loop over the examples in their order."""
    rows, labels = feed[machine.index], feed[machine.label]
    losses = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(labels), batch_size):
            machine.index.set_value(rows[start : start + batch_size])
            machine.label.set_value(labels[start : start + batch_size].reshape(-1, 1))
            machine.loss.forward()
            total += machine.loss.value.sum(dtype=np.float64)
            machine.loss.backward(1.0 / len(machine.loss.value))
            optimizer.step(machine.loss.parameters())
        losses.append(total / len(labels))
    return losses


@pytest.mark.parametrize("make", OPTIMIZERS[:1] + OPTIMIZERS[2:])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_one_thread_does_what_a_python_loop_does(make, batch_size):
    machine, other = Machine(), Machine()
    history = wyrm.Trainer(machine.loss, make(), n_threads=1, batch_size=batch_size).fit(
        machine.feed(200), epochs=2, shuffle=False
    )
    losses = by_hand(other, make(), other.feed(200), batch_size, epochs=2)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-6)
    for a, b in zip(machine.values(), other.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_it_learns_with_any_number_of_threads(make, n_threads):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, make(), n_threads=n_threads)
    before = trainer.evaluate(machine.feed(500, seed=5))
    history = trainer.fit(machine.feed(4000), epochs=5)
    assert len(history.loss) == 5 and history.loss[-1] < history.loss[0] < np.log(2) + 0.02
    assert trainer.evaluate(machine.feed(500, seed=5)) < 0.75 * before
    assert history.examples == [4000] * 5


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_one_thread_with_a_seed_is_repeatable_bit_for_bit(make):
    def run(seed):
        machine = Machine()
        wyrm.Trainer(machine.loss, make(), n_threads=1, seed=seed).fit(machine.feed(), epochs=2)
        return machine.values()

    first = run(3)
    assert same_bits(first, run(3))
    assert not same_bits(first, run(4))


def test_a_schedule_follows_the_progress_of_fit():
    seen = []

    class Constant:
        """Gradient 1 at every step, so that the weight adds up the rates."""

        def __init__(self):
            self.weight = wyrm.ParameterNode([[0.0]])
            self.x = wyrm.InputNode(0.0)
            self.loss = self.weight * self.x

    constant = Constant()
    optimizer = SGD(LinearDecay(1.0, 0.0))
    n, epochs = 4096, 4
    trainer = wyrm.Trainer(constant.loss, optimizer, n_threads=1)
    trainer.fit(
        {constant.x: np.ones((n, 1))}, epochs=epochs, callbacks=[lambda t: seen.append(t.optimizer.learning_rate)]
    )
    assert seen == pytest.approx([0.75, 0.5, 0.25, 0.0])
    # The sum of a rate falling from 1 to 0, looked at every few hundred examples.
    assert -constant.weight.value[0, 0] == pytest.approx(n * epochs / 2, rel=0.05)


@pytest.mark.parametrize("n_threads", [1, 4])
@pytest.mark.parametrize("n", [1, 500_000, (1 << 21) + 7])
def test_an_epoch_has_each_example_once(n, n_threads):
    """Threads go by the order of an epoch while it is made. A table of so many rows, or of one, is not copied."""
    index, table = wyrm.IndexInputNode([0]), wyrm.ParameterNode(np.zeros((n, 1), dtype=np.float32))
    trainer = wyrm.Trainer(table.embedding_bag(index), SGD(1.0), n_threads=n_threads)
    history = trainer.fit({index: np.arange(n)[:, None]}, keep_good=False)
    assert history.examples == [n]
    assert (table.value == -1).all()


def test_a_run_that_stops_does_not_wait_for_its_order():
    """The first thread fails while the order is made."""
    n = 100_000
    x, w = wyrm.InputNode([[0.0]]), wyrm.ParameterNode([[1.0]])
    trainer = wyrm.Trainer((w * x).square(), SGD(0.1), n_threads=3)
    with pytest.raises(FloatingPointError):
        trainer.fit({x: np.full(n, 1e30)})
    assert trainer.fit({x: np.zeros(n)}).examples == [n]


def test_partial_fit_goes_once_over_the_examples_at_the_present_rate():
    machine, other = Machine(), Machine()
    loss = wyrm.Trainer(machine.loss, SGD(0.05), n_threads=1).partial_fit(machine.feed(300))
    assert loss == pytest.approx(by_hand(other, SGD(0.05), other.feed(300), 1)[0], rel=1e-6)
    np.testing.assert_allclose(machine.factors.value, other.factors.value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_predict_keeps_the_order_of_the_examples(n_threads, batch_size):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=n_threads, batch_size=batch_size)
    trainer.fit(machine.feed(500))
    rows, _ = examples(333, seed=8)
    predicted = trainer.predict(machine.score, {machine.index: rows})
    machine.index.set_value(rows)
    machine.score.forward()
    np.testing.assert_allclose(predicted, machine.score.value, rtol=1e-5, atol=1e-6)


def test_evaluate_is_the_mean_loss_and_changes_nothing():
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, Adagrad(0.1), n_threads=2)
    trainer.fit(machine.feed(500))
    before = machine.values()
    feed = machine.feed(100, seed=9)
    mean = trainer.evaluate(feed)
    machine.index.set_value(feed[machine.index])
    machine.label.set_value(feed[machine.label].reshape(-1, 1))
    machine.loss.forward()
    assert mean == pytest.approx(machine.loss.value.mean(dtype=np.float64), rel=1e-5)
    assert same_bits(before, machine.values())


def test_a_loss_that_reduces_its_batch_trains_like_one_with_a_row_per_example():
    def run(reduce):
        x, y = wyrm.InputNode([[0.0]]), wyrm.InputNode([[0.0]])
        w = wyrm.ParameterNode([[0.5]])
        loss = squared_error(x * w, y)
        trainer = wyrm.Trainer(loss.mean() if reduce else loss, SGD(0.1), n_threads=1, batch_size=8)
        data = np.random.default_rng(0).random((64, 1))
        history = trainer.fit({x: data, y: 3 * data}, epochs=2)
        return w.value[0, 0], history.loss

    (a, loss_a), (b, loss_b) = run(False), run(True)
    assert a == pytest.approx(b, rel=1e-5)
    assert loss_a == pytest.approx(loss_b, rel=1e-5)


def test_the_user_s_graph_is_left_alone():
    machine = Machine()
    machine.index.set_value([1, 2, 3])
    machine.label.set_value(1.0)
    machine.loss.forward()
    before = machine.loss.value
    wyrm.Trainer(machine.loss, SGD(0.1), n_threads=2).fit(machine.feed())
    assert machine.index.value.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(machine.loss.value, before)


# --- Feeds of arrays ---------------------------------------------------------------------------------------------


def test_a_csr_matrix_feeds_an_index_and_its_weights():
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.random(300, 40, density=0.1, format="csr", random_state=1, dtype=np.float64)
    labels = rng.integers(0, 2, 300)

    def run(feed_of, batch_size):
        index, weight, label = wyrm.IndexInputNode([0]), wyrm.InputNode([[0.0]]), wyrm.InputNode([[0.0]])
        table = wyrm.ParameterNode(np.zeros((40, 1)))
        loss = logistic(wyrm.embedding_bag(table, index, weight), label)
        trainer = wyrm.Trainer(loss, SGD(0.5), n_threads=1, batch_size=batch_size)
        trainer.fit(feed_of(index, weight, label), epochs=3, shuffle=False)
        return table.value.copy()

    def dense_gradient_descent(batch_size):
        dense, w = matrix.toarray(), np.zeros((40, 1))
        for _ in range(3):
            for start in range(0, 300, batch_size):
                x, y = dense[start : start + batch_size], labels[start : start + batch_size, None]
                w -= 0.5 * x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(x)
        return w

    for batch_size in (1, 32):
        for form in (matrix, matrix.tocsc(), scipy.sparse.csr_array(matrix)):
            got = run(lambda i, w, y, form=form: {(i, w): form, y: labels}, batch_size)
            np.testing.assert_allclose(got, dense_gradient_descent(batch_size), rtol=1e-4, atol=1e-5)


def test_ragged_lists_and_offsets_are_the_same_feed():
    lists = [[1, 2, 2], [], [3], [0, 4, 1, 2]]
    rows = np.array([1, 2, 2, 3, 0, 4, 1, 2])
    offsets = np.array([0, 3, 3, 4, 8])

    def run(data, batch_size):
        index, label = wyrm.IndexInputNode([0]), wyrm.InputNode([[0.0]])
        table = wyrm.ParameterNode(np.linspace(-1, 1, 10).reshape(5, 2))
        loss = squared_error(wyrm.embedding_bag(table, index).sum(axis=1), label)
        wyrm.Trainer(loss, SGD(0.1), n_threads=1, batch_size=batch_size).fit({index: data, label: np.ones(4)}, epochs=3)
        return table.value.copy()

    for batch_size in (1, 2, 4):
        np.testing.assert_array_equal(run(lists, batch_size), run((rows, offsets), batch_size))


def test_repeated_indices_are_summed_before_the_step():
    index, table = wyrm.IndexInputNode([0]), wyrm.ParameterNode(np.zeros((4, 1)))
    loss = wyrm.embedding_bag(table, index)
    wyrm.Trainer(loss, Adagrad(1.0, eps=1e-30), n_threads=1).fit(
        {index: np.array([[1, 1, 1], [2, 3, 2]])}, shuffle=False
    )
    # Adagrad's first step is the rate whatever the gradient; three steps would be 1 + 1/sqrt(2) + 1/sqrt(3).
    np.testing.assert_allclose(table.value[:, 0], [0, -1, -1, -1], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda m, f: f.pop(m.label), ValueError, "label.*nothing for it"),
        (lambda m, f: f.update({m.index: f[m.index] + 45}), IndexError, "out of range"),
        (lambda m, f: f.update({m.index: -f[m.index]}), IndexError, "is negative; expected 0 to"),
        (lambda m, f: f.update({m.index: f[m.index].astype(float)}), TypeError, "integer"),
        (lambda m, f: f.update({m.label: f[m.label][:-1]}), ValueError, "as many examples"),
        (lambda m, f: f.update({m.label: f[m.label] * np.nan}), ValueError, "finite"),
        (lambda m, f: f.update({m.label: np.zeros((2000, 2))}), ValueError, r"\(n, 1\)"),
        (lambda m, f: f.update({m.label: ["a"] * 2000}), TypeError, "real numbers"),
        (lambda m, f: f.update({m.bias: np.zeros(2000)}), TypeError, "as key"),
        (lambda m, f: f.update({m.index: scipy.sparse.eye(2000, 50, format="csr")}), TypeError, "sparse matrix"),
        (lambda m, f: f.clear(), TypeError, "dict of input node"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused_before_anything_is_trained(change, error, match):
    machine = Machine()
    feed = machine.feed()
    before = machine.values()
    change(machine, feed)
    with pytest.raises(error, match=match):
        wyrm.Trainer(machine.loss, SGD(0.1), n_threads=2).fit(feed)
    assert same_bits(before, machine.values())


def test_a_shape_that_fails_inside_a_run_names_the_node():
    x, y = wyrm.InputNode([[0.0]]), wyrm.InputNode([[0.0]], name="y")
    index = wyrm.IndexInputNode([0])
    table = wyrm.ParameterNode(np.zeros((9, 1)))
    loss = squared_error(table.embedding(index) * x, y)
    with pytest.raises(ValueError, match="squared_error"):
        wyrm.Trainer(loss, SGD(0.1), n_threads=2).fit({index: np.zeros((20, 3), int), x: np.zeros(20), y: np.zeros(20)})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"n_threads": 0}, ValueError),
        ({"n_threads": 1.5}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"batch_size": True}, TypeError),
        ({"seed": -1}, ValueError),
    ],
)
def test_bad_arguments(arguments, error):
    machine = Machine()
    with pytest.raises(error, match=next(iter(arguments))):
        wyrm.Trainer(machine.loss, SGD(0.1), **arguments)


def test_only_an_operation_that_learns_can_be_a_loss():
    machine = Machine()
    for wrong, error in ((machine.bias, TypeError), (None, TypeError), (machine.label * 2, ValueError)):
        with pytest.raises(error):
            wyrm.Trainer(wrong, SGD(0.1))
    with pytest.raises(TypeError, match="optimiser"):
        wyrm.Trainer(machine.loss, 0.1)
    with pytest.raises(TypeError, match="operation"):
        wyrm.Trainer(machine.loss, SGD(0.1)).predict(machine.index, machine.feed())
    with pytest.raises(ValueError, match="one row per example"):
        wyrm.Trainer(machine.loss, SGD(0.1), batch_size=4).predict(machine.score.mean(), machine.feed())


# --- Validation, early stopping, callbacks -----------------------------------------------------------------------


def test_early_stopping_restores_the_best_parameters():
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, Adagrad(0.5), n_threads=1)
    noise = machine.feed(100, seed=4)
    noise[machine.label] = 1 - noise[machine.label]
    history = trainer.fit(machine.feed(), epochs=30, validation=noise, patience=2)
    assert history.stopped == "patience" and len(history.loss) < 30
    assert history.best_epoch == int(np.argmin(history.validation_loss))
    assert len(history.loss) == history.best_epoch + 3
    assert trainer.evaluate(noise) == pytest.approx(min(history.validation_loss), rel=1e-12)


def test_patience_needs_a_validation_feed():
    machine = Machine()
    with pytest.raises(ValueError, match="validation"):
        wyrm.Trainer(machine.loss, SGD(0.1)).fit(machine.feed(), patience=1)


def test_callbacks_see_each_epoch_and_can_stop():
    machine = Machine()
    seen = []

    def watch(trainer):
        seen.append(len(trainer.history.loss))
        return len(seen) == 3

    history = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=2).fit(machine.feed(), epochs=9, callbacks=[watch])
    assert seen == [1, 2, 3] and history.stopped == "callback"


def test_interval_callbacks_run_while_threads_train():
    machine = Machine()
    calls = []

    class Often(Callback):
        interval = 0.01

        def on_interval(self, trainer):
            calls.append(threading.active_count())
            return len(calls) >= 3

    rows, labels = examples(400_000)
    history = wyrm.Trainer(machine.loss, SGD(0.001), n_threads=2).fit(
        {machine.index: rows, machine.label: labels}, epochs=1, callbacks=[Often()]
    )
    assert calls and history.examples[0] <= 400_000


def test_history_plots_and_makes_a_frame():
    pytest.importorskip("matplotlib").use("Agg")
    pandas = pytest.importorskip("pandas")
    machine = Machine()
    history = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=1).fit(
        machine.feed(), epochs=3, validation=machine.feed(50, seed=2)
    )
    lines = history.plot().get_lines()
    assert list(lines[0].get_ydata()) == history.loss
    assert list(lines[1].get_ydata()) == history.validation_loss
    frame = history.to_frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame["loss"]) == history.loss and len(frame) == 3


def test_the_history_of_several_fits_keeps_epochs_apart(tmp_path):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=1)
    trainer.fit(machine.feed(), epochs=2)
    fit = trainer.fit(machine.feed(), epochs=3, validation=machine.feed(50, seed=2))
    trainer.fit(machine.feed())
    history = trainer.history
    assert np.isnan(history.validation_loss[:2]).all() and history.validation_loss[2:] == fit.validation_loss
    assert history.best_epoch is None and len(history.loss) == 6
    fit = trainer.fit(machine.feed(), validation=machine.feed(50, seed=2))
    assert np.isnan(history.validation_loss[5]) and history.validation_loss[6] == fit.validation_loss[0]
    assert (fit.best_epoch, history.best_epoch) == (0, 6)
    trainer.save(tmp_path / "trainer")
    again = wyrm.Trainer.resume(tmp_path / "trainer", machine.loss, SGD(0.1)).history
    np.testing.assert_array_equal(again.validation_loss, history.validation_loss)


def test_progress_is_shown_on_demand(capsys):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=1)
    trainer.fit(machine.feed())
    assert capsys.readouterr().err == ""
    trainer.fit(machine.feed(), epochs=2, validation=machine.feed(10), verbose=1)
    shown = capsys.readouterr().err
    assert "epoch 2/2: 100%" in shown.split("\r")[-1]
    assert "loss" in shown and "validation" in shown and "examples/s" in shown
