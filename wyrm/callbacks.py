"""What users can hook into training."""


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
        """Called every :attr:`interval` seconds while threads train; return True to end training."""


class _AfterEpoch(Callback):
    def __init__(self, function):
        self.on_epoch = function


def checked_callbacks(callbacks):
    """Callbacks as given, plain callables wrapped."""
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
