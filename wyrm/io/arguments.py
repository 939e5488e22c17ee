"""Checks of arguments that several functions share."""

from __future__ import annotations

import operator
from typing import SupportsIndex


def as_size(value: SupportsIndex, name: str, *, least: int = 0) -> int:
    """`value` as an int that is at least `least`."""
    try:
        size = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if size < least:
        raise ValueError(f"{name}: expected at least {least}, got {size}")
    return size
