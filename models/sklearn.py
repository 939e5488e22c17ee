"""What the estimators take from scikit-learn, and the same in small where it is not installed."""

import inspect
from typing import Any

import numpy as np

try:
    from sklearn.base import BaseEstimator as BaseEstimator
    from sklearn.base import ClassifierMixin as ClassifierMixin
    from sklearn.base import RegressorMixin as RegressorMixin
    from sklearn.exceptions import DataConversionWarning as DataConversionWarning
    from sklearn.exceptions import NotFittedError as NotFittedError

    HAS_SKLEARN = True
except ImportError:
    HAS_SKLEARN = False

    class NotFittedError(ValueError, AttributeError):  # type: ignore[no-redef]
        """An estimator was asked for what only a fitted one has."""

    class DataConversionWarning(UserWarning):  # type: ignore[no-redef]
        """Data was taken in another shape or type than it had."""

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name, as scikit-learn's class of this name has them."""

        @classmethod
        def _defaults(cls) -> dict[str, Any]:
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
            return {parameter.name: parameter.default for parameter in parameters}

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """dict: the arguments of the constructor, as they are now; `deep` makes no difference."""
            return {name: getattr(self, name) for name in sorted(self._defaults())}

        def set_params(self, **params: Any) -> "BaseEstimator":
            """Change arguments of the constructor; they count from the next fit on."""
            known = self._defaults()
            for name, value in params.items():
                if name not in known:
                    raise ValueError(
                        f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: {sorted(known)}."
                    )
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            with np.printoptions(threshold=20):
                given = (
                    f"{name}={getattr(self, name)!r}"
                    for name, default in self._defaults().items()
                    if repr(getattr(self, name)) != repr(default)
                )
                return f"{type(self).__name__}({', '.join(given)})"

        def __getstate__(self) -> dict[str, Any]:
            return self.__dict__.copy()

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)

    class ClassifierMixin:  # type: ignore[no-redef]
        """The score of a classifier."""

        _estimator_type = "classifier"

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            """float: the part of the samples whose class is predicted right."""
            right = np.asarray(y).ravel() == self.predict(X)  # type: ignore[attr-defined]
            return float(np.average(right, weights=sample_weight))

    class RegressorMixin:  # type: ignore[no-redef]
        """The score of a regressor."""

        _estimator_type = "regressor"

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            """float: the coefficient of determination R², 1 at best."""
            y = np.asarray(y, dtype=np.float64).ravel()
            weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
            left = float(weight @ (y - self.predict(X)) ** 2)  # type: ignore[attr-defined]
            total = float(weight @ (y - np.average(y, weights=weight)) ** 2)
            return 1.0 - left / total if total else float(left == 0)
