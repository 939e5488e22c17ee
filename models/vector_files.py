"""Vectors by key in files: the part of `KeyedVectors` that reads and writes them."""

from __future__ import annotations

import ast
import os
import warnings
from contextlib import suppress
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from wyrm.container import ModelFileError, pack_strings, unpack_strings
from wyrm.io.errors import FormatError
from wyrm.io.saving import load, save
from wyrm.io.source import name_of
from wyrm.io.word2vec import format_of, read_binary, read_counts, read_text, write_counts, write_vectors
from wyrm.models.vector_table import VectorTable, descending

_READ_WITH = {
    "text": "load_word2vec_format(path)",
    "glove": "load_word2vec_format(path, no_header=True)",
    "binary": "load_word2vec_format(path, binary=True)",
    "safetensors": "load(path)",
}


class VectorFiles(VectorTable):
    """Files of word2vec, GloVe and wyrm."""

    @classmethod
    def load_word2vec_format(
        cls,
        fname: Any,
        fvocab: Any = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        datatype: DTypeLike = np.float32,
        no_header: bool = False,
    ) -> Self:
        """Read a file of word2vec, text or binary, or of GloVe, compressed or not.

        Parameters
        ----------
        fname : str, path or binary file object
            gzip, xz and bzip2 are recognised by their content.
        fvocab : str, path or binary file object, optional
            Lines of a key and its count, which becomes the attribute ``count``.  Without it counts are made up, one
            less for each row.
        binary : bool, default=False
            Whether numbers are written as raw float32.
        encoding : str, default="utf8"
            Of the keys.
        unicode_errors : str, default="strict"
            What becomes of keys that can't be decoded, as in `bytes.decode`: "replace" and "ignore" go on.
        limit : int, optional
            Read this many vectors at most.
        datatype : dtype, default=float32
            float16, float32 or float64 of the result; what is read has the precision of float32.
        no_header : bool, default=False
            Whether the first line, with the number of vectors and their size, is missing, as in GloVe's files; for
            texts.

        Returns
        -------
        KeyedVectors
            Of repeated keys the first counts, and a warning tells.

        Raises
        ------
        FormatError
            If the file does not follow the format, with line and column or with the byte.
        TruncatedError
            If it ends too early: a FormatError, and an EOFError.
        UnicodeDecodeError
            If a key can't be decoded.

        Examples
        --------
        >>> import io
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors.load_word2vec_format(io.BytesIO(b"2 3\\nking 1 0 0.5\\nqueen 0 1 0.5\\n"))
        >>> wv["queen"]
        array([0. , 1. , 0.5], dtype=float32)
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit: expected a number of vectors, got {limit}")
        if binary and no_header:
            raise ValueError("no_header: expected False for a binary file, whose first line tells the size of a vector")
        counts: dict[str, int] | None = None
        if fvocab is not None:
            counts = read_counts(fvocab, encoding=encoding, errors=unicode_errors)
        kind = "binary" if binary else "glove" if no_header else "text"
        read = read_binary if binary else partial(read_text, has_header=not no_header)
        try:
            keys, vectors = read(fname, limit=limit, encoding=encoding, errors=unicode_errors)
        except (FormatError, UnicodeDecodeError) as error:
            if isinstance(fname, str | os.PathLike):  # a stream is read once only
                with suppress(FormatError):
                    other = format_of(fname)
                    if other != kind:
                        error.add_note(f"{name_of(fname)} looks as if {_READ_WITH[other]} would read it.")
            raise
        index = dict(zip(keys, range(len(keys))))
        if len(index) != len(keys):
            keys, vectors = _first_of_each(keys, vectors, name_of(fname))
            index = dict(zip(keys, range(len(keys))))
        numbers = np.arange(len(keys), 0, -1)
        if counts is not None:
            numbers = np.array([counts.get(key, 0) for key in keys], np.int64)
        with np.errstate(over="ignore"):
            converted = vectors.astype(datatype, copy=False)
        if converted.itemsize < vectors.itemsize and not np.isfinite(converted).all():
            row = int(np.argmin(np.isfinite(converted).all(axis=1)))
            raise ValueError(
                f"{name_of(fname)}: expected numbers that fit into {converted.dtype}, found larger ones in the vector "
                f"of {keys[row]!r}; leave out datatype="
            )
        return cls._of(keys, index, converted, {"count": numbers})

    def intersect_word2vec_format(
        self,
        fname: Any,
        lockf: float = 1.0,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
    ) -> int:
        """Take the vectors of a file for the keys that are here, such as those to begin a training with.

        Parameters
        ----------
        fname, binary, encoding, unicode_errors : as for `load_word2vec_format`
        lockf : float, default=1.0
            What these keys get in `vectors_lockf`: 0 keeps their vectors from learning.

        Returns
        -------
        int
            How many keys have got one.

        Raises
        ------
        ValueError
            If vectors of the file are longer or shorter than those here.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from wyrm.models import KeyedVectors
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "vectors.txt"
        >>> _ = path.write_text("2 2\\nold 1 2\\nother 3 4\\n")
        >>> wv = KeyedVectors(2)
        >>> wv.add_vectors(["old", "new"], [[0, 0], [5, 6]])
        >>> wv.intersect_word2vec_format(path), wv.vectors.tolist()
        (1, [[1.0, 2.0], [5.0, 6.0]])
        """
        factors = np.broadcast_to(self.vectors_lockf, len(self)).copy()
        found = type(self).load_word2vec_format(
            fname, binary=binary, encoding=encoding, unicode_errors=unicode_errors, datatype=self.vectors.dtype
        )
        if found.vector_size != self.vector_size:
            raise ValueError(f"{fname}: expected vectors of {self.vector_size} numbers, found {found.vector_size}")
        shared = [key for key in found.index_to_key if key in self.key_to_index]
        factors[[self.key_to_index[key] for key in shared]] = lockf
        if (factors != self.vectors_lockf).any():
            self.vectors_lockf = factors
        self.add_vectors(shared, found[shared] if shared else (), replace=True)
        return len(shared)

    def save_word2vec_format(
        self,
        fname: Any,
        fvocab: Any = None,
        binary: bool = False,
        total_vec: int | None = None,
        write_header: bool = True,
        prefix: str = "",
        append: bool = False,
        sort_attr: str = "count",
    ) -> None:
        """Write a file of word2vec, or of GloVe, which gensim and others read.

        It is written beside its place and renamed: there is a whole file at every moment, the old or the new.

        Parameters
        ----------
        fname : str, path or binary file object
            Compressed if it ends in ``.gz``, ``.xz`` or ``.bz2``.
        fvocab : str, path or binary file object, optional
            Where to write lines of a key and its `sort_attr`.
        binary : bool, default=False
            Write raw float32; otherwise decimals, the shortest that give the same float32.
        total_vec : int, optional
            The number of vectors that the first line tells, if others will be appended.
        write_header : bool, default=True
            False leaves out the first line, as in GloVe's files.
        prefix : str, default=""
            Written before each key.
        append : bool, default=False
            Write after what the file has.
        sort_attr : str, default="count"
            Keys are written in descending order of this attribute; in the order of their rows if there is none.

        Raises
        ------
        ValueError
            If the format can't hold a key, as one with a space, or a vector is not finite.
        """
        self.allocate_vecattrs()
        keys, vectors = [f"{prefix}{key}" for key in self.index_to_key], self.vectors
        if len(keys) != len(vectors):
            raise ValueError(f"expected a vector for each of {len(keys)} keys, there are {len(vectors)}")
        values = self.expandos.get(sort_attr)
        if values is None:
            if fvocab is not None:
                raise ValueError(
                    f"fvocab: the keys have no attribute {sort_attr!r} to write; there are {sorted(self.expandos)}"
                )
        else:
            order = descending(values)
            values = values[order]
            if (order != np.arange(len(order))).any():
                keys, vectors = [keys[i] for i in order], vectors[order]
            if fvocab is not None:
                write_counts(fvocab, keys, values.tolist(), append=append)
        header = (len(keys) if total_vec is None else total_vec, self.vector_size) if write_header else None
        write_vectors(fname, keys, vectors, binary=binary, header=header, append=append)

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Save everything, attributes too, to a safetensors file that `load` can map; see `wyrm.io.save`.

        Parameters
        ----------
        fname : str or path
            An older file there is replaced.
        """
        save(self, fname)

    @classmethod
    def load(cls, fname: str | os.PathLike[str], mmap: bool | str | None = False) -> Self:
        """Load what `save` saved.

        Parameters
        ----------
        fname : str or path
        mmap : bool or "r", default=False
            Whether vectors are mapped from the file, read-only, instead of read: only the keys then take time, and all
            processes that do so share the memory.

        Returns
        -------
        KeyedVectors

        Raises
        ------
        ModelFileError
            If the file is truncated, damaged or something else.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors(2)
        >>> wv["east"] = [3, 0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     wv.save(pathlib.Path(folder, "wv.safetensors"))
        ...     KeyedVectors.load(pathlib.Path(folder, "wv.safetensors"))["east"]
        array([3., 0.], dtype=float32)
        """
        found = load(fname, mmap=bool(mmap))
        if not isinstance(found, cls):
            raise ModelFileError(fname, f"expected {cls.__name__}, found {type(found).__name__}")
        return found

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        self.allocate_vecattrs()
        others = [(i, key) for i, key in enumerate(self.index_to_key) if not isinstance(key, str)]
        keys = list(self.index_to_key)
        for i, key in others:
            keys[i] = _literal(key)
        texts, ends = pack_strings(keys)
        arrays = {"vectors": self.vectors, "keys": texts, "key_ends": ends}
        if others:
            arrays["number_keys"] = np.array([i for i, _ in others], np.int64)
        if (self.vectors_lockf != 1).any():
            arrays["vectors_lockf"] = self.vectors_lockf
        objects = {}
        for name, values in self.expandos.items():
            if values.dtype == object:
                objects[name] = values.tolist()
            else:
                arrays[f"attribute.{name}"] = values
        return {"attributes": list(self.expandos), "objects": objects}, arrays

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        keys: list[Any] = unpack_strings(arrays["keys"], arrays["key_ends"])
        for i in arrays.get("number_keys", np.empty(0, np.int64)).tolist():
            keys[i] = _of_literal(keys[i])
        attributes = {}
        for name in config["attributes"]:
            if name in config["objects"]:
                attributes[name] = np.array([*config["objects"][name], None], object)[:-1]
            else:
                attributes[name] = arrays[f"attribute.{name}"]
        wv = cls.from_arrays(keys, arrays["vectors"], **attributes)
        wv.vectors_lockf = arrays.get("vectors_lockf", wv.vectors_lockf)
        return wv


def _literal(key: Any) -> str:
    """A key that is no string as Python writes it: a number, bytes, None, or a tuple of these and of strings."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return str(int(key))
    text = repr(key.item() if isinstance(key, np.generic) else key)
    try:
        known = _of_literal(text) == key
    except ValueError:
        known = False
    if not known:
        raise TypeError(f"save: expected keys that are strings, numbers, bytes or tuples of these, got {key!r}")
    return text


def _of_literal(text: str) -> Any:
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return ast.literal_eval(text)
    except (SyntaxError, RecursionError):
        raise ValueError(f"expected a key, found {text[:40]!r}") from None


def _first_of_each(keys: list[str], vectors: np.ndarray, name: str) -> tuple[list[str], np.ndarray]:
    first: dict[str, int] = {}
    repeated = [key for i, key in enumerate(keys) if first.setdefault(key, i) != i]
    warnings.warn(
        f"{name}: {len(repeated)} vectors are left out, because their key came before; the first is {repeated[0]!r}",
        stacklevel=3,
    )
    return list(first), vectors[list(first.values())]
