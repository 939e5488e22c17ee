"""Factorisation machines."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from wyrm.leaf import ParameterNode
from wyrm.models.base import SparseModel
from wyrm.models.inputs import Inputs
from wyrm.models.linear import linear_parameters, linear_score
from wyrm.models.settings import check_count, check_number
from wyrm.models.survey import Survey
from wyrm.models.targets import Classifier, Regressor
from wyrm.node import Node
from wyrm.ops import concatenate

# Of an array every pair of columns has a part in every score. So that pairs explain what single columns don't, and not
# the other way round, weights of columns learn as many times faster, at the rate of linear models.
LINEAR_RATE = 5.0

# And the sum over the pairs is divided by the number of columns where there are so many samples for each pair, by more
# where there are fewer, and by less where there are more.
ENOUGH_PER_PAIR = 5


class _FactorizationMachine(SparseModel):
    """What the two have in common: a table of factors for each output."""

    # What the graph multiplies its linear part and its sum over pairs by; ones in files of older versions.
    _linear_weight = _pair_weight = 1.0

    _fitted = (*SparseModel._fitted, "_linear_weight", "_pair_weight")

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count(self, "n_factors")
        check_number(self, "init_scale")

    @property
    def _tables(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("linear", *self._factor_names(self._n_outputs()))

    def _factor_names(self, n_outputs: int) -> list[str]:
        return ["factors"] if n_outputs == 1 else [f"factors_{k}" for k in range(n_outputs)]

    def _initial(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        parameters = linear_parameters(n_features, n_outputs)
        for name in self._factor_names(n_outputs):
            parameters[name] = rng.standard_normal((n_features, self.n_factors), dtype=np.float32)
            parameters[name] *= self.init_scale
        return parameters

    def _start(self, survey: Survey, seed: int, names: np.ndarray | None) -> None:
        self._linear_weight = LINEAR_RATE if survey.rows.dense else 1.0
        self._pair_weight = _pair_weight(survey.n_rows, survey.n_features) if survey.rows.dense else 1.0
        super()._start(survey, seed, names)

    def _score(self, nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
        tables = [nodes[name] for name in self._factor_names(self._n_outputs())]
        x = inputs.dense
        if x is None:
            assert inputs.columns is not None
            pairs = [factors.fm_interaction(inputs.columns, inputs.values) for factors in tables]
            return linear_score(nodes, inputs) + _side_by_side(pairs)
        # In time linear in the number of columns.
        pairs = [((x @ factors).square() - x.square() @ factors.square()).sum(axis=1) for factors in tables]
        linear = self._linear_weight * (x @ nodes["linear"]) + nodes["bias"]
        return linear + 0.5 * self._pair_weight * _side_by_side(pairs)

    @property
    def factors_(self) -> np.ndarray:
        """ndarray of float64: the factors of X's columns, of each class if there are more than two."""
        values = self._unscaled()
        factors = [values[name] for name in self._factor_names(self._n_outputs())]
        return np.stack(factors) if len(factors) > 1 else factors[0] * self._output_scale() ** 0.5

    def _uncenter(self, values: dict[str, np.ndarray], center: np.ndarray) -> None:
        values["linear"] *= self._linear_weight
        for name in self._factor_names(self._n_outputs()):
            values[name] *= self._pair_weight**0.5
        super()._uncenter(values, center)
        # <v_i, v_j> (x_i - c_i) (x_j - c_j), multiplied out and summed over the pairs.
        for k, name in enumerate(self._factor_names(self._n_outputs())):
            factors = values[name]
            total, lengths = center @ factors, (factors**2).sum(axis=1)
            values["linear"][:, k] -= factors @ total - lengths * center
            values["bias"][0, k] += 0.5 * (total @ total - lengths @ center**2)

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        for name in ("_linear_weight", "_pair_weight"):
            config["fitted"].setdefault(name, getattr(cls, name))
        return super()._from_state(config, arrays)


def _pair_weight(n_rows: int, n_columns: int) -> float:
    per_pair = 2 * n_rows / n_columns**2
    return min(1.0, per_pair / ENOUGH_PER_PAIR / n_columns)


def _side_by_side(scores: Sequence[Node]) -> Node:
    return scores[0] if len(scores) == 1 else concatenate(scores, 1)


class FactorizationMachineClassifier(_FactorizationMachine, Classifier):
    """A factorisation machine that predicts classes.

    ``score(x) = b + <w, x> + sum_{i < j} <v_i, v_j> x_i x_j``, and ``P(y = 1 | x) = sigmoid(score(x))``; with K > 2
    classes a score, with weights and factors of its own, for each, and softmax. The weight of each pair of columns is
    the product of two short vectors, so that it can be learned for pairs that are seldom or never seen together.

    Parameters
    ----------
    n_factors : int, default 8
        Length of the vectors.
    init_scale : float, default 0.05
        Standard deviation of what the factors start from.
    learning_rate : float or schedule, default 0.02
        Step of the optimiser. Where X is an array, whose columns all take part in every score, their weights take steps
        five times as large and pairs smaller ones, so that pairs explain what single columns don't.
    epochs, batch_size, optimizer, l2, l1, class_weight, standardize, early_stopping, \
validation_fraction, patience, tol, warm_start, n_threads, random_state, verbose
        As in :class:`wyrm.models.LogisticRegression`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
    factors_ : ndarray of float64, shape (n_features, n_factors) or (n_classes, n_features, n_factors)
    n_features_in_, feature_names_in_, n_iter_, history_
        As in :class:`wyrm.models.LogisticRegression`.

    References
    ----------
    S. Rendle, "Factorization machines", ICDM 2010.

    Examples
    --------
    Whether two categories fit each other, which no linear model can tell:

    >>> import numpy as np
    >>> from scipy.sparse import csr_matrix
    >>> from wyrm.models import FactorizationMachineClassifier
    >>> a, b = np.random.default_rng(0).integers(0, 20, (2, 5000))
    >>> columns = np.stack([a, 20 + b], axis=1).ravel()
    >>> X = csr_matrix((np.ones(10_000), columns, np.arange(0, 10_001, 2)), shape=(5000, 40))
    >>> y = (a + b) % 2
    >>> model = FactorizationMachineClassifier(n_factors=4, epochs=20, n_threads=1, random_state=0).fit(X, y)
    >>> model.score(X, y)
    1.0
    """

    def __init__(
        self,
        *,
        n_factors: int = 8,
        init_scale: float = 0.05,
        learning_rate: float | Callable[[float], float] = 0.02,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: str = "adagrad",
        l2: float = 0.0,
        l1: float = 0.0,
        class_weight: Any = None,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 2,
        tol: float | None = None,
        warm_start: bool = False,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_factors = n_factors
        self.init_scale = init_scale
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.l2 = l2
        self.l1 = l1
        self.class_weight = class_weight
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose


class FactorizationMachineRegressor(_FactorizationMachine, Regressor):
    """A factorisation machine that predicts a number.

    ``y = b + <w, x> + sum_{i < j} <v_i, v_j> x_i x_j``, trained by minimising the mean squared error. The target is
    standardised while training, so its unit doesn't matter.

    Parameters
    ----------
    n_factors, init_scale, learning_rate
        As in :class:`wyrm.models.FactorizationMachineClassifier`.
    epochs, batch_size, optimizer, l2, l1, standardize, early_stopping, validation_fraction, patience, \
tol, warm_start, n_threads, random_state, verbose
        As in :class:`wyrm.models.LogisticRegression`.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
    intercept_ : float
    factors_ : ndarray of float64, shape (n_features, n_factors)
    n_features_in_, feature_names_in_, n_iter_, history_
        As in :class:`wyrm.models.LogisticRegression`.

    References
    ----------
    S. Rendle, "Factorization machines", ICDM 2010.

    Examples
    --------
    Users, items and ratings:

    >>> import numpy as np
    >>> from scipy.sparse import csr_matrix
    >>> from wyrm.models import FactorizationMachineRegressor
    >>> rng = np.random.default_rng(0)
    >>> users, items = rng.integers(0, 50, 4000), rng.integers(0, 50, 4000)
    >>> taste, kind = rng.normal(size=50), rng.normal(size=50)
    >>> ratings = 3 + taste[users] * kind[items]
    >>> columns = np.stack([users, 50 + items], axis=1).ravel()
    >>> X = csr_matrix((np.ones(8000), columns, np.arange(0, 8001, 2)), shape=(4000, 100))
    >>> model = FactorizationMachineRegressor(n_factors=4, n_threads=1, random_state=0).fit(X, ratings)
    >>> model.score(X, ratings) > 0.95
    True
    """

    def __init__(
        self,
        *,
        n_factors: int = 8,
        init_scale: float = 0.05,
        learning_rate: float | Callable[[float], float] = 0.02,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: str = "adagrad",
        l2: float = 0.0,
        l1: float = 0.0,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 2,
        tol: float | None = None,
        warm_start: bool = False,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_factors = n_factors
        self.init_scale = init_scale
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.l2 = l2
        self.l1 = l1
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
