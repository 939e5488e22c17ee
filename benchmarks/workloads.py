"""What is trained to see how training scales: data with a part held out, and the models.

The synthetic data are drawn from a factorisation machine, so that there is something to learn and threads that got in
each other's way would learn it worse. Census-Income has few rows and hot ones: 40 columns, all taken as categories.
"""

from dataclasses import dataclass

import numpy as np
from steps import N_FIELDS, linear_graph

import wyrm
from wyrm.datasets import fetch_census_income
from wyrm.feeds import ArrayFeed
from wyrm.optim import Adagrad


@dataclass
class Data:
    """Row numbers (n, k) and labels (n, 1), to train on and held out; k distinct rows of a table of n_rows."""

    n_rows: int
    rows: np.ndarray
    y: np.ndarray
    held_out_rows: np.ndarray
    held_out_y: np.ndarray


@dataclass(frozen=True)
class Workload:
    title: str
    data: str  # a key of DATA
    n_factors: int
    reach: float  # two threads over one
    learning_rate: float  # with which the validation loss falls for several epochs

    def make(self, data, n_threads):
        """A new model from the same start: its trainer, and the feeds to train on and to validate."""
        rows, y = wyrm.IndexInputNode(data.rows[0]), wyrm.InputNode(0.0)
        rng = np.random.default_rng(0)
        loss, *_ = linear_graph(rows, y, data.n_rows, self.n_factors, rng, scale=0.01)
        trainer = wyrm.Trainer(loss, Adagrad(self.learning_rate), n_threads=n_threads)
        held_out = ArrayFeed({rows: data.held_out_rows, y: data.held_out_y})
        return trainer, ArrayFeed({rows: data.rows, y: data.y}), held_out


def synthetic(n, zipfian, n_rows=100_000, rank=4, seed=0):
    """n examples to train on and half as many held out, of 39 fields that share a table out between them."""
    rng = np.random.default_rng(seed)
    size = n_rows // N_FIELDS
    share = 1 / np.arange(1, size + 1) if zipfian else np.ones(size)
    rows = np.empty((n + n // 2, N_FIELDS), dtype=np.int32)
    for field in range(N_FIELDS):
        rows[:, field] = field * size + rng.choice(size, len(rows), p=share / share.sum())
    w, v = 0.3 * rng.standard_normal(n_rows), 0.15 * rng.standard_normal((n_rows, rank))
    logits = np.empty(len(rows))
    for at in range(0, len(rows), 10_000):
        part = rows[at : at + 10_000]
        factors = v[part]
        pairs = np.square(factors.sum(axis=1)).sum(axis=1) - np.square(factors).sum(axis=(1, 2))
        logits[at : at + 10_000] = w[part].sum(axis=1) + pairs / 2
    y = (rng.random(len(rows)) < 1 / (1 + np.exp(-logits))).astype(np.float32)[:, None]
    return Data(n_rows, rows[:n], y[:n], rows[n:], y[n:])


def census(n):
    """Census-Income: every column a category, with one more for values that only the held out part has."""
    found = fetch_census_income(download_if_missing=False)
    columns, held_out, at = [], [], 0
    for name in found.names:
        values, codes = np.unique(found.train[name], return_inverse=True)
        place = np.minimum(np.searchsorted(values, found.test[name]), len(values) - 1)
        known = values[place] == found.test[name]
        columns.append(at + codes)
        held_out.append(at + np.where(known, place, len(values)))
        at += len(values) + 1
    rows, held_out = (np.stack(part, axis=1).astype(np.int32) for part in (columns, held_out))
    y, held_out_y = (part.astype(np.float32)[:, None] for part in (found.y_train, found.y_test))
    return Data(at, rows[:n], y[:n], held_out[:n], held_out_y[:n])


DATA = {
    "uniform": lambda n: synthetic(n, zipfian=False),
    "zipfian": lambda n: synthetic(n, zipfian=True),
    "census": census,
}
WORKLOADS = {
    "fm-uniform": Workload("FM, 39 of 100,000 x 16, uniform", "uniform", 16, 1.85, 0.004),
    "fm-zipfian": Workload("FM, 39 of 100,000 x 16, zipfian", "zipfian", 16, 1.85, 0.004),
    "lr-uniform": Workload("logistic regression, 39 of 100,000, uniform", "uniform", 0, 1.85, 0.02),
    "lr-zipfian": Workload("logistic regression, 39 of 100,000, zipfian", "zipfian", 0, 1.85, 0.02),
    "fm-census": Workload("FM, Census-Income, 16 factors", "census", 16, 1.7, 0.05),
    "lr-census": Workload("logistic regression, Census-Income", "census", 0, 1.7, 0.05),
}
