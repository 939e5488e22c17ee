"""Recommenders that learn from what users chose, by Bayesian personalised ranking: wyrm's is a graph."""

import numpy as np

from contests.theirs import Peer

# No penalty: implicit's shrinks the rows of a step alone, wyrm's l2 all rows of a table, as the formula has it.
N_FACTORS, EPOCHS, LEARNING_RATE, BATCH = 32, 10, 0.05, 16
SETTINGS = (
    f"{N_FACTORS} factors and a bias for each item, SGD, learning rate {LEARNING_RATE}, no penalty, {EPOCHS} epochs"
)


class Ranking:
    """What is made of the scores of all items for a user."""

    def quality(self):
        """Of the item held out for each user, among those that aren't in the training data: AUC, and the share found
        among the first ten."""
        found, seen = [], self.data.matrix
        for at in range(0, len(self.data.held_out), 500):
            users = np.arange(at, min(at + 500, len(self.data.held_out)))
            scores = self.scores(users)
            scores[seen[users].nonzero()] = -np.inf
            own = scores[np.arange(len(users)), self.data.held_out[users]][:, None]
            rivals = np.isfinite(scores).sum(axis=1) - 1
            above = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
            found.append(np.stack([1 - above / rivals, above < 10], axis=1))
        auc, first_ten = np.concatenate(found).mean(axis=0)
        return {"AUC": float(auc), "among the first ten": float(first_ten)}


class MatrixFactorization(Ranking):
    """The graph of docs/feeds.md with a bias: ten lines of a user's."""

    settings = f"{SETTINGS}; steps of {BATCH} pairs, summed; negatives by number of ratings, none that was seen"

    def __init__(self, found, n_threads):
        self.data, self.n_threads = found, n_threads

    def prepare(self):
        import wyrm
        from wyrm.feeds import PairFeed
        from wyrm.nn.losses import bpr
        from wyrm.optim import SGD

        rng, data = np.random.default_rng(0), self.data
        U = wyrm.ParameterNode(rng.normal(0, 0.1 / N_FACTORS**0.5, (data.n_users, N_FACTORS)))
        V = wyrm.ParameterNode(rng.normal(0, 0.1 / N_FACTORS**0.5, (data.n_items, N_FACTORS)))
        B = wyrm.ParameterNode(np.zeros((data.n_items, 1)))
        user, item, negative = (wyrm.IndexInputNode(0) for _ in range(3))
        u = U.embedding(user)
        loss = bpr(*(wyrm.vector_dot(u, V.embedding(rows)) + B.embedding(rows) for rows in (item, negative)))
        self.parameters = U, V, B
        self.trainer = wyrm.Trainer(
            loss, SGD(LEARNING_RATE), n_threads=self.n_threads, batch_size=BATCH, reduction="sum", seed=0
        )
        self.feed = PairFeed(
            (data.users, data.items), user=user, item=item, negative=negative, n_items=data.n_items, power=1.0
        )

    def run(self):
        self.trainer.fit(self.feed, epochs=EPOCHS)
        return EPOCHS * self.data.n

    def scores(self, users):
        U, V, B = (node.value for node in self.parameters)
        return U[users] @ V.T + B.T


class ImplicitRanking(Peer, Ranking):
    package = "implicit"
    max_threads = 64
    settings = f"{SETTINGS}; BayesianPersonalizedRanking, which draws its negatives likewise"

    def load(self):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        self.make, self.matrix = BayesianPersonalizedRanking, self.data.matrix

    def run(self):
        self.model = self.make(
            factors=N_FACTORS,
            learning_rate=LEARNING_RATE,
            regularization=0.0,
            iterations=EPOCHS,
            num_threads=self.n_threads,
            random_state=0,
        )
        self.model.fit(self.matrix, show_progress=False)
        return EPOCHS * self.data.n

    def scores(self, users):
        return self.model.user_factors[users] @ self.model.item_factors.T
