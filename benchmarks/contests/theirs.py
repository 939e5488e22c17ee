"""The entries of other libraries, as their documentation has one use them; imported where they are installed."""

import string
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from contests import data
from contests.ours import mean_time
from wyrm.metrics import log_loss

EPOCHS = 5


class Peer:
    def __init__(self, found, n_threads):
        self.data, self.n_threads = found, n_threads
        self.load()

    def load(self):
        """Import the library and bring the data into its form, which isn't timed."""


# --- scikit-learn ----------------------------------------------------------------------------------------------------


class SGDClassifier(Peer):
    """One thread: it has no more for one problem."""

    package = "sklearn"
    max_threads = 1
    settings = "SGDClassifier, log loss; else its defaults: l2, 'optimal' learning rate"
    options: ClassVar = {}

    def make(self, epochs):
        from sklearn.linear_model import SGDClassifier

        return SGDClassifier(loss="log_loss", max_iter=epochs, tol=None, random_state=0, **self.options)

    def run(self):
        self.model = self.make(EPOCHS).fit(self.data.X, self.data.y)
        return EPOCHS * self.data.n

    def probabilities(self):
        return self.model.predict_proba(self.data.held_out_X)[:, 1]

    def quality(self):
        return data.quality(self.data, self.probabilities())

    def curve(self, epochs):
        self.model, total, points = self.make(1), 0.0, []
        for _ in range(epochs):
            start = time.perf_counter()
            self.model.partial_fit(self.data.X, self.data.y, classes=[0, 1])
            total += time.perf_counter() - start
            points.append((total, log_loss(self.data.held_out_y, self.probabilities())))
        return points

    def latency(self, n=500):
        row = self.data.held_out_X[:1]
        return mean_time(lambda: self.model.predict_proba(row), n), None

    def predict(self):
        self.probabilities()
        return len(self.data.held_out_y)


class PlainSGDClassifier(SGDClassifier):
    settings = "SGDClassifier, log loss, no penalty, learning rate 0.01: the same algorithm as wyrm's with SGD"
    options: ClassVar = {"penalty": None, "learning_rate": "constant", "eta0": 0.01}


# --- Vowpal Wabbit ---------------------------------------------------------------------------------------------------


class VowpalWabbit(Peer):
    """Reads a cache file it has made of the text before; one thread learns."""

    package = "vowpalwabbit"
    max_threads = 1
    settings = "logistic loss, its adaptive, normalised and invariant updates, 22 bits, from a cache file"
    options = "-b 22"
    epochs = EPOCHS

    def load(self):
        self.folder = tempfile.TemporaryDirectory()
        self.train, self.test = (Path(self.folder.name, name) for name in ("train.vw", "test.vw"))
        self.write(self.train, self.data.rows, self.data.y)
        self.write(self.test, self.data.held_out_rows, self.data.held_out_y)

    def write(self, path, rows, y):
        with open(path, "w") as file:
            for row, label in zip(rows.tolist(), y.tolist()):
                file.write(f"{'1' if label else '-1'} {self.line(row)}\n")

    def line(self, row):
        return f"| {' '.join(map(str, row))}"

    def call(self, options):
        from vowpalwabbit import Workspace

        Workspace(f"{options} --quiet").finish()

    def learn(self, passes):
        folder = self.folder.name
        self.call(
            f"-d {self.train} --cache_file {folder}/cache --passes {passes} --holdout_off --loss_function logistic "
            f"{self.options} -f {folder}/model"
        )

    def run(self):
        self.learn(self.epochs)
        return self.epochs * self.data.n

    def probabilities(self):
        folder = self.folder.name
        self.call(f"-t -i {folder}/model -d {self.test} --link logistic -p {folder}/predictions")
        return np.loadtxt(f"{folder}/predictions")

    def quality(self):
        return data.quality(self.data, self.probabilities())

    def curve(self, epochs):
        """A run for each point, since it doesn't stop between passes; passes are taken to be of one length."""
        losses = []
        for passes in range(1, epochs + 1):
            start = time.perf_counter()
            self.learn(passes)
            seconds = time.perf_counter() - start
            losses.append(log_loss(self.data.held_out_y, self.probabilities()))
        return [(seconds * passes / epochs, loss) for passes, loss in enumerate(losses, 1)]


class FieldAwareVowpalWabbit(VowpalWabbit):
    """A namespace for each field; the products of their low-rank weights, field-aware (--lrqfa)."""

    settings = "--lrqfa with 4 factors, logistic loss, its adaptive updates, 24 bits, from a cache file; two epochs"
    epochs = 2
    letters = string.ascii_letters

    @property
    def options(self):
        return f"-b 24 --lrqfa {self.letters[: self.data.n_fields]}4"

    def line(self, row):
        return " ".join(f"|{letter} {value}" for letter, value in zip(self.letters, row))

    def curve(self, epochs):
        return super().curve(min(epochs, 3))  # a pass takes many seconds


# --- PyTorch ---------------------------------------------------------------------------------------------------------


class TorchFactorizationMachine(Peer):
    """Batches, without which it takes 300 us a row; sparse gradients and Adagrad."""

    package = "torch"
    max_threads = 64
    batch, rate = 256, 0.05
    settings = "16 factors, Adagrad, learning rate 0.05, batches of 256, sparse gradients"

    def load(self):
        import torch

        torch.set_num_threads(self.n_threads)
        torch.sparse.check_sparse_tensor_invariants.disable()  # its default, which it warns about
        self.torch = torch
        self.rows, self.held_out = (
            torch.from_numpy(rows.astype(np.int64)) for rows in (self.data.rows, self.data.held_out_rows)
        )
        self.y = torch.from_numpy(self.data.y.astype(np.float32))

    def start(self):
        torch = self.torch
        torch.manual_seed(0)
        self.w = torch.nn.Embedding(self.data.n_features, 1, sparse=True)
        self.v = torch.nn.Embedding(self.data.n_features, 16, sparse=True)
        self.b = torch.nn.Parameter(torch.zeros(1))
        torch.nn.init.zeros_(self.w.weight)
        torch.nn.init.normal_(self.v.weight, std=0.01)
        self.optimizer = torch.optim.Adagrad([self.w.weight, self.v.weight, self.b], lr=self.rate)

    def logits(self, rows):
        factors = self.v(rows)
        total = factors.sum(dim=1)
        pairs = (total.square() - factors.square().sum(dim=1)).sum(dim=1) / 2
        return self.w(rows).sum(dim=(1, 2)) + pairs + self.b

    def epoch(self):
        torch = self.torch
        order = torch.randperm(len(self.y))
        for at in range(0, len(order), self.batch):
            batch = order[at : at + self.batch]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self.logits(self.rows[batch]), self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def run(self):
        self.start()
        self.epoch()  # one: an epoch of it takes as long as many of the others'
        return self.data.n

    def probabilities(self):
        with self.torch.no_grad():
            parts = [self.logits(part).sigmoid() for part in self.held_out.split(10_000)]
            return self.torch.cat(parts).numpy()

    def quality(self):
        return data.quality(self.data, self.probabilities())

    def curve(self, epochs):
        self.start()
        total, points = 0.0, []
        for _ in range(epochs):
            start = time.perf_counter()
            self.epoch()
            total += time.perf_counter() - start
            points.append((total, log_loss(self.data.held_out_y, self.probabilities())))
        return points


# --- Readers ---------------------------------------------------------------------------------------------------------


class LoadSvmlight(Peer):
    package = "sklearn"
    max_threads = 1
    settings = "load_svmlight_file"

    def run(self):
        from sklearn.datasets import load_svmlight_file

        self.found = load_svmlight_file(self.data.path, n_features=self.data.n_features, dtype=np.float32)
        return self.data.n

    def quality(self):
        return {"values": self.found[0].nnz}
