"""Files of examples, in the form that models take."""

from __future__ import annotations

import argparse
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from wyrm.cli.errors import UserError
from wyrm.cli.tables import as_columns, as_targets, read_table, take_target
from wyrm.io import iter_libffm, iter_libsvm, read_libffm, read_libsvm
from wyrm.io.source import Rewound, Source, is_pipe, open_source
from wyrm.preprocessing import CategoryEncoder

CHUNK_ROWS = 65_536

# What is looked at of a file to see what it is: of a pipe, more than a block of bzip2.
LOOK, LOOK_AHEAD = 1 << 16, 1 << 20


class Examples(NamedTuple):
    """X, in the form of its file, and y, which is None where a table has no target."""

    X: Any
    y: np.ndarray | None


class Reader:
    """Reads files of examples.

    Parameters
    ----------
    options : Namespace
        Of `add_input_options`, and of how tables are encoded where there is no encoder yet.
    with_fields : bool
        Whether fields are wanted, as a field-aware model does.
    regression : bool
        Whether targets are numbers.
    encoder : CategoryEncoder, optional
        Of tables; without one, the first table that is read makes it.
    target_needed : bool, default True
        Whether a table without a target is refused.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        *,
        with_fields: bool,
        regression: bool,
        encoder: CategoryEncoder | None = None,
        target_needed: bool = True,
    ) -> None:
        self._options = options
        self._with_fields = with_fields
        self._regression = regression
        self._target_needed = target_needed
        self._pipes: dict[str, tuple[bytes, Rewound]] = {}
        self.encoder = encoder

    def format_of(self, path: str) -> str:
        """libsvm, libffm or csv."""
        form: str = self._options.format
        if form == "auto":
            form = guess_format(io.BytesIO(self._pipe(path)[0]) if is_read_once(path) else path, path)
        if self._with_fields and form == "libsvm":
            raise UserError(
                f"{path} has no fields, which a field-aware model needs: give a libffm file "
                f"(label field:index:value …) or a CSV file, whose columns are the fields"
            )
        return form

    def read(self, path: str) -> Examples:
        """The whole file."""
        form = self.format_of(path)
        if form == "csv":
            return self._table(path)
        source = self._source(path)
        read: Any = read_libffm(source) if form == "libffm" else read_libsvm(source, zero_based=True)
        found = self._examples(read)
        if found.X is None:
            raise UserError(f"{path} has no rows")
        return found

    def chunks(self, path: str) -> Iterator[Examples]:
        """The file in parts."""
        form = self.format_of(path)
        rows = self._options.chunk_rows or CHUNK_ROWS
        if form == "csv":
            yield self._table(path)
            return
        source = self._source(path)
        parts: Any
        if form == "libffm":
            parts = iter_libffm(source, chunk_rows=rows)
        else:
            parts = iter_libsvm(source, chunk_rows=rows, zero_based=True)
        for part in parts:
            yield self._examples(part)

    def _source(self, path: str) -> Source:
        return self._pipe(path)[1] if is_read_once(path) else path

    def _pipe(self, path: str) -> tuple[bytes, Rewound]:
        """The beginning of what can be read only once, and the whole of it."""
        if path not in self._pipes:
            stream = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115
            begin = stream.read(LOOK_AHEAD)
            self._pipes[path] = begin, Rewound(begin, stream, "<stdin>" if path == "-" else path)
        return self._pipes[path]

    def _examples(self, data: Any) -> Examples:
        y = data.y if self._regression else as_labels(data.y)
        if not len(y):
            return Examples(None, y)
        if hasattr(data, "X"):
            return Examples(data.X, y)
        if self._with_fields:
            return Examples((data.indices, data.fields, data.values, data.offsets), y)
        n_features = int(data.indices.max(initial=0)) + 1
        parts = (data.values, data.indices, data.offsets)
        return Examples(scipy.sparse.csr_matrix(parts, shape=(len(y), n_features)), y)

    def _table(self, path: str) -> Examples:
        table = read_table(self._source(path), header=not self._options.no_header)
        target = take_target(table, self._options.label, path, needed=self._target_needed)
        if not table or not next(iter(table.values())):
            raise UserError(f"{path} has no {'rows' if table else 'columns beside the target'}")
        y = None if target is None else as_targets(target, path, regression=self._regression)
        if y is not None and not self._regression:
            y = as_labels(y)
        if self.encoder is not None:
            known = dict(zip(self.encoder.feature_names_in_, self.encoder.categorical_.tolist(), strict=True))
            table = {name: texts for name, texts in table.items() if name in known}
            return Examples(self.encoder.transform(as_columns(table, known)), y)
        self.encoder = self._new_encoder()
        return Examples(self.encoder.fit_transform(as_columns(table, self._named(table))), y)

    def _named(self, table: dict[str, list[str]]) -> dict[str, bool]:
        """The columns that are said to be categories."""
        if not self._options.categorical:
            return {}
        if self._options.categorical == "all":
            return dict.fromkeys(table, True)
        names = [name.strip() for name in self._options.categorical.split(",")]
        for name in names:
            if name not in table:
                raise UserError(f"--categorical: there is no column {name!r}")
        return dict.fromkeys(names, True)

    def _new_encoder(self) -> CategoryEncoder:
        settings = {"n_bins": self._options.bins, "min_frequency": self._options.min_frequency}
        return CategoryEncoder(**{name: value for name, value in settings.items() if value is not None})


def is_read_once(path: str) -> bool:
    """Whether a path is the standard input, ``-``, or a pipe."""
    return path == "-" or is_pipe(path)


def as_labels(y: np.ndarray) -> np.ndarray:
    """Labels that are whole numbers as integers."""
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all() and np.abs(y).max(initial=0) < 2**53:
        return y.astype(np.int64)
    return y


def guess_format(source: Source, path: str) -> str:
    """What the first line with data looks like."""
    begin = bytearray()
    with open_source(source) as (stream, _):
        try:
            while len(begin) < LOOK and (more := stream.read(LOOK - len(begin))):
                begin += more
        except (EOFError, zlib.error, lzma.LZMAError):
            if not begin:
                return "libsvm"  # whose reader says what is wrong, and where
    for line in bytes(begin).splitlines():
        words = line.partition(b"#")[0].split()
        if not words:
            continue
        if any(word.count(b":") == 2 for word in words[1:]):
            return "libffm"
        is_sparse = any(b":" in word for word in words[1:]) and all(b":" in w or w.isdigit() for w in words[1:])
        return "csv" if not is_sparse and any(mark in line for mark in (b",", b";", b"\t")) else "libsvm"
    raise UserError(f"{path} is empty")
