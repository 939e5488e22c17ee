"""Data as fit goes through it: all at once or in chunks, and what a first look at it tells."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from wyrm.models.inputs import Rows
from wyrm.models.scaling import Moments


class Part(NamedTuple):
    """Checked data: all there is, or a chunk."""

    rows: Rows
    y: np.ndarray
    weight: np.ndarray | None


class Survey:
    """What one pass over the data tells.

    Attributes
    ----------
    n_rows, n_entries, n_features, n_fields : int
    moments : Moments
        Of the columns.
    summary : object
        Of the targets.
    weighted : bool
        Whether any part has weights.
    rows : Rows
        One of the rows, in the form that all of them can have.
    """

    def __init__(self, parts: Iterable[Part], summary: Any) -> None:
        self.n_rows = self.n_features = self.n_fields = self.n_entries = 0
        self.weighted = False
        self.summary = summary
        rows = None
        for part in parts:
            if rows is None:
                rows = part.rows.take(slice(0, 1))
                self.moments = Moments(rows.n_features, rows.dense)
            elif type(part.rows) is not type(rows) or (rows.dense and rows.n_features != part.rows.n_features):
                raise ValueError(
                    f"X: expected all chunks to have the same columns, got one that is {_form(rows)} and one that is "
                    f"{_form(part.rows)}"
                )
            if part.rows.kind == "weighted":
                rows = rows.weighted()
            self.moments.update(part.rows)
            summary.update(part.y, part.weight)
            self.n_rows += part.rows.n_rows
            self.n_entries += part.rows.n_entries
            self.n_features = max(self.n_features, part.rows.n_features)
            self.n_fields = max(self.n_fields, part.rows.n_fields)
            self.weighted |= part.weight is not None
        if rows is None:
            raise ValueError("fit: expected at least one chunk (X, y), got none")
        self.rows: Rows = rows


def _form(rows: Rows) -> str:
    fields = f" in {rows.n_fields} fields" if rows.n_fields else ""
    return f"{'dense' if rows.dense else 'sparse'} with {rows.n_features} columns{fields}"


class Chunks:
    """Chunks ``(X, y)`` or ``(X, y, sample_weight)`` of data that need not fit in memory, as checked parts.

    Parameters
    ----------
    source : iterable or callable
    check : callable
        Makes a :class:`Part` of X, y and sample_weight.
    """

    def __init__(self, source: Any, check: Callable[[Any, Any, Any], Part]) -> None:
        if hasattr(source, "__next__"):
            raise ValueError(
                "fit: an iterator of chunks can be gone through only once, but fit looks at the data before it trains; "
                "give a function that returns a new one, or call partial_fit for each chunk"
            )
        self._source = source
        self._check = check

    def __iter__(self) -> Iterator[Part]:
        for chunk in self._source() if callable(self._source) else self._source:
            if not isinstance(chunk, tuple) or len(chunk) not in (2, 3):
                size = f" of {len(chunk)}" if isinstance(chunk, tuple) else ""
                raise TypeError(
                    f"fit: expected chunks (X, y) or (X, y, sample_weight), got {type(chunk).__name__}{size}"
                )
            yield self._check(chunk[0], chunk[1], chunk[2] if len(chunk) == 3 else None)


def is_chunks(X: Any) -> bool:
    """Whether X is no matrix, but something that gives chunks of one."""
    if any(hasattr(X, name) for name in ("__array__", "shape", "columns")) or isinstance(X, (str, bytes)):
        return False
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and isinstance(X[0], tuple) and len(X[0]) in (2, 3) and hasattr(X[0][0], "shape")
    return callable(X) or isinstance(X, Iterable)
