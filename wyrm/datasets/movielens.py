"""The MovieLens ratings.

They are for research and may not be given on, so they are fetched, never part of the package.
"""

from __future__ import annotations

import io
import os
from typing import NamedTuple

import numpy as np

from wyrm.datasets.fetch import Resource, find, read_resource

_HOME = "https://files.grouplens.org/datasets/movielens"
_100K = Resource(
    name="MovieLens-100k",
    places=(
        "ml-100k.rating",
        "movielens/ml-100k.rating",
        "ml-100k/u.data",
        "movielens/ml-100k/u.data",
        "ml-100k.zip::ml-100k/u.data",
        "movielens/ml-100k.zip::ml-100k/u.data",
    ),
    url=f"{_HOME}/ml-100k.zip",
    download_hash="md5:0e33842e24a9c977be4e0107933c0723",
    content_hash="md5:6e47046882bad158b0efbb84cd5cb987",
)
_1M = Resource(
    name="MovieLens-1M",
    places=(
        "ml-1m/ratings.dat",
        "movielens/ml-1m/ratings.dat",
        "ml-1m.zip::ml-1m/ratings.dat",
        "movielens/ml-1m.zip::ml-1m/ratings.dat",
    ),
    url=f"{_HOME}/ml-1m.zip",
    download_hash="md5:c4d9eecfca2ab87c1945afe126590906",
)
# The same in two parts, as the authors of neural collaborative filtering split them.
_1M_PARTS = [
    Resource(
        name=f"MovieLens-1M, {part} part",
        places=(f"ml-1m.{part}.rating", f"movielens/ml-1m.{part}.rating"),
        url=_1M.url,
        content_hash=f"md5:{digest}",
    )
    for part, digest in (("train", "2c04a41c9626def838a4ada9a44ce0dd"), ("test", "0970f5997be60425205b85a6af9d3051"))
]


class Ratings(NamedTuple):
    """Who rated what.

    Attributes
    ----------
    users, items : ndarray of int32, shape (n_ratings,)
        Numbers from 0.
    ratings : ndarray of float32, shape (n_ratings,)
        1 to 5.
    timestamps : ndarray of int64, shape (n_ratings,)
        Seconds since 1970.
    n_users, n_items : int
        How many there are in the whole data.
    """

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray
    n_users: int
    n_items: int


class RatingsSplit(NamedTuple):
    """Ratings to learn from, and the last of each user to test with.

    Attributes
    ----------
    train, test : Ratings
        Test has one rating per user, in the order of users.
    """

    train: Ratings
    test: Ratings


def fetch_movielens_100k(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Ratings:
    """Fetch MovieLens-100k: 100,000 ratings of 1,682 films by 943 people.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or ``wyrm`` among the caches of
        the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
    download_if_missing : bool, default=True
        Whether to download what is not on this machine, which needs pooch.

    Returns
    -------
    Ratings
        In the order of the file; users and items are numbered as in the file, but from 0.

    Raises
    ------
    DataUnavailableError
        If the data are not on this machine and can't be downloaded; it says what to do.
    ValueError
        If a file that was found is broken or holds something else.

    References
    ----------
    Harper and Konstan, "The MovieLens datasets: history and context", ACM TiiS 5(4), 2015.  For research only; see
    https://grouplens.org/datasets/movielens/100k/ for the terms.

    Examples
    --------
    >>> from wyrm.datasets import fetch_movielens_100k
    >>> movielens = fetch_movielens_100k()                  # doctest: +SKIP
    >>> movielens.ratings.mean()                            # doctest: +SKIP
    np.float32(3.52986)
    """
    users, items, ratings, timestamps = _columns(read_resource(_100K, data_home, download_if_missing))
    return _ratings([users - 1, items - 1, ratings, timestamps], 943, 1682)


def fetch_movielens_1m(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> RatingsSplit:
    """Fetch MovieLens-1M: 1,000,209 ratings of 3,706 films by 6,040 people, the last of each person for testing.

    The split is the one of neural collaborative filtering: users are numbered from 0, items by where they first appear
    in the original file, and each user's latest rating is held out.  If its two files, ``ml-1m.train.rating`` and
    ``ml-1m.test.rating``, are under ``WYRM_DATA_DIR`` or `data_home`, they are read as they are; otherwise it is made
    from the original.  Four users in ten rated several films in their last second.  Which of these is held out is
    chance in the two files, and here it is the last in the original file: only in that may the two ways differ.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or ``wyrm`` among the caches of
        the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
    download_if_missing : bool, default=True
        Whether to download what is not on this machine, which needs pooch.

    Returns
    -------
    RatingsSplit
        ``train`` and ``test``, the latter with a rating per user, in the order of users.

    Raises
    ------
    DataUnavailableError
        If the data are not on this machine and can't be downloaded; it says what to do.
    ValueError
        If a file that was found is broken or holds something else.

    References
    ----------
    Harper and Konstan, "The MovieLens datasets: history and context", ACM TiiS 5(4), 2015.  For research only; see
    https://grouplens.org/datasets/movielens/1m/ for the terms.  He, Liao, Zhang, Nie, Hu and Chua, "Neural
    collaborative filtering", WWW 2017.

    Examples
    --------
    >>> from wyrm.datasets import fetch_movielens_1m
    >>> train, test = fetch_movielens_1m()                  # doctest: +SKIP
    >>> train.users.size, test.users.size                   # doctest: +SKIP
    (994169, 6040)
    """
    if all(find(part, data_home) for part in _1M_PARTS):
        parts = [_columns(read_resource(part, data_home, False)) for part in _1M_PARTS]
    else:
        parts = _leave_one_out(*_columns(read_resource(_1M, data_home, download_if_missing)))
    train, test = (_ratings(part, 6040, 3706) for part in parts)
    return RatingsSplit(train, test)


def _columns(content: bytes) -> list[np.ndarray]:
    """Users, items, ratings and timestamps of lines with tabs or two colons between."""
    return list(np.loadtxt(io.BytesIO(content.replace(b"::", b"\t")), dtype=np.int64, unpack=True, ndmin=2))


def _ratings(columns: list[np.ndarray], n_users: int, n_items: int) -> Ratings:
    users, items, ratings, timestamps = columns
    return Ratings(
        users.astype(np.int32), items.astype(np.int32), ratings.astype(np.float32), timestamps, n_users, n_items
    )


def _leave_one_out(
    users: np.ndarray, items: np.ndarray, ratings: np.ndarray, timestamps: np.ndarray
) -> list[list[np.ndarray]]:
    """Train and test columns, with users and items numbered from 0, of lines that are in the order of users."""
    users = users - 1
    _, first, number = np.unique(items, return_index=True, return_inverse=True)
    items = np.argsort(np.argsort(first))[number]
    # By user, then by time, then as they stand in the file: a user's last line is held out.
    order = np.lexsort((timestamps, users))
    is_last = np.r_[np.diff(users[order]) != 0, True]
    columns = (users, items, ratings, timestamps)
    held_out = order[is_last]
    kept = np.sort(order[~is_last])
    return [[column[rows] for column in columns] for rows in (kept, held_out)]
