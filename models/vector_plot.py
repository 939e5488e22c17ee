"""Vectors as points of a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def project(vectors: np.ndarray) -> np.ndarray:
    """Coordinates in the two principal directions, shape (n, 2), of vectors scaled to length 1.

    Each direction points so that its largest coordinate is positive: equal vectors give equal pictures.
    """
    points = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(lengths > 0, lengths, 1)
    points = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(points, full_matrices=False)
    sizes[sizes < 1e-9 * np.sqrt(len(points))] = 0  # of rounding
    plane = np.zeros((len(points), 2))
    n = min(2, len(sizes))
    plane[:, :n] = left[:, :n] * sizes[:n]
    largest = np.take_along_axis(plane, np.abs(plane).argmax(axis=0)[np.newaxis], axis=0)
    return plane * np.where(largest < 0, -1, 1)


def plot_vectors(names: Sequence[Any], vectors: np.ndarray, ax: Any, annotate: bool) -> Any:
    """See `KeyedVectors.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("KeyedVectors.plot needs matplotlib: pip install matplotlib") from error
    if not len(names):
        raise ValueError("plot: expected keys, got none")
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    points = project(vectors)
    ax.scatter(points[:, 0], points[:, 1], s=16)
    ax.margins(0.1)
    ax.set_xlabel("first principal direction")
    ax.set_ylabel("second principal direction")
    if annotate:
        _label(ax, points, [str(name) for name in names])
    return ax


# Where a label may stand, from its point: shift in points, and which part of it is there.
_PLACES = [
    (x * distance, y * distance, {1: "left", 0: "center", -1: "right"}[x], {1: "bottom", 0: "center", -1: "top"}[y])
    for distance in (4, 12, 22)
    for x, y in ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
]
_LINE = {"arrowstyle": "-", "color": "gray", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}


def _label(ax: Any, points: np.ndarray, names: list[str]) -> None:
    """Write each name where it covers least of the points and of names before; a line leads to those that are away."""
    ax.figure.draw_without_rendering()  # lays out, so that places on the page are known
    dots = ax.transData.transform(points)
    taken = [np.concatenate([dots - 3, dots + 3], axis=1)]
    for point, name in zip(points, names):
        text = ax.annotate(name, point, (0, 0), textcoords="offset points", fontsize=9, parse_math=False)
        others = np.concatenate(taken)
        places = {}
        for place in _PLACES:
            _move(text, place)
            box = text.get_window_extent().extents
            places[place] = _overlap(box, others), box
            if places[place][0] == 0:
                break
        best = min(places, key=lambda place: places[place][0])
        text.remove()
        where = {"horizontalalignment": best[2], "verticalalignment": best[3], "parse_math": False}
        line = _LINE if max(map(abs, best[:2])) > 4 else None
        ax.annotate(name, point, best[:2], textcoords="offset points", fontsize=9, arrowprops=line, **where)
        taken.append(places[best][1][np.newaxis])


def _move(text: Any, place: tuple[float, float, str, str]) -> None:
    text.set_position(place[:2])
    text.set_horizontalalignment(place[2])
    text.set_verticalalignment(place[3])


def _overlap(box: np.ndarray, others: np.ndarray) -> float:
    """The area that a box (left, bottom, right, top) shares with others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.maximum(sides, 0), axis=1).sum())
