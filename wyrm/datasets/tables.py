"""Tables of named columns, some of them categorical, with or without pandas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TabularData:
    """A table in two parts, to learn from and to test with.

    Attributes
    ----------
    train, test : dict of str to ndarray of shape (n_rows,), or pandas.DataFrame
        The columns by name: categorical ones are arrays of str (dtype object), numeric ones int64 or float64.
    y_train, y_test : ndarray of int64, shape (n_rows,)
        The labels, 0 or 1.
    names : tuple of str
        The names of the columns, in order.
    categorical : tuple of str
        The names of those that are categorical.
    weight_train, weight_test : ndarray of float64, shape (n_rows,), or None
        How many people a row stands for, where the data tell; no feature.
    """

    train: Any
    test: Any
    y_train: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...]
    categorical: tuple[str, ...]
    weight_train: np.ndarray | None = None
    weight_test: np.ndarray | None = None


@dataclass(frozen=True)
class CodedColumn:
    """A column as positions in the sorted list of its distinct values."""

    values: np.ndarray
    codes: np.ndarray

    def expand(self) -> np.ndarray:
        """The column itself."""
        expanded: np.ndarray = self.values[self.codes]
        return expanded


class ColumnBuilder:
    """Collects a column of text, piece by piece, in memory for its distinct values and a number per row."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}
        self._pieces: list[np.ndarray] = []

    def add(self, texts: tuple[str, ...]) -> None:
        for text in set(texts).difference(self._code):
            self._code[text] = len(self._code)
        self._pieces.append(np.fromiter(map(self._code.__getitem__, texts), np.int32, len(texts)))

    def build(self, *, numeric: bool) -> CodedColumn:
        """The column, its values sorted."""
        found: Any = list(self._code)
        if numeric:
            try:
                found = np.array([int(text) for text in found], np.int64)
            except ValueError:
                found = np.array([float(text) for text in found], np.float64)
        else:
            found = np.array(found, object)
        values, rank = np.unique(found, return_inverse=True)
        return CodedColumn(values, rank.astype(np.int32)[np.concatenate(self._pieces)])


def make_table(columns: Mapping[str, CodedColumn], categorical: tuple[str, ...], rows: slice, as_frame: bool) -> Any:
    """Some rows of the columns, as a dict of arrays or as a DataFrame."""
    if not as_frame:
        return {name: column.values[column.codes[rows]] for name, column in columns.items()}
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("as_frame=True needs pandas: pip install pandas") from error
    return pd.DataFrame(
        {
            name: pd.Categorical.from_codes(column.codes[rows], column.values)
            if name in categorical
            else column.values[column.codes[rows]]
            for name, column in columns.items()
        }
    )
