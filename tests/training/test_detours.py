"""Tables of which threads train copies: of all rows, or where those are too many of the rows they touch most."""

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


@pytest.mark.parametrize(
    ("n_rows", "cols"),
    [
        (50_000, 1),  # copied whole; most rows are merged in one pass
        (50_000, 3),
        (300_000, 1),  # too large for a map of its rows: raced on
        (150_000, 4),  # its hot rows are copied
    ],
)
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.2), lambda: Adagrad(0.1)], ids=["SGD", "Adagrad"])
def test_narrow_tables_with_hot_rows(n_rows, cols, optimizer):
    """Half of what is looked up is among a few rows, the rest anywhere."""
    rng = np.random.default_rng(0)
    n = 40_000
    rows = np.concatenate([rng.integers(0, 60, (n, 3)) * 7, rng.integers(0, n_rows, (n, 3))], axis=1)
    taste = rng.normal(size=n_rows)
    y = (taste[rows[:, :3]].sum(axis=1) > 0).astype(np.float32)

    def run(n_threads):
        table = wyrm.ParameterNode(np.zeros((n_rows, cols)))
        index, target = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
        loss = logistic(table.embedding_bag(index).sum(axis=1), target)
        trainer = wyrm.Trainer(loss, optimizer(), n_threads=n_threads)
        trainer.fit({index: rows, target: y}, epochs=2)
        assert not table.value[np.setdiff1d(np.arange(n_rows), rows)].any()
        return trainer.evaluate({index: rows, target: y})

    alone = run(1)
    for n_threads in (2, 3):
        assert run(n_threads) == pytest.approx(alone, rel=0.05, abs=0.01)


@pytest.mark.parametrize("n_rows", [20_000, 150_000])
def test_every_step_on_a_narrow_table_is_there(n_rows):
    """With a constant gradient the order of the steps doesn't matter."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.integers(0, 50, (60_000, 2)), rng.integers(0, n_rows, (60_000, 1))], axis=1)
    table, index = wyrm.ParameterNode(np.zeros((n_rows, 1))), wyrm.IndexInputNode([0])
    wyrm.Trainer(table.embedding_bag(index), SGD(1.0), n_threads=2).fit({index: rows}, epochs=2)
    counts = 2 * np.bincount(rows.ravel(), minlength=n_rows)
    # Races lose some, and a thread that is put to sleep in a merge may undo what others did to that row meanwhile.
    assert -table.value.sum() == pytest.approx(counts.sum(), rel=0.05)
    assert np.median(-table.value[:50, 0] / counts[:50]) == pytest.approx(1, rel=0.02)
    assert not table.value[counts == 0].any()
