"""CSV files as tables."""

from __future__ import annotations

import csv
import io
import lzma
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from wyrm.cli.errors import UserError
from wyrm.io.errors import FormatError
from wyrm.io.source import Source, name_of, open_source

TARGETS = ("label", "target", "class", "y")  # what the column with the target is called, if nobody says


def read_table(source: Source, *, header: bool = True) -> dict[str, list[str]]:
    """The columns of a CSV file as text, by name; separated by commas, semicolons or tabs."""
    with open_source(source) as (stream, _):
        buffered: Any = stream if isinstance(stream, io.BufferedIOBase) else io.BufferedReader(stream)
        text = io.TextIOWrapper(buffered, "utf-8-sig", newline="")
        try:
            return _parse(name_of(source), text, header)
        except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, lzma.LZMAError) as error:
            raise UserError(f"{name_of(source)} is no CSV file: {error}") from error


def _parse(path: str, text: Any, header: bool) -> dict[str, list[str]]:
    first = next((line for line in text if line.strip()), None)
    if first is None:
        raise UserError(f"{path} is empty")
    delimiter = max("\t;,", key=first.count)
    reader = csv.reader(chain([first], text), delimiter=delimiter, skipinitialspace=True)
    rows = _rows(path, reader)
    begin = next(rows)
    names = [name.strip() for name in begin] if header else [str(i) for i in range(len(begin))]
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns have the same name; is its first line data (--no-header)?")
    columns = list(zip(*rows)) if header else list(zip(begin, *rows))
    if header:
        columns = columns or [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


def _rows(path: str, reader: Any) -> Iterator[list[str]]:
    width = None
    for row in reader:
        if not row:
            continue
        width = len(row) if width is None else width
        if len(row) != width:
            raise FormatError(path, reader.line_num, None, f"{width} columns, as in the first line", f"{len(row)}")
        yield row


def take_target(table: dict[str, list[str]], name: str | None, path: str, *, needed: bool) -> list[str] | None:
    """Take the column with the target out of a table."""
    if name is None:
        found = [key for key in table if key.lower() in TARGETS]
        if len(found) != 1:
            if not needed:
                return None
            raise UserError(f"{path}: which column is the target? say --label COLUMN; there are {_listed(table)}")
        return table.pop(found[0])
    if name not in table and name.lstrip("-").isdigit() and -len(table) <= int(name) < len(table):
        name = list(table)[int(name)]
    if name not in table:
        if not needed:
            return None
        raise UserError(f"{path}: there is no column {name!r}; there are {_listed(table)}")
    return table.pop(name)


def _listed(table: dict[str, list[str]]) -> str:
    return ", ".join(list(table)[:10]) + (", …" if len(table) > 10 else "")


def as_columns(table: dict[str, list[str]], categorical: dict[str, bool]) -> dict[str, Any]:
    """Columns of numbers as float64, with NaN where nothing stands; others as text, with None there.

    `categorical` says which are not numbers; what it doesn't name are numbers if they can be.
    """
    columns: dict[str, Any] = {}
    for name, texts in table.items():
        is_text = categorical.get(name)
        numbers = None if is_text else _as_numbers(texts)
        if numbers is None and is_text is False:
            wrong = next(text for text in texts if _as_numbers([text]) is None)
            raise UserError(f"column {name!r}: expected numbers, as in the data the model learnt from, got {wrong!r}")
        columns[name] = [text or None for text in texts] if numbers is None else numbers
    return columns


def _as_numbers(texts: list[str]) -> np.ndarray | None:
    try:
        return np.array([text or "nan" for text in texts], np.float64)
    except ValueError:
        return None


def as_targets(texts: list[str], path: str, *, regression: bool) -> np.ndarray:
    """Targets as numbers where they are, else, for a classifier, as text."""
    if "" in texts:
        raise UserError(f"{path}: the target of row {texts.index('') + 1} is missing")
    numbers = _as_numbers(texts)
    if numbers is None:
        if regression:
            wrong = next(text for text in texts if _as_numbers([text]) is None)
            raise UserError(f"{path}: expected numbers to predict, got {wrong!r}; --task classification takes labels")
        return np.array(texts)
    return numbers
