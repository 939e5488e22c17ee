"""Estimators against exact solutions; threads; life without scikit-learn."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from estimators import WIDTH, N, make
from scipy.sparse import csr_matrix

from wyrm.models import (
    FactorizationMachineClassifier,
    FactorizationMachineRegressor,
    LinearRegression,
    LogisticRegression,
)
from wyrm.optim import LinearDecay


def test_logistic_regression_finds_the_minimum(data):
    optimize = pytest.importorskip("scipy.optimize")
    X, y = data
    t = (y + np.random.default_rng(3).normal(size=N) > 0).astype(int)
    D = np.hstack([X.toarray(), np.ones((N, 1))])

    def loss(w):
        return np.logaddexp(0, (1 - 2 * t) * (D @ w)).mean()

    best = optimize.minimize(loss, np.zeros(WIDTH + 1), method="L-BFGS-B")
    model = make(LogisticRegression, epochs=300, batch_size=20, learning_rate=LinearDecay(0.3, 0.0)).fit(X, t)
    found = np.r_[model.coef_[0], model.intercept_]
    assert loss(found) < best.fun + 1e-4
    np.testing.assert_allclose(found, best.x, atol=0.05)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_linear_regression_finds_least_squares_in_any_unit(scale):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(500, 6)) * 10.0 ** rng.uniform(-4, 4, 6) + 10.0 ** rng.uniform(-2, 3, 6)
    y = scale * ((X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=6) + 0.1 * rng.normal(size=500) + 30)
    D = np.hstack([X, np.ones((500, 1))])
    exact = D @ np.linalg.lstsq(D, y)[0]
    model = make(LinearRegression, epochs=50, learning_rate=LinearDecay(0.1, 0.0)).fit(X, y)
    np.testing.assert_allclose(model.predict(X), exact, atol=0.01 * scale)


def test_decay_under_sgd_is_the_penalty_of_ridge_regression(data):
    X, y = data
    y, l2 = y - y.mean(), 0.05
    x = X.toarray() - X.toarray().mean(axis=0)
    # Half of the gradient of the mean squared error, and of l2 / 2 |w|^2.
    exact = np.linalg.solve(x.T @ x / N + l2 / 2 * np.eye(WIDTH), x.T @ y / N)
    schedule = LinearDecay(0.05, 0.0)
    model = make(LinearRegression, optimizer="sgd", l2=l2, epochs=200, learning_rate=schedule, standardize=False)
    model.fit(x, y)
    np.testing.assert_allclose(model.coef_, exact, atol=0.01)


@pytest.mark.parametrize("n_columns", [5, 20])
def test_pairs_do_not_get_in_the_way_of_few_samples_that_are_linear(n_columns):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(240, n_columns))
    y = X @ rng.normal(size=n_columns) + 0.1 * rng.normal(size=240)
    assert make(FactorizationMachineRegressor).fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.9


def test_pairs_of_dense_columns_are_found_among_many_samples():
    X = np.random.default_rng(7).normal(size=(4000, 8))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    assert make(FactorizationMachineClassifier).fit(X[:3000], y[:3000]).score(X[3000:], y[3000:]) > 0.95


@pytest.mark.parametrize("cls", [LogisticRegression, FactorizationMachineClassifier])
def test_rare_columns_learn_little_from_what_was_to_be_expected(cls):
    rng = np.random.default_rng(8)
    n = 4000
    y = (rng.random(n) < 0.02).astype(int)
    columns = np.stack([rng.integers(0, 10, n), 10 + np.arange(n)], axis=1)  # the second is of one sample alone
    model = make(cls).fit(csr_matrix((np.ones(2 * n), columns.ravel(), np.arange(0, 2 * n + 1, 2))), y)
    own = np.abs(model.coef_[0, 10:])
    assert own[y == 0].mean() < 0.3 * own[y == 1].mean()


# --- Around ------------------------------------------------------------------------------------------------------


def test_threads_may_ask_one_model_at_the_same_time(data):
    X, y = data
    model = make(FactorizationMachineClassifier).fit(X, (y > 0).astype(int))
    expected = [model.predict_proba_one(X[i].indices) for i in range(20)]
    wrong = []

    def ask():
        for _ in range(20):
            wrong.extend(i for i in range(20) if model.predict_proba_one(X[i].indices) != expected[i])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


WITHOUT_SKLEARN = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "sklearn":
            raise ImportError("made out to be missing")

sys.meta_path.insert(0, Missing())
import pickle
import numpy as np
from scipy.sparse import random_array
import wyrm.models
from wyrm.models.sklearn import HAS_SKLEARN

assert not HAS_SKLEARN
X = random_array((300, 20), density=0.3, format="csr", rng=0)
y = X @ np.random.default_rng(0).normal(size=20)
for name in sorted(wyrm.models.__all__):
    cls = getattr(wyrm.models, name)
    if "random_state" not in cls.__init__.__annotations__:
        continue
    t = (y > 0).astype(int) if hasattr(cls, "predict_proba") else y
    model = cls(random_state=0, epochs=30)
    assert repr(model) == f"{name}(epochs=30, random_state=0)", repr(model)
    assert cls(**model.get_params()).get_params() == model.get_params()
    try:
        model.predict(X)
    except (ValueError, AttributeError) as error:
        assert "not fitted" in str(error)
    else:
        raise AssertionError(name)
    try:
        model.set_params(size=3)
    except ValueError as error:
        assert "size" in str(error)
    assert model.set_params(l2=1e-6).fit(X, t).score(X, t) > 0.85, name
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
"""


def test_without_scikit_learn():
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_SKLEARN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_models_does_not_import_scikit_learn():
    code = "import sys, wyrm.models; assert 'sklearn' not in sys.modules; print(dir(wyrm.models))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "LogisticRegression" in done.stdout
    with pytest.raises(ImportError, match="NoSuchModel"):
        from wyrm.models import NoSuchModel  # noqa: F401
