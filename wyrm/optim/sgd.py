"""Stochastic gradient descent."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from wyrm.optim.update import Optimizer

if TYPE_CHECKING:
    from wyrm import ParameterNode


class SGD(Optimizer):
    """Stochastic gradient descent.

    ``w <- soft((1 - lr * l2) * w - lr * g, lr * l1)`` with ``soft(x, q) = sign(x) * max(0, abs(x) - q)``

    Decay and shrinkage act at every step on every row; rows without a gradient make them up when they are next read.
    Without l2 and l1 no state is kept.

    Parameters
    ----------
    learning_rate : float or callable, default 0.05
        A rate, or a schedule: a function of the progress of training, 0 to 1.
    parameters : sequence of ParameterNode, optional
        What :meth:`step` updates when it is not told.
    l2 : float, default 0.0
        Weight decay, decoupled from the gradient.
    l1 : float, default 0.0
        Shrinkage towards zero, by a proximal step, which makes weights exactly zero.
    clip : (float, float), optional
        Bounds that every entry of the (summed) gradient is clipped to; 0 lies between them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    J. Duchi and Y. Singer, "Efficient online and batch learning using forward backward splitting", JMLR 10, 2009;
    B. Carpenter, "Lazy sparse stochastic gradient descent for regularized multinomial logistic regression", 2008.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.optim import SGD
    >>> w = wyrm.ParameterNode(np.ones((1, 1)))
    >>> optimizer = SGD(0.1, [w])
    >>> loss = w.square()
    >>> loss.forward(); loss.backward(); optimizer.step()
    >>> w.value
    array([[0.8]], dtype=float32)
    """

    __slots__ = ()

    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = 0.05,
        parameters: "Iterable[ParameterNode] | None" = None,
        *,
        l2: float = 0.0,
        l1: float = 0.0,
        clip: tuple[float, float] | None = None,
    ) -> None:
        self._set_up("SGD", learning_rate, parameters, {"l2": l2, "l1": l1, "clip": clip})
