"""Word2Vec as it is measured against the limits: the model that users train, and the rows that it touches."""

import numpy as np
from contests import data
from limits import Access

from wyrm.models.word2vec_graph import REUSE

N_NEGATIVES = 5
WINDOW = 5
SAMPLE = 1e-4
RECENT = 256  # draws among which windows choose their negatives


class Vectors:
    """Skip-gram on the first words of text8; an example is a word of the text, whether it is kept or not."""

    rule = "SGD"

    def __init__(self, n=500_000, dim=100):
        from wyrm.models import Word2Vec

        self.text, self.dim = data.text8(max(n, 20_000)), dim
        self.model = Word2Vec(
            vector_size=dim, window=WINDOW, negative=N_NEGATIVES, sample=SAMPLE, min_count=5, alpha=0.05, seed=1
        )
        self.model.build_vocab(self.text.path)

    def check(self, drive=None, n=None):
        """That it learns: the loss of a second pass is below that of the first."""
        losses = []
        for _ in range(2):
            self.model.train(self.text.path, epochs=1)
            losses.append(self.model.history.loss[-1])
        assert 0 < losses[1] < losses[0], losses

    def training(self, n_threads=1):
        self.model.workers = n_threads
        return lambda: self.model.train(self.text.path, epochs=1), self.text.n

    def accesses(self):
        """Rows drawn as the model draws them.

        Words are left out by frequency, windows reach 1 to 5, negatives are drawn by count, and each window chooses
        among the draws that are recent.
        """
        rng = np.random.default_rng(0)
        place = self.model.wv.key_to_index
        ids = np.array([place[word] for word in self.text.path.read_text().split() if word in place])
        counts = np.bincount(ids, minlength=len(place))
        rarity = SAMPLE * len(ids) / counts[ids]
        ids = ids[rng.random(len(ids)) < np.sqrt(rarity) + rarity]
        reach = rng.integers(1, WINDOW + 1, len(ids))
        steps = np.array([step for step in range(-WINDOW, WINDOW + 1) if step])
        at = np.arange(len(ids))[:, None] + steps
        inside = (abs(steps) <= reach[:, None]) & (at >= 0) & (at < len(ids))
        context = ids[np.clip(at, 0, len(ids) - 1)][inside]
        self.product_flops = 3 * 2 * len(context) * (1 + N_NEGATIVES) * self.dim
        share = counts**0.75
        first = np.arange(len(ids)) * N_NEGATIVES // REUSE
        draws = rng.choice(len(counts), first[-1] + RECENT, p=share / share.sum())
        negatives = draws[first[:, None] + rng.integers(RECENT, size=(len(ids), N_NEGATIVES))]
        outputs = np.concatenate([ids[:, None], negatives], axis=1)
        return [
            Access(len(counts), self.dim, context, np.concatenate([[0], np.cumsum(inside.sum(axis=1))])),
            Access(len(counts), self.dim, outputs),
        ]
