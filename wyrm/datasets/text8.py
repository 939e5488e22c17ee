"""The text8 corpus."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from wyrm.datasets.fetch import Resource, broken_file, check_hash, content_hasher, folders, locate, open_content

_TEXT8 = Resource(
    name="text8",
    places=("text8/text8", "text8", "text8.zip::text8", "text8/text8.zip::text8"),
    url="http://mattmahoney.net/dc/text8.zip",
    download_hash="sha256:a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
    content_hash="md5:3bea1919949baf155f99411df5fada7e",
)
_CHUNK = 1 << 20


def fetch_text8(*, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True) -> Path:
    """Fetch text8, a hundred million characters of cleaned English Wikipedia, and return the path of the file.

    It is one line of 17,005,207 words in lower case with spaces between, the usual corpus to try word vectors on.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads, and the file unpacked, are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or
        ``wyrm`` among the caches of the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
    download_if_missing : bool, default=True
        Whether to download what is not on this machine, which needs pooch.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    DataUnavailableError
        If it is not on this machine and can't be downloaded; the message says what to do.
    ValueError
        If the archive that was found is broken or holds something else.

    References
    ----------
    Mahoney, "About the test data", http://mattmahoney.net/dc/textdata; the text is under CC BY-SA.

    Examples
    --------
    >>> from wyrm.datasets import fetch_text8
    >>> fetch_text8().stat().st_size            # doctest: +SKIP
    100000000
    """
    path, member = locate(_TEXT8, data_home, download_if_missing)
    if not member:
        return path
    _, cache = folders(data_home)
    target = cache / _TEXT8.places[0]
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        _unpack(path, member, target)
    return target


def _unpack(path: Path, member: str, target: Path) -> None:
    """Unpack beside `target` and rename, so that it is whole or not there."""
    hasher = content_hasher(_TEXT8)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    try:
        with os.fdopen(handle, "wb") as out, broken_file(path), open_content(path, member) as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
                out.write(chunk)
        check_hash(hasher, _TEXT8, path)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
