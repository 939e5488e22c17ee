"""How good predictions are, without scikit-learn; names and results are those of sklearn.metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def roc_auc_score(y_true: ArrayLike, y_score: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the receiver operating characteristic curve.

    That is the probability that a positive sample has a higher score than a negative one; where they have the same, it
    counts half.

    Parameters
    ----------
    y_true : array_like, shape (n_samples,)
        Labels of two kinds; the larger one is positive.
    y_score : array_like, shape (n_samples,)
        Scores: probabilities, or any number that rises with them.
    sample_weight : array_like, shape (n_samples,), optional
        How much each sample counts.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If lengths differ, scores are not finite, or labels or weights are not of two kinds.

    References
    ----------
    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143, 1982.

    Examples
    --------
    >>> from wyrm.metrics import roc_auc_score
    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    labels, score, weight = _checked(y_true, y_score, sample_weight)
    kinds = np.unique(labels)
    if len(kinds) != 2:
        raise ValueError(f"roc_auc_score: expected labels of two kinds, got {len(kinds)}: {kinds[:5].tolist()}")
    positive = labels == kinds[1]
    _, group = np.unique(score, return_inverse=True)
    above = np.bincount(group, weights=weight * positive)
    below = np.bincount(group, weights=weight * ~positive)
    total = above.sum() * below.sum()
    if not total > 0:
        raise ValueError("roc_auc_score: expected samples of both kinds with weights that are not zero")
    return float((above * (np.cumsum(below) - below / 2)).sum() / total)


def log_loss(
    y_true: ArrayLike, y_prob: ArrayLike, *, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None
) -> float:
    """Mean negative log of the probability that was given to the label that came true.

    Parameters
    ----------
    y_true : array_like, shape (n_samples,)
        Labels.
    y_prob : array_like, shape (n_samples,) or (n_samples, n_classes)
        Probabilities of the larger of two labels, or of each label in ascending order.  They are kept away from 0 and
        1 by the resolution of their type, as float64 or float32, and made to add up to 1.
    labels : array_like, optional
        All labels that there are; by default those in `y_true`.
    sample_weight : array_like, shape (n_samples,), optional
        How much each sample counts.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If lengths differ, or probabilities don't fit the labels or are not within 0 and 1.

    Examples
    --------
    >>> from wyrm.metrics import log_loss
    >>> round(log_loss([1, 0, 1], [0.9, 0.2, 0.6]), 4)
    0.2798
    """
    eps = np.finfo(_floats(y_prob).dtype).eps
    found, probability, weight = _checked(y_true, y_prob, sample_weight, columns=True)
    kinds = np.unique(found if labels is None else np.asarray(labels))
    if probability.ndim == 1:
        probability = np.stack([1 - probability, probability], axis=1)
    if len(kinds) != probability.shape[1]:
        raise ValueError(
            f"log_loss: expected probabilities of as many labels as there are, {len(kinds)}, got "
            f"{probability.shape[1]}; name them all in labels="
        )
    code = np.searchsorted(kinds, found).clip(max=len(kinds) - 1)
    if (kinds[code] != found).any():
        raise ValueError(f"log_loss: y_true has labels that are not in labels={kinds[:10].tolist()}")
    if probability.min() < 0 or probability.max() > 1:
        raise ValueError("log_loss: expected probabilities from 0 to 1")
    probability = probability.clip(eps, 1 - eps)
    given = probability[np.arange(len(code)), code] / probability.sum(axis=1)
    return float(np.average(-np.log(given), weights=weight))


def accuracy_score(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Part of the samples whose label was predicted.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n_samples,)
        Labels.
    sample_weight : array_like, shape (n_samples,), optional

    Returns
    -------
    float

    Examples
    --------
    >>> from wyrm.metrics import accuracy_score
    >>> accuracy_score(["a", "b", "b"], ["a", "b", "a"])
    0.6666666666666666
    """
    found, predicted = np.asarray(y_true), np.asarray(y_pred)
    _, _, weight = _checked(found, np.zeros(predicted.shape), sample_weight)
    return float(np.average(found == predicted, weights=weight))


def root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Root of the mean squared difference between targets and predictions.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n_samples,)
        Numbers.
    sample_weight : array_like, shape (n_samples,), optional

    Returns
    -------
    float

    Examples
    --------
    >>> from wyrm.metrics import root_mean_squared_error
    >>> root_mean_squared_error([1, 2, 3], [1, 2, 5])
    1.1547005383792515
    """
    target, predicted, weight = _numbers(y_true, y_pred, sample_weight)
    return float(np.sqrt(np.average((target - predicted) ** 2, weights=weight)))


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean absolute difference between targets and predictions.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n_samples,)
        Numbers.
    sample_weight : array_like, shape (n_samples,), optional

    Returns
    -------
    float

    Examples
    --------
    >>> from wyrm.metrics import mean_absolute_error
    >>> mean_absolute_error([1, 2, 3], [1, 2, 5])
    0.6666666666666666
    """
    target, predicted, weight = _numbers(y_true, y_pred, sample_weight)
    return float(np.average(np.abs(target - predicted), weights=weight))


def r2_score(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Coefficient of determination: 1 at best, 0 for predicting the mean.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n_samples,)
        Numbers.
    sample_weight : array_like, shape (n_samples,), optional

    Returns
    -------
    float
        If all targets are equal, 1 where they were predicted and else 0.

    Examples
    --------
    >>> from wyrm.metrics import r2_score
    >>> r2_score([1, 2, 3], [1, 2, 4])
    0.5
    """
    target, predicted, weight = _numbers(y_true, y_pred, sample_weight)
    left = float(weight @ (target - predicted) ** 2)
    total = float(weight @ (target - np.average(target, weights=weight)) ** 2)
    return 1.0 - left / total if total else float(left == 0)


def calibration_curve(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 10, sample_weight: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often what was predicted with a probability came true.

    Samples are sorted by their probability and cut into bins of about equally many; samples of one probability are in
    one bin.

    Parameters
    ----------
    y_true : array_like, shape (n_samples,)
        Labels, 0 and 1 or of any two kinds; the larger one is positive.
    y_prob : array_like, shape (n_samples,)
        Probabilities of the larger label.
    n_bins : int, default 10
        Bins, at most.
    sample_weight : array_like, shape (n_samples,), optional

    Returns
    -------
    frequency : ndarray of float64, shape (n_bins,)
        Part of the positive samples in each bin.
    probability : ndarray of float64, shape (n_bins,)
        Mean of the probabilities.
    weight : ndarray of float64, shape (n_bins,)
        Samples, or their weight.

    Raises
    ------
    ValueError
        If lengths differ, labels are of more than two kinds, or `n_bins` is less than 1.

    Examples
    --------
    >>> from wyrm.metrics import calibration_curve
    >>> frequency, probability, weight = calibration_curve([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], n_bins=2)
    >>> frequency, probability
    (array([0., 1.]), array([0.2, 0.8]))
    """
    labels, probability, weight = _checked(y_true, y_prob, sample_weight)
    kinds = np.unique(labels)
    if len(kinds) > 2:
        raise ValueError(f"calibration_curve: expected labels of two kinds, got {kinds[:5].tolist()}")
    if n_bins < 1:
        raise ValueError(f"calibration_curve: expected n_bins to be at least 1, got {n_bins}")
    positive = (labels == kinds[-1]) & (len(kinds) == 2 or bool(kinds[-1] == 1))
    _, group = np.unique(probability, return_inverse=True)
    share = np.bincount(group, weights=weight)
    middle = (np.cumsum(share) - share / 2) / share.sum()  # where in all the samples those of a probability lie
    bins = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)[group]
    total = np.bincount(bins, weights=weight, minlength=n_bins)
    used = total > 0
    hits = np.bincount(bins, weights=weight * positive, minlength=n_bins)
    sums = np.bincount(bins, weights=weight * probability, minlength=n_bins)
    return hits[used] / total[used], sums[used] / total[used], total[used]


def _floats(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _checked(
    y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None, columns: bool = False
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Targets as they are, scores and weights in float64, of one length."""
    target, score = np.asarray(y_true), np.asarray(y_score, np.float64)
    if target.ndim != 1 or len(target) == 0:
        raise ValueError(f"expected y_true with one dimension and at least one entry, got shape {target.shape}")
    if score.ndim not in ((1, 2) if columns else (1,)) or len(score) != len(target):
        raise ValueError(f"expected predictions for {len(target)} samples, got shape {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("expected finite predictions")
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        raise ValueError("expected finite targets")
    weight = np.ones(len(target)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if weight.shape != target.shape or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise ValueError(
            f"expected sample_weight with {len(target)} finite numbers from 0, not all 0, got shape {weight.shape}"
        )
    return target, score, weight


def _numbers(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _checked(np.asarray(y_true, np.float64), y_pred, sample_weight)
