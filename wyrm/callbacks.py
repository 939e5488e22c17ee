"""What users can hook into training."""

from collections.abc import Iterable


class Callback:
    """Base of callbacks that want more than to be called after each epoch.

    Attributes
    ----------
    interval : float or None
        Seconds between two calls of :meth:`on_interval` while an epoch runs; None: never.

    Examples
    --------
    >>> from wyrm.callbacks import Callback
    >>> class Patrol(Callback):
    ...     interval = 60.0
    ...     def on_interval(self, trainer):
    ...         print("still training")
    """

    interval: float | None = None

    def on_epoch(self, trainer):
        """Called after each epoch, with its entries in ``trainer.history``; return True to end training."""

    def on_interval(self, trainer):
        """Called every :attr:`interval` seconds while threads train; return True to end training.

        It may evaluate and predict, but not with the feed that is being trained on.
        """


class Checkpoint(Callback):
    """Saves the trainer after every few epochs, with :meth:`wyrm.Trainer.save`.

    Parameters
    ----------
    path : str or path-like
        Replaced as a whole each time.
    every : int, default 1
        Epochs between two checkpoints.

    Examples
    --------
    >>> from wyrm.callbacks import Checkpoint
    >>> Checkpoint("model.ckpt", every=5)
    Checkpoint('model.ckpt', every=5)
    """

    def __init__(self, path, every=1):
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"Checkpoint: expected every >= 1, got {every!r}")
        self.path = path
        self.every = every

    def __repr__(self):
        return f"Checkpoint({self.path!r}, every={self.every})"

    def on_epoch(self, trainer):
        if len(trainer.history.loss) % self.every == 0:
            trainer.save(self.path)


class _AfterEpoch(Callback):
    def __init__(self, function):
        self._function = function

    def on_epoch(self, trainer):
        return self._function(trainer)


def checked_callbacks(callbacks):
    """Callbacks as given, plain callables wrapped."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(
            f"callbacks: expected a list of callables or Callbacks, got {type(callbacks).__name__}; put it in a list"
        )
    checked = []
    for callback in callbacks:
        if isinstance(callback, Callback):
            if callback.interval is not None and not callback.interval > 0:
                raise ValueError(f"{type(callback).__name__}: expected a positive interval, got {callback.interval!r}")
            checked.append(callback)
        elif callable(callback):
            checked.append(_AfterEpoch(callback))
        else:
            raise TypeError(f"callbacks: expected callables or Callbacks, got {type(callback).__name__}")
    return checked
