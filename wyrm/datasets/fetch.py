"""Finding data files: in the folder of the user, in the cache, or at their public home."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_OPEN: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


class DataUnavailableError(OSError):
    """Data are neither on this machine nor could they be downloaded; the message says what to do."""


@dataclass(frozen=True)
class Resource:
    """A file of data, and where it is to be had.

    Attributes
    ----------
    name : str
        What messages call it.
    places : tuple of str
        Where it may lie under a folder of data: itself, compressed, or in an archive as ``archive.zip::member``.  The
        last is what the download gives.
    url : str
        Its public home.
    download_hash : str or None
        ``algorithm:digest`` of what the download gives.
    content_hash : str or None
        ``algorithm:digest`` of the file itself.
    """

    name: str
    places: tuple[str, ...]
    url: str
    download_hash: str | None = None
    content_hash: str | None = None


def cache_folder() -> Path:
    """Where downloads are kept: ``WYRM_CACHE_DIR``, or a folder of its own among the caches of the user."""
    chosen = os.environ.get("WYRM_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "wyrm"


def folders(data_home: str | os.PathLike[str] | None) -> tuple[list[Path], Path]:
    """Where to look for data, in this order, and the last of them, where downloads go."""
    cache = cache_folder() if data_home is None else Path(data_home).expanduser()
    own = os.environ.get("WYRM_DATA_DIR")
    return ([Path(own).expanduser(), cache] if own else [cache]), cache


def find(resource: Resource, data_home: str | os.PathLike[str] | None) -> tuple[Path, str] | None:
    """The file with a resource and the member of it that is meant ("" if it is no archive), if it is here."""
    for folder in folders(data_home)[0]:
        for place in resource.places:
            name, _, member = place.partition("::")
            if (folder / name).is_file():
                return folder / name, member
    return None


def locate(resource: Resource, data_home: str | os.PathLike[str] | None, download_if_missing: bool) -> tuple[Path, str]:
    """What `find` gives, downloaded if need be.

    Raises
    ------
    DataUnavailableError
        If it is on this machine nowhere, and is not to be or can't be downloaded.
    """
    found = find(resource, data_home)
    if found is not None:
        return found
    where, cache = folders(data_home)
    name, _, member = resource.places[-1].partition("::")
    target = cache / name
    if not download_if_missing:
        raise _unavailable(resource, where, target, "download_if_missing is false")
    try:
        import pooch
    except ImportError:
        raise _unavailable(resource, where, target, "downloads need pooch: pip install pooch") from None
    try:
        pooch.retrieve(
            resource.url,
            known_hash=resource.download_hash,
            fname=target.name,
            path=target.parent,
            progressbar=sys.stderr is not None and sys.stderr.isatty(),
        )
    except (OSError, ValueError) as error:
        raise _unavailable(resource, where, target, f"the download failed: {error}") from error
    return target, member


def _unavailable(resource: Resource, where: list[Path], target: Path, reason: str) -> DataUnavailableError:
    looked = " or ".join(dict.fromkeys(place.partition("::")[0] for place in resource.places))
    hint = "" if os.environ.get("WYRM_DATA_DIR") else " (WYRM_DATA_DIR, which may name a folder of yours, is not set)"
    return DataUnavailableError(
        f"{resource.name} is not on this machine, and {reason}.\n"
        f"Looked for {looked} in {' and '.join(map(str, where))}{hint}.\n"
        f"Try again with a connection, or get {resource.url} on another machine and save it as {target}."
    )


@contextmanager
def open_content(path: Path, member: str = "") -> Iterator[IO[bytes]]:
    """A file, decompressed by its suffix, or the member of a zip archive."""
    if member:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    else:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            yield file


def read_resource(resource: Resource, data_home: str | os.PathLike[str] | None, download_if_missing: bool) -> bytes:
    """The content of a resource, found and checked.

    Raises
    ------
    DataUnavailableError
        If it is not to be had.
    ValueError
        If the file that was found is broken, or another.
    """
    path, member = locate(resource, data_home, download_if_missing)
    with broken_file(path), open_content(path, member) as file:
        content = file.read()
    check_hash(content_hasher(resource, content), resource, path)
    return content


@contextmanager
def broken_file(path: Path) -> Iterator[None]:
    """Turn what decompressing a broken file raises into a ValueError that says what to do."""
    try:
        yield
    except (EOFError, KeyError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise ValueError(f"{path} is broken ({error}): remove it, and it will be fetched again") from error


def content_hasher(resource: Resource, content: bytes = b"") -> Any:
    """A hash object for the content of a resource, or None if its hash is not known."""
    if resource.content_hash is None:
        return None
    return hashlib.new(resource.content_hash.partition(":")[0], content, usedforsecurity=False)


def check_hash(hasher: Any, resource: Resource, path: Path) -> None:
    """Raise ValueError if the content that went through `hasher` is not that of the resource."""
    if hasher is None or resource.content_hash is None:
        return
    expected = resource.content_hash.partition(":")[2]
    if hasher.hexdigest() != expected:
        raise ValueError(
            f"{path} does not hold {resource.name} ({hasher.name} {hasher.hexdigest()}, expected {expected}): "
            f"remove it, and it will be fetched again"
        )
