"""The arguments of the estimators' constructors: checked, and in the form that is saved."""

import dataclasses
import numbers
from typing import Any

import numpy as np

import wyrm.optim as optim
from wyrm.optim import Optimizer

OPTIMIZERS = ("adagrad", "sgd", "ftrl", "adam")

# A gradient of a sample's score that Adagrad takes for small. It divides a gradient by the size of those before; of a
# rare column, whose first one it may be, the quotient is 1 however small it is, as most are where one class is rare.
SMALL_GRADIENT = 0.1

SCHEDULES = {cls.__name__: cls for cls in (optim.LinearDecay, optim.ExponentialDecay, optim.PowerDecay, optim.Warmup)}


def check_count(estimator: object, name: str, low: int = 1, optional: bool = False) -> None:
    """Refuse an argument that is no integer of at least `low` (or None, if that may be)."""
    value = getattr(estimator, name)
    if optional and value is None:
        return
    expected = f"an integer >= {low}" + (" or None" if optional else "")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{type(estimator).__name__}: expected {name} to be {expected}, got {value!r}")
    if value < low:
        raise ValueError(f"{type(estimator).__name__}: expected {name} to be {expected}, got {value!r}")


def check_number(
    estimator: object, name: str, low: float = 0.0, high: float = float("inf"), open: bool = False
) -> None:
    """Refuse an argument that is no finite number from `low` to `high`, or between them if they are `open`."""
    value = getattr(estimator, name)
    between = f"between {low:g} and {high:g}" if open else f"from {low:g} to {high:g}"
    expected = "a number " + (between if high < float("inf") else f"> {low:g}" if open else f">= {low:g}")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{type(estimator).__name__}: expected {name} to be {expected}, got {value!r}")
    number = float(value)
    inside = low < number < high if open else low <= number <= high
    if not inside or not np.isfinite(number):
        raise ValueError(f"{type(estimator).__name__}: expected {name} to be {expected}, got {value!r}")


def check_choice(estimator: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse an argument that is none of the choices."""
    value = getattr(estimator, name)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{type(estimator).__name__}: expected {name} to be one of {choices}, got {value!r}")


def make_optimizer(estimator: Any, batch_size: int = 1) -> Optimizer:
    """The optimiser that the arguments `optimizer`, `learning_rate`, `l2` and `l1` describe."""
    rate, l2, l1 = estimator.learning_rate, estimator.l2, getattr(estimator, "l1", 0.0)
    if estimator.optimizer == "adam":
        if l1:
            raise ValueError(f"{type(estimator).__name__}: Adam has no l1; use optimizer='ftrl', 'adagrad' or 'sgd'")
        return optim.Adam(rate, l2=l2)
    if estimator.optimizer == "adagrad":
        return optim.Adagrad(rate, eps=SMALL_GRADIENT / batch_size, l2=l2, l1=l1)
    rules: dict[str, Any] = {"sgd": optim.SGD, "ftrl": optim.FTRL}
    optimizer: Optimizer = rules[estimator.optimizer](rate, l2=l2, l1=l1)
    return optimizer


def as_seed(random_state: Any) -> int:
    """A seed below 2^31 from None, a number or a generator of NumPy."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, (int, np.integer)) and random_state is not True and random_state is not False:
        return int(random_state) % 2**31
    raise ValueError(f"expected random_state to be None, an integer or a generator of NumPy, got {random_state!r}")


# --- As JSON ---------------------------------------------------------------------------------------------------------


def to_json(name: str, value: Any) -> Any:
    """An argument as something that JSON has."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.random.Generator, np.random.RandomState)):
        return None  # its state has moved on; the seed it gave is saved with the model
    if type(value).__name__ in SCHEDULES and dataclasses.is_dataclass(value):
        fields = {field.name: to_json(name, getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"schedule": type(value).__name__, "fields": fields}
    if isinstance(value, dict):
        return {"pairs": [[to_json(name, key), to_json(name, one)] for key, one in value.items()]}
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iufb":
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, (list, tuple)):
        return {"list": [to_json(name, one) for one in value]}
    raise TypeError(
        f"{name}={value!r} can't be saved: expected a number, a string, None, a list, a dict or a schedule of "
        f"wyrm.optim; pickle takes other things"
    )


def from_json(value: Any) -> Any:
    """What :func:`to_json` was given."""
    if isinstance(value, dict) and "schedule" in value:
        if value["schedule"] not in SCHEDULES:
            raise ValueError(f"unknown schedule {value['schedule']!r}: expected one of {sorted(SCHEDULES)}")
        fields = {name: from_json(one) for name, one in value["fields"].items()}
        schedule: Any = SCHEDULES[value["schedule"]]
        return schedule(**fields)
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    if isinstance(value, dict) and "list" in value:
        return [from_json(one) for one in value["list"]]
    if isinstance(value, dict):
        return {key: from_json(one) for key, one in value["pairs"]}
    return value
