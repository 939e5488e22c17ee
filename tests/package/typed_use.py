"""What a type checker accepts, infers and refuses; read by mypy, never run.

An error that is expected is marked by a ``type: ignore`` with its code: under ``--strict`` one that is not needed is an
error itself.
"""

from typing import assert_type

import numpy as np
import numpy.typing as npt

import wyrm
from wyrm.leaf import SparseGradient
from wyrm.nn.losses import logistic, negative_sampling, sparse_categorical_crossentropy, squared_error
from wyrm.node import OperatorNode
from wyrm.optim import SGD, Adagrad, LinearDecay

Matrix = npt.NDArray[np.float32]

table = wyrm.ParameterNode(np.zeros((5, 2)), name="table")
x = wyrm.InputNode([[1.0, 2.0]])
index = wyrm.IndexInputNode([1, 2])


def inputs() -> None:
    x.set_value(3.0)
    x.set_value(np.float32(3))
    x.set_value([[1, 2], [3, 4]])
    index.set_value(3)
    index.set_value(np.int64(3))
    index.set_value([])
    index.set_value(range(3))
    index.set_value(np.arange(6).reshape(2, 3))
    index.set_value([[1, 2], [3, 4]])
    index.set_value(([1, 2], [0, 2]))
    index.set_value((np.arange(2), [0, 2]))
    index.set_value([1.5])  # type: ignore[arg-type]
    index.set_value(np.ones(3))  # type: ignore[arg-type]
    assert_type(x.value, Matrix)
    assert_type(index.value, npt.NDArray[np.int32])
    assert_type(index.bags, int)


def arithmetic() -> OperatorNode:
    ones = np.ones((1, 2))
    assert_type(x + 1, OperatorNode)
    assert_type(2.0 - x, OperatorNode)
    assert_type(ones * x, OperatorNode)
    assert_type(x / np.float32(2), OperatorNode)
    assert_type(np.float64(2) / x, OperatorNode)
    assert_type(ones @ x.T, OperatorNode)
    assert_type(-x, OperatorNode)
    assert_type(x[:, 0:10], OperatorNode)
    assert_type(x[0], OperatorNode)
    assert_type(x[1:, np.int64(0)], OperatorNode)
    assert_type(x.clip(0, np.float32(1)).sum(axis=0).mean(), OperatorNode)
    x + "1"  # type: ignore[operator]
    x["a"]  # type: ignore[index]
    x.sum(axis=2)  # type: ignore[arg-type]
    return (x * 2).square()


def functions() -> None:
    assert_type(wyrm.embedding(table, index), OperatorNode)
    assert_type(wyrm.embedding_bag(table, index, weights=x, mode="mean"), OperatorNode)
    assert_type(table.fm_interaction(index, np.ones(2)), OperatorNode)
    assert_type(wyrm.concatenate([x, x + 1, np.ones((1, 2))], axis=1), OperatorNode)
    assert_type(wyrm.vector_dot(x, [[1.0]]), OperatorNode)  # type: ignore[arg-type]
    wyrm.embedding(x, index)  # type: ignore[arg-type]
    wyrm.embedding_bag(table, index, mode="max")  # type: ignore[arg-type]


def training() -> None:
    loss = squared_error(x, 1.0) + logistic(x, x, weight=0.5) + negative_sampling(x, x)
    loss += sparse_categorical_crossentropy(x, index)
    sparse_categorical_crossentropy(x, [1])  # type: ignore[arg-type]
    loss.forward()
    loss.backward(np.float32(2))
    assert_type(loss.value, Matrix)
    loss.value = loss.value  # type: ignore[misc]
    for parameter in loss.parameters():
        assert_type(parameter, wyrm.ParameterNode)
        assert_type(parameter.sparse_gradient, SparseGradient)
        assert_type(parameter.sparse_gradient.indices, npt.NDArray[np.int64])
    table.value = [[1, 2]] * 5
    assert_type(table.value, Matrix)
    Adagrad(LinearDecay(0.1, 0.0), l2=1e-6).step(loss.parameters())
    SGD(0.1, [table]).step()


def sharing() -> None:
    shared = wyrm.HogwildParameter(np.zeros((5, 2)))
    assert_type(wyrm.ParameterNode.shared(shared), wyrm.ParameterNode)
    assert_type(shared.shape, tuple[int, int])
    wyrm.ParameterNode.shared(table)  # type: ignore[arg-type]


def trainer() -> None:
    trainer = wyrm.Trainer((x * table[:1]).square(), SGD(0.1), n_threads=2)
    history = trainer.fit({x: np.ones((3, 2)), index: [[1], [2, 3]]}, epochs=2, callbacks=[lambda t: t.seed > 3])
    assert_type(history.loss, list[float])
    assert_type(trainer.predict(x * 2, {x: np.ones((3, 2))}), Matrix)


def inputs_have_no_gradient() -> None:
    x.backward()
    x.forward()  # type: ignore[unreachable]
