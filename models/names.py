"""The names of a data frame's columns, remembered by fit and compared afterwards."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse


def feature_names(X: Any) -> np.ndarray | None:
    """The names of a data frame's columns; None where there are none, or none that are strings."""
    columns = getattr(X, "columns", None)
    if columns is None or scipy.sparse.issparse(X) or isinstance(X, np.ndarray):
        return None
    names = np.asarray(list(columns), dtype=object)
    kinds = sorted({type(name).__name__ for name in names})
    strings = [isinstance(name, str) for name in names]
    if not any(strings):
        return None
    if not all(strings):
        raise TypeError(
            f"Feature names are only supported if all input features have string names, but your input has {kinds} "
            f"as feature name / column name types. Convert them all to strings, such as with "
            f"X.columns = X.columns.astype(str)."
        )
    return names


def check_feature_names(estimator: Any, X: Any) -> None:
    """Refuse X whose columns have other names than those the estimator was fitted with; warn where one has none."""
    known = getattr(estimator, "feature_names_in_", None)
    given = feature_names(X)
    name = type(estimator).__name__
    if known is None and given is None:
        return
    if known is None:
        warnings.warn(f"X has feature names, but {name} was fitted without feature names", UserWarning, stacklevel=4)
        return
    if given is None:
        warnings.warn(
            f"X does not have valid feature names, but {name} was fitted with feature names", UserWarning, stacklevel=4
        )
        return
    if len(known) == len(given) and (known == given).all():
        return
    message = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(given) - set(known)), sorted(set(known) - set(given))
    if unseen:
        message += "Feature names unseen at fit time:\n" + _listed(unseen)
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def _listed(names: list[str]) -> str:
    return "".join(f"- {name}\n" for name in names[:5]) + ("- ...\n" if len(names) > 5 else "")
