"""Logistic regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wyrm.leaf import ParameterNode
from wyrm.models.inputs import Inputs
from wyrm.models.linear import linear_parameters, linear_score
from wyrm.models.targets import Classifier
from wyrm.node import Node


class LogisticRegression(Classifier):
    """Logistic regression, of two classes or more.

    ``P(y = 1 | x) = sigmoid(b + <w, x>)``, and with K > 2 classes ``P(y = k | x) = softmax(b + W x)_k``; trained by
    minimising the mean log loss, one sample after the other.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        Step of the optimiser; a schedule of :mod:`wyrm.optim` follows the progress of :meth:`fit`.
    epochs : int, optional
        Passes over the data; default: 10, and with fewer than 500 samples as many as it takes to train 5,000 times.
    batch_size : int, optional
        Samples per step; default: 1, or under "adagrad" 64, if the samples are 50,000 or more and so many of them have
        most of the columns. It is then as accurate, and faster.
    optimizer : {"adagrad", "sgd", "ftrl", "adam"}, default "adagrad"
    l2 : float, default 0.0
        Weight decay, as the optimiser has it: see :mod:`wyrm.optim`.
    l1 : float, default 0.0
        Shrinkage towards zero, which leaves some weights exactly zero; not with "adam".
    class_weight : dict of class to float or "balanced", optional
        Factors of the losses of each class; "balanced" makes all classes count the same.
    standardize : bool, default True
        Whether to train on columns that are scaled, so that one learning rate suits all: those of an array are
        centered and divided by their standard deviation; those of a sparse matrix, where they are larger than 1, by the
        root mean square of their values. ``coef_`` is for X as it is given.
    early_stopping : bool, default False
        Whether to stop when the loss on held-out data no longer improves, and go back to the best epoch.
    validation_fraction : float, default 0.1
        Part of the data to hold out, where `eval_set` is not given.
    patience : int, default 2
        Epochs without improvement before stopping.
    tol : float, optional
        Without `early_stopping`: stop when for `patience` epochs the training loss was not below the best before by at
        least this. Default: train for all `epochs`.
    warm_start : bool, default False
        Whether :meth:`fit` goes on from the present parameters.
    n_threads : int, optional
        Threads that train without locks; default: all cores the process may use, but at least 1,000 samples for
        each. One thread with a `random_state` is repeatable.
    random_state : int, RandomState or Generator, optional
        Seeds the order of the samples.
    verbose : bool, default False
        Whether to show progress and losses.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Where X was a data frame with names.
    n_iter_ : int
        Epochs trained.
    history_ : wyrm.history.History
        Losses by epoch.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011; H. B. McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_matrix
    >>> from wyrm.models import LogisticRegression
    >>> bits = np.random.default_rng(0).integers(0, 2, (1000, 20))
    >>> y = np.where(bits[:, 0] + bits[:, 1] == 2, "both", "not both")
    >>> model = LogisticRegression(random_state=0).fit(csr_matrix(bits), y)
    >>> model.predict(csr_matrix(bits[:3])), y[:3]
    (array(['both', 'not both', 'not both'], dtype='<U8'), array(['both', 'not both', 'not both'], dtype='<U8'))
    >>> model.score(csr_matrix(bits), y) > 0.95
    True
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

    def _initial(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return linear_parameters(n_features, n_outputs)

    def _score(self, nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
        return linear_score(nodes, inputs)
