"""The data that libraries are compared on: real where it is at hand, else drawn from a model that can be learnt."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse
import workloads

from wyrm.datasets import fetch_movielens_1m, fetch_text8
from wyrm.io import write_libsvm
from wyrm.metrics import log_loss, roc_auc_score


@dataclass
class Rows:
    """Categorical rows, each value a column of its own, to train on and held out."""

    n_features: int
    rows: np.ndarray  # (n, fields)
    y: np.ndarray  # (n,)
    held_out_rows: np.ndarray
    held_out_y: np.ndarray

    @property
    def n(self):
        return len(self.y)

    @property
    def n_fields(self):
        return self.rows.shape[1]

    @cached_property
    def fields(self):
        """The field of each column of X."""
        found = np.zeros(self.n_features, dtype=np.int32)
        for rows in (self.rows, self.held_out_rows):
            found[rows] = np.arange(self.n_fields)
        return found

    @cached_property
    def X(self):
        return one_hot(self.rows, self.n_features)

    @cached_property
    def held_out_X(self):
        return one_hot(self.held_out_rows, self.n_features)


def one_hot(rows, n_features):
    n, k = rows.shape
    values = np.ones(n * k, dtype=np.float32)
    return scipy.sparse.csr_matrix((values, rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n_features))


def from_workload(data):
    return Rows(data.n_rows, data.rows, data.y[:, 0], data.held_out_rows, data.held_out_y[:, 0])


def census(size):
    """Census-Income, its 40 columns but the instance weight as categories; in an order of its own, as it comes."""
    return from_workload(workloads.census(size))


def clicks(size):
    """39 fields with a million values in all, as rare as words are; labels from a factorisation machine."""
    return from_workload(workloads.synthetic(size, zipfian=True, n_rows=1_000_000))


@dataclass
class Text:
    """A file of words in lines of a thousand, as gensim wants them."""

    path: Path
    n: int
    folder: tempfile.TemporaryDirectory  # kept until the data goes


def text8(size):
    """The first words of text8."""
    with open(fetch_text8(download_if_missing=False), encoding="utf-8") as file:
        words = file.read(8 * size).split()[:size]
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "text8.txt")
    path.write_text("".join(" ".join(words[at : at + 1_000]) + "\n" for at in range(0, len(words), 1_000)))
    return Text(path, len(words), folder)


@dataclass
class File:
    """Rows in libsvm's format."""

    path: Path
    n_features: int
    n: int  # bytes
    folder: tempfile.TemporaryDirectory


def census_file(size):
    rows = census(size)
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "census.svm")
    write_libsvm(path, rows.X, rows.y)
    return File(path, rows.n_features, path.stat().st_size, folder)


@dataclass
class Choices:
    """Pairs of users and the items they chose, and of each user one more item."""

    users: np.ndarray
    items: np.ndarray
    held_out: np.ndarray
    n_users: int
    n_items: int

    @property
    def n(self):
        return len(self.users)

    @cached_property
    def matrix(self):
        ones = np.ones(self.n, dtype=np.float32)
        return scipy.sparse.csr_matrix((ones, (self.users, self.items)), shape=(self.n_users, self.n_items))


def movielens(size):
    """What people rated of MovieLens-1M; the last film of each is held out."""
    train, test = fetch_movielens_1m(download_if_missing=False)
    chosen = np.random.default_rng(0).permutation(len(train.users))[:size]
    return Choices(train.users[chosen], train.items[chosen], test.items, train.n_users, train.n_items)


def communities(n, n_users=1_000, n_items=500, n_kinds=10, seed=0):
    """Users of as many kinds as there are of items, who choose nine times in ten among the items of their own kind."""
    rng = np.random.default_rng(seed)

    def choose(users):
        kinds = np.where(rng.random(len(users)) < 0.9, users % n_kinds, rng.integers(n_kinds, size=len(users)))
        return rng.integers(n_items // n_kinds, size=len(users)) * n_kinds + kinds

    users = rng.integers(n_users, size=n)
    items, held_out = choose(users), choose(np.arange(n_users))
    new = items != held_out[users]
    return Choices(users[new], items[new], held_out, n_users, n_items)


# --- How good it is --------------------------------------------------------------------------------------------------


def quality(data, p):
    """What is said of predicted probabilities of the held-out part."""
    return {"log loss": log_loss(data.held_out_y, p), "AUC": roc_auc_score(data.held_out_y, p)}
