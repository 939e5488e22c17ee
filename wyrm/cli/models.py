"""Saved models, as the command line uses them."""

from __future__ import annotations

import argparse
from typing import Any, Self

import numpy as np
import scipy.sparse

import wyrm.io
from wyrm.cli.data import Reader
from wyrm.cli.errors import UserError
from wyrm.preprocessing import CategoryEncoder, TableModel


class Predictor:
    """A model that predicts from files of examples, and the encoder of its tables if it has one."""

    def __init__(self, model: Any, encoder: CategoryEncoder | None) -> None:
        self.model = model
        self.encoder = encoder
        self.is_classifier = hasattr(model, "predict_proba")
        self.with_fields = type(model).__name__.startswith("FieldAware")

    @classmethod
    def load(cls, path: str, threads: int | None) -> Self:
        """The model of a file."""
        found = wyrm.io.load(path)
        encoder = None
        if isinstance(found, TableModel):
            encoder, found = found.encoder, found.model
        if not hasattr(found, "predict"):
            raise UserError(f"{path} holds a {type(found).__name__}, which predicts nothing")
        if threads is not None:
            found.set_params(n_threads=threads)
        return cls(found, encoder)

    def reader(self, options: argparse.Namespace, *, target_needed: bool) -> Reader:
        """A reader of files as this model wants them."""
        reader = Reader(
            options,
            with_fields=self.with_fields and self.encoder is None,
            regression=not self.is_classifier,
            encoder=self.encoder,
            target_needed=target_needed,
        )
        return reader

    def check_format(self, reader: Reader, path: str) -> None:
        """Refuse a table where the model learnt from none, and the other way round."""
        is_table = reader.format_of(path) == "csv"
        if is_table and self.encoder is None:
            raise UserError(f"{path} is a CSV file, but the model learnt from a libsvm or libffm file")
        if not is_table and self.encoder is not None:
            raise UserError(f"{path} is a {reader.format_of(path)} file, but the model learnt from a CSV file")

    @property
    def classes(self) -> np.ndarray:
        """The classes of a classifier."""
        found: np.ndarray = self.model.classes_
        return found

    def predict(self, X: Any) -> np.ndarray:
        """Probabilities of the classes (n, n_classes), or numbers (n,)."""
        X = of_width(X, self.model.n_features_in_)
        found: np.ndarray = self.model.predict_proba(X) if self.is_classifier else self.model.predict(X)
        return found

    def labels(self, predicted: np.ndarray) -> np.ndarray:
        """The most likely classes."""
        found: np.ndarray = self.classes[predicted.argmax(axis=1)]
        return found


def of_width(X: Any, n_features: int) -> Any:
    """A matrix with so many columns; what a model never saw counts for nothing."""
    if scipy.sparse.issparse(X) and X.shape[1] != n_features:
        X = X.copy()
        X.resize(X.shape[0], n_features)
    return X
