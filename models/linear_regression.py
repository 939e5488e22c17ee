"""Linear regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wyrm.leaf import ParameterNode
from wyrm.models.inputs import Inputs
from wyrm.models.linear import linear_parameters, linear_score
from wyrm.models.targets import Regressor
from wyrm.node import Node


class LinearRegression(Regressor):
    """Least squares, for data too large or too sparse to solve for.

    ``y = b + <w, x>``, trained by minimising the mean squared error, one sample after the other. The target is
    standardised while training, so its unit doesn't matter.

    Parameters
    ----------
    learning_rate, epochs, batch_size, optimizer, l2, l1, standardize, early_stopping, validation_fraction, patience, \
tol, warm_start, n_threads, random_state, verbose
        As in :class:`wyrm.models.LogisticRegression`.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
    intercept_ : float
    n_features_in_, feature_names_in_, n_iter_, history_
        As in :class:`wyrm.models.LogisticRegression`.

    Examples
    --------
    >>> import numpy as np
    >>> from wyrm.models import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 2)) * [1, 1000]
    >>> model = LinearRegression(n_threads=1, random_state=0).fit(X, 3 * X[:, 0] - 0.002 * X[:, 1] + 7)
    >>> np.allclose(model.coef_, [3, -0.002], rtol=0.01), round(model.intercept_, 1)
    (True, 7.0)
    """

    def __init__(
        self,
        *,
        learning_rate: float | Callable[[float], float] = 0.1,
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

    def _initial(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return linear_parameters(n_features, n_outputs)

    def _score(self, nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
        return linear_score(nodes, inputs)
