"""Indices that belong to fields, with values or without, in the order they are given."""

import io

import numpy as np
import pytest

import wyrm
from wyrm.feeds import ArrayFeed, IterableFeed, batches
from wyrm.io import read_libffm
from wyrm.optim import SGD

N = 50


@pytest.fixture
def graph():
    class Graph:
        index, fields = wyrm.IndexInputNode([0], name="index"), wyrm.IndexInputNode([0], name="fields")
        values = wyrm.InputNode([[0.0]], name="values")
        table = wyrm.ParameterNode(np.random.default_rng(0).normal(size=(30, 4 * 2)) * 0.1)
        weighted = table.field_aware_interaction(index, fields, values, n_fields=4).square()
        plain = table.field_aware_interaction(index, fields, n_fields=4).square()

    return Graph


@pytest.fixture
def data():
    """Indices out of order and repeated, which a CSR matrix would sort and sum."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 6, N)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    n = offsets[-1]
    return rng.integers(0, 30, n), rng.integers(0, 4, n), rng.normal(size=n).astype(np.float32), offsets


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("through", [ArrayFeed, lambda data: IterableFeed([data], block_size=16), "chunks"])
@pytest.mark.parametrize("weighted", [True, False])
def test_what_is_laid_down(weighted, through, batch_size, graph, data):
    indices, fields, values, offsets = data
    key = (graph.index, graph.fields, graph.values) if weighted else (graph.index, graph.fields)
    loss = graph.weighted if weighted else graph.plain
    parts = (indices, fields, values, offsets) if weighted else (indices, fields, offsets)
    if through == "chunks":
        cut = offsets[20]
        flat = [(part[:cut], part[cut:]) for part in parts[:-1]]
        feed = IterableFeed([
            {key: (*(first for first, _ in flat), offsets[:21])},
            {key: (*(second for _, second in flat), offsets[20:] - cut)},
        ])  # fmt: skip
    else:
        feed = through({key: parts})
    at = 0
    for batch in batches(feed, loss, batch_size):
        n = min(batch_size, N - at)
        some = slice(offsets[at], offsets[at + n])
        for node, flat in ((graph.index, indices), (graph.fields, fields)):
            rows, starts = batch[node]
            np.testing.assert_array_equal(rows, flat[some])
            np.testing.assert_array_equal(starts, offsets[at : at + n + 1] - offsets[at])
        if weighted:
            np.testing.assert_array_equal(np.ravel(batch[graph.values]), values[some])
        at += n
    assert at == N


def test_training_on_a_libffm_file(graph):
    text = b"1 0:3:0.5 1:7:2 3:9\n0 2:3:1 0:3:2\n1\n" * 10
    data = read_libffm(io.BytesIO(text))
    target = wyrm.InputNode(0.0)
    score = graph.table.field_aware_interaction(graph.index, graph.fields, graph.values, n_fields=4)
    trainer = wyrm.Trainer((score - target).square(), SGD(0.1), n_threads=1)
    trainer.fit({(graph.index, graph.fields, graph.values): data[:4], target: data.y}, epochs=2)


def test_what_is_refused(graph, data):
    indices, fields, values, offsets = data
    key = graph.index, graph.fields, graph.values

    def feed(*parts, key=key):
        return ArrayFeed({key: parts[0] if len(parts) == 1 else parts})

    with pytest.raises(TypeError, match=r"expected \(indices, fields, values, offsets\), got 3 of them"):
        feed(indices, fields, offsets)
    with pytest.raises(TypeError, match=r"expected \(indices, fields, values, offsets\), got ndarray"):
        feed(indices)
    with pytest.raises(TypeError, match=r"expected \(indices, fields, offsets\), got 4 of them"):
        feed(indices, fields, values, offsets, key=key[:2])
    with pytest.raises(ValueError, match=r"'fields'.* expected offsets that rise"):
        feed(indices, fields[:-1], values, offsets)
    with pytest.raises(ValueError, match="a weight per index"):
        feed(indices, fields, values[:-1], offsets)
    with pytest.raises(ValueError, match="finite in float32"):
        feed(indices, fields, np.where(np.arange(len(values)) == 3, np.nan, values), offsets)
    with pytest.raises(TypeError, match="real numbers"):
        feed(indices, fields, values.astype(complex), offsets)
    with pytest.raises(TypeError, match="integer indices"):
        feed(indices, fields + 0.5, values, offsets)
    with pytest.raises(IndexError, match="index -1 at position 0"):
        feed(indices, fields - 4, values, offsets)
    with pytest.raises(ValueError, match="rise from 0"):
        feed(indices, fields, values, offsets[::-1])
