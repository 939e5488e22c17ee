"""Files that hold arrays and a description of them: safetensors, with JSON in its header; no pickle.

The format is eight bytes with the length of a JSON header, the header, and the arrays one after the other.  It is read
and written here and not by the safetensors package, because arrays are mapped from the file and streamed to it without
a copy, and because all that a header says is checked before it is believed: what a damaged or hostile file can cost is
bounded by its size.

Files are written to a temporary one beside their place, flushed to the disk, and renamed over it, so that whatever
happens there is a whole one: the old or the new.
"""

from __future__ import annotations

import json
import math
import mmap as memory_map
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path
from typing import IO, Any

import numpy as np

MAX_HEADER = 100_000_000  # bytes; that of the safetensors package
ALIGNMENT = 64  # of the first array in the file: a cache line

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class ModelFileError(ValueError):
    """A file is not what was asked for, is damaged, or was written by a newer wyrm.

    Attributes
    ----------
    path : str
        The file.
    reason : str
        What is wrong with it.

    Examples
    --------
    >>> from wyrm.io import ModelFileError
    >>> print(ModelFileError("model", "not a file of wyrm"))
    model: not a file of wyrm
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(os.fspath(path), reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def write_container(
    path: str | os.PathLike[str], kind: str, version: int, config: Any, arrays: Mapping[str, np.ndarray]
) -> None:
    """Write arrays and what describes them, each with a checksum.

    Parameters
    ----------
    path : str or path-like
        Replaced as a whole.
    kind : str
        What the file is, as "wyrm model"; `read_container` asks for it.
    version : int
        Of this kind of file.
    config : JSON-able
        Strings, numbers, None, lists and dicts of them; NumPy scalars become Python's, tuples lists.
    arrays : mapping of str to ndarray
        Numbers or booleans, of any shape.
    """
    contents = {name: _little_endian(name, array) for name, array in arrays.items()}
    about = {
        "kind": kind,
        "version": version,
        "config": config,
        "arrays": {
            name: {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "crc32": zlib.crc32(_bytes_of(array))}
            for name, array in contents.items()
        },
    }
    text = json.dumps(about, default=_python_number)
    write_safetensors(path, contents, {"wyrm": text, "wyrm_crc32": f"{zlib.crc32(text.encode()):08x}"})


def read_container(
    path: str | os.PathLike[str], kind: str, version: int, *, mmap: bool = False
) -> tuple[Any, dict[str, np.ndarray]]:
    """Read what `write_container` wrote.

    Parameters
    ----------
    path : str or path-like
    kind : str
        What it has to be.
    version : int
        The newest that the caller understands.
    mmap : bool, default=False
        Whether the arrays are mapped from the file, read-only.  Their checksums, which would take reading all of it,
        are then not compared.

    Returns
    -------
    config : JSON-able
    arrays : dict of str to ndarray

    Raises
    ------
    ModelFileError
        If the file is truncated, damaged, of another kind, or newer.
    OSError
        If it can't be read.
    """
    metadata, arrays = read_safetensors(path, mmap=mmap)
    text = metadata.get("wyrm")
    if text is None:
        raise ModelFileError(path, f"expected a {kind}, found a safetensors file that wyrm did not write")
    if metadata.get("wyrm_crc32") != f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}":
        raise ModelFileError(path, "the file is damaged: the checksum of its header is wrong")
    try:
        about = json.loads(text)
        found_kind, found_version, described = about["kind"], about["version"], about["arrays"]
        if found_kind != kind:
            raise ModelFileError(path, f"expected a {kind}, found a {found_kind}")
        if found_version > version:
            raise ModelFileError(
                path,
                f"written by a newer wyrm (version {found_version} of this kind of file, this one reads {version}): "
                f"update wyrm",
            )
        if set(described) != set(arrays):
            raise ModelFileError(path, "the file is damaged: it lacks arrays that its header describes, or has others")
        for name, array in arrays.items():
            expected = described[name]
            right = _NAMES[array.dtype.newbyteorder("<")] == expected["dtype"]
            right = right and list(array.shape) == expected["shape"]
            if not right or not (mmap or zlib.crc32(_bytes_of(array)) == expected["crc32"]):
                raise ModelFileError(path, f"the file is damaged: the checksum of its array {name!r} is wrong")
        return about["config"], arrays
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError) as error:
        raise ModelFileError(path, f"expected a {kind}, found a header without {error}") from error


def write_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file; arrays of numbers or booleans, of any shape."""
    # Wide types first, so that every array is aligned.
    ordered = sorted(
        ((name, _little_endian(name, array)) for name, array in arrays.items()),
        key=lambda pair: -pair[1].dtype.itemsize,
    )
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise ValueError(f"{os.fspath(path)}: expected a header of at most {MAX_HEADER} bytes, got {len(text)}")
    with whole_file(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, array in ordered:
            file.write(_bytes_of(array))


def read_safetensors(
    path: str | os.PathLike[str], *, mmap: bool = False
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Read a safetensors file, whoever wrote it.

    Returns
    -------
    metadata : dict of str to str
    arrays : dict of str to ndarray
        With `mmap`, read-only views of the file.

    Raises
    ------
    ModelFileError
        If the file is truncated or no safetensors file, or has numbers that NumPy lacks.
    OSError
        If it can't be read.
    """
    with open(os.fspath(path), "rb", buffering=0) as file:  # no number, which would close a file of somebody else
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError(path, "expected a regular file")
        metadata, places, start = _header(path, file, status.st_size)
        arrays = {}
        if mmap and status.st_size > start:
            mapped = np.frombuffer(memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_READ), np.uint8)
        for name, (dtype, shape, begin, end) in places.items():
            if mmap and end > begin:
                array = mapped[start + begin : start + end].view(dtype).reshape(shape)
            else:
                array = np.empty(shape, dtype)
                file.seek(start + begin)
                _read_into(path, file, array)
            arrays[name] = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        return metadata, arrays


_Place = tuple[np.dtype[Any], tuple[int, ...], int, int]


def _header(path: str | os.PathLike[str], file: IO[bytes], size: int) -> tuple[dict[str, str], dict[str, _Place], int]:
    """Metadata, the place of each array among the data, and where in the file these begin."""
    begin = file.read(8)
    if len(begin) < 8:
        raise ModelFileError(path, f"expected a safetensors file, found {size} bytes")
    length = int.from_bytes(begin, "little")
    if length > min(size - 8, MAX_HEADER):
        raise ModelFileError(
            path, f"truncated, or no safetensors file: expected a header of {length} bytes, the file has {size}"
        )
    text = bytearray(length)
    _read_into(path, file, np.frombuffer(text, np.uint8))
    try:
        header = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"damaged, or no safetensors file: its header is no JSON ({error})") from error
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFileError(path, "damaged, or no safetensors file: its header is not as it should be")
    places = {name: _place(path, name, entry) for name, entry in header.items()}
    end = 0
    for _, _, start, stop in sorted(places.values(), key=lambda place: place[2:]):
        if start != end:
            raise ModelFileError(path, "damaged: its arrays overlap, or leave room between them")
        end = stop
    if end != size - 8 - length:
        raise ModelFileError(path, f"truncated or damaged: expected {end} bytes of arrays, found {size - 8 - length}")
    return metadata, places, 8 + length


def _place(path: str | os.PathLike[str], name: str, entry: Any) -> _Place:
    try:
        code, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = [*shape, start, end]
        right = all(type(n) is int and n >= 0 for n in sizes) and len(shape) <= 32 and max(shape, default=0) < 2**48
    except (KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise ModelFileError(path, f"damaged: its header does not say what the array {name!r} is")
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        raise ModelFileError(path, f"the array {name!r} has numbers of type {code!r}, which NumPy does not know")
    if math.prod(shape) * dtype.itemsize != end - start:
        raise ModelFileError(path, f"damaged: the shape of the array {name!r} does not fit its {end - start} bytes")
    if math.prod(n for n in shape if n) >= 2**60:
        raise ModelFileError(path, f"damaged: the array {name!r} is empty and yet too large")
    return dtype, tuple(shape), start, end


def _read_into(path: str | os.PathLike[str], file: IO[bytes], array: np.ndarray) -> None:
    view = _bytes_of(array)
    while len(view):
        n: int = file.readinto(view)  # type: ignore[attr-defined]
        if not n:
            raise ModelFileError(path, f"truncated while it was read: {len(view)} bytes are missing")
        view = view[n:]


def _bytes_of(array: np.ndarray) -> memoryview:
    """A contiguous array as its bytes, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise TypeError(f"array {name!r}: expected numbers or booleans, got dtype {array.dtype}")
    # ascontiguousarray makes a row of a scalar
    return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)


def _python_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write, which takes the place of `path` if no error comes up, and else leaves it as it was.

    What a link leads to is replaced, not the link; pipes and devices are written to as they are.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(EISDIR, "expected a file to write, found a folder", str(path))
    if path.exists() and not path.is_file():
        with open(path, "wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path))  # not of a pipe: what /dev/stdout leads to has no name
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the rename itself
        directory = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def pack_strings(strings: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Strings as arrays: their UTF-8 one after the other (uint8), and where each of them ends (int64)."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in strings]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def unpack_strings(data: np.ndarray, ends: np.ndarray) -> list[str]:
    """The strings that `pack_strings` packed; ValueError if the arrays are none of its."""
    if data.dtype != np.uint8 or ends.dtype.kind not in "iu" or data.ndim != 1 or ends.ndim != 1:
        raise ValueError(f"expected packed strings, got arrays of {data.dtype} and {ends.dtype}")
    stops: Sequence[int] = ends.tolist()
    if (stops[-1] if stops else 0) != data.size or (np.diff(ends, prepend=0) < 0).any():
        raise ValueError("expected packed strings that end one after the other")
    content = data.tobytes()
    return [content[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *stops], stops)]
