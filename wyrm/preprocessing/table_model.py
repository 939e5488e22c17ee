"""A model together with the encoder of its tables."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np

import wyrm.io
from wyrm.io.saving import public_class
from wyrm.preprocessing.encoder import CategoryEncoder


class TableModel:
    """A fitted encoder and a fitted model behind it, as one thing to predict with and to save.

    The command ``wyrm fit`` writes one where it learns from a table.  To train, scikit-learn's ``Pipeline`` does the
    same job and more; what this adds is a file without pickle.

    Parameters
    ----------
    encoder : CategoryEncoder
        Fitted.
    model : estimator of wyrm.models
        Fitted to what the encoder gives.

    Attributes
    ----------
    encoder, model
        As given.

    Examples
    --------
    >>> import numpy as np
    >>> from wyrm.models import LogisticRegression
    >>> from wyrm.preprocessing import CategoryEncoder, TableModel
    >>> table = {"colour": ["red", "blue"] * 50}
    >>> encoder = CategoryEncoder()
    >>> model = LogisticRegression(random_state=0).fit(encoder.fit_transform(table), [1, 0] * 50)
    >>> TableModel(encoder, model).predict({"colour": ["blue", "red"]})
    array([0, 1])
    """

    def __init__(self, encoder: CategoryEncoder, model: Any) -> None:
        self.encoder = encoder
        self.model = model

    def __repr__(self) -> str:
        return f"TableModel({self.encoder!r}, {self.model!r})"

    def predict(self, X: Any) -> np.ndarray:
        """The model's predictions for a table.

        Parameters
        ----------
        X : table, as for :meth:`CategoryEncoder.transform`

        Returns
        -------
        ndarray, shape (n_rows,)
        """
        found: np.ndarray = self.model.predict(self.encoder.transform(X))
        return found

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, for a table; only if the model is a classifier.

        Parameters
        ----------
        X : table, as for :meth:`CategoryEncoder.transform`

        Returns
        -------
        ndarray, shape (n_rows, n_classes)
        """
        found: np.ndarray = self.model.predict_proba(self.encoder.transform(X))
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write both to one file; see :func:`wyrm.io.save`, and :func:`wyrm.io.load` to read them back."""
        wyrm.io.save(self, path)

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        config: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        for part in ("encoder", "model"):
            held = getattr(self, part)
            state, own = held._to_state()
            config[part] = {"class": type(held).__name__, "state": state}
            arrays |= {f"{part}/{name}": array for name, array in own.items()}
        return config, arrays

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        parts = []
        for part in ("encoder", "model"):
            name = config[part]["class"]
            kind = public_class(name)
            if kind is None or kind is cls:
                raise ValueError(f"expected a model or encoder of this wyrm, got a {name}")
            own = {key.removeprefix(f"{part}/"): array for key, array in arrays.items() if key.startswith(f"{part}/")}
            parts.append(kind._from_state(config[part]["state"], own))
        return cls(*parts)
