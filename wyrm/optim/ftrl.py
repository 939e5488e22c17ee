"""FTRL-Proximal."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from wyrm.optim.update import Optimizer

if TYPE_CHECKING:
    from wyrm import ParameterNode


class FTRL(Optimizer):
    """Follow the regularised leader, proximal, with a rate per weight.

    ``n <- n + g**2;  c = (beta + sqrt(n)) / lr + l2;  z <- z + g - (c - c_before) * w;  w <- -soft(z, l1) / c``

    With l1 it gives sparse models without losing accuracy, which made it the method of choice for click prediction.
    Weights depend on what they have seen as a whole, so l1 and l2 act when a row has a gradient, and a row without one
    stays as it is. z starts so that it gives the weights training starts from, and follows a rate that changes.

    Parameters
    ----------
    learning_rate : float or callable, default 0.05
        A rate (alpha in the paper), or a schedule: a function of the progress of training, 0 to 1.
    parameters : sequence of ParameterNode, optional
        What :meth:`step` updates when it is not told.
    beta : float, default 1.0
        Smoothing of the rate while n is small, positive.
    l1 : float, default 0.0
        A weight stays zero while ``abs(z) <= l1``.
    l2 : float, default 0.0
        Added to the denominator.
    clip : (float, float), optional
        Bounds that every entry of the (summed) gradient is clipped to; 0 lies between them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    H. B. McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.optim import FTRL
    >>> w = wyrm.ParameterNode(np.zeros((1, 2)))
    >>> loss = (w * np.array([[4.0, 0.5]])).sum()
    >>> optimizer = FTRL(0.5, [w], l1=1.0)
    >>> loss.forward(); loss.backward(); optimizer.step()
    >>> w.value
    array([[-0.3,  0. ]], dtype=float32)
    """

    __slots__ = ()

    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = 0.05,
        parameters: "Iterable[ParameterNode] | None" = None,
        *,
        beta: float = 1.0,
        l1: float = 0.0,
        l2: float = 0.0,
        clip: tuple[float, float] | None = None,
    ) -> None:
        self._set_up("FTRL", learning_rate, parameters, {"beta": beta, "l1": l1, "l2": l2, "clip": clip})
