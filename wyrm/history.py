"""What a training run did, epoch by epoch."""

import math
from dataclasses import dataclass, field


@dataclass
class History:
    """Record of a training run.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch, summed in float64 while its examples were trained on.
    validation_loss : list of float
        Mean loss on the validation feed after each epoch; NaN for earlier epochs without one, empty if none had one.
    seconds : list of float
        Time that training took in each epoch, without validation and callbacks.
    examples : list of int
        Examples trained on in each epoch.
    stopped : str or None
        Why training ended before its last epoch: "patience", "callback", "interrupt"; None when it didn't.
    best_epoch : int or None
        The epoch, from 0, with the least validation loss. With ``patience``, its parameters were restored.

    Examples
    --------
    >>> from wyrm.history import History
    >>> history = History(loss=[0.7, 0.5], seconds=[1.0, 1.0], examples=[100, 100])
    >>> history.examples_per_second
    [100.0, 100.0]
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    stopped: str | None = None
    best_epoch: int | None = None

    @property
    def examples_per_second(self):
        """list of float: training speed of each epoch."""
        return [n / s if s else float("inf") for n, s in zip(self.examples, self.seconds, strict=True)]

    def add_validation_loss(self, loss):
        """Note the validation loss of the last epoch."""
        self.validation_loss += [math.nan] * (len(self.loss) - 1 - len(self.validation_loss))
        self.validation_loss.append(loss)

    def to_frame(self):
        """A pandas DataFrame with a row per epoch; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("History.to_frame needs pandas: pip install pandas") from error
        columns: dict[str, list[float] | list[int]] = {"loss": self.loss}
        if self.validation_loss:
            columns["validation_loss"] = self.validation_loss
        columns |= {"seconds": self.seconds, "examples": self.examples}
        frame = pandas.DataFrame({name: pandas.Series(values) for name, values in columns.items()})
        frame.index.name = "epoch"
        return frame

    def plot(self, ax=None):
        """Plot the losses against the epochs; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("History.plot needs matplotlib: pip install matplotlib") from error
        if ax is None:
            _, ax = plt.subplots()
        epochs = range(1, len(self.loss) + 1)
        ax.plot(epochs, self.loss, marker="o", label="training")
        if self.validation_loss:
            ax.plot(range(1, len(self.validation_loss) + 1), self.validation_loss, marker="o", label="validation")
        if self.best_epoch is not None:
            ax.axvline(self.best_epoch + 1, linestyle=":", color="gray", label="best")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.set_xlabel("epoch")
        ax.set_ylabel("mean loss")
        ax.legend()
        return ax
