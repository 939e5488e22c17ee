"""Tables as users have them, as columns: data frames, dicts, arrays and lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from itertools import count
from typing import Any, NamedTuple, TypeGuard

import numpy as np

DATES = "convert dates and times to numbers or strings first"

# Rows looked up at a time, in one column after the other: strings that were made together lie close together.
ROWS_AT_A_TIME = 512


class Coded(NamedTuple):
    """A column as positions in a list of distinct values; -1 where it is missing."""

    codes: np.ndarray
    values: list[Any]


# Numbers (an array of float, integer or bool), or codes of anything.
Column = np.ndarray | Coded
_Objects = list[Any] | np.ndarray
_Raw = Column | _Objects


class Table(NamedTuple):
    """Columns of one length, with their names if they have any."""

    names: list[Hashable] | None
    columns: list[Column]
    n_rows: int


def as_table(X: Any, what: str) -> Table:
    """The columns of a table.

    Parameters
    ----------
    X : pandas or polars DataFrame, dict of columns, array or list of rows
    what : str
        Who asks, for messages.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or is not two-dimensional.
    """
    library = type(X).__module__.partition(".")[0]
    names: list[Hashable] | None = None
    if library == "polars" and hasattr(X, "get_columns"):
        names, raw = list(X.columns), [_of_polars(series, what) for series in X.get_columns()]
    elif library == "pandas" and getattr(X, "ndim", 0) == 2:
        names = list(X.columns)
        raw = [_of_pandas(X.iloc[:, i], what) for i in range(len(names))]
    elif isinstance(X, Mapping):
        names = list(X)
        raw = [_of_sequence(X[name], f"{what}: column {name!r}") for name in names]
    elif isinstance(X, np.ndarray) and X.dtype.names is not None:
        names = list(X.dtype.names)
        raw = [_of_sequence(X[name], f"{what}: column {name!r}") for name in X.dtype.names]
    elif isinstance(X, np.ndarray | list | tuple):
        raw = _of_rows(X, what)
    else:
        kind = f"{type(X).__module__}.{type(X).__name__}"
        raise TypeError(
            f"{what}: expected a table (a pandas or polars DataFrame, a dict of columns, an array or a list of rows), "
            f"got {kind}" + (": call .collect() on it first" if kind.endswith("LazyFrame") else "")
        )
    if names is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{what}: expected columns with different names, got two that are called {twice!r}")
    lengths = {len(column.codes) if isinstance(column, Coded) else len(column) for column in raw}
    if not raw:
        raise ValueError(f"{what}: expected at least one column, got none")
    if len(lengths) > 1:
        raise ValueError(f"{what}: expected columns of one length, got {sorted(lengths)}")
    coded = iter(factorize([column for column in raw if _holds_objects(column)], what))
    columns: list[Column] = [next(coded) if _holds_objects(column) else column for column in raw]
    return Table(names, columns, lengths.pop())


def _holds_objects(column: _Raw) -> TypeGuard[_Objects]:
    return isinstance(column, list) or (isinstance(column, np.ndarray) and column.dtype.kind in "OU")


def factorize(lists: list[_Objects], what: str) -> list[Coded]:
    """Lists or arrays of one length as codes and distinct values."""
    n = len(lists[0]) if lists else 0
    codes = [np.empty(n, np.int64) for _ in lists]
    code: list[dict[Any, int]] = [defaultdict(count().__next__) for _ in lists]
    try:
        for start in range(0, n, ROWS_AT_A_TIME):
            stop = min(start + ROWS_AT_A_TIME, n)
            for numbers, known, column in zip(codes, code, lists, strict=True):
                part = column[start:stop]
                values = part.tolist() if isinstance(part, np.ndarray) else part
                numbers[start:stop] = np.fromiter(map(known.__getitem__, values), np.int64, stop - start)
    except TypeError as error:
        raise TypeError(f"{what}: expected strings, numbers or booleans: {error}") from None
    return [_without_missing(numbers, list(known)) for numbers, known in zip(codes, code, strict=True)]


def _without_missing(codes: np.ndarray, values: list[Any]) -> Coded:
    missing = np.fromiter(map(is_missing, values), np.bool_, len(values))
    if not missing.any():
        return Coded(codes, values)
    table = np.cumsum(~missing) - 1
    table[missing] = -1
    return Coded(table[codes], [value for value, gone in zip(values, missing.tolist(), strict=True) if not gone])


def is_missing(value: Any) -> bool:
    """None, NaN, and what pandas has for them."""
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _of_rows(X: Any, what: str) -> list[_Raw]:
    if not isinstance(X, np.ndarray):
        rows, X = X, np.empty((0, 0), object)
        if len(rows) and all(isinstance(row, list | tuple | np.ndarray) for row in rows):
            widths = {len(row) for row in rows}
            if len(widths) > 1:
                raise ValueError(f"{what}: expected rows of one length, got {sorted(widths)[:5]}")
            X = np.empty((len(rows), widths.pop()), object)
            for i, row in enumerate(rows):
                X[i] = row
        elif len(rows):
            X = np.empty(len(rows), object)
    if X.ndim != 2:
        raise ValueError(
            f"{what}: expected rows with columns, got {X.ndim} dimension{'s' * (X.ndim != 1)}; for a single column "
            f"give a dict, or X.reshape(-1, 1)"
        )
    return [_of_sequence(X[:, i], f"{what}: column {i}") for i in range(X.shape[1])]


def _of_sequence(values: Any, what: str) -> Any:
    library = type(values).__module__.partition(".")[0]
    if library == "pandas":
        return _of_pandas(values, what)
    if library == "polars":
        return _of_polars(values, what)
    if isinstance(values, list | tuple):
        return list(values)
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one dimension, got {array.ndim}")
    if array.dtype.kind in "iufb":
        return array
    if array.dtype.kind in "OU":
        return array.tolist()
    raise TypeError(
        f"{what}: expected numbers, booleans or strings, got dtype {array.dtype}: {_advice(array.dtype.kind)}"
    )


def _of_pandas(series: Any, what: str) -> Any:
    what = f"{what}: column {series.name!r}" if series.name is not None else what
    if hasattr(series, "cat"):
        return Coded(series.cat.codes.to_numpy(), series.cat.categories.tolist())
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iufb":
        if not isinstance(series.dtype, np.dtype) and series.hasnans and kind == "b":
            return series.to_numpy(dtype=object)
        if not isinstance(series.dtype, np.dtype) and series.hasnans:
            return series.to_numpy(dtype=np.float64, na_value=np.nan)  # an array of pandas's own
        return series.to_numpy(dtype=np.dtype(f"{kind}8") if kind != "b" else np.bool_)
    if kind in "OUT":
        return series.to_numpy(dtype=object)
    raise TypeError(f"{what}: expected numbers, booleans or strings, got dtype {series.dtype}: {_advice(kind)}")


def _of_polars(series: Any, what: str) -> Any:
    import polars as pl

    dtype = series.dtype
    if dtype.is_decimal():
        series = series.cast(pl.Float64)
    elif dtype not in (pl.Categorical, pl.Enum, pl.String, pl.Boolean, pl.Null) and not dtype.is_numeric():
        advice = _advice("M" if dtype.is_temporal() else "V")
        raise TypeError(f"{what}: column {series.name!r}: expected numbers, booleans or strings, got {dtype}: {advice}")
    if dtype in (pl.Categorical, pl.Enum, pl.String):
        return _of_strings(series if dtype != pl.String else series.cast(pl.Categorical))
    if series.dtype.is_numeric() or (dtype == pl.Boolean and not series.null_count()):
        numbers: np.ndarray = series.to_numpy()
        return numbers
    found: list[Any] = series.to_list()
    return found


def _of_strings(series: Any) -> Coded:
    """A categorical series of polars, whose numbers may be those of other series too."""
    import polars as pl

    distinct = series.drop_nulls().unique()
    physical = distinct.to_physical().to_numpy().astype(np.int64)
    table = np.full(physical.max(initial=-1) + 2, -1, np.int64)  # the last is for nulls
    table[physical] = np.arange(len(physical))
    codes = series.to_physical().cast(pl.Int64).fill_null(len(table) - 1).to_numpy()
    return Coded(table[codes], distinct.cast(pl.String).to_list())


def _advice(kind: str) -> str:
    return DATES if kind in "mM" else "decode them to strings" if kind == "S" else "convert them to strings"
