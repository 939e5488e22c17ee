"""Ready-made models: each a graph on the engine, trained by the trainer, with scikit-learn's interface."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wyrm.models.factorization_machine import FactorizationMachineClassifier as FactorizationMachineClassifier
    from wyrm.models.factorization_machine import FactorizationMachineRegressor as FactorizationMachineRegressor
    from wyrm.models.field_aware import (
        FieldAwareFactorizationMachineClassifier as FieldAwareFactorizationMachineClassifier,
    )
    from wyrm.models.field_aware import (
        FieldAwareFactorizationMachineRegressor as FieldAwareFactorizationMachineRegressor,
    )
    from wyrm.models.keyed_vectors import KeyedVectors as KeyedVectors
    from wyrm.models.linear_regression import LinearRegression as LinearRegression
    from wyrm.models.logistic_regression import LogisticRegression as LogisticRegression
    from wyrm.models.word2vec import Word2Vec as Word2Vec

# Imported when first asked for: they bring in scikit-learn, where it is installed, which takes its time.
_MODULES = {
    "FactorizationMachineClassifier": "factorization_machine",
    "FactorizationMachineRegressor": "factorization_machine",
    "FieldAwareFactorizationMachineClassifier": "field_aware",
    "FieldAwareFactorizationMachineRegressor": "field_aware",
    "KeyedVectors": "keyed_vectors",
    "LinearRegression": "linear_regression",
    "LogisticRegression": "logistic_regression",
    "Word2Vec": "word2vec",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
