"""Small graphs over the nodes that feeds fill, and what the random numbers of feeds are."""

import numpy as np

import wyrm
from wyrm.feeds.base import lasting_stream
from wyrm.nn.losses import bpr, logistic

GOLDEN, MASK = 0x9E3779B97F4A7C15, 2**64 - 1


class Random:
    """SplitMix64, and what wyrm/feeds/sampling.pxd makes of it."""

    def __init__(self, state):
        self.state = state

    def next(self):
        self.state = (self.state + GOLDEN) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        while True:
            product = (self.next() >> 32) * n
            if product & 0xFFFFFFFF >= (2**32 - n) % n:
                return product >> 32

    @classmethod
    def at(cls, stream, place):
        return cls(cls((stream + place * GOLDEN) & MASK).next())


class Chances:
    """What a WindowFeed leaves to chance in an epoch: which tokens stay in, and the sizes of windows."""

    def __init__(self, seed, epoch):
        self.stream, self.epoch = lasting_stream(seed), epoch

    def stays(self, place, keep):
        return (Random.at(self.stream, place).state + self.epoch * 0x9E3779B9) & 0xFFFFFFFF <= keep

    def reach(self, place, window):
        first = (Random.at(self.stream, place).state >> 32) * window >> 32
        return 1 + (first + self.epoch) % window


class Pairwise:
    """Users and items, and k items drawn for each pair."""

    def __init__(self, n_users, n_items, dim=4, seed=0):
        rng = np.random.default_rng(seed)
        self.users = wyrm.ParameterNode(rng.normal(0, 0.1, (n_users, dim)), name="users")
        self.items = wyrm.ParameterNode(rng.normal(0, 0.1, (n_items, dim)), name="items")
        self.user, self.item, self.negative = (wyrm.IndexInputNode(0, name=name) for name in ("u", "i", "j"))
        u = self.users.embedding(self.user)
        # One column for each negative where batches have one example, one row where there is one negative.
        self.loss = bpr(wyrm.vector_dot(u, self.items.embedding(self.item)), u @ self.items.embedding(self.negative).T)
        self.batch_loss = bpr(
            wyrm.vector_dot(u, self.items.embedding(self.item)), wyrm.vector_dot(u, self.items.embedding(self.negative))
        )
        self.nodes = {"user": self.user, "item": self.item, "negative": self.negative}


class Pointwise:
    """Pairs of users and items with a label."""

    def __init__(self, n_users, n_items, dim=4, seed=0):
        rng = np.random.default_rng(seed)
        self.users = wyrm.ParameterNode(rng.normal(0, 0.1, (n_users, dim)))
        self.items = wyrm.ParameterNode(rng.normal(0, 0.1, (n_items, dim)))
        self.user, self.item, self.label = wyrm.IndexInputNode(0), wyrm.IndexInputNode(0), wyrm.InputNode([[0.0]])
        logits = wyrm.vector_dot(self.users.embedding(self.user), self.items.embedding(self.item))
        self.loss = logistic(logits, self.label)
        self.nodes = {"user": self.user, "item": self.item, "label": self.label}


class Windows:
    """word2vec: skip-gram or CBOW with k shared negatives."""

    def __init__(self, n_tokens, k=5, dim=4, cbow=False, seed=0):
        rng = np.random.default_rng(seed)
        self.inputs = wyrm.ParameterNode(rng.normal(0, 0.3, (n_tokens, dim)))
        self.outputs = wyrm.ParameterNode(np.zeros((n_tokens, dim)))
        self.context, self.output = wyrm.IndexInputNode([0], name="context"), wyrm.IndexInputNode(range(1 + k))
        self.target = wyrm.InputNode(np.zeros((1, 1 + k)))
        rows = self.inputs.embedding_bag(self.context, mode="mean") if cbow else self.inputs.embedding(self.context)
        self.loss = logistic(rows @ self.outputs.embedding(self.output).T, self.target)
        self.nodes = {"context": self.context, "output": self.output, "target": self.target}


class Regression:
    """y = x . w with a lookup besides: an input of each kind."""

    def __init__(self, n_rows=20):
        self.table = wyrm.ParameterNode(np.zeros((n_rows, 1)))
        self.slope = wyrm.ParameterNode(np.zeros((2, 1)))
        self.x, self.y = wyrm.InputNode(np.zeros((1, 2))), wyrm.InputNode([[0.0]])
        self.index, self.weights = wyrm.IndexInputNode([0]), wyrm.InputNode([[1.0]])
        self.y_hat = self.x @ self.slope + self.table.embedding_bag(self.index, self.weights)
        self.plain = self.x @ self.slope + self.table.embedding_bag(self.index)
        self.loss = (self.y - self.y_hat).square()
        self.plain_loss = (self.y - self.plain).square()
