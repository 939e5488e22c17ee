"""Adam, lazily and exactly."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from wyrm.optim.update import Optimizer

if TYPE_CHECKING:
    from wyrm import ParameterNode


class Adam(Optimizer):
    """Adam, with AdamW's decoupled weight decay.

    ``m <- beta1 * m + (1 - beta1) * g;  v <- beta2 * v + (1 - beta2) * g**2``

    ``w <- (1 - lr * l2) * w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)``

    t counts the steps of the parameter. A row without a gradient still moves, by its decaying moments; it makes those
    steps up when it is next read, so weights are those of the dense algorithm, not of the "lazy" or "sparse" Adam of
    other libraries, which leaves them out.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        A rate, or a schedule: a function of the progress of training, 0 to 1.
    parameters : sequence of ParameterNode, optional
        What :meth:`step` updates when it is not told.
    beta1 : float, default 0.9
        Decay rate of the first moment, from 0 to 0.9999.
    beta2 : float, default 0.999
        Decay rate of the second moment, from 0, below 1.
    eps : float, default 1e-8
        Added to the root of the second moment, positive.
    l2 : float, default 0.0
        Weight decay, decoupled from the gradient.
    clip : (float, float), optional
        Bounds that every entry of the (summed) gradient is clipped to; 0 lies between them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015;
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.optim import Adam
    >>> w = wyrm.ParameterNode(np.ones((1, 1)))
    >>> optimizer = Adam(0.1, [w])
    >>> loss = w.square()
    >>> loss.forward(); loss.backward(); optimizer.step()
    >>> w.value
    array([[0.9]], dtype=float32)
    """

    __slots__ = ()

    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = 0.001,
        parameters: "Iterable[ParameterNode] | None" = None,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        l2: float = 0.0,
        clip: tuple[float, float] | None = None,
    ) -> None:
        settings = {"beta1": beta1, "beta2": beta2, "eps": eps, "l2": l2, "clip": clip}
        self._set_up("Adam", learning_rate, parameters, settings)
