"""The estimators over a matrix, and data for tests of all of them."""

import numpy as np
import scipy.sparse as sp

from wyrm.models import (
    FactorizationMachineClassifier,
    FactorizationMachineRegressor,
    FieldAwareFactorizationMachineClassifier,
    FieldAwareFactorizationMachineRegressor,
    LinearRegression,
    LogisticRegression,
)

FACTORIZATION_MACHINES = [FactorizationMachineClassifier, FactorizationMachineRegressor]
FIELD_AWARE = [FieldAwareFactorizationMachineClassifier, FieldAwareFactorizationMachineRegressor]
ALL = [LogisticRegression, LinearRegression, *FACTORIZATION_MACHINES, *FIELD_AWARE]
CLASSIFIERS = [cls for cls in ALL if hasattr(cls, "predict_proba")]
DENSE_TOO = [LogisticRegression, LinearRegression, *FACTORIZATION_MACHINES]  # of an array, others take the entries

N, WIDTH = 400, 12


def linear_data():
    """A sparse matrix of ones, and what a linear model gives of it."""
    rng = np.random.default_rng(0)
    X = sp.csr_matrix((rng.random((N, WIDTH)) < 0.3).astype(np.float64))
    return X, X @ rng.normal(size=WIDTH) + 0.05 * rng.normal(size=N)


def is_classifier(cls):
    return cls in CLASSIFIERS


def target(cls, y, n_classes=2):
    """y, or classes made of it."""
    return np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes)) if is_classifier(cls) else y


def make(cls, **params):
    return cls(**{"random_state": 0, "n_threads": 1} | params)


def output(model, X):
    return model.decision_function(X) if hasattr(model, "predict_proba") else model.predict(X)
