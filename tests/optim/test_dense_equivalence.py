"""Touched rows only, and yet the dense algorithm: against float64 references that update every row at every step."""

import numpy as np
import pytest
from optim.dense import DENSE
from optim.graphs import DenseGraph, SparseGraph, scattered

import wyrm
from wyrm import optim

SETTINGS = [
    ("SGD", {}),
    ("SGD", {"l2": 0.1}),
    ("SGD", {"l1": 0.01}),
    ("SGD", {"l2": 0.1, "l1": 0.01}),
    ("SGD", {"clip": (-0.5, 0.25)}),
    ("Adagrad", {}),
    ("Adagrad", {"eps": 1e-2}),
    ("Adagrad", {"l2": 0.1}),
    ("Adagrad", {"l1": 0.01}),
    ("Adagrad", {"l2": 0.1, "l1": 0.01, "clip": (-0.5, 0.25)}),
    ("Adam", {}),
    ("Adam", {"l2": 0.1}),
    ("Adam", {"eps": 1e-2, "clip": (-0.5, 0.25)}),
    ("Adam", {"beta1": 0.5, "beta2": 0.9, "l2": 0.05}),
    ("Adam", {"beta1": 0.0, "beta2": 0.5}),
    ("Adam", {"beta1": 0.97, "beta2": 0.9999, "l2": 0.01}),
    ("FTRL", {}),
    ("FTRL", {"l1": 0.5}),
    ("FTRL", {"l1": 0.1, "l2": 0.3, "beta": 0.1}),
    ("FTRL", {"l1": 0.1, "clip": (-0.5, 0.25)}),
]
NAMES = [f"{rule}-{'-'.join(f'{k}={v}' for k, v in settings.items()) or 'plain'}" for rule, settings in SETTINGS]


def constant(step, rng):
    return 0.01


def random(step, rng):
    return 0.02 * (0.1 + rng.random())


def in_runs(step, rng):
    return 0.02 / (1 + step // 37)


def sometimes_zero(step, rng):
    return 0.01 * (step % 3)


def check(value, reference):
    if not (np.abs(value - reference) <= 1e-6 + 1e-6 * np.abs(reference)).all():  # cheaper than assert_allclose
        np.testing.assert_allclose(value, reference, rtol=1e-6, atol=1e-6)


def draw_step(rng, rows, cols, most, scale):
    """Rows with repetitions, small ones often, and a gradient for each."""
    n = rng.integers(1, most + 1)
    touched = np.where(rng.random(n) < 0.7, rng.integers(0, max(1, rows // 4), n), rng.integers(0, rows, n))
    return touched, (scale * rng.normal(size=(n, cols))).astype(np.float32)


def compare(rule, settings, *, rows, cols, steps, schedule=constant, scale=1.0, look=None, view=False, seed=0):
    rng = np.random.default_rng(seed)
    start = (0.3 * rng.normal(size=(rows, cols))).astype(np.float32)
    table = wyrm.ParameterNode(start)
    kept = table.value if view else None
    graph = SparseGraph(table)
    optimizer = getattr(optim, rule)(0.01, **settings)
    reference = DENSE[rule](start, **settings)
    for step in range(steps):
        touched, gradients = draw_step(rng, rows, cols, 6, scale)
        optimizer.learning_rate = schedule(step, rng)
        check(graph.read(touched, gradients), reference.w[touched])
        graph.backward()
        optimizer.step(graph.loss.parameters())
        reference.step(scattered(start.shape, touched, gradients), optimizer.learning_rate)
        if look is not None and step % look == look - 1:
            check(table.value, reference.w)
    check(table.value, reference.w)
    check(table.value, reference.w)
    if view:
        check(kept, reference.w)


@pytest.mark.parametrize("schedule", [constant, random, in_runs], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=NAMES)
def test_sparse_steps_are_the_dense_algorithm(rule, settings, schedule):
    compare(rule, settings, rows=60, cols=5, steps=150, schedule=schedule)


@pytest.mark.parametrize(("rule", "settings"), [pair for pair in SETTINGS if pair[0] != "FTRL"])
def test_rates_of_zero(rule, settings):
    compare(rule, settings, rows=60, cols=5, steps=100, schedule=sometimes_zero)


def test_ftrl_stands_still_at_a_rate_of_zero():
    # Its formula divides by the rate; a schedule may still end there.
    rng = np.random.default_rng(0)
    table = wyrm.ParameterNode(rng.normal(size=(4, 3)))
    graph = SparseGraph(table)
    optimizer = optim.FTRL(0.1, l1=0.01)
    for rate in (0.1, 0.0, 0.1):
        optimizer.learning_rate = rate
        before = table.value.copy()
        graph.read([1, 2], rng.normal(size=(2, 3)))
        graph.backward()
        optimizer.step([table])
        assert (table.value == before).all() == (rate == 0)
        assert np.isfinite(table.value).all()


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=NAMES)
def test_rows_that_wait_for_long(rule, settings):
    compare(rule, settings, rows=3000, cols=2, steps=700, schedule=in_runs)


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=NAMES)
def test_state_apart_from_the_values_while_a_view_is_alive(rule, settings):
    compare(rule, settings, rows=60, cols=5, steps=100, schedule=random, view=True, look=40)


@pytest.mark.parametrize("cols", [1, 2, 3, 4, 7, 8, 9, 16, 17, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("rule", ["SGD", "Adagrad", "Adam", "FTRL"])
@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "clip": (-0.5, 0.25)}], ids=["plain", "l2-clip"])
def test_every_width(rule, settings, cols):
    compare(rule, settings, rows=20, cols=cols, steps=25, look=7)


@pytest.mark.parametrize("settings", [{}, {"l2": 0.05}], ids=["plain", "l2"])
def test_adam_remembers_more_rates_than_it_has_room_for(settings):
    # The ring holds 1024 rates; rows wait up to 2500 steps under a new rate at each.
    compare("Adam", settings, rows=300, cols=2, steps=2500, schedule=random)


@pytest.mark.parametrize("scale", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.8, 0.9)])
def test_adam_where_eps_counts(scale, betas):
    # Gradients about as small as eps: the moves of missed steps no longer follow the formula's leading term.
    settings = {"beta1": betas[0], "beta2": betas[1]}
    compare("Adam", settings, rows=150, cols=3, steps=400, scale=scale)


@pytest.mark.parametrize("rule", ["SGD", "Adagrad", "Adam"])
def test_decay_that_takes_everything(rule):
    # learning_rate * l2 >= 1: a step leaves nothing of the weight it found.
    compare(rule, {"l2": 120.0}, rows=30, cols=2, steps=60)
    compare(rule, {"l2": 70.0}, rows=30, cols=2, steps=60, schedule=random)


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=NAMES)
def test_dense_gradients(rule, settings):
    rng = np.random.default_rng(3)
    start = (0.3 * rng.normal(size=(7, 3))).astype(np.float32)
    parameter = wyrm.ParameterNode(start)
    graph = DenseGraph(parameter)
    optimizer = getattr(optim, rule)(0.01, [parameter], **settings)
    reference = DENSE[rule](start, **settings)
    for step in range(120):
        optimizer.learning_rate = random(step, rng)
        gradients = rng.normal(size=start.shape).astype(np.float32)
        if step % 5 == 3:  # no backward: the step counts, and there is no gradient
            gradients = np.zeros_like(start)
        else:
            graph.backward(gradients)
        optimizer.step()
        reference.step(gradients.astype(np.float64), optimizer.learning_rate)
        assert not parameter.gradient.any()
        if step % 10 == 0:
            check(parameter.value, reference.w)
    check(parameter.value, reference.w)


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=NAMES)
def test_one_parameter_used_whole_and_by_lookup(rule, settings):
    rng = np.random.default_rng(4)
    start = (0.3 * rng.normal(size=(9, 4))).astype(np.float32)
    table = wyrm.ParameterNode(start)
    sparse = SparseGraph(table)
    optimizer = getattr(optim, rule)(0.01, **settings)
    reference = DENSE[rule](start, **settings)

    def sparse_steps(n):
        for step in range(n):
            touched, gradients = draw_step(rng, 9, 4, 3, 1.0)
            optimizer.learning_rate = random(step, rng)
            check(sparse.read(touched, gradients), reference.w[touched])
            sparse.backward()
            optimizer.step([table])
            reference.step(scattered(start.shape, touched, gradients), optimizer.learning_rate)

    sparse_steps(30)
    whole = DenseGraph(table)
    for step in range(30):
        gradients = rng.normal(size=start.shape).astype(np.float32)
        optimizer.learning_rate = random(step, rng)
        whole.backward(gradients)
        optimizer.step([table])
        reference.step(gradients.astype(np.float64), optimizer.learning_rate)
    sparse_steps(30)
    check(table.value, reference.w)


def test_rows_past_two_to_the_24():
    # Where float32 no longer counts in ones, and neither may row numbers.
    rows = 17_000_000
    table = wyrm.ParameterNode(np.zeros((rows, 1), dtype=np.float32))
    graph = SparseGraph(table)
    optimizer = optim.Adagrad(0.5)
    touched = np.array([2**24 + 1, 2**24, rows - 1, 2**24 + 1])
    graph.read(touched, np.array([[1.0], [2.0], [-1.0], [1.0]]))
    graph.backward()
    optimizer.step([table])
    value = table.value
    assert np.flatnonzero(value).tolist() == [2**24, 2**24 + 1, rows - 1]
    np.testing.assert_allclose(value[[2**24, 2**24 + 1, rows - 1], 0], [-0.5, -0.5, 0.5], rtol=1e-6)
