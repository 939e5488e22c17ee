"""Small problems that the tests of the trainer share."""

import numpy as np

import wyrm
from wyrm.nn.losses import logistic

N_ROWS, WIDTH = 50, 6


def examples(n=2000, seed=0, n_rows=N_ROWS):
    """Row numbers and labels that a linear model with interactions can learn something about."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n_rows, (n, WIDTH))
    weights = np.random.default_rng(99).normal(size=n_rows)
    labels = (weights[rows].sum(axis=1) + rng.normal(size=n) > 0).astype(np.float32)
    return rows, labels


class Machine:
    """A factorisation machine over row numbers."""

    def __init__(self, n_rows=N_ROWS, n_factors=4, seed=1):
        rng = np.random.default_rng(seed)
        self.index = wyrm.IndexInputNode([0], name="index")
        self.label = wyrm.InputNode(0.0, name="label")
        self.bias = wyrm.ParameterNode(np.zeros((1, 1)), name="bias")
        self.linear = wyrm.ParameterNode(np.zeros((n_rows, 1)), name="linear")
        self.factors = wyrm.ParameterNode(rng.normal(size=(n_rows, n_factors)) * 0.1, name="factors")
        self.score = self.linear.embedding_bag(self.index) + self.bias + self.factors.fm_interaction(self.index)
        self.loss = logistic(self.score, self.label)

    def feed(self, n=2000, seed=0):
        rows, labels = examples(n, seed, self.linear.shape[0])
        return {self.index: rows, self.label: labels}

    def values(self):
        return [np.array(node.value) for node in self.loss.parameters()]


def same_bits(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
