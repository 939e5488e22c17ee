"""scikit-learn's own tests of estimators, on all of ours."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from wyrm.models import (
    FactorizationMachineClassifier,
    FactorizationMachineRegressor,
    FieldAwareFactorizationMachineClassifier,
    FieldAwareFactorizationMachineRegressor,
    LinearRegression,
    LogisticRegression,
)

ESTIMATORS = [
    LogisticRegression(),
    LinearRegression(),
    FactorizationMachineClassifier(),
    FactorizationMachineRegressor(),
    FieldAwareFactorizationMachineClassifier(),
    FieldAwareFactorizationMachineRegressor(),
]

# What scikit-learn excuses its own SGDClassifier and SGDRegressor from: samples that are repeated are shuffled apart.
REASON = "sample_weight is not equivalent to removing/repeating samples."
EXCUSED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXCUSED)
def test_conformance(estimator, check):
    check(estimator)
