"""Saving and loading of models, encoders and vectors, one file each."""

from __future__ import annotations

import importlib
import os
from typing import Any, Protocol, Self

import numpy as np

from wyrm.container import ModelFileError, read_container, write_container

KIND = "wyrm model"
VERSION = 1

# Where the classes that a file may name are public: by their names there, and nowhere else, are they found.
_ROOMS = ("wyrm.models", "wyrm.preprocessing")


class Saveable(Protocol):
    """What can be saved: its state as what JSON can hold, and arrays."""

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]: ...

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self: ...


def save(model: Saveable, path: str | os.PathLike[str]) -> None:
    """Save a model, encoder or vectors to a file.

    The file is a safetensors file with JSON in its header, and holds no pickle.  It is written beside its place,
    flushed to the disk and renamed, so that there is a whole file at every moment, the old or the new.

    Parameters
    ----------
    model : estimator of wyrm.models, or encoder of wyrm.preprocessing
        Fitted.
    path : str or path-like
        Where; an older file there is replaced.

    Raises
    ------
    TypeError
        If `model` is of no such class.
    OSError
        If the file can't be written.

    See Also
    --------
    load : gives the model back.

    Examples
    --------
    >>> import os, tempfile
    >>> import wyrm.io
    >>> from wyrm.preprocessing import CategoryEncoder
    >>> path = os.path.join(tempfile.mkdtemp(), "encoder")
    >>> wyrm.io.save(CategoryEncoder().fit([["red"], ["blue"]]), path)
    >>> wyrm.io.load(path).transform([["blue"]]).toarray()
    array([[0., 1., 0.]], dtype=float32)
    """
    kind = type(model)
    if public_class(kind.__name__) is not kind:
        raise TypeError(
            f"save: expected a model of wyrm.models or an encoder of wyrm.preprocessing, got {kind.__name__}"
        )
    config, arrays = model._to_state()
    write_container(path, KIND, VERSION, {"class": kind.__name__, "state": config}, arrays)


def load(path: str | os.PathLike[str], mmap: bool = False) -> Any:
    """Load what `save` saved.

    Only classes of wyrm are made, and nothing in the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.
    mmap : bool, default=False
        Whether the arrays are mapped from the file, read-only, instead of read: loading is then immediate, the memory
        is shared by all processes that map the file, and the checksums of the arrays are not compared.

    Returns
    -------
    model
        Of the class that was saved.

    Raises
    ------
    ModelFileError
        If the file is truncated, damaged or foreign, or was written by a newer wyrm; a ValueError that names the file
        and what is wrong.
    OSError
        If it can't be read.
    """
    name, config, arrays = read_state(path, mmap=mmap)
    found = public_class(name)
    if found is None:
        raise ModelFileError(path, f"it holds a {name}, which this wyrm does not know")
    try:
        return found._from_state(config, arrays)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise ModelFileError(path, f"what it holds is no {name}: {type(error).__name__}: {error}") from error


def read_state(
    path: str | os.PathLike[str], *, mmap: bool = False
) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """What a model file holds, without making a model of it: the class by name, its configuration, its arrays."""
    content, arrays = read_container(path, KIND, VERSION, mmap=mmap)
    try:
        name, config = content["class"], content["state"]
    except (KeyError, TypeError) as error:
        raise ModelFileError(path, f"expected a {KIND}, found one without {error}") from error
    return str(name), config, arrays


def public_class(name: str) -> Any:
    """The class of that name that can be saved, or None."""
    for room in _ROOMS:
        found = None if name.startswith("_") else getattr(importlib.import_module(room), name, None)
        if isinstance(found, type) and found.__module__.startswith("wyrm.") and hasattr(found, "_from_state"):
            return found
    return None
