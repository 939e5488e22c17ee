"""Parameters over values that stay where they are."""

import numpy as np
import pytest

import wyrm
from wyrm.nn.losses import squared_error
from wyrm.optim import SGD, Adagrad, Adam


@pytest.fixture
def mapped(tmp_path):
    values = np.random.default_rng(0).random((50, 4), dtype=np.float32)
    (tmp_path / "values").write_bytes(values.tobytes())
    return np.memmap(tmp_path / "values", np.float32, mode="r", shape=(50, 4))


def test_reads_what_is_there_without_a_copy(mapped):
    parameter = wyrm.HogwildParameter(mapped, copy=False)
    assert np.shares_memory(parameter.value, mapped)
    table = wyrm.ParameterNode.shared(parameter)
    rows = table.embedding(wyrm.IndexInputNode([3, 49]))
    rows.forward()
    np.testing.assert_array_equal(rows.value, mapped[[3, 49]])


def test_keeps_the_array_alive():
    values = np.ones((1000, 8), dtype=np.float32)
    parameter = wyrm.HogwildParameter(values, copy=False)
    del values
    assert np.asarray(parameter).sum() == 8000


def test_cannot_be_written_or_trained(mapped):
    before = mapped.copy()
    parameter = wyrm.HogwildParameter(mapped, copy=False)
    with pytest.raises(ValueError, match="read-only"):
        parameter.value[0, 0] = 1
    with pytest.raises(ValueError, match="copy=False"):
        parameter.value = before
    assert memoryview(parameter).readonly
    for optimizer in (SGD(0.1), SGD(0.1, l2=0.1), Adagrad(0.1), Adam(0.1)):
        table, index = wyrm.ParameterNode.shared(parameter), wyrm.IndexInputNode([1])
        target = wyrm.InputNode([[1.0]])
        loss = squared_error(table.embedding(index).sum(axis=1), target)
        loss.forward()
        loss.backward()
        with pytest.raises(ValueError, match="copy=False"):
            optimizer.step(loss.parameters())
        with pytest.raises(ValueError, match="copy=False"):
            wyrm.Trainer(loss, optimizer).fit({index: np.arange(5), target: np.ones(5)})
    np.testing.assert_array_equal(mapped, before)


def test_a_copy_of_it_can_be_trained(mapped):
    parameter = wyrm.HogwildParameter(wyrm.HogwildParameter(mapped, copy=False).value)
    parameter.value[0] = 7
    assert parameter.value[0, 0] == 7 and mapped[0, 0] != 7


@pytest.mark.parametrize(
    "values",
    [np.ones((3, 2)), np.ones((3, 4), dtype=np.float32)[:, ::2], np.ones((4, 4), dtype=">f4"), [[1.0, 2.0]]],
)
def test_refuses_what_cannot_stay_where_it_is(values):
    with pytest.raises(ValueError, match="where they are"):
        wyrm.HogwildParameter(values, copy=False)
