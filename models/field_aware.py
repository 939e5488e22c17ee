"""Field-aware factorisation machines."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from wyrm.leaf import ParameterNode
from wyrm.models.factorization_machine import _FactorizationMachine
from wyrm.models.field_rows import ONES, WEIGHTED, FieldRows, field_rows, is_field_rows
from wyrm.models.inputs import Inputs
from wyrm.models.linear import linear_parameters, linear_score
from wyrm.models.settings import check_count
from wyrm.models.survey import Survey
from wyrm.models.targets import Classifier, Regressor
from wyrm.node import Node
from wyrm.ops import concatenate

# Numbers that the table may hold where every column is a field of its own and nobody asked for that: 1 GB.
MOST_BY_DEFAULT = 1 << 28


class _FieldAware(_FactorizationMachine):
    """What the two have in common: a table with a vector of factors for each field."""

    _fitted = (*_FactorizationMachine._fitted, "n_fields_")

    _epochs = 4
    _column_fields: np.ndarray | None  # None: entries name theirs

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count(self, "n_fields", optional=True)

    # --- Data: a matrix whose columns belong to fields, or entries that name theirs ---------------------------------

    def _as_rows(self, X: Any) -> Any:
        if is_field_rows(X):
            return field_rows(X, type(self).__name__)
        rows = super()._as_rows(X)
        return rows.sparse() if rows.dense else rows

    def _fitting(self, rows: Any, grow: bool = False) -> Any:
        n = self.n_features_in_
        if self._column_fields is not None:
            if isinstance(rows, FieldRows):
                raise ValueError(
                    f"{type(self).__name__} was fitted to a matrix, whose columns have fields, but got entries that "
                    f"name theirs"
                )
            if rows.n_features != n:
                raise ValueError(
                    f"X has {rows.n_features} features, but {type(self).__name__} is expecting {n} features as input."
                )
            return rows
        if not isinstance(rows, FieldRows):
            raise ValueError(
                f"{type(self).__name__} was fitted to entries that name their fields, but got a matrix; give tuples, "
                f"(indices, fields, values, offsets)"
            )
        if not grow:  # what the model has not seen counts for nothing
            return rows.resized(n, self.n_fields_)
        if rows.n_fields > self.n_fields_:
            self._check_fields(rows.n_fields)
            self._grow_fields(rows.n_fields)
        return rows.resized(max(n, rows.n_features), self.n_fields_)

    def _start(self, survey: Survey, seed: int, names: np.ndarray | None) -> None:
        if not isinstance(survey.rows, FieldRows):
            self._column_fields = self._fields_of_columns(survey.n_features)
            n_fields = int(self._column_fields.max()) + 1
        elif self.fields is None:
            self._column_fields = None
            n_fields = survey.n_fields
        else:
            raise ValueError(
                f"{type(self).__name__}: fields= are those of the columns of a matrix, but X has entries that name "
                f"their fields: leave out one of the two"
            )
        self._check_fields(n_fields)
        self.n_fields_ = n_fields if self.n_fields is None else self.n_fields
        super()._start(survey, seed, names)

    def _check_fields(self, n_fields: int) -> None:
        if self.n_fields is not None and n_fields > self.n_fields:
            raise ValueError(
                f"{type(self).__name__}: expected fields from 0 to {self.n_fields - 1}, as n_fields={self.n_fields} "
                f"says, got {n_fields - 1}"
            )

    def _fields_of_columns(self, n_features: int) -> np.ndarray:
        """The field of each column of a matrix."""
        if self.fields is None:
            size = n_features * n_features * self.n_factors
            if size > MOST_BY_DEFAULT:
                raise ValueError(
                    f"{type(self).__name__}: with each of the {n_features} columns of X as a field of its own, the "
                    f"factors would be {size} numbers ({size / 2**28:.1f} GB): give fields=, the field of each column"
                )
            return np.arange(n_features, dtype=np.int32)
        fields = np.asarray(self.fields)
        if fields.shape != (n_features,):
            raise ValueError(
                f"{type(self).__name__}: expected fields to have the field of each of the {n_features} columns of X, "
                f"got shape {fields.shape}"
            )
        if fields.dtype.kind not in "iu":
            raise TypeError(f"{type(self).__name__}: expected fields to be integers, got dtype {fields.dtype}")
        if fields.min() < 0 or fields.max() >= 2**31 - 1:
            wrong = fields.min() if fields.min() < 0 else fields.max()
            raise ValueError(f"{type(self).__name__}: expected fields from 0 to {2**31 - 2}, got {wrong}")
        return fields.astype(np.int32)

    # --- Parameters and graph ----------------------------------------------------------------------------------------

    def _initial(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        parameters = linear_parameters(n_features, n_outputs)
        for name in self._factor_names(n_outputs):
            parameters[name] = self._factors_from(rng, n_features, self.n_fields_ * self.n_factors)
        return parameters

    def _factors_from(self, rng: np.random.Generator, n_rows: int, n_cols: int) -> np.ndarray:
        factors = rng.standard_normal((n_rows, n_cols), dtype=np.float32)
        factors *= self.init_scale
        return factors

    def _score(self, nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
        assert inputs.columns is not None
        fields: Any = inputs.field if self._column_fields is None else self._column_fields
        pairs = [
            nodes[name].field_aware_interaction(inputs.columns, fields, inputs.values, n_fields=self.n_fields_)
            for name in self._factor_names(self._n_outputs())
        ]
        score = pairs[0] if len(pairs) == 1 else concatenate(pairs, 1)
        return score + (linear_score(nodes, inputs) if self.fit_linear else nodes["bias"])

    def _score_one(self, x: Any, values: Any) -> np.ndarray:
        self._check_fitted()
        if self._column_fields is not None:
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                raise TypeError(
                    f"{type(self).__name__}: expected the numbers of the columns that the row has, got an array of "
                    f"{x.dtype}; of a row of a dense array give np.flatnonzero(row) and row[np.flatnonzero(row)]"
                )
            return super()._score_one(x, values)
        if not isinstance(x, tuple) or len(x) != 2:
            raise TypeError(
                f"{type(self).__name__} was fitted to entries that name their fields: expected a row as a pair "
                f"(columns, fields), got {type(x).__name__}"
            )
        columns, fields = x
        if len(columns) != len(fields):
            raise ValueError(f"expected a field for each column, {len(columns)} of them, got {len(fields)}")
        if not len(columns) or (values is None and self._scaling.scale is None):
            return self._network.score_one(ONES, columns, None, fields)
        return self._network.score_one(WEIGHTED, columns, self._values_of_one(columns, values), fields)

    def _grow_fields(self, n_fields: int) -> None:
        """Room for more fields: a vector for each of them at the end of every row."""
        config, arrays = self._network.state()
        rng = np.random.default_rng(self._seed + n_fields)
        tables = self._factor_names(self._n_outputs())
        for name in [name for name in arrays if name.split(".")[0] in tables]:
            n_rows, n_cols = arrays[name].shape
            n_cols = n_cols // self.n_fields_ * (n_fields - self.n_fields_)
            more = self._factors_from(rng, n_rows, n_cols) if name in tables else np.zeros((n_rows, n_cols), np.float32)
            arrays[name] = np.hstack([arrays[name], more])
        self.n_fields_ = n_fields
        self._network = self._make_network({name: array for name, array in arrays.items() if "." not in name})
        self._network.set_state(config, arrays)

    @property
    def factors_(self) -> np.ndarray:
        """ndarray of float64: for each of X's columns the factors for every field; of each class if there are more \
than two."""
        factors = super().factors_
        return factors.reshape(*factors.shape[:-1], self.n_fields_, -1)

    # --- Saving ------------------------------------------------------------------------------------------------------

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        config, arrays = super()._to_state()
        return config, arrays if self._column_fields is None else arrays | {"columns.fields": self._column_fields}

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        model = super()._from_state(config, arrays)
        model._column_fields = arrays.get("columns.fields")
        return model


class FieldAwareFactorizationMachineClassifier(_FieldAware, Classifier):
    """A field-aware factorisation machine that predicts classes.

    ``score(x) = b + <w, x> + sum_{i < j} <v_i[f_j], v_j[f_i]> x_i x_j``, and ``P(y = 1 | x) = sigmoid(score(x))``; with
    K > 2 classes a score, with weights and factors of its own, for each, and softmax. The columns of X belong to
    fields, such as the categories of one variable, and each column i has a vector v_i[f] for every field f: with a user
    it is another than with an advertisement. On sparse categorical data, which it is meant for, it learns fast, and
    overfits soon: take few epochs, or `early_stopping`.

    X is a matrix, and `fields` the field of each of its columns. Of a dense array the zeros are left out, as of a
    sparse one. Or X is a tuple of arrays of entries, each of which names its column, its field and its value:
    ``(indices, fields, values)``, all of shape (n_samples, entries per sample), or ``(indices, fields, values,
    offsets)``, all flat, where sample i has the entries from ``offsets[i]`` to ``offsets[i + 1]``. It may be what
    :func:`wyrm.io.read_libffm` returns, values may be None where all are 1, and the fields of all samples alike may
    be given once. ``predict_proba_one((columns, fields), values)`` takes one such row.

    Parameters
    ----------
    fields : array_like of int, shape (n_features,), optional
        The field of each column of a matrix, from 0; default: each column is a field of its own. The factors take
        n_features * n_fields * n_factors numbers, which the default allows up to 1 GB.
    n_fields : int, optional
        The number of fields; default: as many as `fields`, or the entries of X, have. With entries, partial_fit takes
        up fields never seen before, unless the number is given.
    n_factors : int, default 4
        Length of the vectors.
    fit_linear : bool, default True
        Whether there is a linear term; the bias is always there.
    init_scale : float, default 0.01
        Standard deviation of what the factors start from.
    learning_rate : float or schedule, default 0.02
        Step of the optimiser.
    epochs : int, optional
        Passes over the data; default: 4, and more where that is less than 5000 samples.
    batch_size, optimizer, l2, l1, class_weight, standardize, early_stopping, validation_fraction, patience, \
tol, warm_start, n_threads, random_state, verbose
        As in :class:`wyrm.models.LogisticRegression`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
    factors_ : ndarray of float64, shape (n_features, n_fields, n_factors)
        With more than two classes (n_classes, n_features, n_fields, n_factors).
    n_fields_ : int
    n_features_in_, feature_names_in_, n_iter_, history_
        As in :class:`wyrm.models.LogisticRegression`.

    References
    ----------
    Y. Juan, Y. Zhuang, W.-S. Chin and C.-J. Lin, "Field-aware factorization machines for CTR prediction", RecSys 2016.

    Examples
    --------
    Whether two categories fit each other, which no linear model can tell:

    >>> import numpy as np
    >>> from wyrm.models import FieldAwareFactorizationMachineClassifier
    >>> a, b = np.random.default_rng(0).integers(0, 20, (2, 5000))
    >>> X = np.stack([a, 20 + b], axis=1), [0, 1], None
    >>> y = (a + b) % 2
    >>> model = FieldAwareFactorizationMachineClassifier(learning_rate=0.1, n_threads=1, random_state=0).fit(X, y)
    >>> model.score(X, y)
    1.0
    """

    def __init__(
        self,
        *,
        fields: Any = None,
        n_fields: int | None = None,
        n_factors: int = 4,
        fit_linear: bool = True,
        init_scale: float = 0.01,
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
        self.fields = fields
        self.n_fields = n_fields
        self.n_factors = n_factors
        self.fit_linear = fit_linear
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


class FieldAwareFactorizationMachineRegressor(_FieldAware, Regressor):
    """A field-aware factorisation machine that predicts a number.

    ``y = b + <w, x> + sum_{i < j} <v_i[f_j], v_j[f_i]> x_i x_j``, trained by minimising the mean squared error. The
    target is standardised while training, so its unit doesn't matter.

    Parameters
    ----------
    fields, n_fields, n_factors, fit_linear, init_scale, learning_rate, epochs
        As in :class:`wyrm.models.FieldAwareFactorizationMachineClassifier`, which also tells what X may be.
    batch_size, optimizer, l2, l1, standardize, early_stopping, validation_fraction, patience, tol, warm_start, \
n_threads, random_state, verbose
        As in :class:`wyrm.models.LogisticRegression`.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
    intercept_ : float
    factors_ : ndarray of float64, shape (n_features, n_fields, n_factors)
    n_fields_ : int
    n_features_in_, feature_names_in_, n_iter_, history_
        As in :class:`wyrm.models.LogisticRegression`.

    References
    ----------
    Y. Juan, Y. Zhuang, W.-S. Chin and C.-J. Lin, "Field-aware factorization machines for CTR prediction", RecSys 2016.

    Examples
    --------
    Users, items and ratings:

    >>> import numpy as np
    >>> from wyrm.models import FieldAwareFactorizationMachineRegressor
    >>> rng = np.random.default_rng(0)
    >>> users, items = rng.integers(0, 50, 4000), rng.integers(0, 50, 4000)
    >>> taste, kind = rng.normal(size=50), rng.normal(size=50)
    >>> ratings = 3 + taste[users] * kind[items]
    >>> X = np.stack([users, 50 + items], axis=1), [0, 1], None
    >>> model = FieldAwareFactorizationMachineRegressor(learning_rate=0.1, epochs=10, n_threads=1, random_state=0)
    >>> model.fit(X, ratings).score(X, ratings) > 0.95
    True
    """

    def __init__(
        self,
        *,
        fields: Any = None,
        n_fields: int | None = None,
        n_factors: int = 4,
        fit_linear: bool = True,
        init_scale: float = 0.01,
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
        self.fields = fields
        self.n_fields = n_fields
        self.n_factors = n_factors
        self.fit_linear = fit_linear
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
