"""The encoder of tables."""

from __future__ import annotations

import numbers
import os
from collections.abc import Hashable, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse

import wyrm.io
from wyrm.models.sklearn import BaseEstimator, NotFittedError
from wyrm.preprocessing.columns import Column, Table, as_table
from wyrm.preprocessing.kinds import KINDS, Buckets, Categories, Kind, learn

LARGEST = 2**31 - 1


class CategoryEncoder(BaseEstimator):
    """Turns a table into the sparse matrix that models learn from.

    Each column of the table becomes a block of columns of the matrix, and each row has one entry in every block: a 1 in
    the column of its category or of the interval that its number is in.  The first column of each block stands for what
    was not seen in ``fit``, or is missing.

    Parameters
    ----------
    categorical : None, "all" or list of column names or positions, default None
        Which columns are categories.  None: those of strings, booleans and pandas' or polars' categorical type;
        numbers are numbers.
    numeric : {"bins", "scale"}, default "bins"
        What becomes of numbers: the interval they are in, or one column with ``(x - mean) / deviation``.
    n_bins : int, default 32
        Intervals of a numeric column, at most; about equally many rows are in each, and a value that many rows have
        gets one for itself.
    min_frequency : int, default 1
        Categories that fewer rows have count as unseen, so that the weights of what is unseen are learnt from them.
    hash_buckets : int, optional
        Instead of remembering categories, spread those of each column over this many columns, by a hash that is the
        same in every process.  Nothing is then unseen, and categories may share a column.

    Attributes
    ----------
    fields_ : ndarray of int32, shape (n_outputs,)
        For each column of the matrix, the column of the table that it belongs to: the fields of a field-aware
        factorisation machine.
    offsets_ : ndarray of int64, shape (n_columns + 1,)
        Where each block begins, and the end of the last.
    categorical_ : ndarray of bool, shape (n_columns,)
        Which columns of the table are categories.
    n_features_in_ : int
        Number of columns of the table.
    feature_names_in_ : ndarray of object, shape (n_columns,)
        Their names; only if the table had names.

    See Also
    --------
    wyrm.io.save : writes a fitted encoder to a file.

    Notes
    -----
    *Names.* If the table of ``fit`` had names, ``transform`` finds columns by them, in any order, and passes over
    others; one that is missing is an error.  A table without names is taken by position.

    *Missing values* are None, NaN and pandas' NA.  Among categories they are one more category if ``fit`` saw them, and
    unseen otherwise; among numbers they have the first column of the block.

    *Types.* Numbers that are equal are one category, as 1, 1.0 and True; ``1`` and ``"1"`` are two.  A number where
    ``fit`` saw strings only, or the other way round, is an error: it would never be found.

    Examples
    --------
    >>> from wyrm.preprocessing import CategoryEncoder
    >>> encoder = CategoryEncoder(n_bins=2)
    >>> X = encoder.fit_transform({"colour": ["red", "blue", "red"], "size": [1.5, 2.5, 4.0]})
    >>> encoder.get_feature_names_out().tolist()
    ['colour=<unseen>', 'colour=blue', 'colour=red', 'size=<missing>', 'size < 3.25', 'size >= 3.25']
    >>> encoder.transform({"size": [9.0], "colour": ["green"]}).toarray()
    array([[1., 0., 0., 0., 0., 1.]], dtype=float32)
    >>> encoder.fields_
    array([0, 0, 0, 1, 1, 1], dtype=int32)
    """

    def __init__(
        self,
        *,
        categorical: Any = None,
        numeric: str = "bins",
        n_bins: int = 32,
        min_frequency: int = 1,
        hash_buckets: int | None = None,
    ) -> None:
        self.categorical = categorical
        self.numeric = numeric
        self.n_bins = n_bins
        self.min_frequency = min_frequency
        self.hash_buckets = hash_buckets

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn categories and intervals.

        Parameters
        ----------
        X : pandas or polars DataFrame, dict of columns, 2-D array or list of rows
            Columns of numbers, booleans and strings; object arrays may mix them.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X is no table, or a column holds something else.
        ValueError
            If X has no rows or no columns, or an argument is out of its range.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """As ``fit(X).transform(X)``, in one go.

        Returns
        -------
        csr_matrix of float32, shape (n_rows, n_outputs)
        """
        return self._matrix(*self._fit(X))

    def transform(self, X: Any) -> Any:
        """Turn a table into a matrix.

        Parameters
        ----------
        X : table as for `fit`
            The columns that were there in ``fit``; others are passed over if they have names.

        Returns
        -------
        csr_matrix of float32, shape (n_rows, n_outputs)
            With int32 indices, and one entry per row and column of the table.

        Raises
        ------
        TypeError
            If a column has another type than in ``fit``.
        ValueError
            If columns are missing.
        """
        self._check_fitted()
        table = as_table(X, "transform")
        columns = self._known_columns(table)
        encoded = [
            kind.encode(column, f"transform: column {name!r}")
            for kind, column, name in zip(self._kinds, columns, self._labels(), strict=True)
        ]
        return self._matrix(table.n_rows, encoded)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """What each column of the matrix stands for.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of object, shape (n_outputs,)
        """
        self._check_fitted()
        labels = self._labels()
        return np.array(
            [text for kind, name in zip(self._kinds, labels, strict=True) for text in kind.names(str(name))], object
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted encoder to a file; see :func:`wyrm.io.save`."""
        wyrm.io.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an encoder that :meth:`save` wrote.

        Raises
        ------
        TypeError
            If the file holds something else.
        """
        found = wyrm.io.load(path)
        if not isinstance(found, cls):
            raise TypeError(f"{os.fspath(path)}: expected a {cls.__name__}, found a {type(found).__name__}")
        return found

    # --- Fitting -----------------------------------------------------------------------------------------------------

    def _fit(self, X: Any) -> tuple[int, list[tuple[np.ndarray, np.ndarray | None]]]:
        self._check_settings()
        table = as_table(X, "fit")
        if not table.n_rows:
            raise ValueError("fit: expected at least one row, got none")
        labels = table.names or [f"x{i}" for i in range(len(table.columns))]
        kinds, encoded = [], []
        chosen = self._chosen(table)
        for column, name, is_category in zip(table.columns, labels, chosen, strict=True):
            kind, ids = learn(column, is_category, self, str(name), f"fit: column {name!r}")
            kinds.append(kind)
            encoded.append(ids)
        self._set(kinds, table.names)
        return table.n_rows, encoded

    def _set(self, kinds: list[Kind], names: Sequence[Hashable] | None) -> None:
        sizes = [kind.size for kind in kinds]
        if sum(sizes) > LARGEST:
            raise ValueError(f"{type(self).__name__}: expected at most {LARGEST} columns in all, got {sum(sizes)}")
        self._kinds = kinds
        self.n_features_in_ = len(kinds)
        self.categorical_ = np.array([isinstance(kind, Categories | Buckets) for kind in kinds])
        self.offsets_ = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.fields_ = np.repeat(np.arange(len(kinds), dtype=np.int32), sizes)
        if names is not None:
            self.feature_names_in_ = np.empty(len(names), object)
            self.feature_names_in_[:] = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_settings(self) -> None:
        if self.numeric not in ("bins", "scale"):
            raise ValueError(f"CategoryEncoder: expected numeric to be 'bins' or 'scale', got {self.numeric!r}")
        for name, least in (("n_bins", 1), ("min_frequency", 1), ("hash_buckets", 1)):
            value = getattr(self, name)
            if name == "hash_buckets" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral):
                raise TypeError(f"CategoryEncoder: expected {name} to be an integer, got {value!r}")
            if value < least:
                raise ValueError(f"CategoryEncoder: expected {name} to be at least {least}, got {value}")

    def _chosen(self, table: Table) -> list[bool | None]:
        """For each column whether it is one of categories; None: to be seen."""
        n = len(table.columns)
        if self.categorical is None:
            return [None] * n
        if isinstance(self.categorical, str):
            if self.categorical != "all":
                raise ValueError(
                    f"CategoryEncoder: expected categorical to be None, 'all' or a list, got {self.categorical!r}"
                )
            return [True] * n
        chosen: list[bool | None] = [False] * n
        for key in self.categorical:
            if table.names is not None and key in table.names:
                chosen[table.names.index(key)] = True
            elif isinstance(key, int | np.integer) and not isinstance(key, bool) and -n <= int(key) < n:
                chosen[int(key)] = True
            else:
                there = f"columns {table.names}" if table.names is not None else f"{n} columns"
                raise ValueError(f"CategoryEncoder: categorical has {key!r}, but the table has {there}")
        return chosen

    # --- Transforming ------------------------------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if not hasattr(self, "_kinds"):
            raise NotFittedError("This CategoryEncoder instance is not fitted yet. Call 'fit' before using it.")

    def _labels(self) -> list[Any]:
        """How columns are called, in messages and in the names of outputs."""
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else list(names)

    def _known_columns(self, table: Table) -> list[Column]:
        """The columns that `fit` saw, in its order."""
        known = getattr(self, "feature_names_in_", None)
        if known is None or table.names is None:
            if len(table.columns) != self.n_features_in_:
                raise ValueError(
                    f"X has {len(table.columns)} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input."
                )
            return table.columns
        place = {name: i for i, name in enumerate(table.names)}
        missing = [name for name in known if name not in place]
        if missing:
            raise ValueError(f"transform: expected the columns of fit, but X lacks {missing}")
        return [table.columns[place[name]] for name in known]

    def _matrix(self, n_rows: int, encoded: list[tuple[np.ndarray, np.ndarray | None]]) -> Any:
        k = len(encoded)
        index_type = np.int32 if n_rows * k <= LARGEST else np.int64
        indices = np.empty((n_rows, k), index_type)
        data = np.ones((n_rows, k), np.float32)
        for i, (ids, values) in enumerate(encoded):
            np.add(ids, self.offsets_[i], out=indices[:, i], casting="unsafe")
            if values is not None:
                data[:, i] = values
        indptr = np.arange(0, n_rows * k + 1, k, dtype=index_type)
        shape = (n_rows, int(self.offsets_[-1]))
        matrix = scipy.sparse.csr_matrix((data.reshape(-1), indices.reshape(-1), indptr), shape=shape, copy=False)
        matrix.has_sorted_indices = matrix.has_canonical_format = True  # by how they are made
        return matrix

    # --- Saving ------------------------------------------------------------------------------------------------------

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        self._check_fitted()
        names = getattr(self, "feature_names_in_", None)
        for name in [] if names is None else names:
            if not isinstance(name, str | numbers.Integral):
                raise TypeError(f"save: expected column names that are strings or integers, got {name!r}")
        params = self.get_params()
        if params["categorical"] is not None and not isinstance(params["categorical"], str):
            params["categorical"] = list(params["categorical"])
        config = {
            "params": params,
            "names": None if names is None else list(names),
            "kinds": [type(kind).__name__ for kind in self._kinds],
        }
        arrays = {f"{i}.{name}": array for i, kind in enumerate(self._kinds) for name, array in kind.state().items()}
        return config, arrays

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        found = cls(**config["params"])
        states: list[dict[str, np.ndarray]] = [{} for _ in config["kinds"]]
        for name, array in arrays.items():
            i, _, part = name.partition(".")
            states[int(i)][part] = array
        kinds = [KINDS[kind].from_state(state) for kind, state in zip(config["kinds"], states, strict=True)]
        found._set(kinds, config["names"])
        return found
