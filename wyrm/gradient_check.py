"""Gradient checks: what backward() gives, against differences of what forward() gives.

A check moves one parameter at a time along random directions of its touched rows. The engine computes in float32, so a
small step drowns in rounding and a large one in curvature; differences over a range of steps are extrapolated to step
zero, and how far neighbouring extrapolations are apart says how much each is worth (Ridders, "Accurate computation of
F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982). What the parameter has really moved after rounding,
not the step asked for, is set against the gradient, so that rounding of the parameter itself costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from wyrm.errors import describe
from wyrm.leaf import IndexInputNode, InputNode, ParameterNode
from wyrm.node import Node, OperatorNode

FIRST_STEP = 0.2  # of a parameter's typical size
SHRINK = 2.0  # from one step to the next
STEPS = 9
ROUNDING = 8 * 2.0**-24  # relative error granted to each entry of the loss
WHOLE_TABLE = 2**22  # entries up to which all untouched rows are moved, else a sample of them
SAMPLED_ROWS = 1000


def check_gradients(
    loss: OperatorNode | ParameterNode,
    parameters: Iterable[ParameterNode] | None = None,
    *,
    directions: int = 3,
    tolerance: float = 1e-3,
    absolute: float = 1e-7,
    seed: int = 0,
) -> float:
    """Check the gradients of ``sum(loss.value)`` against central differences.

    Each parameter is moved along random directions of its touched rows, over a range of step sizes (Ridders' method).
    Its touched rows must be exactly those the graph looks up, and moving others must leave the loss unchanged to the
    last bit; of a table with more than four million entries only a sample of the others is moved. Values and gradients
    of the parameters are as before when the check is over.

    Parameters
    ----------
    loss : Node
        Of any shape; its inputs hold the example to check with.
    parameters : iterable of ParameterNode, optional
        Those to check; default all the loss depends on.
    directions : int, default 3
        Random directions for each parameter.
    tolerance : float, default 1e-3
        Largest relative error allowed.
    absolute : float, default 1e-7
        Error of one partial derivative that doesn't count, as where terms cancel.
    seed : int, default 0
        Of the directions.

    Returns
    -------
    float
        The largest relative error: how far the two derivatives along a direction are apart, less the rounding of the
        loss in float32, over the norm of the gradient there. Differences that cross a kink (of a relu, hinge or clip)
        are as large as the kink.

    Raises
    ------
    AssertionError
        If a gradient is wrong; the message names the parameter, the row and the two numbers.
    TypeError, ValueError
        If an argument is something else, the loss depends on no parameter or on none of those given, or is not finite.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode(np.random.default_rng(0).normal(size=(100, 4)))
    >>> rows = wyrm.embedding(table, wyrm.IndexInputNode([7, 3, 7]))
    >>> wyrm.check_gradients(rows.square().sum()) < 1e-3
    True
    """
    if not isinstance(loss, Node):
        raise TypeError(f"check_gradients: expected a node, got {type(loss).__name__}")
    if directions < 1 or not tolerance > 0 or not absolute >= 0:
        raise ValueError(
            f"check_gradients: expected directions >= 1, tolerance > 0 and absolute >= 0, "
            f"got {directions}, {tolerance} and {absolute}"
        )
    every = loss.parameters()
    chosen = every if parameters is None else tuple(parameters)
    for node in chosen:
        if node not in every:
            what = describe(node) if isinstance(node, Node) else repr(node)
            raise ValueError(f"check_gradients: {describe(loss)} does not depend on {what}")
    if not chosen:
        raise ValueError(f"check_gradients: {describe(loss)} depends on no parameter")
    loss.forward()
    if not np.isfinite(loss.value).all():
        raise ValueError(f"check_gradients: expected a finite loss, got {loss.value} from {describe(loss)}")

    looked_up = _looked_up(loss)
    kept = [(node, node.sparse_gradient) for node in every]
    rng = np.random.default_rng(seed)
    worst = 0.0
    try:
        loss.zero_gradients()
        loss.backward(1.0)
        for node in chosen:
            _check_touched(node, looked_up[node])
        checked = set()
        for node in chosen:
            if node.parameter in checked:
                continue
            checked.add(node.parameter)
            sharing = [other for other in every if other.parameter is node.parameter]
            subject = _Subject(loss, sharing, tolerance, absolute)
            for _ in range(directions):
                worst = max(worst, subject.check(rng))
            subject.check_untouched(rng)
    finally:
        for node, gradient in kept:
            _restore_gradient(node, gradient, whole=looked_up[node] is None)
        loss.forward()
    return worst


def _nodes(root: Node) -> Iterator[Node]:
    """Every node below and including `root`, once."""
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for operand in node.operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)


def _looked_up(loss: Node) -> dict[Node, np.ndarray | None]:
    """The distinct rows that the graph looks up in each parameter, sorted; None where it uses the parameter whole."""
    lists: dict[Node, list[np.ndarray] | None] = {}
    if isinstance(loss, ParameterNode):
        lists[loss] = None
    for node in _nodes(loss):
        table = getattr(node, "table", None)
        for operand in node.operands:
            if not isinstance(operand, ParameterNode):
                continue
            if operand is not table or sum(other is operand for other in node.operands) > 1:
                lists[operand] = None
            elif lists.get(operand, []) is not None:
                lists.setdefault(operand, []).append(node.rows_of.value)  # type: ignore[union-attr, attr-defined]
    return {
        node: None if found is None else np.unique(np.concatenate(found).astype(np.int64))
        for node, found in lists.items()
    }


def _check_touched(node: ParameterNode, looked_up: np.ndarray | None) -> None:
    touched = node.sparse_gradient.indices
    if len(touched) == node.shape[0]:  # used whole, here or in another graph: its gradient is dense
        return
    expected = np.arange(node.shape[0]) if looked_up is None else looked_up
    missing, extra = np.setdiff1d(expected, touched), np.setdiff1d(touched, expected)
    if len(missing):
        raise AssertionError(f"{describe(node)}: row {missing[0]} was used, but backward() did not touch it")
    if len(extra):
        raise AssertionError(f"{describe(node)}: backward() touched row {extra[0]}, which was not used")


def _restore_gradient(node: ParameterNode, gradient: Any, whole: bool) -> None:
    """Give a parameter the gradient it had, through the engine itself: that of sum(rows * gradient)."""
    node.zero_gradients()
    if len(gradient.indices):
        rows = node if whole else node.embedding(IndexInputNode(gradient.indices))
        product = (rows * InputNode(gradient.values)).sum()
        product.forward()
        product.backward(1.0)


class _Subject:
    """Values that one or more parameter nodes share, the rows of them that the loss touched, and their gradient."""

    def __init__(
        self, loss: OperatorNode | ParameterNode, nodes: list[ParameterNode], tolerance: float, absolute: float
    ):
        self.loss, self.tolerance, self.absolute = loss, tolerance, absolute
        self.what = " and ".join(describe(node) for node in nodes)
        self.values = nodes[0].value
        parts = [node.sparse_gradient for node in nodes]
        self.touched = np.unique(np.concatenate([part.indices for part in parts]))
        self.gradient = np.zeros((len(self.touched), self.values.shape[1]))
        for part in parts:
            self.gradient[np.searchsorted(self.touched, part.indices)] += part.values
        size = math.sqrt(np.square(self.values[self.touched], dtype=float).mean()) if len(self.touched) else 0.0
        self.size = size or 1.0

    def check(self, rng: np.random.Generator) -> float:
        """The relative error along one direction of the touched rows; raises past the tolerance."""
        if not len(self.touched):
            return 0.0
        direction = rng.choice([-1.0, 1.0], size=self.gradient.shape) * rng.uniform(0.5, 1.0, size=self.gradient.shape)
        error = self._error(direction)
        if not error <= self.tolerance:
            self._refuse(direction, error)
        return error

    def check_untouched(self, rng: np.random.Generator) -> None:
        """Raise if a row that backward() did not touch moves the loss."""
        rows = self._untouched(rng)
        if not len(rows):
            return
        self.loss.forward()
        before = np.array(self.loss.value)
        moves = self.size * rng.choice([-1.0, 1.0], size=(len(rows), 1))

        def changed(part: slice) -> float:
            return float(np.any(self._moved_loss(rows[part], moves[part]) != before))

        if changed(slice(None)):
            row = rows[_bisect(changed, len(rows))]
            raise AssertionError(f"{self.what}: row {row} changes the loss, but backward() did not touch it")

    def _untouched(self, rng: np.random.Generator) -> np.ndarray:
        n = self.values.shape[0]
        if self.values.size <= WHOLE_TABLE:
            rows = np.arange(n)
        else:
            beside = np.concatenate([self.touched[:SAMPLED_ROWS] - 1, self.touched[:SAMPLED_ROWS] + 1, [0, n - 1]])
            rows = np.unique(np.concatenate([rng.integers(n, size=SAMPLED_ROWS), beside.clip(0, n - 1)]))
        return np.setdiff1d(rows, self.touched)

    def _moved_loss(self, rows: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """The loss with `moves` added to some rows, which are put back."""
        kept = self.values[rows]
        try:
            self.values[rows] = kept + moves
            self.loss.forward()
            return np.array(self.loss.value)
        finally:
            self.values[rows] = kept

    def _error(self, direction: np.ndarray) -> float:
        """How far the derivatives along a direction are apart, relative to the gradient there."""
        residual, rounding = self._residual(direction, self.tolerance / 4 * self._scale(direction))
        slope = float(np.vdot(self.gradient, direction))
        granted = rounding + self.absolute * float(np.linalg.norm(direction))
        apart = max(abs(residual) - granted, 0.0)
        return apart / max(self._scale(direction), abs(slope + residual)) if apart else 0.0

    def _scale(self, direction: np.ndarray) -> float:
        return max(abs(float(np.vdot(self.gradient, direction))), float(np.linalg.norm(self.gradient * direction)))

    def _residual(self, direction: np.ndarray, enough: float = 0.0) -> tuple[float, float]:
        """Derivative of the loss along a direction less that of backward(), and the rounding error it may have.

        Of the estimates that are certain to `enough`, the one closest to backward() counts: a right gradient agrees
        with some of them, where others crossed a kink.
        """
        best, least = (math.nan, 0.0), math.inf
        for residual, rounding, apart in self._estimates(direction):
            uncertainty = max(apart + rounding, enough)
            if (uncertainty, abs(residual) - rounding) < (least, abs(best[0]) - best[1]):
                best, least = (residual, rounding), uncertainty
        return best

    def _estimates(self, direction: np.ndarray) -> Iterator[tuple[float, float, float]]:
        """Estimates of the residual, the rounding error of each, and how far it is from its neighbours."""
        moving = np.any(direction != 0, axis=1)
        rows, direction, gradient = self.touched[moving], direction[moving], self.gradient[moving]
        kept = self.values[rows]
        previous: list[float] = []
        try:
            for i in range(STEPS):
                step = FIRST_STEP * self.size * SHRINK**-i
                above, below = ((kept + sign * step * direction).astype(np.float32) for sign in (1, -1))
                (high, high_rounding), (low, low_rounding) = self._total(rows, above), self._total(rows, below)
                if not math.isfinite(high - low):  # out of the domain of a log or square root
                    previous = []
                    continue
                moved = above.astype(float) - below
                current = [(high - low - float(np.vdot(gradient, moved))) / (2 * step)]
                rounding = (high_rounding + low_rounding) / (2 * step)
                for j, other in enumerate(previous):
                    factor = SHRINK ** (2 * (j + 1))
                    current.append((current[j] * factor - other) / (factor - 1))
                    apart = max(abs(current[j + 1] - current[j]), abs(current[j + 1] - other))
                    yield current[j + 1], rounding, apart
                previous = current
        finally:
            self.values[rows] = kept

    def _total(self, rows: np.ndarray, values: np.ndarray) -> tuple[float, float]:
        """sum(loss.value) with some rows replaced, and its rounding error."""
        self.values[rows] = values
        self.loss.forward()
        value = self.loss.value.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return float(value.sum()), ROUNDING * float(np.abs(value).sum())

    def _refuse(self, direction: np.ndarray, error: float) -> None:
        """Find the entry that is furthest off, and name it."""

        def row_error(part: slice) -> float:
            only = np.zeros_like(direction)
            only[part] = direction[part]
            return abs(self._residual(only)[0])

        row = _bisect(row_error, len(direction))

        def entry(part: slice) -> np.ndarray:
            only = np.zeros_like(direction)
            only[row, part] = direction[row, part]
            return only

        column = _bisect(lambda part: abs(self._residual(entry(part))[0]), direction.shape[1])
        one = entry(slice(column, column + 1))
        given = float(self.gradient[row, column])
        found = given + self._residual(one)[0] / float(one[row, column])
        raise AssertionError(
            f"{self.what}: backward() gives {given:.6g} at row {self.touched[row]}, column {column}, differences "
            f"of the loss give {found:.6g}; relative error {error:.2g} along a random direction"
        )


def _bisect(measure: Callable[[slice], float], n: int) -> int:
    """The one of n that a measure of ranges is largest at, by halving."""
    start, end = 0, n
    while end - start > 1:
        middle = (start + end) // 2
        left, right = measure(slice(start, middle)), measure(slice(middle, end))
        if math.isnan(left) or left >= right:
            end = middle
        else:
            start = middle
    return start
