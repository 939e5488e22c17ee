"""What becomes of one column: categories, buckets of a hash, intervals, or a scaled number.

Each kind turns a column into ids from 0 to `size` - 1, one per row, and a scaled column into values beside them.  Id 0
is kept for what was not seen (categories) or is missing (numbers); a hash needs no such id.
"""

from __future__ import annotations

import math
import numbers
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from wyrm.container import pack_strings, unpack_strings
from wyrm.preprocessing.columns import Coded, Column, factorize

MISSING = "<missing>"
UNSEEN = "<unseen>"


class Kind(Protocol):
    """How a column is encoded."""

    @property
    def size(self) -> int:
        """The number of ids."""

    def encode(self, column: Column, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Ids, int32, and values where they are not all one."""

    def names(self, name: str) -> list[str]:
        """The ids in words."""

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays."""


# --- Values ----------------------------------------------------------------------------------------------------------


def category_text(value: Any, what: str) -> str:
    """A category as text that tells it from all others: numbers that are equal have the same, 1 and "1" have not."""
    if isinstance(value, str):
        return f"s{value}"
    if isinstance(value, bool | np.bool_ | numbers.Integral):
        return f"n{int(value)}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"n{int(number)}" if number.is_integer() else f"n{number!r}"
    raise TypeError(
        f"{what}: expected strings, numbers or booleans, got {type(value).__name__}: convert them to strings"
    )


def category_of(text: str) -> Any:
    """The category that `category_text` wrote."""
    if text[:1] == "s":
        return text[1:]
    if text[:1] != "n":
        raise ValueError(f"expected a category, got {text[:20]!r}")
    return int(text[1:]) if text[1:].lstrip("-").isdigit() else float(text[1:])


def as_coded(column: Column, what: str) -> Coded:
    """A column as codes of distinct values, none of them missing."""
    if isinstance(column, Coded):
        return column
    if column.dtype.kind == "f" and (missing := np.isnan(column)).any():
        column = column.astype(object)
        column[missing] = None
    return factorize([column.tolist()], what)[0]


def as_numbers(column: Column, what: str) -> np.ndarray:
    """A column as float64, NaN where it is missing."""
    if isinstance(column, np.ndarray):
        return column.astype(np.float64)
    coded = as_coded(column, what)
    for value in coded.values:
        if not is_number(value):
            raise TypeError(
                f"{what}: expected numbers, got {value!r}; name the column in categorical= if it is to be a category"
            )
    found: np.ndarray = np.array([*map(float, coded.values), math.nan])[coded.codes]
    return found


def is_number(value: Any) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


# --- Kinds -----------------------------------------------------------------------------------------------------------


class Categories:
    """An id per category that is frequent enough; the others, and unseen ones, share id 0."""

    def __init__(self, values: list[Any], has_missing: bool) -> None:
        self.values = values
        self.has_missing = has_missing
        self._id = {value: i for i, value in enumerate(values, 1)}
        self._missing = len(values) + 1 if has_missing else 0
        self._kinds = {isinstance(value, str) for value in values}

    @classmethod
    def learn(cls, column: Column, min_frequency: int, what: str) -> tuple[Self, np.ndarray]:
        codes, values = as_coded(column, what)
        counts = np.bincount(codes + 1, minlength=len(values) + 1)
        # In an order that does not depend on that of the rows.
        texts = [category_text(value, what) for value in values]
        kept = [i for i in range(len(values)) if counts[i + 1] >= min_frequency]
        kept.sort(key=lambda i: (texts[i][0], values[i]))
        found = cls([category_of(texts[i]) for i in kept], bool(counts[0] >= min_frequency))
        # What is rare is id 0, and says so, but is of a kind that was seen.
        found._kinds |= {text[0] == "s" for text in texts}
        table = np.zeros(len(values) + 1, np.int32)
        table[kept] = np.arange(1, len(kept) + 1)
        table[-1] = found._missing
        return found, table[codes]

    @property
    def size(self) -> int:
        return 1 + len(self.values) + self.has_missing

    def encode(self, column: Column, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        codes, values = as_coded(column, what)
        table = np.fromiter((self._id.get(value, 0) for value in values), np.int32, len(values))
        for i in np.flatnonzero(table == 0).tolist():
            self._check(values[i], what)
        return np.append(table, np.int32(self._missing))[codes], None

    def _check(self, value: Any, what: str) -> None:
        """Refuse an unseen number where all categories are strings, or the other way round."""
        is_text = category_text(value, what)[0] == "s"
        if self._kinds and is_text not in self._kinds:
            raise TypeError(
                f"{what}: expected {'numbers' if is_text else 'strings'}, as in the data it was fitted to, "
                f"got {value!r}"
            )

    def names(self, name: str) -> list[str]:
        # Quotes tell "1" from 1, and a category called <missing> from what is.
        plain = {str(value) for value in self.values if not isinstance(value, str)} | {UNSEEN, MISSING}
        shown = (repr(value) if isinstance(value, str) and value in plain else value for value in self.values)
        return [f"{name}={value}" for value in (UNSEEN, *shown, *[MISSING] * self.has_missing)]

    def state(self) -> dict[str, np.ndarray]:
        data, ends = pack_strings(category_text(value, "") for value in self.values)
        kinds = [is_text in self._kinds for is_text in (False, True)]
        return {"categories": data, "ends": ends, "flags": np.array([self.has_missing, *kinds])}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        has_missing, *kinds = state["flags"].tolist()
        found = cls([category_of(text) for text in unpack_strings(state["categories"], state["ends"])], has_missing)
        found._kinds = {is_text for is_text in (False, True) if kinds[is_text]}
        return found


class Buckets(NamedTuple):
    """Ids by a hash, the same in every process and on every machine."""

    size: int
    salt: str

    def encode(self, column: Column, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        codes, values = as_coded(column, what)
        table = np.empty(len(values) + 1, np.int32)
        for i, text in enumerate([*(category_text(value, what) for value in values), "m"]):
            key = f"{self.salt}\0{text}".encode("utf-8", "surrogatepass")
            table[i] = int.from_bytes(blake2b(key, digest_size=8).digest(), "little") % self.size
        return table[codes], None

    def names(self, name: str) -> list[str]:
        return [f"{name}#{i}" for i in range(self.size)]

    def state(self) -> dict[str, np.ndarray]:
        return {"size": np.array(self.size), "salt": pack_strings([self.salt])[0]}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        return cls(int(state["size"]), state["salt"].tobytes().decode("utf-8", "surrogatepass"))


class Intervals(NamedTuple):
    """Numbers by the interval that they are in, [edge, next edge), from id 1; missing ones are id 0."""

    edges: np.ndarray

    @classmethod
    def learn(cls, column: np.ndarray, n_bins: int, what: str) -> Self:
        """Intervals with about equally many rows; a value that many rows have gets one for itself."""
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        if len(values) == 0:
            return cls(np.empty(0))
        ends = np.cumsum(counts)
        last: list[int] = []  # the place of the largest value of each interval
        if len(values) <= n_bins:
            last = list(range(len(values)))
        start = len(last)
        while start < len(values) and len(last) < n_bins:
            done = ends[start - 1] if start else 0
            wanted = done + (ends[-1] - done) / (n_bins - len(last))
            end = max(int(np.searchsorted(ends, wanted)), start)
            if end > start and wanted - ends[end - 1] < ends[end] - wanted:
                end -= 1  # closer without the last value
            last.append(min(end, len(values) - 1))
            start = last[-1] + 1
        below, above = values[last[:-1]], values[np.array(last[:-1], np.intp) + 1]
        with np.errstate(invalid="ignore"):
            middle = below / 2 + above / 2
        return cls(np.where((middle > below) & (middle < above), middle, above))

    @property
    def size(self) -> int:
        return 2 + len(self.edges)

    def encode(self, column: Column, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        numbers = as_numbers(column, what)
        ids = np.searchsorted(self.edges, numbers, side="right").astype(np.int32)
        ids += 1
        ids[np.isnan(numbers)] = 0
        return ids, None

    def names(self, name: str) -> list[str]:
        edges = [f"{edge:.6g}" for edge in self.edges]
        ranges = [f"{name} in [{a}, {b})" for a, b in pairwise(edges)]
        if not edges:
            return [f"{name}={MISSING}", name]
        return [f"{name}={MISSING}", f"{name} < {edges[0]}", *ranges, f"{name} >= {edges[-1]}"]

    def state(self) -> dict[str, np.ndarray]:
        return {"edges": self.edges}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        edges = state["edges"].astype(np.float64)
        if edges.ndim != 1 or not (np.diff(edges) > 0).all():
            raise ValueError("expected edges of intervals that rise")
        return cls(edges)


class Scaled(NamedTuple):
    """Numbers as (x - mean) / deviation, the value of id 1; missing ones are id 0 with the value 1."""

    mean: float
    deviation: float

    @classmethod
    def learn(cls, column: np.ndarray, what: str) -> Self:
        known = column[~np.isnan(column)]
        if not np.isfinite(known).all():
            raise ValueError(f"{what}: expected finite numbers, got {known[~np.isfinite(known)][0]}")
        if len(known) == 0:
            return cls(0.0, 1.0)
        size = float(np.abs(known).max()) or 1.0  # so that no square overflows
        deviation = float((known / size).std()) * size
        return cls(float((known / size).mean()) * size, deviation or 1.0)

    @property
    def size(self) -> int:
        return 2

    def encode(self, column: Column, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        numbers = as_numbers(column, what)
        missing = np.isnan(numbers)
        with np.errstate(over="ignore"):
            values = ((numbers - self.mean) / self.deviation).astype(np.float32)
        values[missing] = 1
        if not np.isfinite(values).all():
            raise ValueError(f"{what}: expected finite numbers, got {numbers[~np.isfinite(values)][0]}")
        return np.where(missing, 0, 1).astype(np.int32), values

    def names(self, name: str) -> list[str]:
        return [f"{name}={MISSING}", name]

    def state(self) -> dict[str, np.ndarray]:
        return {"moments": np.array([self.mean, self.deviation])}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        mean, deviation = state["moments"].tolist()
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise ValueError("expected a finite mean and a positive deviation")
        return cls(mean, deviation)


KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Categories, Buckets, Intervals, Scaled)}


def learn(column: Column, is_category: bool | None, settings: Any, name: str, what: str) -> tuple[Kind, Any]:
    """The kind of a column, and what `encode` of it gives; `is_category` is None where it tells for itself."""
    if is_category is None:
        is_category = _looks_like_categories(column)
    if not is_category:
        numbers = as_numbers(column, what)
        kind: Kind
        if settings.numeric == "bins":
            kind = Intervals.learn(numbers, settings.n_bins, what)
        else:
            kind = Scaled.learn(numbers, what)
        return kind, kind.encode(numbers, what)
    if settings.hash_buckets is not None:
        kind = Buckets(int(settings.hash_buckets), name)
        return kind, kind.encode(column, what)
    kind, ids = Categories.learn(column, settings.min_frequency, what)
    return kind, (ids, None)


def _looks_like_categories(column: Column) -> bool:
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "b"
    return not column.values or not all(map(is_number, column.values))
