"""Options that several subcommands have, and the types of their values."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from wyrm.cli.errors import UserError

FORMATS = ("auto", "libsvm", "libffm", "csv")


def count(text: str) -> int:
    """An integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return value


def rate(text: str) -> float:
    """A finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
    return value


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """How a file is read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--format", choices=FORMATS, default="auto", help="of the file; auto, the default, looks at its first lines"
    )
    group.add_argument("--label", metavar="COLUMN", help="CSV: name or number of the column with the target")
    group.add_argument("--no-header", action="store_true", help="CSV: the first line is data; columns are 0, 1, …")
    group.add_argument("--chunk-rows", type=count, metavar="N", help="rows in memory at a time, for large files")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """How many threads work."""
    parser.add_argument("--threads", type=count, metavar="N", help="threads; all cores by default")


def check_output(path: str | None) -> None:
    """Refuse a place where nothing can be written, before any work is done for it."""
    if path is None:
        return
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder: name a file in it")
    if not Path(path).parent.is_dir():
        raise UserError(f"there is no folder {Path(path).parent} to write {Path(path).name} to")
