"""What is predicted: a class (:class:`Classifier`) or a number (:class:`Regressor`)."""

from math import exp
from typing import Any, Self

import numpy as np
from scipy.special import expit

from wyrm.leaf import IndexInputNode, InputNode
from wyrm.models.base import SparseModel
from wyrm.models.inputs import as_numbers
from wyrm.models.sklearn import ClassifierMixin, RegressorMixin
from wyrm.models.survey import Part
from wyrm.nn.losses import logistic, sparse_categorical_crossentropy, squared_error
from wyrm.node import Node

# Labels that are whole numbers are counted where they span less than FEW, and are exact in every type.
FEW = 1000
EXACT = 2**53


class _Labels:
    """How much weight each label has."""

    def __init__(self, classes: Any = None) -> None:
        self.weights: dict[Any, float] = dict.fromkeys(classes, 0.0) if classes is not None else {}
        self.dtype: Any = None
        self.complete = classes is not None
        self.n_rows = 0

    def update(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        labels, codes = _codes(y)
        if self.complete and not set(labels.tolist()) <= set(self.weights):
            raise ValueError(f"y contains labels that classes= has not: {labels.tolist()}, {list(self.weights)}")
        self.n_rows += len(y)
        self.dtype = labels.dtype if self.dtype is None else np.promote_types(self.dtype, labels.dtype)
        for label, total in zip(labels.tolist(), np.bincount(codes, weights=weight).tolist()):
            self.weights[label] = self.weights.get(label, 0.0) + total


def _codes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels there are, in order, and the number of each one among them."""
    if y.dtype.kind in "biuf" and len(y):
        low, high = int(y.min()), int(y.max())
        if low > -EXACT and high < EXACT and high - low < FEW:
            # Whole numbers close together are counted, which takes no sorting.
            whole = y.astype(np.int64)
            if (whole == y).all():
                here = np.bincount(whole - low) > 0
                return (np.flatnonzero(here) + low).astype(y.dtype), (np.cumsum(here) - 1)[whole - low]
    return np.unique(y, return_inverse=True)


class Classifier(ClassifierMixin, SparseModel):
    """Base of the classifiers: logistic loss of one output for two classes, softmax of an output each for more."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked_targets(self, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind == "f":
            if np.isnan(y).any():
                raise ValueError("Input y contains NaN.")
            if not np.isfinite(y).all():
                raise ValueError("Input y contains infinity.")
            if (y != np.floor(y)).any():
                raise ValueError(
                    f"Unknown label type: continuous. {type(self).__name__} needs classes, got fractions such as "
                    f"{y[y != np.floor(y)][0]:g}; for a target that is a number take a regressor"
                )
        elif y.dtype.kind == "O":
            kinds = {type(label) for label in y.tolist()}
            if len(kinds) > 1 or not issubclass(next(iter(kinds)), (str, int, float, bool)):
                names = sorted(kind.__name__ for kind in kinds)
                raise TypeError(f"y: expected labels that are all strings or all numbers, got {names}")
            if kinds == {str}:
                return y.astype(str)
            return self._checked_targets(np.asarray(y.tolist()))
        elif y.dtype.kind == "T":
            return y.astype(str)
        elif y.dtype.kind not in "iubU":
            raise TypeError(f"y: expected labels that are strings or numbers, got dtype {y.dtype}")
        return y

    def _summary(self) -> _Labels:
        return _Labels()

    def _learn_targets(self, summary: _Labels) -> None:
        classes = np.array(sorted(summary.weights), dtype=summary.dtype)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__}: the number of classes has to be greater than one; got {len(classes)} class: "
                f"all of y is {classes.tolist()[0]!r}"
            )
        self.classes_ = classes
        self._factors = self._class_factors(summary)

    def _class_factors(self, summary: _Labels) -> list[float] | None:
        """The weight of each class."""
        given = self.class_weight
        if given is None:
            return None
        if isinstance(given, str) and given == "balanced":
            weights = [summary.weights[label] for label in self.classes_.tolist()]
            return [sum(weights) / (len(weights) * weight) if weight else 1.0 for weight in weights]
        if not isinstance(given, dict):
            raise ValueError(f"expected class_weight to be None, 'balanced' or a dict, got {given!r}")
        unknown = [label for label in given if label not in summary.weights]
        if unknown:
            raise ValueError(f"The classes, {unknown}, are not in class_weight's data: y has {list(summary.weights)}")
        factors = [float(given.get(label, 1.0)) for label in self.classes_.tolist()]
        if min(factors) < 0 or not np.isfinite(factors).all():
            raise ValueError(f"expected class_weight to be finite and not negative, got {given!r}")
        return factors

    def _has_class_weights(self) -> bool:
        return self._factors is not None

    def _example_weights(self, part: Part) -> np.ndarray:
        weight = np.ones(len(part.y)) if part.weight is None else part.weight
        return weight if self._factors is None else weight * np.asarray(self._factors)[self._codes(part.y)]

    def _mean_weight(self, summary: _Labels, n_rows: int) -> float:
        factors = self._factors or [1.0] * len(self.classes_)
        return sum(f * summary.weights[label] for f, label in zip(factors, self.classes_.tolist())) / n_rows

    def _first_bias(self, summary: _Labels) -> np.ndarray:
        """Log odds of the classes; as if each had been seen half a time more."""
        weights = np.asarray(self._factors or 1.0) * [summary.weights[label] for label in self.classes_.tolist()]
        odds = np.log(weights * (summary.n_rows / weights.sum()) + 0.5)
        bias: np.ndarray = odds - odds.mean() if len(odds) > 2 else odds[1:] - odds[0]
        return bias

    def _n_outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _output_scale(self) -> float:
        return 1.0

    def _codes(self, y: np.ndarray) -> np.ndarray:
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        wrong = self.classes_[codes] != y
        if wrong.any():
            raise ValueError(
                f"y contains new labels: {np.unique(y[wrong])[:5].tolist()}; {type(self).__name__} knows the classes "
                f"{self.classes_.tolist()}"
            )
        return codes

    def _encode(self, y: np.ndarray) -> np.ndarray:
        codes = self._codes(y)
        return codes.astype(np.float32) if self._n_outputs() == 1 else codes.astype(np.int32)

    def _make_target(self) -> Node:
        return InputNode(0.0, name="y") if self._n_outputs() == 1 else IndexInputNode([0], name="y")

    def _loss(self, score: Node, target: Any, weight: InputNode | None) -> Node:
        if self._n_outputs() == 1:
            return logistic(score, target, weight)
        return sparse_categorical_crossentropy(score, target, weight)

    def _validation_rows(self, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which rows to hold out: as many of each class, in proportion."""
        held_out = np.zeros(len(y), dtype=bool)
        for label in np.unique(y):
            rows = np.flatnonzero(y == label)
            held_out[rng.permutation(rows)[: round(self.validation_fraction * len(rows))]] = True
        return held_out

    def _targets_to_json(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str, "factors": self._factors}

    def _targets_from_json(self, config: dict[str, Any]) -> None:
        self.classes_ = np.array(config["classes"], dtype=config["dtype"])
        self._factors = config["factors"]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, *, sample_weight: Any = None) -> Self:
        """Train once over some more samples.

        The first call sets what the columns' scale is, and later ones follow where values are seen that are more than
        twice as large. A sparse X may have columns that no earlier one had: the model grows. It then takes sparse
        matrices of any width, where columns that it has not seen count for nothing in predictions.

        Parameters
        ----------
        X : sparse matrix, array or data frame of numbers, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        classes : array_like, optional
            All classes that there will be; needed in the first call.
        sample_weight : array_like, shape (n_samples,), optional
            Factors of the samples' losses.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for :meth:`fit`; if classes are missing, or differ from those of the first call.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which doesn't see all of y: give a dict"
            )
        summary = None
        if classes is not None:
            classes = np.unique(self._checked_targets(np.asarray(classes)))
            summary = _Labels(classes.tolist())
            summary.dtype = classes.dtype
        if hasattr(self, "_network"):
            if classes is not None and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"`classes={classes.tolist()}` is not the same as on last call to partial_fit, was: "
                    f"{self.classes_.tolist()}"
                )
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, summary)

    @property
    def coef_(self) -> np.ndarray:
        """ndarray of float64, shape (1, n_features) or (n_classes, n_features): the weights of X's columns."""
        weights: np.ndarray = self._unscaled()["linear"].T
        return weights

    @property
    def intercept_(self) -> np.ndarray:
        """ndarray of float64, shape (1,) or (n_classes,): the scores of a row of zeros."""
        bias: np.ndarray = self._unscaled()["bias"][0]
        return bias

    # --- Predicting --------------------------------------------------------------------------------------------------

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores before the sigmoid or softmax.

        Parameters
        ----------
        X : as in :meth:`fit`

        Returns
        -------
        ndarray of float64, shape (n_samples,) for two classes, (n_samples, n_classes) for more
        """
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : as in :meth:`fit`

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        scores = self._scores(X)
        if scores.shape[1] == 1:
            probabilities: np.ndarray = np.empty((len(scores), 2))
            expit(-scores[:, 0], out=probabilities[:, 0])
            expit(scores[:, 0], out=probabilities[:, 1])
            return probabilities
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = scores / scores.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class.

        Parameters
        ----------
        X : as in :meth:`fit`

        Returns
        -------
        ndarray, shape (n_samples,)
        """
        scores = self._scores(X)
        codes = (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
        labels: np.ndarray = self.classes_[codes]
        return labels

    def predict_proba_one(self, x: Any, values: Any = None) -> Any:
        """Probabilities for one row, in a few microseconds.

        Parameters
        ----------
        x : array of int32 or int64, shape (n,)
            The columns that the row has, each once. For a model that was fitted to an array: the row, an array of
            numbers, shape (n_features_in_,).
        values : array of float, shape (n,), optional
            The values in these columns; default: ones.

        Returns
        -------
        float or ndarray of float64, shape (n_classes,)
            Of two classes, the probability of the second, ``classes_[1]``; of more, the probability of each.

        Raises
        ------
        IndexError
            If there is no such column.
        ValueError
            If shapes don't fit, or a value is not finite.
        """
        scores = self._score_one(x, values)
        if scores.shape[1] == 1:
            score = scores.item()
            return 1 / (1 + exp(-score)) if score > 0 else 1 - 1 / (1 + exp(score))
        scores = np.exp(scores[0].astype(np.float64) - scores.max())
        return scores / scores.sum()


class _Numbers:
    """Weighted mean and variance."""

    def __init__(self) -> None:
        self.weight = self.mean = self.squares = 0.0

    def update(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        total = float(len(y) if weight is None else weight.sum())
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(np.average(y, weights=weight))
            squares = float(np.average((y - mean) ** 2, weights=weight)) * total
        away, before = mean - self.mean, self.weight
        self.weight += total
        self.squares += squares + away * away * before * total / self.weight
        self.mean += away * total / self.weight


class Regressor(RegressorMixin, SparseModel):
    """Base of the regressors: squared error of a target that is standardised, so that its unit doesn't matter."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked_targets(self, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind in "mM":
            raise TypeError(f"y: expected numbers, got dtype {y.dtype}")
        y = as_numbers(y, "y")
        if not np.isfinite(y).all():
            raise ValueError(f"Input y contains {'NaN' if np.isnan(y).any() else 'infinity'}.")
        return y

    def _summary(self) -> _Numbers:
        return _Numbers()

    def _learn_targets(self, summary: _Numbers) -> None:
        spread = float(np.sqrt(summary.squares / summary.weight))
        if not np.isfinite(spread):
            raise ValueError("Input y contains values whose squares are too large: divide it by its largest value.")
        self._target_mean = summary.mean
        self._target_scale = spread if spread > 1e-12 * abs(summary.mean) else 1.0

    def _has_class_weights(self) -> bool:
        return False

    def _example_weights(self, part: Part) -> np.ndarray:
        return np.ones(len(part.y)) if part.weight is None else part.weight

    def _mean_weight(self, summary: _Numbers, n_rows: int) -> float:
        return summary.weight / n_rows

    def _first_bias(self, summary: _Numbers) -> np.ndarray:
        return np.zeros(1)

    def _n_outputs(self) -> int:
        return 1

    def _output_scale(self) -> float:
        return self._target_scale

    def _encode(self, y: np.ndarray) -> np.ndarray:
        return ((y - self._target_mean) / self._target_scale).astype(np.float32)

    def _make_target(self) -> Node:
        return InputNode(0.0, name="y")

    def _loss(self, score: Node, target: Any, weight: InputNode | None) -> Node:
        return squared_error(score, target, weight)

    def _validation_rows(self, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        held_out = np.zeros(len(y), dtype=bool)
        held_out[rng.permutation(len(y))[: round(self.validation_fraction * len(y))]] = True
        return held_out

    def _targets_to_json(self) -> dict[str, Any]:
        return {"mean": self._target_mean, "scale": self._target_scale}

    def _targets_from_json(self, config: dict[str, Any]) -> None:
        self._target_mean, self._target_scale = config["mean"], config["scale"]

    @property
    def coef_(self) -> np.ndarray:
        """ndarray of float64, shape (n_features,): the weights of X's columns."""
        weights = self._unscaled()["linear"][:, 0]
        return self._target_scale * weights

    @property
    def intercept_(self) -> float:
        """float: the prediction for a row of zeros."""
        bias = float(self._unscaled()["bias"][0, 0])
        return self._target_mean + self._target_scale * bias

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets.

        Parameters
        ----------
        X : as in :meth:`fit`

        Returns
        -------
        ndarray of float64, shape (n_samples,)
        """
        scores = self._scores(X)[:, 0]
        return self._target_mean + self._target_scale * scores

    def predict_one(self, x: Any, values: Any = None) -> float:
        """The prediction for one row, in a few microseconds.

        Parameters
        ----------
        x : array of int32 or int64, shape (n,)
            The columns that the row has, each once. For a model that was fitted to an array: the row, an array of
            numbers, shape (n_features_in_,).
        values : array of float, shape (n,), optional
            The values in these columns; default: ones.

        Returns
        -------
        float

        Raises
        ------
        IndexError
            If there is no such column.
        ValueError
            If shapes don't fit, or a value is not finite.
        """
        score: float = self._score_one(x, values).item()
        return self._target_mean + self._target_scale * score
