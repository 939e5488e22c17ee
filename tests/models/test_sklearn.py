"""scikit-learn's own tests of estimators, on all of ours."""

import pytest

pytest.importorskip("sklearn")

import joblib
import numpy as np
from estimators import ALL
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from wyrm.models import LogisticRegression

ESTIMATORS = [cls() for cls in ALL]

# What scikit-learn excuses its own SGDClassifier and SGDRegressor from: samples that are repeated are shuffled apart.
REASON = "sample_weight is not equivalent to removing/repeating samples."
EXCUSED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXCUSED)
def test_conformance(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_pipelines_searches_and_joblib(estimator, data, tmp_path):
    X, y = data
    y = (y > 0).astype(int) if is_classifier(estimator) else y
    estimator = clone(estimator).set_params(random_state=0, n_threads=1, epochs=3)
    pipeline = make_pipeline(MaxAbsScaler(), estimator)
    name = f"{type(estimator).__name__.lower()}__l2"
    n_jobs = 2 if isinstance(estimator, LogisticRegression) else None  # processes take long to start
    search = GridSearchCV(pipeline, {name: [0.0, 1e-5]}, cv=3, n_jobs=n_jobs).fit(X, y)
    assert search.best_params_[name] in (0.0, 1e-5) and search.score(X, y) > 0.3
    assert len(cross_val_score(estimator, X, y, cv=4)) == 4
    joblib.dump(search, tmp_path / "search")
    loaded = joblib.load(tmp_path / "search", mmap_mode="r")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    assert isinstance(estimator, BaseEstimator)
