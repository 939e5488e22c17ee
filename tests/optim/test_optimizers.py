"""Arguments, errors, and what an optimiser does with the parameters it is given."""

import copy
import gc
import pickle

import numpy as np
import pytest
from optim.graphs import DenseGraph, SparseGraph

import wyrm
from wyrm.optim import FTRL, SGD, Adagrad, Adam, LinearDecay, Optimizer

ALL = [SGD, Adagrad, Adam, FTRL]


def parameter(rows=3, cols=2):
    return wyrm.ParameterNode(np.ones((rows, cols)))


# --- Arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), 10**400])
def test_learning_rate_out_of_range(cls, rate):
    with pytest.raises(ValueError, match="learning_rate: expected a number >= 0"):
        cls(rate)
    optimizer = cls(0.5)
    with pytest.raises(ValueError, match="learning_rate"):
        optimizer.learning_rate = rate
    assert optimizer.learning_rate == 0.5


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("rate", ["0.1", None, True, [0.1], 1j])
def test_learning_rate_of_the_wrong_type(cls, rate):
    with pytest.raises(TypeError, match="learning_rate"):
        cls(rate)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        *((cls, "l2", value) for cls in ALL for value in (-1.0, float("nan"), float("inf"))),
        *((cls, "l1", value) for cls in (SGD, Adagrad, FTRL) for value in (-1.0, float("nan"))),
        *((cls, "eps", value) for cls in (Adagrad, Adam) for value in (0.0, -1e-8, float("nan"))),
        *((Adam, beta, value) for beta in ("beta1", "beta2") for value in (-0.1, 1.0, 1.5, float("nan"))),
        (Adam, "beta1", 0.99999),
        (FTRL, "beta", 0.0),
    ],
)
def test_settings_out_of_range(cls, name, value):
    with pytest.raises(ValueError, match=rf"{cls.__name__}: {name}: expected .*, got "):
        cls(0.1, **{name: value})


@pytest.mark.parametrize("clip", [1.0, "ab", (1.0,), (0.0, 1.0, 2.0), ("a", "b"), (None, 1.0)])
@pytest.mark.parametrize("cls", ALL)
def test_clip_of_the_wrong_type(cls, clip):
    with pytest.raises(TypeError, match="clip: expected None or a pair"):
        cls(0.1, clip=clip)


@pytest.mark.parametrize("clip", [(1.0, -1.0), (float("nan"), 1.0), (0.5, 1.0), (-1.0, -0.5)])
def test_clip_out_of_range(clip):
    with pytest.raises(ValueError, match="clip: expected None or a pair"):
        SGD(0.1, clip=clip)


def test_settings_are_keywords():
    with pytest.raises(TypeError):
        SGD(0.1, [parameter()], 0.01)
    with pytest.raises(TypeError):
        Adam(0.1, l1=0.1)


def test_the_base_is_no_optimizer():
    with pytest.raises(TypeError, match="one of SGD, Adagrad, Adam or FTRL"):
        Optimizer()


def test_numpy_numbers_are_numbers():
    optimizer = SGD(np.float32(0.5), l2=np.float64(0.25), clip=np.array([-1, 1]))
    assert optimizer.learning_rate == 0.5
    assert optimizer.config == {"l2": 0.25, "l1": 0.0, "clip": (-1.0, 1.0)}


def test_defaults():
    assert [cls().learning_rate for cls in ALL] == [0.05, 0.05, 0.001, 0.05]
    assert Adam().config == {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "l2": 0.0, "clip": None}
    assert Adagrad().config["eps"] == 1e-10
    assert FTRL().config["beta"] == 1.0


def test_repr():
    assert repr(SGD(0.5)) == "SGD(learning_rate=0.5)"
    assert repr(SGD(0.5, l2=0.1, clip=(-1, 1))) == "SGD(learning_rate=0.5, l2=0.1, clip=(-1.0, 1.0))"
    assert repr(Adagrad(LinearDecay(0.5, 0.1))) == ("Adagrad(learning_rate=LinearDecay(start=0.5, end=0.1), eps=1e-10)")


def test_no_stray_attributes():
    with pytest.raises(AttributeError):
        SGD(0.5).lr = 0.1


@pytest.mark.parametrize("cls", ALL)
def test_copies_and_pickles_keep_the_settings(cls):
    optimizer = cls(LinearDecay(0.5, 0.1), l2=0.25)
    for other in (copy.copy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert type(other) is cls
        assert repr(other) == repr(optimizer)


# --- Learning rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-10, 0.1])
def test_adagrad_of_a_single_number(eps):
    weight = parameter(1, 1)
    value, total = float(weight.value[0, 0]), 0.0
    optimizer = Adagrad(0.25, eps=eps)
    graph = weight * 1
    for gradient in (0.0, 3.0, -0.5, 1e-4, 0.0, -7.0):
        graph.forward()
        graph.backward(gradient)
        optimizer.step([weight])
        total += gradient**2
        value -= 0.25 * gradient / (np.sqrt(total) + eps)
        np.testing.assert_allclose(weight.value, [[value]], rtol=1e-5)


def test_learning_rate_can_be_set_between_steps():
    weights = parameter(1, 1)
    graph = DenseGraph(weights)
    optimizer = SGD(0.5, [weights])
    for rate, expected in ((0.5, 0.5), (0.25, 0.25), (0.0, 0.25)):
        optimizer.learning_rate = rate
        graph.backward([[1.0]])
        optimizer.step()
        assert weights.value[0, 0] == expected


def test_schedules_follow_progress():
    optimizer = SGD(LinearDecay(0.5, 0.1))
    assert optimizer.learning_rate == 0.5
    optimizer.progress = 0.5
    assert optimizer.progress == 0.5
    assert optimizer.learning_rate == pytest.approx(0.3)
    optimizer.learning_rate = 0.125
    assert optimizer.schedule is None
    optimizer.progress = 1
    assert optimizer.learning_rate == 0.125
    optimizer.learning_rate = lambda progress: 2 - progress
    assert optimizer.learning_rate == 1.0


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan")])
def test_progress_out_of_range(progress):
    with pytest.raises(ValueError, match="progress: expected a number from 0 to 1"):
        SGD().progress = progress


def test_a_schedule_that_gives_nonsense():
    with pytest.raises(TypeError, match=r"learning_rate from .* at progress 0\.0"):
        SGD(lambda progress: "fast")
    optimizer = SGD(lambda progress: 0.5 - progress)
    with pytest.raises(ValueError, match=r"at progress 0\.75: expected a number >= 0, got -0\.25"):
        optimizer.progress = 0.75
    assert (optimizer.progress, optimizer.learning_rate) == (0.0, 0.5)


def test_an_exception_in_a_schedule_gets_through():
    def broken(progress):
        raise RuntimeError("broken schedule")

    with pytest.raises(RuntimeError, match="broken schedule"):
        Adam(broken)


# --- Parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_foreign_objects_are_named(cls):
    weights = parameter()
    for wrong, name in (
        ([weights, 3], "int at position 1"),
        ([np.zeros((2, 2))], "ndarray at position 0"),
        ([wyrm.InputNode(1.0)], "InputNode"),
        ([weights.parameter], "HogwildParameter"),
        ({"w": weights}, "str"),
    ):
        with pytest.raises(TypeError, match=rf"expected ParameterNodes, got {name}"):
            cls(0.1, wrong)
        with pytest.raises(TypeError, match="expected ParameterNodes"):
            cls(0.1).step(wrong)
    with pytest.raises(TypeError, match="put it in a list"):
        cls(0.1).step(weights)
    with pytest.raises(TypeError, match="expected a sequence of ParameterNode, got float"):
        cls(0.1).step(0.5)


def test_step_without_parameters():
    with pytest.raises(ValueError, match="made without parameters"):
        SGD().step()
    with pytest.raises(ValueError, match="made without parameters"):
        SGD().zero_gradients()
    SGD().step([])
    SGD(0.1, []).step()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("settings", [{}, {"l2": 0.5}])
def test_step_on_empty_gradients(cls, settings):
    weights = parameter()
    optimizer = cls(0.1, [weights], **settings)
    optimizer.step()
    optimizer.step()
    expected = 0.95**2 if settings and cls is not FTRL else 1.0
    np.testing.assert_allclose(weights.value, expected, rtol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_step_clears_gradients(cls):
    table, whole = parameter(5, 2), parameter(1, 2)
    sparse, dense = SparseGraph(table), DenseGraph(whole)
    optimizer = cls(0.1)
    sparse.read([1, 3, 1], np.ones((3, 2)))
    sparse.backward()
    dense.backward(np.ones((1, 2)))
    optimizer.step([table, whole])
    assert len(table.sparse_gradient.indices) == 0
    assert not whole.gradient.any()
    before = table.value.copy(), whole.value.copy()
    optimizer.step([table, whole])
    if cls is not Adam:  # whose moments go on
        np.testing.assert_array_equal(table.value, before[0])
        np.testing.assert_array_equal(whole.value, before[1])


def test_zero_gradients():
    table = parameter(5, 2)
    graph = SparseGraph(table)
    optimizer = SGD(0.1, [table])
    graph.read([1], np.ones((1, 2)))
    graph.backward()
    optimizer.zero_gradients()
    assert len(table.sparse_gradient.indices) == 0
    optimizer.step()
    assert (table.value == 1).all()


def test_the_same_node_twice_is_stepped_once():
    table = parameter(5, 2)
    graph = SparseGraph(table)
    optimizer = SGD(0.5, l2=0.5)
    graph.read([1], np.ones((1, 2)))
    graph.backward()
    optimizer.step([table, table])
    np.testing.assert_allclose(table.value[:2, 0], [0.75, 0.25])


def test_any_sequence_of_nodes_in_any_order():
    first, second = parameter(1, 1), parameter(1, 1)
    graphs = DenseGraph(first), DenseGraph(second)
    optimizer = SGD(0.25, [first])
    both = [first, second]
    for nodes, stepped in (
        (both, both),
        ((second, first), both),
        (iter(both), both),
        ([first], [first]),
        (None, [first]),
        ({second: 1}, [second]),
        (both, both),
    ):
        before = first.value[0, 0], second.value[0, 0]
        for graph in graphs:
            graph.backward([[1.0]])
        optimizer.step(nodes)
        assert first.value[0, 0] == before[0] - 0.25 * (first in stepped)
        assert second.value[0, 0] == before[1] - 0.25 * (second in stepped)
        optimizer.zero_gradients([first, second])


def test_many_sets_of_parameters():
    nodes = [parameter(1, 1) for _ in range(40)]
    graphs = [DenseGraph(node) for node in nodes]
    optimizer = Adagrad(0.5)
    for _ in range(2):
        for node, graph in zip(nodes, graphs, strict=True):
            graph.backward([[2.0]])
            optimizer.step([node])
    for node in nodes:
        np.testing.assert_allclose(node.value, 1 - 0.5 - 0.5 / np.sqrt(2), rtol=1e-6)


def test_an_input_graph_of_the_readme():
    rng = np.random.default_rng(0)
    slope, intercept = wyrm.ParameterNode(rng.random((1, 1))), wyrm.ParameterNode(rng.random((1, 1)))
    x, y = wyrm.InputNode(np.zeros((1, 1))), wyrm.InputNode(np.zeros((1, 1)))
    loss = (y - (slope * x + intercept)).square()
    optimizer = SGD(learning_rate=0.1)
    for _ in range(600):
        value = rng.random()
        x.set_value(value)
        y.set_value(3.0 * value + 5.0)
        loss.forward()
        loss.backward(1.0)
        optimizer.step(loss.parameters())
    assert slope.value[0, 0] == pytest.approx(3, abs=0.05)
    assert intercept.value[0, 0] == pytest.approx(5, abs=0.05)


@pytest.mark.parametrize("cls", ALL)
def test_infinite_gradients_are_clipped(cls):
    table, same = parameter(4, 9), parameter(4, 9)
    graphs = SparseGraph(table), SparseGraph(same)
    optimizer = cls(0.1, clip=(-1, 1))
    for graph, weight in zip(graphs, (3e38, 1.0), strict=True):
        graph.read([2], np.ones((1, 9)))
        graph.loss.backward(weight)
        graph.loss.backward(weight)
    assert np.isinf(table.gradient[2]).all()
    optimizer.step([table, same])
    np.testing.assert_array_equal(table.value, same.value)
    assert np.isfinite(table.value).all()


# --- State ---------------------------------------------------------------------------------------------------------


def test_optimizers_of_one_kind_share_the_state():
    shared = wyrm.HogwildParameter(np.ones((3, 2)))
    nodes = [wyrm.ParameterNode.shared(shared) for _ in range(2)]
    optimizers = [Adagrad(0.5), Adagrad(0.25)]
    expected, accumulator = 1.0, 0.0
    for _ in range(3):
        for node, optimizer in zip(nodes, optimizers, strict=True):
            graph = SparseGraph(node)
            graph.read([1], np.full((1, 2), 2.0))
            graph.backward()
            optimizer.step([node])
            accumulator += 4
            expected -= optimizer.learning_rate * 2 / np.sqrt(accumulator)
            np.testing.assert_allclose(shared.value[1], expected, rtol=1e-6)


@pytest.mark.parametrize("settings", [{"l2": 0.5}, {"l2": 0.5, "l1": 0.125}])
def test_the_clock_counts_the_steps_of_all_who_share_it(settings):
    shared = wyrm.HogwildParameter(np.ones((3, 2)))
    nodes = [wyrm.ParameterNode.shared(shared) for _ in range(2)]
    optimizers = [SGD(0.5, **settings), SGD(0.25, **settings)]
    expected = 1.0
    for _ in range(3):
        for node, optimizer in zip(nodes, optimizers, strict=True):
            optimizer.step([node])
            rate = optimizer.learning_rate
            expected = max(0, (1 - 0.5 * rate) * expected - rate * settings.get("l1", 0))
    np.testing.assert_allclose(shared.value, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Adagrad(), Adam()),
        (Adam(), Adam(beta2=0.99)),
        (Adagrad(), Adagrad(l2=0.1)),
        (FTRL(), SGD(l1=0.1)),
    ],
    ids=repr,
)
def test_another_kind_is_refused_while_the_first_is_alive(first, second):
    weights = parameter()
    first.step([weights])
    with pytest.raises(ValueError, match=r"holds the state of .* still alive; delete that optimiser first"):
        second.step([weights])
    first.step([weights])


def test_plain_sgd_goes_with_any():
    weights = parameter(1, 1)
    graph = DenseGraph(weights)
    adagrad, sgd = Adagrad(0.5), SGD(0.125)
    for optimizer in (adagrad, sgd, adagrad):
        graph.backward([[2.0]])
        optimizer.step([weights])
    np.testing.assert_allclose(weights.value, 1 - 0.5 - 0.25 - 0.5 * 2 / np.sqrt(8), rtol=1e-6)


def test_a_new_optimizer_starts_anew_when_none_is_alive():
    weights = parameter(4, 1)
    graph = SparseGraph(weights)

    def steps(optimizer):
        for _ in range(3):
            graph.read([1], [[1.0]])
            graph.backward()
            optimizer.step([weights])

    steps(Adam(0.5, l2=0.5))
    gc.collect()
    once = weights.value.copy()
    assert once[0, 0] == pytest.approx(0.75**3)
    for cls in (Adam, Adagrad, FTRL, SGD):
        weights.value = np.ones((4, 1))
        optimizer = cls(0.5, l2=0.5)
        steps(optimizer)
        first = weights.value.copy()
        del optimizer
        weights.value = np.ones((4, 1))
        optimizer = cls(0.5, l2=0.5)
        steps(optimizer)
        np.testing.assert_array_equal(weights.value, first)
        del optimizer


def test_what_rows_miss_outlives_the_optimizer():
    weights = parameter(4, 2)
    optimizer = SGD(0.5, [weights], l2=0.5)
    optimizer.step()
    optimizer.step()
    del optimizer
    np.testing.assert_allclose(weights.value, 0.75**2, rtol=1e-6)
    optimizer = Adagrad(0.5, [weights], l2=0.5)
    optimizer.step()
    del optimizer
    other = Adam(0.5, [weights])
    other.step()
    np.testing.assert_allclose(weights.value, 0.75**3, rtol=1e-6)


def test_values_set_in_between_are_not_decayed_for_the_past():
    weights = parameter(4, 2)
    optimizer = SGD(0.5, [weights], l2=0.5)
    optimizer.step()
    weights.value = np.full((4, 2), 2.0)
    np.testing.assert_array_equal(weights.value, 2.0)
    optimizer.step()
    np.testing.assert_allclose(weights.value, 1.5, rtol=1e-6)


def test_two_nodes_over_one_storage_take_their_turns():
    shared = wyrm.HogwildParameter(np.ones((3, 1)))
    nodes = [wyrm.ParameterNode.shared(shared) for _ in range(2)]
    optimizer = SGD(0.5, nodes)
    for node in nodes:
        graph = SparseGraph(node)
        graph.read([1], [[1.0]])
        graph.backward()
    optimizer.step()
    np.testing.assert_array_equal(shared.value[:, 0], [1, 0, 1])


def test_a_million_rows_of_sgd_keep_no_state():
    table = wyrm.ParameterNode(np.zeros((1000, 4), dtype=np.float32))
    graph = SparseGraph(table)
    optimizer = SGD(0.5, [table])
    graph.read([5], np.ones((1, 4)))
    graph.backward()
    optimizer.step()
    assert table.value.strides == (16, 4)
    assert optimizer.get_state()["parameters"] == [None]


@pytest.mark.parametrize("eps", [1e-10, 1e-8, 1e-7, 1e-3, 0.1, 1.0, 30.0])
def test_adagrad_is_exact_for_gradients_of_any_size(eps):
    """The kernels take estimates where that is as exact, by the size of eps and of the sums."""
    sizes = np.concatenate([[0], np.geomspace(1e-17, 1e17, 400)])
    gradients = np.stack([sizes, -sizes[::-1]], axis=1).astype(np.float32)
    weights = wyrm.ParameterNode(np.zeros(gradients.shape))
    rows = wyrm.IndexInputNode(np.arange(len(gradients)))
    loss = (weights.embedding(rows) * wyrm.InputNode(gradients)).sum()
    optimizer = Adagrad(0.5, [weights], eps=eps)
    accumulator = np.zeros(gradients.shape)
    expected = np.zeros(gradients.shape)
    for _ in range(3):
        loss.forward()
        loss.backward()
        optimizer.step()
        accumulator += gradients.astype(np.float64) ** 2
        expected -= 0.5 * gradients / (np.sqrt(accumulator) + eps)
    np.testing.assert_allclose(weights.value, expected, rtol=2e-6, atol=1e-37)
