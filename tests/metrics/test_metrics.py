"""The same results as sklearn.metrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyrm.metrics import (
    accuracy_score,
    calibration_curve,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

SEEDS = st.integers(0, 2**32 - 1)


def binary(seed, n=50):
    """Labels of both kinds, probabilities many of which are equal, weights some of which are zero."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, 2, n)])
    weight = np.concatenate([[1.0, 1.0], rng.integers(0, 3, n) * rng.random(n)])
    return y, rng.integers(0, 9, n + 2) / 8, weight


@pytest.mark.parametrize("weighted", [False, True])
@given(seed=SEEDS)
def test_binary_metrics_are_those_of_scikit_learn(seed, weighted):
    reference = pytest.importorskip("sklearn.metrics")
    y, p, weight = binary(seed)
    weight = weight if weighted else None
    for labels in (y, 2 * y - 1, y.astype(bool), np.array(["no", "yes"])[y]):
        for ours, theirs, score in (
            (roc_auc_score, reference.roc_auc_score, p),
            (log_loss, reference.log_loss, p),
            (accuracy_score, reference.accuracy_score, labels[np.argsort(p)]),
        ):
            expected = theirs(labels, score, sample_weight=weight)
            assert ours(labels, score, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@given(seed=SEEDS)
def test_metrics_of_numbers_are_those_of_scikit_learn(seed, weighted):
    reference = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    y, predicted, weight = rng.normal(size=(3, 30))
    weight = np.abs(weight) if weighted else None
    for ours in (root_mean_squared_error, mean_absolute_error, r2_score):
        expected = getattr(reference, ours.__name__)(y, predicted, sample_weight=weight)
        assert ours(y, predicted, sample_weight=weight) == pytest.approx(expected, rel=1e-10)


@given(seed=SEEDS)
def test_log_loss_of_several_classes_is_that_of_scikit_learn(seed):
    reference = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 20)
    p = rng.dirichlet([0.1, 0.5, 1.0], 20)
    assert log_loss(y, p, labels=[0, 1, 2]) == pytest.approx(reference.log_loss(y, p, labels=[0, 1, 2]), rel=1e-9)


def test_probabilities_of_zero_and_one_cost_what_their_type_can_tell():
    assert log_loss([0, 1], [1.0, 0.0]) == pytest.approx(-np.log(np.finfo(np.float64).eps))
    assert log_loss([0, 1], np.float32([1, 0])) == pytest.approx(-np.log(np.finfo(np.float32).eps))


def test_scores_that_are_equal_count_half():
    assert roc_auc_score([0, 1, 0, 1], [7, 7, 7, 7]) == 0.5
    assert roc_auc_score([0, 1], [1, 2]) == 1.0 and roc_auc_score([0, 1], [2, 1]) == 0.0


@given(seed=SEEDS, n_bins=st.integers(1, 20))
def test_calibration_bins_hold_all_samples_once(seed, n_bins):
    y, p, weight = binary(seed)
    frequency, probability, total = calibration_curve(y, p, n_bins=n_bins, sample_weight=weight)
    assert total.sum() == pytest.approx(weight.sum())
    assert (frequency * total).sum() == pytest.approx((weight * y).sum())
    assert (probability * total).sum() == pytest.approx((weight * p).sum())
    assert (np.diff(probability) > 0).all() and len(total) <= n_bins


def test_calibration_bins_hold_equally_many_samples():
    rng = np.random.default_rng(0)
    p = rng.random(10_000)
    frequency, probability, total = calibration_curve(rng.random(10_000) < p, p)
    assert len(total) == 10 and np.ptp(total) <= 1
    np.testing.assert_allclose(frequency, probability, atol=0.05)


WRONG = [
    (lambda: roc_auc_score([1, 1], [0.1, 0.2]), "labels of two kinds, got 1"),
    (lambda: roc_auc_score([0, 1, 2], [0.1, 0.2, 0.3]), "labels of two kinds, got 3"),
    (lambda: roc_auc_score([0, 1], [0.1]), "predictions for 2 samples"),
    (lambda: roc_auc_score([0, 1], [0.1, np.nan]), "finite predictions"),
    (lambda: roc_auc_score([0, 1], [0.1, 0.2], sample_weight=[1, 0]), "both kinds"),
    (lambda: roc_auc_score([0, 1], [0.1, 0.2], sample_weight=[1]), "sample_weight with 2"),
    (lambda: log_loss([0, 1], [0.1, 1.2]), "from 0 to 1"),
    (lambda: log_loss([0, 1, 2], [0.1, 0.2, 0.3]), "as many labels as there are, 3"),
    (lambda: log_loss([1, 1], [0.1, 0.2]), "labels="),
    (lambda: log_loss([0, 5], [0.1, 0.2], labels=[0, 1]), "not in labels"),
    (lambda: root_mean_squared_error([], []), "at least one entry"),
    (lambda: root_mean_squared_error([1, np.nan], [1, 2]), "finite targets"),
    (lambda: root_mean_squared_error([1, 2], [1, 2], sample_weight=[0, 0]), "not all 0"),
    (lambda: root_mean_squared_error([1, 2], [1, 2], sample_weight=[-1, 2]), "from 0"),
    (lambda: calibration_curve([0, 1], [0.1, 0.2], n_bins=0), "n_bins"),
    (lambda: calibration_curve([0, 1, 2], [0.1, 0.2, 0.3]), "two kinds"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
