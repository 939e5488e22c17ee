"""Learning rates that change while training: callables from progress, 0 to 1, to a rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass


def _checked(schedule: object, name: str, low: float = 0.0, *, open_low: bool = False, high: float = math.inf) -> None:
    value = getattr(schedule, name)
    what = f"{type(schedule).__name__}: {name}"
    expected = f"a finite number {'>' if open_low else '>='} {low:g}" + (f" and <= {high:g}" if high < math.inf else "")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: expected {expected}, got {value!r}") from None
    if not (low <= number <= high) or math.isinf(number) or (open_low and number == low):
        raise ValueError(f"{what}: expected {expected}, got {value!r}")
    object.__setattr__(schedule, name, number)


@dataclass(frozen=True)
class LinearDecay:
    """From `start` to `end` in a straight line, as in word2vec.

    ``rate = start + (end - start) * progress``

    Parameters
    ----------
    start, end : float
        Rates at progress 0 and 1, not negative.

    Raises
    ------
    TypeError, ValueError
        If a rate is no finite number >= 0.

    Examples
    --------
    >>> from wyrm.optim import LinearDecay
    >>> LinearDecay(0.05, 0.0)(0.5)
    0.025
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        _checked(self, "start")
        _checked(self, "end")

    def __call__(self, progress: float) -> float:
        return (1.0 - progress) * self.start + progress * self.end


@dataclass(frozen=True)
class ExponentialDecay:
    """From `start` to `end` by a constant factor.

    ``rate = start * (end / start) ** progress``

    Parameters
    ----------
    start, end : float
        Rates at progress 0 and 1, positive.

    Raises
    ------
    TypeError, ValueError
        If a rate is no finite number > 0.

    Examples
    --------
    >>> from wyrm.optim import ExponentialDecay
    >>> round(ExponentialDecay(0.1, 0.001)(0.5), 6)
    0.01
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        _checked(self, "start", open_low=True)
        _checked(self, "end", open_low=True)

    def __call__(self, progress: float) -> float:
        return math.exp((1.0 - progress) * math.log(self.start) + progress * math.log(self.end))


@dataclass(frozen=True)
class PowerDecay:
    """The inverse scaling of stochastic approximation: with ``power=1`` Robbins and Monro's, with 0.5 its slower kin.

    ``rate = start / (1 + factor * progress) ** power``

    Parameters
    ----------
    start : float
        Rate at progress 0, not negative.
    factor : float, default 10.0
        How far into the tail training goes, not negative: at the end the rate is ``start / (1 + factor) ** power``.
    power : float, default 0.5
        Not negative.

    Raises
    ------
    TypeError, ValueError
        If an argument is no finite number >= 0.

    References
    ----------
    H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22(3), 1951.

    Examples
    --------
    >>> from wyrm.optim import PowerDecay
    >>> PowerDecay(0.1, factor=3.0, power=0.5)(1.0)
    0.05
    """

    start: float
    factor: float = 10.0
    power: float = 0.5

    def __post_init__(self) -> None:
        for name in ("start", "factor", "power"):
            _checked(self, name)

    def __call__(self, progress: float) -> float:
        return self.start / math.pow(1.0 + self.factor * progress, self.power)


@dataclass(frozen=True)
class Warmup:
    """Another rate, reached in a straight line over the first part of training.

    ``rate = schedule(progress) * min(1, start + (1 - start) * progress / fraction)``

    Parameters
    ----------
    schedule : float or callable
        The rate, or the schedule, to warm up to.
    fraction : float, default 0.1
        Part of training that the warm-up takes, above 0 and up to 1.
    start : float, default 0.0
        Where it starts, as a part of the rate, from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.

    Examples
    --------
    >>> from wyrm.optim import LinearDecay, Warmup
    >>> schedule = Warmup(LinearDecay(0.1, 0.0), fraction=0.2)
    >>> [round(schedule(p), 3) for p in (0.0, 0.1, 0.2, 1.0)]
    [0.0, 0.045, 0.08, 0.0]
    """

    schedule: float | Callable[[float], float]
    fraction: float = 0.1
    start: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.schedule):
            _checked(self, "schedule")
        _checked(self, "fraction", open_low=True, high=1.0)
        _checked(self, "start", high=1.0)

    def __call__(self, progress: float) -> float:
        rate = self.schedule(progress) if callable(self.schedule) else self.schedule
        return rate * min(1.0, self.start + (1.0 - self.start) * progress / self.fraction)
