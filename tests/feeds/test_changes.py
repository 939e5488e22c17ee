"""Arrays that were changed in place after a feed was made of them: refused where kernels would meet bad indices."""

import numpy as np
import pytest

import wyrm
from wyrm.feeds import ArrayFeed, ConcatFeed, PairFeed, WindowFeed, ZipFeed
from wyrm.nn.losses import negative_sampling
from wyrm.optim import SGD

CHANGES = [lambda rows, starts: rows.__setitem__(3, 2_000_000_000), lambda rows, starts: rows.__setitem__(3, -1)]
CUTS = [lambda rows, starts: starts.__setitem__(1, -5), lambda rows, starts: starts.__setitem__(-1, 10**9)]


class Bags:
    def __init__(self):
        self.table, self.index = wyrm.ParameterNode(np.ones((100, 8))), wyrm.IndexInputNode([0])
        self.y = wyrm.InputNode([[0.0]])
        self.loss = (self.table.embedding_bag(self.index).sum(axis=1) - self.y).square()
        self.rows = (np.arange(300) % 100).astype(np.int32)
        self.starts = np.arange(0, 301, 3)
        self.targets = np.ones((100, 1), dtype=np.float32)


def fixed(bags):
    return ArrayFeed({bags.index: bags.rows.reshape(100, 3), bags.y: bags.targets})


def ragged(bags):
    return ArrayFeed({bags.index: (bags.rows, bags.starts), bags.y: bags.targets})


def zipped(bags):
    return ZipFeed({bags.index: (bags.rows, bags.starts)}, {bags.y: bags.targets})


def concatenated(bags):
    return ConcatFeed(ragged(bags), ragged(bags))


@pytest.mark.parametrize(
    ("make", "change"),
    [(make, change) for make in (fixed, ragged, zipped, concatenated) for change in CHANGES + CUTS * (make != fixed)],
)
def test_indices_and_offsets(make, change):
    bags = Bags()
    trainer, feed = wyrm.Trainer(bags.loss, SGD(0.01), n_threads=1), make(bags)
    trainer.partial_fit(feed)
    trained = np.array(bags.table.value)
    change(bags.rows, bags.starts)
    for use in (trainer.partial_fit, trainer.evaluate, trainer.fit):
        with pytest.raises((IndexError, ValueError), match="was changed since the feed was made"):
            use(feed)
    np.testing.assert_array_equal(bags.table.value, trained)


def test_indices_may_change_places():
    bags = Bags()
    trainer, feed = wyrm.Trainer(bags.loss, SGD(0.01), n_threads=1), fixed(bags)
    before = trainer.evaluate(feed)
    bags.rows[:] = bags.rows[::-1].copy()
    assert trainer.evaluate(feed) == pytest.approx(before)


@pytest.mark.parametrize("change", CHANGES + CUTS)
def test_tokens(change):
    table = wyrm.ParameterNode(np.zeros((50, 4)))
    context, output = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0])
    tokens, starts = (np.arange(1000) % 50).astype(np.int32), np.arange(0, 1001, 100)
    nodes = {"context": context, "output": output, "target": wyrm.InputNode(np.zeros((1, 3)))}
    feed = WindowFeed(tokens, starts=starts, window=2, n_negatives=2, **nodes)
    scores = table.embedding(context) @ table.embedding(output).T
    trainer = wyrm.Trainer(scores.square().sum(), SGD(0.01), n_threads=1)
    trainer.partial_fit(feed)
    change(tokens, starts)
    with pytest.raises((IndexError, ValueError), match="was changed since the feed was made"):
        trainer.partial_fit(feed)


def test_pairs_are_copied():
    users, items = (np.arange(100, dtype=np.int32) % n for n in (10, 7))
    u, v = wyrm.ParameterNode(np.ones((10, 4))), wyrm.ParameterNode(np.ones((20, 4)))
    user, item, negative = (wyrm.IndexInputNode(0) for _ in range(3))
    feed = PairFeed((users, items), user=user, item=item, negative=negative, n_items=20)
    seen, drawn = (wyrm.vector_dot(u.embedding(user), v.embedding(node)) for node in (item, negative))
    trainer = wyrm.Trainer(negative_sampling(seen, drawn).mean(), SGD(0.01), n_threads=1)
    users[:], items[:] = 2_000_000_000, -1
    trainer.partial_fit(feed)
    assert np.isfinite(u.value).all()
