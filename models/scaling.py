"""The scale of each column, so that the learning rate means the same for ages, prices and categories."""

from typing import Any

import numpy as np

from wyrm.columns import Factors, add_squares
from wyrm.models.inputs import BLOCK, DenseRows, Rows, SparseRows

# A column's scale follows what is seen later only where that is so many times larger.
MUCH_LARGER = 2.0

# Of dense columns, which all take part in every score, those beyond this many are shrunk together: a step moves a score
# by about the learning rate times the number of columns.
MANY = 64

# What of a column's mean rounding may leave as the spread of a constant, by the precision of the values.
ROUNDING = {np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-13}

# Of a sparse column, so many ones are taken to have been seen beside its own values, so that a single one says little.
ONES_BEFORE = 10.0


class Moments:
    """Running sums over the columns of chunks of rows.

    Of dense columns the mean and the spread around it (Chan, Golub and LeVeque, 1979); of sparse ones, where a zero is
    no value, the root mean square of the others.
    """

    def __init__(self, n_features: int, dense: bool) -> None:
        self.dense = dense
        self.count = np.zeros(n_features)
        self.mean = np.zeros(n_features)
        self.squares = np.zeros(n_features)
        self.rounding = 0.0
        self.begun = False
        self.first: SparseRows | None = (
            None  # rows of ones, still to be looked at if others come: alone they say nothing
        )

    def update(self, rows: Rows) -> None:
        """Take more rows into account."""
        if rows.dense:
            assert isinstance(rows, DenseRows)
            self.rounding = max(self.rounding, ROUNDING[rows.array.dtype])
            for begin in range(0, rows.n_rows, BLOCK):
                self._merge(rows.array[begin : begin + BLOCK].astype(np.float64))
        else:
            assert isinstance(rows, SparseRows)
            if rows.kind == "ones" and not self.begun:
                self.first, self.begun = rows, True
                return
            for part in (self.first, rows):
                if part is not None:
                    self._add(part)
            self.first, self.begun = None, True

    def _add(self, rows: SparseRows) -> None:
        grown = rows.n_features - len(self.count)
        if grown > 0:
            self.count, self.mean, self.squares = (
                np.pad(sums, (0, grown)) for sums in (self.count, self.mean, self.squares)
            )
        add_squares(self.count, self.squares, rows.matrix.indices, rows.matrix.data)

    def _merge(self, block: np.ndarray) -> None:
        n, before = len(block), self.count
        mean = block.mean(axis=0)
        away = mean - self.mean
        self.count = before + n
        self.squares += ((block - mean) ** 2).sum(axis=0) + away * away * (before * n / self.count)
        self.mean += away * (n / self.count)

    def spread(self) -> np.ndarray:
        """The standard deviation of dense columns; the root mean square of sparse ones, at least 1; 0: unknown.

        Sparse columns of small values stay as they are: often rows are normalised, and it is their sum that matters.
        """
        if self.dense:
            spread = np.sqrt(self.squares / np.maximum(self.count, 1))
            spread[spread <= self.rounding * np.abs(self.mean)] = 0
            return spread
        squares = (self.squares + ONES_BEFORE) / (self.count + ONES_BEFORE)
        return np.where(self.count > 0, np.sqrt(np.maximum(squares, 1)), 0)


def together(n_features: int) -> float:
    """What dense columns are divided by because there are so many of them."""
    return max(1.0, n_features / MANY)


class Scaling:
    """What is taken off each column, and what it is divided by.

    Attributes
    ----------
    center : ndarray of float64 or None
        Means of dense columns; None of sparse ones, which keep their zeros.
    scale : ndarray of float64 or None
        0 where no value, or only one, has been seen so far, which then stays as it is; None: ones throughout.
    """

    def __init__(self, center: np.ndarray | None = None, scale: np.ndarray | None = None) -> None:
        self.center = center
        self.scale = scale
        self._factors: tuple[Any, int, Factors] = (None, -1, Factors(np.empty(0)))

    @classmethod
    def of(cls, moments: Moments, standardize: bool) -> "Scaling":
        """The scaling that the first data suggest."""
        if not standardize:
            return cls(np.zeros(len(moments.mean)), np.ones(len(moments.mean))) if moments.dense else cls()
        spread = moments.spread()
        if moments.dense:
            return cls(moments.mean, spread * together(len(spread)))
        return cls(None, spread) if (spread > 1).any() else cls()

    @property
    def dense(self) -> bool:
        """bool: whether it is for dense columns."""
        return self.center is not None

    def divisor(self, n_features: int) -> np.ndarray:
        """What each of `n_features` columns is divided by."""
        divisor = np.ones(n_features)
        if self.scale is not None:
            n = min(n_features, len(self.scale))
            known = self.scale[:n] > 0
            divisor[:n][known] = self.scale[:n][known]
        return divisor

    def factors(self, n_features: int) -> Factors:
        """What is taken off each of `n_features` columns, and what it is multiplied by."""
        scale, n, factors = self._factors
        if scale is not self.scale or n != n_features:
            factors = Factors(1 / self.divisor(n_features), self.center)
            self._factors = self.scale, n_features, factors
        return factors

    def apply(self, rows: Rows) -> Rows:
        """Rows as the graph gets them."""
        if isinstance(rows, DenseRows):
            return rows.standardized(self.factors(rows.n_features))
        if self.scale is None:
            return rows
        factors = self.factors(rows.n_features)
        return rows if factors.ones else rows.scaled(factors)

    def follow(self, rows: Rows, n_features: int) -> None:
        """Take over the scale of columns that later rows show for the first time, or with much larger values.

        The weights that the graph has for such a column stay, so that for its larger values the model says what it said
        for the smaller ones (Ross, Mineiro and Langford, "Normalized online learning", UAI 2013).
        """
        if rows.kind == "ones":
            return
        moments = Moments(n_features, self.dense)
        moments.update(rows)
        spread = moments.spread()
        if self.center is not None:
            spread = np.hypot(spread, np.where(moments.count > 0, moments.mean - self.center, 0)) * together(n_features)
        elif self.scale is None and not (spread > 1).any():
            return
        scale = np.zeros(n_features)
        if self.scale is not None:
            scale[: len(self.scale)] = self.scale
        new = (spread > 0) & ((scale == 0) | (spread > MUCH_LARGER * scale))
        scale[new] = spread[new]
        self.scale = scale

    def arrays(self) -> dict[str, Any]:
        """The arrays to save."""
        named = {"center": self.center, "scale": self.scale}
        return {name: array for name, array in named.items() if array is not None}
