"""Where an optimiser's state lies: beside the values, unless somebody looks at them; and what users see of that."""

import gc

import numpy as np
import pytest
from engine.support import assert_gradients

import wyrm
from wyrm.optim import FTRL, SGD, Adagrad, Adam

STATEFUL = [Adagrad, Adam, FTRL]


def lookup(values):
    table = wyrm.ParameterNode(values)
    index = wyrm.IndexInputNode([1, 3, 1])
    return table, table.embedding(index).square().sum(), index


def train(optimizer, loss, steps=1):
    for _ in range(steps):
        loss.forward()
        loss.backward()
        optimizer.step(loss.parameters())


def is_strided(table):
    return table.value.strides[0] != table.shape[1] * 4


@pytest.mark.parametrize("kind", STATEFUL)
def test_state_lies_beside_the_rows_that_are_looked_up(kind, rng):
    values = rng.normal(size=(6, 3)).astype(np.float32)
    table, loss, _ = lookup(values)
    assert not is_strided(table)
    train(kind(0.1), loss)
    assert is_strided(table)
    np.testing.assert_array_equal(table.value[[0, 2, 4, 5]], values[[0, 2, 4, 5]])
    assert (table.value[[1, 3]] != values[[1, 3]]).all()


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_view_stays_the_live_storage_when_state_is_attached(kind, rng):
    table, loss, _ = lookup(rng.normal(size=(6, 3)))
    view, rows = table.value, table.value[1:4]
    address = view.ctypes.data
    train(kind(0.1), loss, steps=3)
    assert not is_strided(table)
    assert table.value.ctypes.data == address
    np.testing.assert_array_equal(view, table.value)
    np.testing.assert_array_equal(rows, table.value[1:4])
    view[3] = 7
    loss.forward()
    np.testing.assert_allclose(loss.value, [[2 * (view[1] ** 2).sum() + 3 * 49]], rtol=1e-5)
    gc.collect()
    train(kind(0.1), loss)
    np.testing.assert_array_equal(rows, table.value[1:4])


def test_training_is_the_same_in_either_layout(rng):
    values = rng.normal(size=(6, 3))
    results = []
    for look in (False, True):
        table, loss, index = lookup(values)
        view = table.value if look else None
        optimizer = Adagrad(0.3)
        for rows in ([1], [0, 5, 5], [1, 2, 3, 1], [4]):
            index.set_value(rows)
            train(optimizer, loss, steps=5)
        assert is_strided(table) != look
        results.append(table.value.copy())
        del view
    np.testing.assert_array_equal(*results)


def test_a_parameter_used_whole_stays_contiguous(rng):
    w = wyrm.ParameterNode(rng.normal(size=(4, 3)))
    train(Adagrad(0.1), (w * w).sum())
    assert not is_strided(w)


def test_graphs_built_before_and_after_see_the_moved_values(rng):
    table, loss, index = lookup(rng.normal(size=(6, 3)))
    before = wyrm.concatenate([table.T @ table, table[0:3, :], table.embedding_bag(index)], 0)
    before.forward()
    train(Adagrad(0.1), loss)
    assert is_strided(table)
    after = wyrm.concatenate([table.T @ table, table[0:3, :], table.embedding_bag(index)], 0)
    for node in (before, after):
        node.forward()
        values = table.value.astype(float)
        np.testing.assert_allclose(
            node.value, np.vstack([values.T @ values, values[:3], values[[1, 3, 1]].sum(axis=0)]), rtol=1e-5, atol=1e-6
        )
        assert_gradients(node, rng)


def test_state_attached_between_forward_and_backward(rng):
    table, loss, _ = lookup(rng.normal(size=(6, 3)))
    values = table.value.copy()
    gc.collect()
    loss.forward()
    other = wyrm.ParameterNode.shared(table.parameter)
    train(Adagrad(0.1), (other.embedding(wyrm.IndexInputNode([0])) * 0.0).sum())
    assert is_strided(table)
    loss.backward()
    expected = np.zeros((6, 3), dtype=np.float32)
    np.add.at(expected, [1, 3, 1], 2 * values[[1, 3, 1]])
    np.testing.assert_allclose(table.gradient, expected, rtol=1e-6)


def test_views_through_the_buffer_protocol(rng):
    table, loss, _ = lookup(rng.normal(size=(6, 3)))
    with memoryview(table.parameter) as view:
        assert (view.format, view.shape, view.readonly) == ("f", (6, 3), False)
        train(Adagrad(0.1), loss)
        assert view.contiguous
    train(SGD(0.1), loss)
    train(Adagrad(0.1), loss)
    assert is_strided(table)
    with memoryview(table.parameter) as view:
        np.testing.assert_array_equal(np.asarray(view), table.value)
        assert not view.contiguous
    with pytest.raises(BufferError):
        np.frombuffer(table.parameter, dtype=np.float32)


def test_a_parameter_is_pickled_by_its_values(rng):
    table, loss, _ = lookup(rng.normal(size=(6, 3)))
    train(Adagrad(0.1), loss)
    build, arguments = table.parameter.__reduce__()
    copy = build(*arguments)
    np.testing.assert_array_equal(copy.value, table.value)
    assert copy.value.flags.c_contiguous
