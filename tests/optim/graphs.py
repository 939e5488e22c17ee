"""Graphs that give a parameter any gradient a test wants."""

import numpy as np

import wyrm


class SparseGraph:
    """The gradient of ``table`` is what is asked for, at the rows asked for."""

    def __init__(self, table):
        self.table = table
        self.index = wyrm.IndexInputNode([0])
        self.weights = wyrm.InputNode(np.zeros((1, table.shape[1])))
        self.rows = table.embedding(self.index)
        self.loss = (self.rows * self.weights).sum()

    def read(self, rows, gradients):
        """Forward; the rows as it saw them."""
        self.index.set_value(rows)
        self.weights.set_value(gradients)
        self.loss.forward()
        self.rows.forward()
        return self.rows.value

    def backward(self):
        self.loss.backward()


class DenseGraph:
    """The same for a parameter that is used whole."""

    def __init__(self, parameter):
        self.weights = wyrm.InputNode(np.zeros(parameter.shape))
        self.loss = (parameter * self.weights).sum()

    def backward(self, gradients):
        self.weights.set_value(gradients)
        self.loss.forward()
        self.loss.backward()


def scattered(shape, rows, gradients):
    dense = np.zeros(shape)
    np.add.at(dense, rows, np.asarray(gradients, dtype=np.float64))
    return dense
