"""When to stop training without held-out data."""

from typing import Any


class Plateau:
    """A callback that ends training when the training loss no longer falls.

    Parameters
    ----------
    tol : float
        What the loss of an epoch must be below the best of those before, at least.
    patience : int
        Epochs in a row in which it may not be.
    """

    def __init__(self, tol: float, patience: int) -> None:
        self.tol, self.patience = tol, patience
        self.best, self.idle = float("inf"), 0

    def __call__(self, trainer: Any) -> bool:
        loss = trainer.history.loss[-1]
        self.idle = self.idle + 1 if loss > self.best - self.tol else 0
        self.best = min(self.best, loss)
        return self.idle >= self.patience
