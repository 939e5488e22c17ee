"""The ready-made models: rows per second of fit(), and what a prediction takes.

A step is a row of an epoch, and a fit is all of it: checks, preparation, training. Before times are taken, a
fitted model has to tell held-out rows better than the base rate does.
"""

import numpy as np
import pytest
import workloads
from contests.data import communities, from_workload
from contests.pairs import MatrixFactorization
from timing import note_rate

import wyrm.models as models
from wyrm.metrics import roc_auc_score

# Rows to train on, and rows of the tables: values of 39 columns.
SIZES = {"small": (2_000, 1_000), "regular": (100_000, 100_000), "large": (100_000, 1_000_000)}
EPOCHS = 2
CHOICES = {"small": 20_000, "regular": 100_000, "large": 1_000_000}
GOOD = 0.55  # area under the curve; even two epochs of the smallest data give more


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="module")
def kept():
    """What is used by several benchmarks."""
    return {}


@pytest.fixture
def data(size, kept):
    """Rows drawn from a factorisation machine, one column in 39 parts of the table."""
    if size not in kept:
        n, n_rows = SIZES[size]
        kept.clear()  # one at a time: the large one is large
        kept[size] = from_workload(workloads.synthetic(n, zipfian=True, n_rows=n_rows))
    return kept[size]


def linear(data):
    return models.LogisticRegression(epochs=EPOCHS, n_threads=1, random_state=0)


def factors(data):
    return models.FactorizationMachineClassifier(n_factors=16, epochs=EPOCHS, n_threads=1, random_state=0)


def field_aware(data):
    make = models.FieldAwareFactorizationMachineClassifier
    return make(n_factors=4, fields=data.fields, epochs=EPOCHS, n_threads=1, random_state=0)


MODELS = {"lr": linear, "fm": factors, "ffm": field_aware}


@pytest.fixture(params=MODELS)
def fitted(request, data, size):
    """A model that has learnt something, and what it learnt from."""
    if request.param == "ffm" and size == "large":
        pytest.skip("a table of 1.2 GB")
    model = MODELS[request.param](data).fit(data.X, data.y)
    assert roc_auc_score(data.held_out_y, model.predict_proba(data.held_out_X)[:, 1]) > GOOD
    return model, data


def test_fit(fitted, measure, benchmark):
    model, data = fitted
    measure(lambda n: model.fit(data.X, data.y), EPOCHS * data.n, rounds=3)
    note_rate(benchmark, "rows")


def test_predict_many(fitted, measure, benchmark):
    model, data = fitted
    together = model.predict_proba(data.held_out_X)
    alone = np.concatenate([model.predict_proba(data.held_out_X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(together[:20], alone, rtol=1e-5)
    measure(lambda n: model.predict_proba(data.held_out_X), len(data.held_out_y), rounds=3)
    note_rate(benchmark, "rows")


@pytest.mark.parametrize("form", ["matrix", "columns"])
def test_predict_one(form, fitted, measure, steps_of):
    """The latency of a single row, from Python."""
    model, data = fitted
    row = data.held_out_X[:1]
    columns = row.indices
    assert model.predict_proba_one(columns) == pytest.approx(model.predict_proba(row)[0, 1], rel=1e-5)
    call, x = (model.predict_proba, row) if form == "matrix" else (model.predict_proba_one, columns)

    def run(n):
        for _ in range(n):
            call(x)

    measure(run, steps_of(2_000), rounds=5)


def test_ranking(size, measure, benchmark):
    """A recommender that no class stands for: items that a user's kind chooses come before the others."""
    entry = MatrixFactorization(communities(CHOICES[size]), 1)
    entry.prepare()
    n = entry.run()
    assert entry.quality()["AUC"] > 0.8
    measure(lambda n: entry.run(), n, rounds=3)
    note_rate(benchmark, "pairs")
