"""Negatives that several windows take from the same draws: how often, how far apart, and with what probability."""

import numpy as np
import pytest
from feeds.graphs import Windows
from scipy.stats import chisquare

import wyrm
from wyrm.feeds import WindowFeed, batches
from wyrm.optim import SGD
from wyrm.text import TextTokens, Vocabulary

RNG = np.random.default_rng(0)
N_TOKENS = 60
TOKENS = np.minimum(RNG.zipf(1.4, 5000) - 1, N_TOKENS - 1)
MANY = 100_000  # tokens, so that hardly any is drawn twice
K = 5
RECENT = 256  # draws that a window of five negatives chooses among


def outputs_of(tokens, n_tokens=N_TOKENS, epoch=0, k=K, **options):
    """Centres and negatives of an epoch, a window to a row."""
    graph = Windows(n_tokens, k=k, dim=1)
    feed = WindowFeed(tokens, **graph.nodes, n_negatives=k, **options)
    return np.array([batch[graph.output][0] for batch in batches(feed, graph.loss, seed=3, epoch=epoch)])


def uniform(n=4000, **options):
    """The negatives of windows over a table with so many rows that equal ones are one draw."""
    tokens = RNG.integers(0, MANY, n)
    return outputs_of(tokens, MANY, counts=np.ones(MANY), power=0, **options)[:, 1:]


@pytest.mark.parametrize("reuse", [2, 5])
def test_negatives_have_the_distribution_of_their_counts(reuse):
    """Windows so far apart that they share no draw are independent; given the centre, which is no negative."""
    apart = RECENT * reuse // K + 10
    found = [outputs_of(TOKENS, epoch=epoch, reuse=reuse, sample=0) for epoch in range(20)]
    assert not any((outputs[:, 1:] == outputs[:, :1]).any() for outputs in found)
    counts = np.bincount(TOKENS, minlength=N_TOKENS)
    outputs = np.concatenate([outputs[epoch % apart :: apart] for epoch, outputs in enumerate(found)])
    expected = np.zeros(N_TOKENS)
    for centre in outputs[:, 0]:
        weights = counts**0.75
        weights[centre] = 0
        expected += K * weights / weights.sum()
    often = expected >= 5
    seen = np.bincount(outputs[:, 1:].ravel(), minlength=N_TOKENS)
    assert seen[counts == 0].sum() == 0
    assert chisquare(seen[often], expected[often] * (seen[often].sum() / expected[often].sum())).pvalue > 1e-3


@pytest.mark.parametrize("reuse", [2, 4, 16])
def test_draws_are_used_as_often_as_said(reuse):
    """Of the draws made some are never used, and some are of the same token."""
    n = 8000
    negatives = uniform(n, reuse=reuse, sample=0)
    used = (n * K / reuse + RECENT) * (1 - np.exp(-reuse))
    assert abs(len(np.unique(negatives)) / (MANY * (1 - np.exp(-used / MANY))) - 1) < 0.05
    assert np.unique(negatives, return_counts=True)[1].max() < 10 * reuse


def test_tokens_left_out_do_not_count():
    counts = np.full(MANY, 1)
    tokens = np.concatenate([RNG.integers(1, MANY, 4000), np.zeros(36_000, dtype=np.int64)])
    RNG.shuffle(tokens)
    counts[0] = 9 * MANY
    negatives = outputs_of(tokens, MANY, counts=counts, power=0, reuse=4, sample=1e-5)[:, 1:]
    assert 3000 < len(negatives) < 6000
    assert 3 < np.unique(negatives, return_counts=True)[1].mean() < 5


def test_the_places_of_a_text_are_bytes(tmp_path):
    words = np.array([f"{number:05d}" for number in range(1000)])
    path = tmp_path / "text"
    path.write_text(" ".join(RNG.choice(words, 20_000)))
    vocabulary = Vocabulary.count(path)
    graph = Windows(len(vocabulary), k=20, dim=1)
    stream = TextTokens([path], vocabulary)
    feed = WindowFeed(
        stream, **graph.nodes, counts=vocabulary.counts, n_negatives=20, power=0, reuse=50, sample=0, window=1
    )
    found = np.array([batch[graph.output][0][1:] for batch in batches(feed, graph.loss)])
    stream.close()
    for begin in range(0, 18_000, 3000):
        # Chosen among the last 1,024 draws, with a new one for 50 negatives.
        draws = 1024 + 500 * 20 / 50
        assert abs(len(np.unique(found[begin : begin + 500])) / (1000 * (1 - np.exp(-draws / 1000))) - 1) < 0.1


def test_windows_that_share_a_negative_are_far_apart():
    negatives = uniform(4000, reuse=8, sample=0)
    assert all(len(set(window)) == K for window in negatives)
    for distance in (1, 8):
        pairs = zip(negatives, negatives[distance:])
        shared = np.mean([len(set(one) & set(other)) for one, other in pairs])
        assert shared < 2 * K * K / RECENT


@pytest.mark.parametrize("k", [1, 300])
def test_any_number_of_negatives_can_be_chosen(k):
    negatives = uniform(300, k=k, reuse=3, sample=0)
    assert negatives.shape == (300, k)
    assert np.mean([len(set(window)) for window in negatives]) > 0.99 * k


def test_the_examples_are_the_same_for_any_number_of_threads():
    """With a learning rate too small to matter, the summed loss is that of the examples laid down."""

    def loss(n_threads):
        graph = Windows(N_TOKENS)
        graph.outputs.value = np.random.default_rng(0).normal(size=(N_TOKENS, 4))
        feed = WindowFeed(TOKENS, **graph.nodes, sample=1e-2, reuse=4)
        return wyrm.Trainer(graph.loss, SGD(1e-30), n_threads=n_threads, seed=2).fit(feed, epochs=2).loss

    np.testing.assert_allclose(loss(3), loss(1), rtol=1e-6)


def test_an_epoch_does_not_depend_on_what_was_before():
    first = outputs_of(TOKENS, epoch=1, reuse=4)
    np.testing.assert_array_equal(outputs_of(TOKENS, epoch=1, reuse=4), first)
    assert (outputs_of(TOKENS, epoch=2, reuse=4)[: len(first)] != first[: len(first)]).any()


def test_two_tokens_of_very_different_counts_end():
    found = outputs_of([0] * 50 + [1], 2, counts=[10**12, 1], sample=0, reuse=3)
    np.testing.assert_array_equal(found[:, 1:], np.repeat(1 - found[:, :1], K, axis=1))


def test_by_pair_there_is_nothing_to_reuse():
    tokens = RNG.integers(0, MANY, 500)
    found = []
    for reuse in (1, 8):
        context, output = wyrm.IndexInputNode([0]), wyrm.IndexInputNode(range(3))
        target = wyrm.InputNode(0.0)
        inputs, outputs = (wyrm.ParameterNode(np.zeros((MANY, 1))) for _ in range(2))
        loss = wyrm.vector_dot(inputs.embedding(context), outputs.embedding(output)) * target
        feed = WindowFeed(
            tokens,
            context=context,
            output=output,
            target=target,
            n_negatives=2,
            counts=np.ones(MANY),
            by_pair=True,
            reuse=reuse,
            sample=0,
        )
        found.append(np.concatenate([batch[output][0] for batch in batches(feed, loss)]))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(("reuse", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_what_is_no_count_is_refused(reuse, error):
    with pytest.raises(error, match=r"WindowFeed: expected .*reuse"):
        WindowFeed([0, 1], **Windows(2).nodes, reuse=reuse)
