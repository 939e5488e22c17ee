"""What estimators refuse."""

import numpy as np
import pytest
import scipy.sparse as sp
from estimators import ALL, CLASSIFIERS, WIDTH, N, make, target

from wyrm.models import (
    LogisticRegression,
)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"n_threads": 0}, ValueError),
        ({"l2": -1.0}, ValueError),
        ({"l1": float("nan")}, ValueError),
        ({"l2": "much"}, TypeError),
        ({"optimizer": "newton"}, ValueError),
        ({"learning_rate": -1.0}, ValueError),
        ({"validation_fraction": 1.0}, ValueError),
        ({"patience": 0}, ValueError),
        ({"random_state": "seed"}, ValueError),
        ({"optimizer": "adam", "l1": 0.1}, ValueError),
    ],
)
def test_arguments_out_of_range(cls, params, error, data):
    X, y = data
    model = make(cls, **params)
    with pytest.raises(error, match=next(iter(params)) if "adam" not in params.values() else "l1"):
        model.fit(X, target(cls, y))


@pytest.mark.parametrize("cls", ALL)
def test_damaged_matrices(cls, data):
    X, y = data
    t = target(cls, y)
    model = make(cls, epochs=1).fit(X, t)
    for name, value in (("indices", WIDTH), ("indices", -1), ("indptr", 10**6), ("indptr", -5)):
        damaged = X.copy()
        damaged.has_canonical_format = True  # as if checked before
        getattr(damaged, name)[3] = value
        with pytest.raises(ValueError, match="X: expected"):
            model.predict(damaged)
        with pytest.raises(ValueError, match="X: expected"):
            make(cls).fit(damaged, t)
    for wrong in (np.nan, np.inf, 1e300):
        damaged = X.copy()
        damaged.data[5] = wrong
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            model.predict(damaged)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_labels_that_are_none(cls, data):
    X, y = data
    for labels, error, words in (
        (y, ValueError, "Unknown label type"),
        (np.zeros(N), ValueError, "one class|1 class"),
        (np.array([None, "a"] * (N // 2)), TypeError, "labels"),
        (np.array([1, "a"] * (N // 2), dtype=object), TypeError, "labels"),
        (np.full(N, np.nan), ValueError, "NaN"),
    ):
        with pytest.raises(error, match=words):
            make(cls).fit(X, labels)


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls is not LogisticRegression])
def test_divergence_is_an_error_that_says_so(cls, data):
    X, y = data
    with pytest.raises(FloatingPointError, match="learning rate"):
        make(cls, optimizer="sgd", learning_rate=1e30, epochs=5).fit(X, target(cls, y))


@pytest.mark.parametrize("cls", ALL)
def test_odd_arguments_of_fit(cls, data):
    X, y = data
    t = target(cls, y)
    with pytest.raises(TypeError, match="pair"):
        make(cls).fit(X, t, eval_set=X)
    with pytest.raises(ValueError, match=f"expecting {WIDTH} features"):
        make(cls).fit(X, t, eval_set=(X[:, :3], t))
    with pytest.raises(ValueError, match="at most 2147483647 columns"):
        make(cls).fit(sp.csr_matrix((np.ones(2), ([0, 1], [0, 2**40])), shape=(2, 2**41)), t[:2])
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"column 'a' is category.*wyrm\.preprocessing"):
        make(cls).fit(pandas.DataFrame({"a": pandas.Categorical(["x", "y"])}), [0, 1])
    with pytest.raises(ValueError, match=r"X: expected numbers, got dtype <U1.*'x'.*wyrm\.preprocessing"):
        make(cls).fit(np.array([["x"], ["y"]]), [0, 1])


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls not in CLASSIFIERS])
def test_targets_that_are_no_numbers_to_learn(cls, data):
    X, _ = data
    with pytest.raises(ValueError, match=r"y: expected numbers, got dtype <U1.*'a'"):
        make(cls).fit(X, ["a"] * N)
    for y, error in (
        (np.full(N, np.inf), ValueError),
        (np.arange(N) * 1e300, ValueError),
        (np.arange(N).astype("m8[s]"), TypeError),
        (["a"] * N, ValueError),
    ):
        with pytest.raises(error):
            make(cls).fit(X, y)
    np.testing.assert_allclose(make(cls, epochs=2).fit(X, np.full(N, 1e9)).predict(X), 1e9)
