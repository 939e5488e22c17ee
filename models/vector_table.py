"""Vectors by key: the part of `KeyedVectors` that holds them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from wyrm.models.gensim_names import OF_VECTORS, Renamed

KEY_TYPES = (str, int, np.integer)


def inverse_or_zero(norms: np.ndarray) -> np.ndarray:
    """1 / norms in float32, and 0 where a norm is 0: a vector without a direction is similar to none."""
    inverse = np.zeros(norms.shape, np.float32)
    np.divide(1, norms, out=inverse, where=norms > 0, casting="same_kind")
    return inverse


def norms_of(vectors: np.ndarray) -> np.ndarray:
    """The length of each row, without a copy of the table."""
    norms = np.empty(len(vectors), vectors.dtype if vectors.dtype.itemsize >= 4 else np.float32)
    for start in range(0, len(vectors), 8192):
        block = np.asarray(vectors[start : start + 8192], norms.dtype)
        np.sqrt(np.einsum("ij,ij->i", block, block), out=norms[start : start + 8192])
    return norms


def descending(values: np.ndarray) -> np.ndarray:
    """The order that sorts values, the largest first; equal ones keep theirs."""
    return len(values) - 1 - np.argsort(values[::-1], kind="stable")[::-1]


class VectorTable(Renamed):
    """Keys, a matrix with a row for each, and further attributes of keys."""

    _instead = OF_VECTORS
    index_to_key: list[Any]
    key_to_index: dict[Any, int]
    norms: np.ndarray | None
    expandos: dict[str, np.ndarray]

    def __init__(
        self, vector_size: int, count: int = 0, dtype: DTypeLike = np.float32, mapfile_path: str | None = None
    ) -> None:
        vector_size, count = operator.index(vector_size), operator.index(count)
        if vector_size < 1 or count < 0:
            raise ValueError(
                f"expected a vector_size of 1 or more and a count of 0 or more, got {vector_size}, {count}"
            )
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"dtype: expected float16, float32 or float64, got {np.dtype(dtype)}")
        self.index_to_key = []
        self.key_to_index = {}
        self.expandos = {}
        self.computed: dict[str, Callable[[int], Any]] = {}  # further attributes of rows, made when they are asked for
        self._lockf = np.ones(1, np.float32)
        self._room = np.empty((count, vector_size), dtype)
        self.vectors = self._room[:0]
        self.mapfile_path = mapfile_path

    @classmethod
    def from_arrays(cls, keys: Iterable[Hashable], vectors: np.ndarray, **attributes: ArrayLike) -> Self:
        """Put keys to the rows of a matrix, which is used as it is and not copied.

        Parameters
        ----------
        keys : iterable of str or int, n_keys
            All different.
        vectors : ndarray of floats, shape (n_keys, vector_size)
            Read-only or mapped ones will do.
        **attributes : array_like, n_keys
            What `get_vecattr` gives for each key, such as ``count=counts``.

        Returns
        -------
        KeyedVectors

        Examples
        --------
        >>> import numpy as np
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors.from_arrays(["a", "b"], np.eye(2, dtype=np.float32), count=[7, 3])
        >>> wv.get_vecattr("a", "count")
        np.int64(7)
        """
        names = list(keys)
        vectors = np.asanyarray(vectors)
        if vectors.ndim != 2 or len(vectors) != len(names):
            raise ValueError(f"vectors: expected a row for each of {len(names)} keys, got shape {vectors.shape}")
        index = dict(zip(names, range(len(names))))
        if len(index) != len(names):
            twice = next(key for i, key in enumerate(names) if index[key] != i)
            raise ValueError(f"keys: expected different ones, got {twice!r} twice")
        own = {name: _attribute(values, name, len(names)).copy() for name, values in attributes.items()}
        return cls._of(names, index, vectors, own)

    @classmethod
    def _of(
        cls, keys: list[Any], index: dict[Any, int], vectors: np.ndarray, attributes: dict[str, np.ndarray]
    ) -> Self:
        """What `from_arrays` makes, of parts that fit together."""
        wv = cls(vectors.shape[1], dtype=vectors.dtype)
        wv.index_to_key, wv.key_to_index, wv.vectors, wv.expandos = keys, index, vectors, attributes
        return wv

    @property
    def vectors(self) -> np.ndarray:
        """ndarray, shape (n_keys, vector_size): the vector of ``index_to_key[i]`` is row i.

        Who writes into it has to call ``fill_norms(force=True)`` afterwards.
        """
        return self._vectors

    @vectors.setter
    def vectors(self, vectors: np.ndarray) -> None:
        if not isinstance(vectors, np.ndarray):
            raise TypeError(f"vectors: expected an array, got {type(vectors).__name__}")
        if vectors.ndim != 2 or vectors.dtype.kind != "f":
            raise ValueError(f"vectors: expected a matrix of floats, got {vectors.dtype} of shape {vectors.shape}")
        self._vectors = vectors
        self.vector_size = vectors.shape[1]
        self.norms = None

    @property
    def vectors_lockf(self) -> np.ndarray:
        """ndarray of float32, shape (1,) or (n_keys,): factors of the learning rate of all vectors, or of each.

        `Word2Vec.train` heeds what they are when it is called; vectors with a factor of 0 stay as they are. By default
        there is a single 1.
        """
        return self._lockf

    @vectors_lockf.setter
    def vectors_lockf(self, factors: ArrayLike) -> None:
        array = np.asarray(factors, np.float32)
        if array.ndim != 1 or not len(array) or not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(
                f"vectors_lockf: expected finite numbers >= 0, one or one for each key, got {array.dtype} of shape "
                f"{array.shape}"
            )
        self._lockf = array

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, key: Hashable) -> bool:
        return self.has_index_for(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}<vector_size={self.vector_size}, {len(self)} keys>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_room": None, "norms": None, "computed": {}, "_vectors": np.asarray(self._vectors)}

    def has_index_for(self, key: Hashable) -> bool:
        """Whether there is a vector for this key, or at this position."""
        return self.get_index(key, -1) >= 0

    def get_index(self, key: Hashable, default: int | None = None) -> int:
        """The row of a key; an integer that is no key is a row itself.

        Parameters
        ----------
        key : str or int
        default : int, optional
            What to return for a key that is not there.

        Returns
        -------
        int

        Raises
        ------
        KeyError
            If the key is not there and no default is given.
        """
        try:
            index = self.key_to_index.get(key, -1)
        except TypeError:
            raise TypeError(f"expected a key, such as a string or a number, got {type(key).__name__}") from None
        if index >= 0:
            return index
        if isinstance(key, int | np.integer) and 0 <= key < len(self):
            return int(key)
        if default is not None:
            return default
        raise KeyError(f"Key '{key}' not present")

    def get_vector(self, key: Hashable, norm: bool = False) -> np.ndarray:
        """The vector of a key, read-only.

        Parameters
        ----------
        key : str or int
        norm : bool, default=False
            Scaled to length 1.

        Returns
        -------
        ndarray, shape (vector_size,)

        Raises
        ------
        KeyError
            If the key is not there.
        """
        index = self.get_index(key)
        vector: np.ndarray = self._vectors[index]
        if norm:
            length = self._filled_norms()[index]
            vector = vector / length if length > 0 else vector.copy()
        vector.flags.writeable = False
        return vector

    def __getitem__(self, key_or_keys: Any) -> np.ndarray:
        """The vector of a key, read-only, or an array of those of several keys."""
        if self._is_key(key_or_keys):
            return self.get_vector(key_or_keys)
        return self._vectors[[self.get_index(key) for key in key_or_keys]]

    def _is_key(self, item: Any) -> bool:
        """Whether something is a key, and no vector and no sequence of keys; a tuple may be one that is known."""
        if isinstance(item, KEY_TYPES):
            return True
        try:
            return not isinstance(item, np.ndarray) and item in self.key_to_index
        except TypeError:  # it has no hash, or holds what has none
            return False

    def _listed(self, keys: Any) -> list[Any]:
        """One key or vector, or several of them, as a list; None is none."""
        if keys is None:
            return []
        if self._is_key(keys) or (isinstance(keys, np.ndarray) and keys.ndim == 1 and keys.dtype.kind in "fiu"):
            return [keys]
        return list(keys)

    def fill_norms(self, force: bool = False) -> None:
        """Compute `norms`, the lengths of all vectors, where they are not known or `force` is true."""
        if self.norms is None or len(self.norms) != len(self._vectors) or force:
            self.norms = norms_of(self._vectors)

    def _filled_norms(self) -> np.ndarray:
        self.fill_norms()
        assert self.norms is not None
        return self.norms

    def get_normed_vectors(self) -> np.ndarray:
        """All vectors, scaled to length 1; a new array of shape (n_keys, vector_size)."""
        scale = inverse_or_zero(self._filled_norms()).astype(self._vectors.dtype)
        units: np.ndarray = np.multiply(self._vectors, scale[:, np.newaxis])
        return units

    def unit_normalize_all(self) -> None:
        """Scale all vectors to length 1 for good."""
        self.vectors = self.get_normed_vectors()

    def add_vector(self, key: Hashable, vector: ArrayLike) -> int:
        """Add a key and its vector; one that is there already stays as it is.

        Parameters
        ----------
        key : str or int
        vector : array_like, shape (vector_size,)

        Returns
        -------
        int
            The row of the key.
        """
        self.add_vectors([key], np.asarray(vector)[np.newaxis])
        return self.key_to_index[key]

    def add_vectors(
        self,
        keys: Any,
        weights: ArrayLike,
        extras: Mapping[str, ArrayLike] | None = None,
        replace: bool = False,
    ) -> None:
        """Add keys and their vectors.

        Parameters
        ----------
        keys : str or int, or a sequence of them
        weights : array_like, shape (n_keys, vector_size), or (vector_size,) for one key
            Finite.
        extras : dict of str to array_like, optional
            Attributes of the keys.
        replace : bool, default=False
            Whether keys that are there already get the new vectors and attributes; otherwise they keep theirs.

        Raises
        ------
        ValueError
            If the shapes don't fit or a number is not finite; nothing is added then.
        """
        names = self._listed(keys)
        vectors = np.asarray(weights, self._vectors.dtype)
        if len(names) == 1 and vectors.ndim == 1 and names[0] is keys:
            vectors = vectors[np.newaxis]
        if vectors.size == 0:
            vectors = vectors.reshape(-1, self.vector_size)
        if vectors.shape != (len(names), self.vector_size):
            raise ValueError(
                f"weights: expected {len(names)} vectors of {self.vector_size} numbers, got shape {vectors.shape}"
            )
        if not np.isfinite(vectors).all():
            at = int(np.argmin(np.isfinite(vectors).all(axis=1)))
            raise ValueError(f"weights: expected finite numbers, got others in the vector of {names[at]!r}")
        attributes = {name: _attribute(values, name, len(names)) for name, values in (extras or {}).items()}
        self.allocate_vecattrs(list(attributes), [values.dtype for values in attributes.values()])

        n_before = len(self)
        chosen: dict[int, int] = {}  # row of the table: row of what is added
        for at, key in enumerate(names):
            row = self.key_to_index.get(key)
            if row is None:
                row = self.key_to_index[key] = len(self)
                self.index_to_key.append(key)
            elif not replace:
                continue
            chosen[row] = at
        self._grow(len(self), writing=any(row < n_before for row in chosen))
        if len(self) > n_before:
            self.computed = {}
        rows, sources = list(chosen), list(chosen.values())
        self._vectors[rows] = vectors[sources]
        self.allocate_vecattrs()
        for name, values in attributes.items():
            self.expandos[name][rows] = values[sources]
        self.norms = None

    def __setitem__(self, keys: Any, weights: ArrayLike) -> None:
        """Add keys and their vectors; those of keys that are there are replaced."""
        self.add_vectors(keys, weights, replace=True)

    def _grow(self, n: int, writing: bool) -> None:
        """Make room for n rows, half as much again for those to come; rows that are written to must be ours."""
        before = self._vectors
        if n > len(before):
            if self._room is None or before.base is not self._room or n > len(self._room):
                self._room = np.empty((n + n // 2, self.vector_size), before.dtype)
                self._room[: len(before)] = before
            self._vectors = self._room[:n]
        elif writing and not before.flags.writeable:
            self._vectors = before.copy()

    def allocate_vecattrs(self, attrs: Sequence[str] | None = None, types: Sequence[Any] | None = None) -> None:
        """Make the arrays of attributes as long as there are keys, and add those that are missing, filled with zeros.

        Parameters
        ----------
        attrs : sequence of str, optional
            Names; default: those there are.
        types : sequence of types, optional
            Their types.

        Raises
        ------
        TypeError
            If an attribute has values of another type.
        """
        if attrs is None:
            attrs, types = list(self.expandos), [values.dtype for values in self.expandos.values()]
        for name, kind in zip(attrs, types or []):
            kind = {int: np.int64, str: object}.get(kind, kind)
            values = self.expandos.get(name)
            if values is None:
                self.expandos[name] = np.zeros(len(self), kind)
                continue
            if not np.issubdtype(kind, values.dtype):
                raise TypeError(f"the attribute {name!r} has values of type {values.dtype}, got one of {kind}")
            if len(values) != len(self):
                grown = np.zeros(len(self), values.dtype)
                n = min(len(values), len(self))
                grown[:n] = values[:n]
                self.expandos[name] = grown

    def _inherit(self, other: VectorTable) -> None:
        """Take over the attributes and factors of another, whose keys are the first of these; those there are stay."""
        other.allocate_vecattrs()
        self.expandos = {name: values.copy() for name, values in other.expandos.items()} | self.expandos
        self.allocate_vecattrs()
        new = len(self) - len(other) if len(other.vectors_lockf) == len(other) else 0
        self._lockf = np.concatenate([other.vectors_lockf, np.ones(new, np.float32)])

    def set_vecattr(self, key: Hashable, attr: str, val: Any) -> None:
        """Set an attribute of a key, such as its count; the first value set decides the type for all keys."""
        index = self.get_index(key)
        self.allocate_vecattrs([attr], [type(val)])
        self.expandos[attr][index] = val

    def get_vecattr(self, key: Hashable, attr: str) -> Any:
        """The value of an attribute of a key.

        Raises
        ------
        KeyError
            If the key is not there, or no key has such an attribute.
        """
        index = self.get_index(key)
        if attr not in self.expandos and attr in self.computed:
            return self.computed[attr](index)
        if attr not in self.expandos:
            raise KeyError(f"no key has an attribute {attr!r}; there are {sorted([*self.expandos, *self.computed])}")
        return self.expandos[attr][index]

    def sort_by_descending_frequency(self) -> None:
        """Order keys and vectors by the attribute ``count``, the largest first; equal ones keep their order.

        Raises
        ------
        KeyError
            If the keys have no counts.
        """
        if not len(self):
            return
        if "count" not in self.expandos:
            raise KeyError("the keys have no counts to sort by: set_vecattr(key, 'count', n) sets them")
        self.allocate_vecattrs()
        order = descending(self.expandos["count"])
        self.index_to_key = [self.index_to_key[i] for i in order]
        self.key_to_index = {key: i for i, key in enumerate(self.index_to_key)}
        self.expandos = {name: values[order] for name, values in self.expandos.items()}
        if len(self._lockf) == len(order):
            self._lockf = self._lockf[order]
        self.computed = {}
        if len(self._vectors):
            self.vectors = self._vectors[order]

    def vectors_for_all(
        self, keys: Iterable[Hashable], allow_inference: bool = True, copy_vecattrs: bool = False
    ) -> Self:
        """The vectors of some keys, as an object of their own.

        Parameters
        ----------
        keys : iterable of str or int
            In this order; those without a vector, and repetitions, are passed over.
        allow_inference : bool, default=True
            For gensim's sake: there are no vectors but those of the keys.
        copy_vecattrs : bool, default=False
            Whether attributes go along.  Otherwise ``count`` is a descending number, as for files without counts.

        Returns
        -------
        KeyedVectors

        Examples
        --------
        >>> import numpy as np
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors.from_arrays(["a", "b", "c"], np.eye(3, dtype=np.float32))
        >>> wv.vectors_for_all(["c", "x", "a"]).index_to_key
        ['c', 'a']
        """
        found = {key: self.get_index(key) for key in keys if key in self}
        rows = list(found.values())
        self.allocate_vecattrs()
        attributes: dict[str, np.ndarray] = {"count": np.arange(len(rows), 0, -1)}
        if copy_vecattrs:
            attributes = {name: values[rows] for name, values in self.expandos.items()}
        return type(self).from_arrays(found, self._vectors[rows], **attributes)

    vectors_for = vectors_for_all


def _attribute(values: ArrayLike, name: str, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim == 0 or len(array) != n:
        raise ValueError(f"{name}: expected a value for each of {n} keys, got shape {array.shape}")
    return array.astype(object) if array.dtype.kind in "US" else array
