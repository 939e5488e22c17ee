"""Wide tables that are too large to be copied whole: threads train copies of the rows they touch most."""

import numpy as np
import pytest

import wyrm
from wyrm.nn.losses import logistic
from wyrm.optim import SGD, Adagrad

N, N_ROWS, COLS = 30_000, 4000, 128  # with Adagrad's state 4 MB


def lists(seed=0):
    """Rows from the whole table, most of them among the first few; some examples hold one twice, some none."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 6, N)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.where(rng.random(offsets[-1]) < 0.9, rng.integers(0, 40, offsets[-1]), rng.integers(0, 2000, offsets[-1]))
    return rows, offsets


def scored(kind, table, index, other):
    """A score by each kind of lookup, of one list or of two."""
    if kind == "embedding":
        return table.embedding(other).sum(axis=1)
    if kind == "bags":
        return table.embedding_bag(index).sum(axis=1) + table.embedding_bag(other, mode="mean").sum(axis=1)
    if kind == "pairs":
        return table.fm_interaction(index)
    fields = np.arange(N_ROWS) % 4
    if kind == "fields by row":
        return table.field_aware_interaction(index, fields, n_fields=4) + table.embedding_bag(index).sum(axis=1)
    raise AssertionError(kind)


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("kind", ["embedding", "bags", "pairs", "fields by row"])
def test_threads_learn_what_one_does(kind, batch_size):
    rows, offsets = lists()
    single = np.random.default_rng(1).integers(0, 40, N)
    taste = np.random.default_rng(2).normal(size=N_ROWS)
    sums = np.add.reduceat(np.append(taste[rows], 0), offsets[:-1]) * (np.diff(offsets) > 0)
    y = ((taste[single] if kind == "embedding" else sums) > 0).astype(np.float32)
    start = np.random.default_rng(3).normal(size=(N_ROWS, COLS)) * 0.01

    def run(n_threads):
        table = wyrm.ParameterNode(start)
        index, other, target = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
        score = scored(kind, table, index, other)
        data = {index: (rows, offsets), other: single, target: y}
        trainer = wyrm.Trainer(logistic(score, target), Adagrad(0.02), n_threads=n_threads, batch_size=batch_size)
        trainer.fit(data, epochs=2)
        touched = np.unique(single if kind == "embedding" else np.append(rows, single if kind == "bags" else rows[:1]))
        # Nothing is written beside what was touched.
        untouched = np.setdiff1d(np.arange(N_ROWS), touched)
        np.testing.assert_array_equal(table.value[untouched], start[untouched].astype(np.float32))
        assert np.isfinite(table.value).all()
        return trainer.evaluate(data)

    alone = run(1)
    for n_threads in (2, 4):
        assert run(n_threads) == pytest.approx(alone, rel=0.05, abs=0.01)


def test_steps_on_copies_and_on_the_table_are_all_there():
    """With a constant gradient the order of the steps doesn't matter."""
    rows, offsets = lists()
    cols = 640
    table = wyrm.ParameterNode(np.zeros((2000, cols)))
    index = wyrm.IndexInputNode([0])
    loss = table.embedding_bag(index).sum(axis=1)
    trainer = wyrm.Trainer(loss, SGD(1.0), n_threads=4)
    for _ in range(2):
        trainer.fit({index: (rows, offsets)}, epochs=1)
    counts = 2 * np.bincount(rows, minlength=2000)
    steps = -table.value
    # Merges and rare rows race by design. A thread that is put to sleep in a merge may even undo what others merged
    # into a few columns meanwhile; over all columns that is little.
    np.testing.assert_allclose(steps[:40].mean(axis=1), counts[:40], rtol=0.05)
    assert steps[40:].sum() == pytest.approx(counts[40:].sum() * cols, rel=0.05)
    assert not steps[counts == 0].any()


def test_a_table_that_is_used_whole_as_well():
    rows, _ = lists()
    table = wyrm.ParameterNode(np.random.default_rng(0).normal(size=(1000, 640)) * 0.1)
    index = wyrm.IndexInputNode([0])
    loss = (table.embedding_bag(index).sum(axis=1) + table[0:1, :].sum(axis=1)).square()
    wyrm.Trainer(loss, Adagrad(1e-3), n_threads=2).fit({index: (rows[:400] % 1000, np.arange(0, 401, 4))})
    assert np.isfinite(table.value).all()


def test_rows_out_of_range_are_refused_before_they_are_looked_up():
    rows, offsets = lists()
    table, index = wyrm.ParameterNode(np.zeros((1500, 640))), wyrm.IndexInputNode([0])
    trainer = wyrm.Trainer(table.embedding_bag(index).sum(axis=1), SGD(0.1), n_threads=2)
    with pytest.raises(IndexError, match="out of range"):
        trainer.fit({index: (rows, offsets)})
    trainer.fit({index: (rows % 1500, offsets)})
