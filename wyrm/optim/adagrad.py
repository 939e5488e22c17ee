"""Adagrad."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from wyrm.optim.update import Optimizer

if TYPE_CHECKING:
    from wyrm import ParameterNode


class Adagrad(Optimizer):
    """Adagrad: every weight has a rate of its own, which falls with the gradients it has seen.

    ``a <- a + g**2;  w <- soft((1 - lr * l2) * w - lr * g / (sqrt(a) + eps), lr * l1)``

    Rare rows keep a high rate, which is what sparse models want. Decay and shrinkage are decoupled from the adaptive
    rate, act at every step on every row, and rows without a gradient make them up when they are next read.

    Parameters
    ----------
    learning_rate : float or callable, default 0.05
        A rate, or a schedule: a function of the progress of training, 0 to 1.
    parameters : sequence of ParameterNode, optional
        What :meth:`step` updates when it is not told.
    eps : float, default 1e-10
        Added to the root of the accumulated squares, positive.
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
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.optim import Adagrad
    >>> table = wyrm.ParameterNode(np.ones((1000, 2)))
    >>> loss = table.embedding(wyrm.IndexInputNode(7)).square().sum()
    >>> optimizer = Adagrad(learning_rate=0.1)
    >>> loss.forward(); loss.backward(); optimizer.step(loss.parameters())
    >>> table.value[6:8]
    array([[1. , 1. ],
           [0.9, 0.9]], dtype=float32)
    """

    __slots__ = ()

    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = 0.05,
        parameters: "Iterable[ParameterNode] | None" = None,
        *,
        eps: float = 1e-10,
        l2: float = 0.0,
        l1: float = 0.0,
        clip: tuple[float, float] | None = None,
    ) -> None:
        self._set_up("Adagrad", learning_rate, parameters, {"eps": eps, "l2": l2, "l1": l1, "clip": clip})
