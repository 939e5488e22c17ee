"""What the ready-made models have in common: from X and y to a graph, a feed and the trainer, and back to predictions.

A model says which parameters it has and how a graph of them scores an example; see :class:`SparseModel`. Classes and
targets are in targets.py, the forms of X in inputs.py, its scale in scaling.py, graphs and their state in network.py.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import scipy.sparse

from wyrm.feeds import IterableFeed
from wyrm.history import History
from wyrm.leaf import ParameterNode
from wyrm.models.inputs import DenseRows, Inputs, Rows, SparseRows, as_labels, as_rows, as_weights
from wyrm.models.names import check_feature_names, feature_names
from wyrm.models.network import Network, threads_for
from wyrm.models.scaling import Scaling
from wyrm.models.settings import (
    OPTIMIZERS,
    as_seed,
    check_choice,
    check_count,
    check_number,
    from_json,
    make_optimizer,
    to_json,
)
from wyrm.models.sklearn import BaseEstimator, NotFittedError
from wyrm.models.stopping import Plateau
from wyrm.models.survey import Chunks, Part, Survey, is_chunks
from wyrm.node import Node

# Tables grow by more than is asked for, so that growing one column at a time stays cheap.
GROWTH = 1.5

# Samples trained on, at least, where `epochs` doesn't say.
LEAST_STEPS = 5000

# Samples per step where `batch_size` doesn't say, and how many samples there are then at least. Adagrad divides by the
# size of gradients, so that the mean of a batch moves a row as far as a single sample would.
BATCH, LARGE = 64, 50_000

# Rows of each form, for graphs that get a row's columns and values by hand.
DENSE = DenseRows(np.zeros((1, 1), dtype=np.float32))
ONES = SparseRows(scipy.sparse.csr_matrix((1, 1)), "ones")
WEIGHTED = SparseRows(scipy.sparse.csr_matrix((1, 1)), "weighted")


class SparseModel(BaseEstimator):
    """Base of the estimators over a matrix X.

    A subclass stores the arguments of its constructor and defines

    - ``_initial(n_features, n_outputs, rng)``: its parameters, a dict of name to float32 array, one of them "bias";
    - ``_tables``: the names of those with a row per column of X;
    - ``_score(nodes, inputs)``: the node that scores the examples of a batch, (rows, n_outputs).

    What the target is, a class or a number, is for :mod:`wyrm.models.targets`.
    """

    n_features_in_: int
    n_iter_: int
    history_: History
    _network: Network
    _scaling: Scaling
    _seed: int
    _open: bool

    _tables: tuple[str, ...] = ("linear",)

    # Passes over the data, at least, where `epochs` doesn't say.
    _epochs = 10

    # Attributes of a fitted estimator that are numbers, as they are saved.
    _fitted: tuple[str, ...] = ("n_features_in_", "n_iter_", "_open", "_seed")

    def _initial(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def _score(self, nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
        raise NotImplementedError

    def _check_settings(self) -> None:
        check_count(self, "patience")
        for name in ("batch_size", "epochs", "n_threads"):
            check_count(self, name, optional=True)
        check_choice(self, "optimizer", OPTIMIZERS)
        check_number(self, "validation_fraction", 0, 1, open=True)
        if self.tol is not None:
            check_number(self, "tol")
        check_number(self, "l2")
        check_number(self, "l1")

    # --- Data --------------------------------------------------------------------------------------------------------

    def _as_rows(self, X: Any) -> Any:
        """X as rows, checked."""
        return as_rows(X, type(self).__name__)

    def _part(self, X: Any, y: Any, sample_weight: Any) -> Part:
        """Checked data without the rows whose weight is zero."""
        rows = self._as_rows(X)
        y = as_labels(y, rows.n_rows, type(self).__name__)
        weight = as_weights(sample_weight, rows.n_rows)
        part = Part(rows, self._checked_targets(y), weight)
        return part if weight is None or weight.all() else _taken(part, np.flatnonzero(weight))

    def _known_rows(self, X: Any, grow: bool = False) -> Any:
        """X as rows of the columns that the fitted model has, scaled."""
        check_feature_names(self, X)
        return self._scaled(self._fitting(self._as_rows(X), grow))

    def _fitting(self, rows: Any, grow: bool = False) -> Any:
        """Rows in the form, dense or sparse, that the model was fitted to; refused if they have other columns."""
        if rows.dense and not self._scaling.dense:
            rows = rows.sparse()
        elif self._scaling.dense and not rows.dense:
            raise ValueError(
                f"{type(self).__name__} was fitted to a dense array, whose columns it centers, but got a sparse "
                f"matrix: give X.toarray(), or fit to a sparse matrix"
            )
        n = self.n_features_in_
        if rows.n_features == n:
            return rows
        if self._open and not rows.dense:
            return rows if grow and rows.n_features > n else rows.of_width(n)
        raise ValueError(
            f"X has {rows.n_features} features, but {type(self).__name__} is expecting {n} features as input."
        )

    def _scaled(self, rows: Any) -> Any:
        return self._scaling.apply(rows)

    def _feed(self, part: Part, weighted: bool, like: Rows | None = None, mean_weight: float = 1.0) -> dict[Any, Any]:
        """What the trainer is fed of checked data, in the form of the rows `like`."""
        rows = self._scaled(part.rows)
        if like is not None and like.kind != rows.kind:
            rows = rows.weighted()
        weight = self._example_weights(part) / mean_weight if weighted else None
        return self._network.feed(rows, self._encode(part.y), weight)

    def _split(self, part: Part, seed: int) -> tuple[Part, Part]:
        """Training and validation part of data."""
        rng = np.random.default_rng(seed)
        held_out = self._validation_rows(part.y, rng)
        if not 0 < held_out.sum() < len(held_out):
            raise ValueError(
                f"{type(self).__name__}: early stopping holds out {self.validation_fraction:g} of {len(held_out)} "
                f"samples, which leaves nothing to validate or train on; change validation_fraction or give eval_set"
            )
        return _taken(part, np.flatnonzero(~held_out)), _taken(part, np.flatnonzero(held_out))

    # --- Training ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, eval_set: Any = None) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : sparse matrix, array or data frame of numbers, shape (n_samples, n_features)
            CSR is best, with indices of int32 or int64; it is never made dense. Or chunks of data that doesn't fit in
            memory: a list of, an object that gives, or a function that returns, ``(X, y)`` or ``(X, y, sample_weight)``
            again and again. They are gone through once to see what is there, and then once per epoch; their samples
            should be in random order.
        y : array_like, shape (n_samples,)
            Targets; left out with chunks.
        sample_weight : array_like, shape (n_samples,), optional
            How much each sample counts, relative to the others.
        eval_set : tuple (X, y), optional
            Held-out data, whose loss is computed after each epoch and recorded in ``history_.validation_loss``; with
            `early_stopping` it decides when to stop.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is out of its range, or X, y and weights have wrong shapes, NaN or infinity.
        FloatingPointError
            If training diverged.
        """
        self._check_settings()
        seed = as_seed(self.random_state)
        if eval_set is not None and not (isinstance(eval_set, (tuple, list)) and len(eval_set) == 2):
            raise TypeError(f"fit: expected eval_set to be a pair (X, y), got {type(eval_set).__name__}")
        held_out = None if eval_set is None else self._part(eval_set[0], eval_set[1], None)
        parts: Any
        if is_chunks(X):
            if y is not None or sample_weight is not None:
                raise ValueError("fit: chunks bring their own y and sample_weight: leave out these arguments")
            if self.early_stopping and held_out is None:
                raise ValueError("fit: early stopping on chunks needs held-out data: give eval_set=(X, y)")
            parts, names = Chunks(X, self._part), None
        else:
            part = self._part(X, y, sample_weight)
            if self.early_stopping and held_out is None:
                part, held_out = self._split(part, seed)
            parts, names = [part], feature_names(X)
        survey = Survey(parts, self._summary())
        if self.warm_start and hasattr(self, "_network"):
            self._go_on(survey)
        else:
            self._start(survey, seed, names)
        self._network.use(make_optimizer(self, self._batch_size(survey.n_rows, survey.n_entries)))
        weighted = survey.weighted or self._has_class_weights()
        mean_weight = self._mean_weight(survey.summary, survey.n_rows) if weighted else 1.0
        like = self._scaled(survey.rows)
        if survey.rows.kind == "weighted":
            like = like.weighted()

        def chunks() -> Iterator[dict[Any, Any]]:
            for part in parts:
                yield self._feed(part, weighted, like, mean_weight)

        feed = next(chunks()) if isinstance(parts, list) else IterableFeed(chunks, n_examples=survey.n_rows)
        trainer = self._trainer(like, weighted, survey.n_rows, survey.n_entries)
        validation = None
        if held_out is not None:
            held_out = held_out._replace(rows=self._fitting(held_out.rows))
            validation = self._feed(held_out, weighted, like)
        self.history_ = trainer.fit(
            feed,
            epochs=max(self._epochs, -(-LEAST_STEPS // survey.n_rows)) if self.epochs is None else self.epochs,
            validation=validation,
            patience=self.patience if self.early_stopping else None,
            callbacks=[] if self.tol is None or self.early_stopping else [Plateau(self.tol, self.patience)],
            verbose=int(bool(self.verbose)),
        )
        self.n_iter_ = len(self.history_.loss)
        return self

    def partial_fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Self:
        """Train once over some more samples.

        The first call sets what the columns' scale is, and later ones follow where values are seen that are more than
        twice as large. A sparse X may have columns that no earlier one had: the model grows. It then takes sparse
        matrices of any width, where columns that it has not seen count for nothing in predictions.

        Parameters
        ----------
        X : sparse matrix, array or data frame of numbers, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        sample_weight : array_like, shape (n_samples,), optional
            Factors of the samples' losses.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for :meth:`fit`.
        """
        return self._partial_fit(X, y, sample_weight, None)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, summary: Any) -> Self:
        self._check_settings()
        if not hasattr(self, "_network"):
            part = self._part(X, y, sample_weight)
            survey = Survey([part], self._summary() if summary is None else summary)
            self._start(survey, as_seed(self.random_state), feature_names(X))
        else:
            check_feature_names(self, X)
            part = self._part(X, y, sample_weight)
            self._network.make_trainable()
            self._open = not self._scaling.dense
            part = part._replace(rows=self._fitting(part.rows, grow=True))
            if part.rows.n_features > self.n_features_in_:
                self._grow(part.rows.n_features)
            self._scaling.follow(part.rows, self.n_features_in_)
        self._open = not self._scaling.dense
        self._network.use(make_optimizer(self, self._batch_size(part.rows.n_rows, part.rows.n_entries)))
        weighted = part.weight is not None or self._has_class_weights()
        like = self._scaled(part.rows.take(slice(0, 1)))
        trainer = self._trainer(like, weighted, part.rows.n_rows, part.rows.n_entries)
        # Shuffled here, by what is saved with the model: a reloaded one goes on in the same way.
        part = _taken(part, np.random.default_rng(self._seed + self.n_iter_).permutation(part.rows.n_rows))
        loss = trainer.partial_fit(self._feed(part, weighted))
        self.n_iter_ += 1
        self.history_.loss.append(loss)
        self.history_.examples.append(part.rows.n_rows)
        return self

    def _start(self, survey: Survey, seed: int, names: np.ndarray | None) -> None:
        """A new model for this data."""
        self._learn_targets(survey.summary)
        self._seed = seed
        self._open = False
        self.n_iter_ = 0
        self.history_ = History()
        self.n_features_in_ = survey.n_features
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._scaling = Scaling.of(survey.moments, self.standardize)
        values = self._initial(survey.n_features, self._n_outputs(), np.random.default_rng(seed))
        values["bias"] = self._first_bias(survey.summary).astype(np.float32).reshape(1, -1)
        self._network = self._make_network(values)

    def _go_on(self, survey: Survey) -> None:
        """Make ready to train the present model on this data."""
        self._fitting(survey.rows)
        self._network.make_trainable()
        self._network.renew()

    def _make_network(self, values: dict[str, np.ndarray]) -> Network:
        return Network(values, self._score, self._loss, self._make_target, make_optimizer(self))

    def _batch_size(self, n_rows: int, n_entries: int) -> int:
        if self.batch_size is not None:
            return int(self.batch_size)
        # A step over rows of the tables that its samples share is cheaper than a step for each; if they don't, it is
        # dearer.
        shared = BATCH * n_entries / n_rows > self.n_features_in_ / 2
        return BATCH if self.optimizer == "adagrad" and n_rows >= LARGE and shared else 1

    def _trainer(self, rows: Any, weighted: bool, n_rows: int, n_entries: int) -> Any:
        return self._network.trainer(
            rows,
            weighted,
            n_threads=threads_for(n_rows, self.n_threads),
            batch_size=self._batch_size(n_rows, n_entries),
            seed=(self._seed + self.n_iter_) % 2**31,
        )

    def _grow(self, n_features: int) -> None:
        """Room for more columns of X; rows of the tables that no column has yet are zero."""
        before, capacity = self.n_features_in_, self._network.parameters[self._tables[0]].shape[0]
        new = self._initial(n_features - before, self._n_outputs(), np.random.default_rng([self._seed, before]))
        if n_features > capacity:
            added = max(n_features, int(GROWTH * capacity)) - capacity
            self._network.grow({name: np.zeros((added, new[name].shape[1]), np.float32) for name in self._tables})
        self._network.set_rows({name: new[name] for name in self._tables}, before)
        self.n_features_in_ = n_features

    # --- Predicting --------------------------------------------------------------------------------------------------

    def _scores(self, X: Any) -> np.ndarray:
        """Outputs of the graph, float64 (n_samples, n_outputs)."""
        self._check_fitted()
        return self._network.scores(self._known_rows(X), self.n_threads).astype(np.float64)

    def _score_one(self, x: Any, values: Any) -> np.ndarray:
        """Outputs of the graph for one row, float32 (1, n_outputs)."""
        self._check_fitted()
        network, scaling = self._network, self._scaling
        if scaling.center is not None:
            if values is not None:
                raise ValueError(
                    f"{type(self).__name__} was fitted to an array: expected a row of it, and no values beside it"
                )
            try:
                row = scaling.factors(self.n_features_in_).of_row(x)
            except ValueError as error:
                raise ValueError(f"{type(self).__name__} was fitted to an array: {error}") from None
            return network.score_one(DENSE, None, row)
        if not len(x) or (values is None and scaling.scale is None):
            return network.score_one(ONES, x, None)
        return network.score_one(WEIGHTED, x, self._values_of_one(x, values))

    def _values_of_one(self, columns: Any, values: Any) -> np.ndarray:
        """The values of one row as the graph gets them, float32 (n, 1); None: ones."""
        scaling = self._scaling
        if values is None:
            values = np.ones(len(columns), dtype=np.float32)
        if scaling.scale is not None:
            return scaling.factors(self.n_features_in_).of_entries(columns, values)
        if np.shape(values) != (len(columns),):
            raise ValueError(f"expected a value for each column, shape {(len(columns),)}, got shape {np.shape(values)}")
        return np.asarray(values, dtype=np.float32).reshape(-1, 1)

    def _check_fitted(self) -> None:
        if not hasattr(self, "_network"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments before "
                f"using this estimator."
            )

    def _unscaled(self) -> dict[str, np.ndarray]:
        """The parameters in float64, as they are for X as it is given."""
        self._check_fitted()
        values = {name: np.array(p.value, dtype=np.float64) for name, p in self._network.parameters.items()}
        divisor = self._scaling.divisor(self.n_features_in_)[:, np.newaxis]
        for name in self._tables:
            values[name] = values[name][: self.n_features_in_] / divisor
        if self._scaling.center is not None:
            self._uncenter(values, self._scaling.center)
        return values

    def _uncenter(self, values: dict[str, np.ndarray], center: np.ndarray) -> None:
        """Change parameters for columns from which `center` is taken off to those for columns as they are."""
        values["bias"] -= center @ values["linear"]

    # --- Saving ------------------------------------------------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Write the fitted model to a file; see :func:`wyrm.io.save`.

        Parameters
        ----------
        path : str or path-like
        """
        import wyrm.io

        wyrm.io.save(self, path)

    @classmethod
    def load(cls, path: Any, **options: Any) -> Self:
        """Read a model that :meth:`save` wrote; see :func:`wyrm.io.load`, which takes the `options`.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        estimator of this class

        Raises
        ------
        TypeError
            If the file holds a model of another class.
        """
        import wyrm.io

        model = wyrm.io.load(path, **options)
        if not isinstance(model, cls):
            raise TypeError(f"{path}: expected a {cls.__name__}, found a {type(model).__name__}")
        return model

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The fitted model as what is JSON, and arrays."""
        self._check_fitted()
        network, arrays = self._network.state()
        for name in arrays:
            if name.split(".")[0] in self._tables:
                arrays[name] = arrays[name][: self.n_features_in_]
        config = {
            "params": {name: to_json(name, value) for name, value in self.get_params(deep=False).items()},
            "fitted": {name: getattr(self, name) for name in self._fitted},
            "targets": self._targets_to_json(),
            "history": asdict(self.history_),
            "optimizer": network,
        }
        if hasattr(self, "feature_names_in_"):
            config["feature_names"] = list(self.feature_names_in_)
        return config, arrays | {f"scaling.{name}": array for name, array in self._scaling.arrays().items()}

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """The model that :meth:`_to_state` gave; the arrays may be read-only."""
        model = cls(**{name: from_json(value) for name, value in config["params"].items()})
        for name in cls._fitted:
            setattr(model, name, config["fitted"][name])
        model._targets_from_json(config["targets"])
        model.history_ = History(**config["history"])
        if "feature_names" in config:
            model.feature_names_in_ = np.asarray(config["feature_names"], dtype=object)
        model._scaling = Scaling(arrays.get("scaling.center"), arrays.get("scaling.scale"))
        model._restore_network(config["optimizer"], arrays)
        return model

    def _restore_network(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        values = {}
        for name, like in self._initial(1, self._n_outputs(), np.random.default_rng(0)).items():
            values[name] = arrays[name]
            n_rows = self.n_features_in_ if name in self._tables else len(like)
            if values[name].ndim != 2 or values[name].shape[1] != like.shape[1] or len(values[name]) < n_rows:
                raise ValueError(f"expected {name} of shape {(n_rows, like.shape[1])}, got {values[name].shape}")
        self._network = self._make_network(values)
        self._network.set_state(config, arrays)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        network = state.pop("_network", None)
        if network is not None:
            state["_saved_network"] = network.state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_saved_network", None)
        super().__setstate__(state)
        if saved is not None:
            self._restore_network(*saved)


def _taken(part: Part, rows: np.ndarray) -> Part:
    """Some of the rows of a part."""
    return Part(part.rows.take(rows), part.y[rows], None if part.weight is None else part.weight[rows])
