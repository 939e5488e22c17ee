"""Questions that word vectors are tried on."""

from __future__ import annotations

import os
from pathlib import Path

from wyrm.datasets.fetch import Resource, locate, read_resource

_ANALOGIES = Resource(
    name="the word analogies",
    places=("word_eval/questions-words.txt", "questions-words.txt"),
    url="https://raw.githubusercontent.com/tmikolov/word2vec/master/questions-words.txt",
    content_hash="md5:8b7461cbf7ecc0aec9b32eb626821105",
)
_WORDSIM353 = Resource(
    name="WordSim-353",
    places=("word_eval/wordsim353.tsv", "wordsim353.tsv"),
    url="https://raw.githubusercontent.com/piskvorky/gensim/develop/gensim/test/test_data/wordsim353.tsv",
    content_hash="md5:fa3334003a2c00a47810856c5813a990",
)


def fetch_word_analogies(*, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True) -> Path:
    """Fetch the analogy questions of word2vec, questions-words.txt, and return the path of the file.

    19,544 questions such as "Athens Greece Oslo Norway", in 14 sections; for `KeyedVectors.evaluate_word_analogies`.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or ``wyrm`` among the caches of
        the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
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
        If the file that was found holds something else.

    References
    ----------
    Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013; under the Apache licence 2.0.

    Examples
    --------
    >>> from wyrm.datasets import fetch_word_analogies
    >>> fetch_word_analogies().name             # doctest: +SKIP
    'questions-words.txt'
    """
    return _checked(_ANALOGIES, data_home, download_if_missing)


def fetch_wordsim353(*, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True) -> Path:
    """Fetch WordSim-353, pairs of words and how similar people find them, and return the path of the file.

    353 lines of two words and a mean from 0 to 10, separated by tabs; for `KeyedVectors.evaluate_word_pairs`.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or ``wyrm`` among the caches of
        the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
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
        If the file that was found holds something else.

    References
    ----------
    Finkelstein et al., "Placing Search in Context: The Concept Revisited", 2002; free for research.

    Examples
    --------
    >>> from wyrm.datasets import fetch_wordsim353
    >>> fetch_wordsim353().name                 # doctest: +SKIP
    'wordsim353.tsv'
    """
    return _checked(_WORDSIM353, data_home, download_if_missing)


def _checked(resource: Resource, data_home: str | os.PathLike[str] | None, download_if_missing: bool) -> Path:
    read_resource(resource, data_home, download_if_missing)
    return locate(resource, data_home, download_if_missing)[0]
