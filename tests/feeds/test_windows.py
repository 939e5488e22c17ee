"""Windows over a token stream: each example against a reference in Python, and the distributions of random choices."""

import itertools

import numpy as np
import pytest
from feeds.graphs import Chances, Windows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import wyrm
from wyrm.feeds import WindowFeed, batches
from wyrm.feeds.windows import keep_thresholds
from wyrm.nn.losses import logistic
from wyrm.optim import SGD, Adagrad

RNG = np.random.default_rng(0)
N_TOKENS = 60
TOKENS = np.minimum(RNG.zipf(1.4, 5000) - 1, N_TOKENS - 1)


def laid_down(graph, feed, loss=None, **where):
    """Contexts, outputs and targets of the examples of an epoch."""
    return [
        (batch[graph.context][0].tolist(), batch[graph.output][0].tolist(), batch[graph.target])
        for batch in batches(feed, loss or graph.loss, **where)
    ]


def reference(tokens, starts=None, counts=None, window=5, shrink_windows=True, sample=1e-3, seed=0, epoch=0):
    """Contexts and centres of word2vec, with the random numbers that the feed has for each place."""
    chances = Chances(seed, epoch)
    starts = [0, len(tokens)] if starts is None else starts
    keep = keep_thresholds(np.bincount(tokens) if counts is None else counts, sample) if sample else None
    examples = []
    for begin, end in itertools.pairwise(starts):
        places = [place for place in range(begin, end) if keep is None or chances.stays(place, keep[tokens[place]])]
        for i, place in enumerate(places):
            reach = chances.reach(place, window) if shrink_windows else window
            near = places[max(0, i - reach) : i] + places[i + 1 : i + reach + 1]
            if near:
                examples.append(([int(tokens[p]) for p in near], int(tokens[place])))
    return examples


@pytest.mark.parametrize("shrink_windows", [True, False])
@pytest.mark.parametrize("sample", [0, 1e-2, 1e-3])
@pytest.mark.parametrize("window", [1, 5, 30])
def test_examples_are_those_of_the_reference(window, sample, shrink_windows):
    graph = Windows(N_TOKENS)
    options = {"window": window, "sample": sample, "shrink_windows": shrink_windows}
    feed = WindowFeed(TOKENS, **graph.nodes, **options)
    found = laid_down(graph, feed, seed=4, epoch=1)
    assert [(context, output[0]) for context, output, _ in found] == reference(TOKENS, seed=4, epoch=1, **options)
    assert feed.n_pairs == sum(len(context) for context, _, _ in found)


@settings(max_examples=60)
@given(
    lengths=st.lists(st.one_of(st.integers(0, 12), st.integers(900, 1300)), min_size=1, max_size=8).filter(sum),
    window=st.integers(1, 8),
    sample=st.sampled_from([0, 1e-1, 1e-3]),
    seed=st.integers(0, 2**63),
)
def test_windows_end_with_their_sentences(lengths, window, sample, seed):
    """Sentences of any length, empty ones and ones that cross the chunks a cursor reads."""
    n = sum(lengths)
    tokens = np.random.default_rng(seed).integers(0, N_TOKENS, n)
    tokens[:2] = [0, N_TOKENS - 1][: len(tokens[:2])]
    starts = np.cumsum([0, *lengths])
    counts = np.bincount(tokens, minlength=N_TOKENS) + 1
    graph = Windows(N_TOKENS)
    feed = WindowFeed(tokens, **graph.nodes, starts=starts, counts=counts, window=window, sample=sample)
    found = [(context, output[0]) for context, output, _ in laid_down(graph, feed, seed=seed)]
    assert found == reference(tokens, starts, counts, window=window, sample=sample, seed=seed)


def test_every_token_is_a_centre_once():
    graph = Windows(N_TOKENS)
    found = laid_down(graph, WindowFeed(TOKENS, **graph.nodes, sample=0))
    assert [output[0] for _, output, _ in found] == TOKENS.tolist()


def test_targets_say_which_output_is_the_centre():
    for cbow in (False, True):
        graph = Windows(N_TOKENS, k=3, cbow=cbow)
        for context, output, target in laid_down(graph, WindowFeed(TOKENS, **graph.nodes, n_negatives=3, cbow=cbow)):
            assert len(output) == 4
            expected = np.zeros((1 if cbow else len(context), 4))
            expected[:, 0] = 1
            np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("power", [0.75, 1.0, 0.0])
def test_negatives_have_the_distribution_of_their_counts(power):
    """Given the centre, which is never drawn."""
    graph = Windows(N_TOKENS)
    feed = WindowFeed(TOKENS, **graph.nodes, power=power, sample=0)
    found = [output for epoch in range(8) for _, output, _ in laid_down(graph, feed, epoch=epoch)]
    outputs = np.array(found)
    assert not (outputs[:, 1:] == outputs[:, :1]).any()
    weights = np.bincount(TOKENS, minlength=N_TOKENS) ** power
    for centre in range(3):
        allowed = weights.astype(float)
        allowed[centre] = 0
        if power:
            allowed[np.bincount(TOKENS, minlength=N_TOKENS) == 0] = 0
        seen = np.bincount(outputs[outputs[:, 0] == centre, 1:].ravel(), minlength=N_TOKENS)
        possible = allowed > 0
        assert not seen[~possible].any()
        assert chisquare(seen[possible], allowed[possible] / allowed.sum() * seen.sum()).pvalue > 1e-4


def test_windows_shrink_to_any_size_alike():
    """Uniform from 1 to window: neighbours at distance d are there with probability (window - d + 1) / window."""
    graph = Windows(N_TOKENS)
    found = laid_down(graph, WindowFeed(TOKENS, **graph.nodes, window=7, sample=0))
    sizes = [len(context) // 2 for context, _, _ in found[7:-7]]
    assert chisquare(np.bincount(sizes, minlength=8)[1:]).pvalue > 1e-4


def test_frequent_tokens_are_left_out_as_in_word2vec():
    graph = Windows(N_TOKENS)
    sample = 1e-2
    feed = WindowFeed(TOKENS, **graph.nodes, sample=sample)
    epochs = 40
    centres = np.concatenate([[o[0] for _, o, _ in laid_down(graph, feed, epoch=epoch)] for epoch in range(epochs)])
    counts = np.bincount(TOKENS, minlength=N_TOKENS)
    kept = np.bincount(centres, minlength=N_TOKENS)
    for token in np.flatnonzero(counts):
        frequency = counts[token] / counts.sum()
        stays = min(1.0, np.sqrt(sample / frequency) + sample / frequency)
        expected = epochs * counts[token] * stays
        deviation = np.sqrt(max(expected * (1 - stays), 1))
        assert abs(kept[token] - expected) < 5 * deviation


def test_epochs_share_out_what_chance_decides():
    """Each place has every size of window once in as many epochs, and stays in about as often as it should."""
    graph = Windows(N_TOKENS)
    feed = WindowFeed(TOKENS, **graph.nodes, window=7, sample=0)
    sizes = [[len(context) // 2 for context, _, _ in laid_down(graph, feed, epoch=epoch)[7:-7]] for epoch in range(7)]
    assert (np.sort(sizes, axis=0) == np.arange(1, 8)[:, None]).all()

    sample, epochs = 1e-2, 20
    keep = keep_thresholds(np.bincount(TOKENS), sample)[TOKENS]
    stays = [[Chances(0, epoch).stays(place, keep[place]) for place in range(len(TOKENS))] for epoch in range(epochs)]
    feed = WindowFeed(TOKENS, **graph.nodes, sample=sample)
    for epoch in range(2):
        found = [output[0] for _, output, _ in laid_down(graph, feed, epoch=epoch)]
        assert found == TOKENS[stays[epoch]].tolist()
    assert abs(np.sum(stays, axis=0) - epochs * (keep / 2**32)).max() < 2.5


def test_two_tokens_of_very_different_counts_end():
    graph = Windows(2, k=5)
    feed = WindowFeed([0] * 50 + [1], **graph.nodes, counts=[10**12, 1], sample=0)
    for _, output, _ in laid_down(graph, feed):
        assert set(output[1:]) == {1 - output[0]}


def test_an_epoch_does_not_depend_on_what_was_before():
    graph = Windows(N_TOKENS)
    feed = WindowFeed(TOKENS, **graph.nodes)
    plain = lambda examples: [(context, output) for context, output, _ in examples]  # noqa: E731
    first = plain(laid_down(graph, feed, seed=1, epoch=1))
    next(iter(batches(feed, graph.loss, seed=8)))
    assert plain(laid_down(graph, feed, seed=1, epoch=1)) == first
    assert plain(laid_down(graph, WindowFeed(TOKENS, **graph.nodes), seed=1, epoch=1)) == first
    assert plain(laid_down(graph, feed, seed=1, epoch=2)) != first
    assert plain(laid_down(graph, feed, seed=2, epoch=1)) != first


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_examples_of_an_epoch_are_the_same_for_any_number_of_threads(n_threads):
    """With a learning rate too small to matter, the summed loss is that of the examples laid down."""
    graph = Windows(N_TOKENS)
    feed = WindowFeed(TOKENS, **graph.nodes, sample=1e-2)
    trainer = wyrm.Trainer(graph.loss, SGD(1e-30), n_threads=n_threads, seed=2)
    history = trainer.fit(feed)
    examples = reference(TOKENS, sample=1e-2, seed=2)
    assert history.examples == [len(examples)]
    assert feed.n_pairs == sum(len(context) for context, _ in examples)
    # Outputs are zero, so each of the 6 columns of each pair costs log 2.
    np.testing.assert_allclose(history.loss[0] * len(examples), feed.n_pairs * 6 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("cbow", [False, True])
def test_training_brings_neighbours_together(cbow, n_threads):
    """Tokens come in two topics, which change every ten places."""
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 10, 20_000) + 10 * (np.arange(20_000) // 10 % 2)
    graph = Windows(20, dim=8, cbow=cbow)
    feed = WindowFeed(tokens, **graph.nodes, window=3, sample=0, starts=np.arange(0, 20_001, 10), cbow=cbow)
    history = wyrm.Trainer(graph.loss, SGD(0.05), n_threads=n_threads).fit(feed, epochs=4)
    assert history.loss[-1] < history.loss[0]
    scores = graph.inputs.value @ graph.outputs.value.T
    same = scores[:10, :10].mean() + scores[10:, 10:].mean()
    other = scores[:10, 10:].mean() + scores[10:, :10].mean()
    assert same > other + 0.5


def test_schedules_follow_the_places_of_the_stream():
    """Tokens left out are progress too: nothing is learned in the second half of the stream."""
    rng = np.random.default_rng(5)
    tokens = np.concatenate([rng.integers(0, 10, 6000), rng.integers(10, 20, 4000)])
    graph = Windows(20)
    before = graph.inputs.value.copy()
    optimizer = SGD(lambda progress: 0.05 if progress < 0.5 else 0.0)
    history = wyrm.Trainer(graph.loss, optimizer, n_threads=1).fit(WindowFeed(tokens, **graph.nodes, sample=1e-3))
    assert history.examples[0] < 0.4 * len(tokens)
    assert (graph.inputs.value[:10] != before[:10]).all()
    np.testing.assert_array_equal(graph.inputs.value[10:], before[10:])


def test_one_thread_repeats_bit_for_bit():
    def train():
        graph = Windows(N_TOKENS)
        wyrm.Trainer(graph.loss, Adagrad(0.1), n_threads=1, seed=6).fit(WindowFeed(TOKENS, **graph.nodes), epochs=2)
        return graph.inputs.value.copy()

    np.testing.assert_array_equal(train(), train())


def paths_of(n_tokens, seed=0):
    """A random path of inner nodes for each token, the last without any."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, n_tokens)
    lengths[-1] = 0
    starts = np.cumsum([0, *lengths])
    return rng.integers(0, n_tokens, starts[-1]), rng.choice([-1.0, 1.0], starts[-1]), starts


def test_paths_are_laid_down_instead_of_negatives():
    graph = Windows(N_TOKENS)
    turn = wyrm.InputNode([[1.0]])
    rows, turns, starts = paths_of(N_TOKENS)
    outputs = graph.outputs.embedding(graph.output)
    loss = (-turn * (outputs @ graph.inputs.embedding(graph.context).T)).softplus()
    nodes = {"context": graph.context, "path": graph.output, "turn": turn}
    tokens = TOKENS[:500]
    counts = np.bincount(TOKENS, minlength=N_TOKENS)
    feed = WindowFeed(tokens, **nodes, paths=(rows, turns, starts), counts=counts, sample=0)
    found = [(b[graph.context][0].tolist(), b[graph.output][0], b[turn].ravel()) for b in batches(feed, loss, seed=1)]
    expected = [e for e in reference(tokens, counts=counts, sample=0, seed=1) if starts[e[1]] < starts[e[1] + 1]]
    assert len(found) == len(expected)
    for (context, path, taken), (neighbours, centre) in zip(found, expected):
        assert context == neighbours
        np.testing.assert_array_equal(path, rows[starts[centre] : starts[centre + 1]])
        np.testing.assert_array_equal(taken, turns[starts[centre] : starts[centre + 1]])
    history = wyrm.Trainer(loss, SGD(0.1), n_threads=1).fit(feed, epochs=3)
    assert history.loss[2] < history.loss[0]


def test_a_memory_map_is_not_copied(tmp_path):
    stored = np.lib.format.open_memmap(tmp_path / "tokens.npy", "w+", np.int32, TOKENS.shape)
    stored[:] = TOKENS
    graph = Windows(N_TOKENS)
    feed = WindowFeed(stored, **graph.nodes, sample=0)
    stored[:] = 7  # not something to do, but it shows
    assert {output[0] for _, output, _ in laid_down(graph, feed)} == {7}


def test_a_stream_that_leaves_everything_out_is_an_error():
    graph = Windows(2)
    lonely = WindowFeed([0, 1, 0, 1], **graph.nodes, starts=[0, 1, 2, 3, 4], sample=0)
    trainer = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=1)
    with pytest.raises(ValueError, match="WindowFeed left all of them out"):
        trainer.fit(lonely)
    with pytest.raises(ValueError, match="WindowFeed left all of them out"):
        trainer.evaluate(lonely)


def test_an_epoch_that_happens_to_be_empty_has_no_loss():
    graph = Windows(2)
    feed = WindowFeed([0, 1, 0, 1], **graph.nodes, sample=1e-12)
    before = graph.inputs.value.copy()
    history = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=1).fit(feed, epochs=2)
    assert history.examples == [0, 0]
    assert np.isnan(history.loss).all()
    np.testing.assert_array_equal(graph.inputs.value, before)


def test_batches_of_several_windows_are_refused():
    graph = Windows(N_TOKENS)
    with pytest.raises(ValueError, match="batch size must be 1, not 8"):
        wyrm.Trainer(graph.loss, SGD(0.1), batch_size=8).fit(WindowFeed(TOKENS, **graph.nodes))


def test_deterministic_training_gives_the_same_bits_for_any_number_of_threads():
    def run(n_threads):
        graph = Windows(N_TOKENS)
        feed = WindowFeed(TOKENS, **graph.nodes)
        history = wyrm.Trainer(graph.loss, SGD(0.1), n_threads, seed=3, deterministic=True).fit(feed, epochs=2)
        return graph.inputs.value.tobytes(), graph.outputs.value.tobytes(), history.loss

    assert run(1) == run(3)


@pytest.mark.parametrize(
    ("tokens", "options", "error", "words"),
    [
        ([], {}, ValueError, "n >= 1"),
        ([[1, 2]], {}, ValueError, "shape \\(1, 2\\)"),
        ([0, -1], {}, IndexError, "index -1 at"),
        ([0, 2**31], {}, IndexError, "2147483648"),
        ([0.0, 1.0], {}, TypeError, "integer"),
        ([3, 3, 3], {}, ValueError, "at least two different tokens"),
        ([0, 2**31 - 1], {}, ValueError, "without large gaps"),
        ([0, 1], {"counts": [5]}, IndexError, "token 1 is out of range for 1 counts"),
        ([0, 1], {"counts": [5, -1]}, ValueError, "counts"),
        ([0, 1], {"counts": [5, np.nan]}, ValueError, "counts"),
        ([0, 1], {"counts": ["a", "b"]}, ValueError, "counts"),
        ([0, 1], {"starts": [0, 1]}, ValueError, "offsets that rise from 0 to the number of indices, 2"),
        ([0, 1], {"starts": [0, 2, 1, 2]}, ValueError, "offsets"),
        ([0, 1], {"window": 0}, ValueError, "window"),
        ([0, 1], {"window": 2.5}, TypeError, "window"),
        ([0, 1], {"window": 2**30}, ValueError, "too many targets"),
        ([0, 1], {"n_negatives": 2**30}, ValueError, "too many targets"),
        ([0, 1], {"n_negatives": 0}, ValueError, "n_negatives"),
        ([0, 1], {"n_negatives": 4}, ValueError, "a target of 5 columns"),
        ([0, 1], {"sample": -1.0}, ValueError, "sample"),
        ([0, 1], {"sample": np.nan}, ValueError, "sample"),
        ([0, 1], {"power": np.inf}, ValueError, "power"),
        ([0, 1], {"target": 3}, TypeError, "target= to be an InputNode"),
        ([0, 1], {"output": wyrm.InputNode([[1.0]])}, TypeError, "output= to be an IndexInputNode"),
        ([0, 1], {"paths": ([0], [1.0], [0, 1, 1])}, ValueError, "go together"),
        ([0, 1], {"output": None}, ValueError, "output= and target= go together"),
        ([0, 1], {"output": None, "target": None}, ValueError, "expected output= and target=, or path="),
        ([0, 1], {"target": None}, ValueError, "output= and target= go together"),
        ([0, 1], {"by_pair": True}, ValueError, "a target of 1 columns"),
        ([0, 1], {"by_pair": True, "cbow": True}, ValueError, "by pair"),
    ],
)
def test_hostile_arguments_are_refused(tokens, options, error, words):
    graph = Windows(N_TOKENS)
    with pytest.raises(error, match=words):
        WindowFeed(tokens, **(graph.nodes | options))


@pytest.mark.parametrize(
    ("paths", "error", "words"),
    [
        ([0], TypeError, "rows, turns, starts"),
        (([0], [1.0], [0, 1]), ValueError, "3 starts"),
        (([0, 1], [1.0], [0, 1, 2]), ValueError, "as many turns"),
        (([0, -1], [1.0, 1.0], [0, 1, 2]), IndexError, "index -1 at"),
        (([0, 1], [1.0, np.inf], [0, 1, 2]), ValueError, "finite"),
        (([0, 1], [1.0, 1.0], [0, 2, 1]), ValueError, "offsets"),
    ],
)
def test_hostile_paths_are_refused(paths, error, words):
    graph = Windows(5)
    with pytest.raises(error, match=words):
        WindowFeed([0, 1], context=graph.context, path=graph.output, turn=wyrm.InputNode([[1.0]]), paths=paths)


def test_tables_that_are_too_small_are_found_before_training():
    graph = Windows(N_TOKENS - 1)
    with pytest.raises(IndexError, match=f"index {N_TOKENS - 1} for IndexInputNode 'context'"):
        wyrm.Trainer(graph.loss, SGD(0.1)).fit(WindowFeed(TOKENS, **graph.nodes))
    graph = Windows(5, k=0)
    target = wyrm.InputNode([[1.0]])
    logits = graph.outputs.embedding(graph.output) @ graph.inputs.embedding_bag(graph.context).T
    nodes = {"context": graph.context, "path": graph.output, "turn": target}
    feed = WindowFeed([0, 1], **nodes, paths=([0, 5], [1.0, 1.0], [0, 1, 2]), cbow=True)
    with pytest.raises(IndexError, match="index 5"):
        wyrm.Trainer(logistic(logits, target), SGD(0.1)).fit(feed)


def batch_graph(n_tokens, k, dim=4, seed=0):
    """CBOW for windows in batches."""
    rng = np.random.default_rng(seed)
    V, O = wyrm.ParameterNode(rng.normal(0, 0.3, (n_tokens, dim))), wyrm.ParameterNode(np.zeros((n_tokens, dim)))  # noqa: E741
    nodes = {"context": wyrm.IndexInputNode([0]), "output": wyrm.IndexInputNode(range(1 + k))}
    nodes["target"] = wyrm.InputNode(np.zeros((1, 1 + k)))
    hidden = V.embedding_bag(nodes["context"], mode="mean")
    return logistic(wyrm.vector_dot(hidden, O.embedding(nodes["output"])), nodes["target"]), nodes


@settings(max_examples=40, deadline=None)
@given(
    batch_size=st.integers(1, 40),
    lengths=st.lists(st.one_of(st.integers(0, 12), st.integers(900, 1300)), min_size=1, max_size=5).filter(sum),
    sample=st.sampled_from([0, 1e-2]),
)
def test_batches_are_those_of_single_steps(batch_size, lengths, sample):
    """Windows and negatives, in full batches but for the last."""
    tokens = np.random.default_rng(0).integers(0, N_TOKENS, sum(lengths))
    starts, counts = np.cumsum([0, *lengths]), np.ones(N_TOKENS, int)
    loss, nodes = batch_graph(N_TOKENS, 7)
    options = {"starts": starts, "counts": counts, "sample": sample, "n_negatives": 7, "cbow": True}
    feed = WindowFeed(tokens, **nodes, **options)
    found, sizes, drawn = [], [], []
    for batch in batches(feed, loss, batch_size=batch_size, seed=3):
        rows, bags = batch[nodes["context"]]
        output = batch[nodes["output"]][0].reshape(-1, 8)
        found += [(rows[bags[i] : bags[i + 1]].tolist(), int(centre)) for i, centre in enumerate(output[:, 0])]
        drawn += output.tolist()
        sizes.append(len(output))
        np.testing.assert_array_equal(batch[nodes["target"]], np.tile(np.eye(1, 8), (len(output), 1)))
    assert found == reference(tokens, starts, counts, sample=sample, seed=3)
    assert all(size == batch_size for size in sizes[:-1])
    assert feed.n_pairs == sum(len(context) for context, _ in found)
    assert all(centre not in negatives for centre, *negatives in drawn)
    single = batches(WindowFeed(tokens, **nodes, **options), loss, seed=3)
    assert drawn == [batch[nodes["output"]][0].tolist() for batch in single]


def test_sums_over_batches_learn_as_single_steps_do():
    """With outputs that hardly move, a batch is as good as its steps one by one."""
    tokens = np.random.default_rng(0).integers(0, N_TOKENS, 3000)
    histories = []
    for batch_size in (1, 16):
        loss, nodes = batch_graph(N_TOKENS, 5)
        feed = WindowFeed(tokens, **nodes, sample=0, cbow=True)
        trainer = wyrm.Trainer(loss, SGD(1e-3), batch_size=batch_size, reduction="sum", n_threads=1)
        histories.append(trainer.fit(feed, epochs=2))
    assert histories[0].examples == histories[1].examples
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-3)
    with pytest.raises(ValueError, match="batch_size=1"):
        trainer.predict(loss, feed)


def test_negatives_by_pair():
    graph, target = Windows(N_TOKENS), wyrm.InputNode(0.0)
    graph.output.set_value([0])
    scores = wyrm.vector_dot(graph.inputs.embedding(graph.context), graph.outputs.embedding(graph.output))
    loss = logistic(scores, target)
    nodes = graph.nodes | {"target": target}
    feed = WindowFeed(TOKENS, **nodes, n_negatives=3, by_pair=True, sample=0, window=4)
    found, drawn = [], []
    for batch in batches(feed, loss, seed=2):
        context, output = (batch[node][0].reshape(-1, 4) for node in (graph.context, graph.output))
        assert (context == context[:, :1]).all()
        assert (output[:, 0] == output[0, 0]).all()
        assert not (output[:, 1:] == output[0, 0]).any()
        assert (batch[target].reshape(-1, 4) == [1, 0, 0, 0]).all()
        found.append((context[:, 0].tolist(), int(output[0, 0])))
        drawn += output[:, 1:].tolist()
    assert found == reference(TOKENS, sample=0, window=4, seed=2)
    assert feed.n_pairs == len(drawn)
    assert len(np.unique(drawn, axis=0)) > 100


def test_paths_and_negatives_see_the_same_windows():
    graph = Windows(N_TOKENS, cbow=True)
    path, turn = wyrm.IndexInputNode([0]), wyrm.InputNode([[1.0]])
    rows, turns, starts = paths_of(N_TOKENS)
    tree = (-turn * (graph.outputs.embedding(path) @ graph.inputs.embedding_bag(graph.context).T)).softplus()
    loss = graph.loss.sum() + tree.sum()
    counts = np.bincount(TOKENS, minlength=N_TOKENS)
    nodes = graph.nodes | {"path": path, "turn": turn}
    feed = WindowFeed(TOKENS[:300], **nodes, paths=(rows, turns, starts), counts=counts, sample=0, cbow=True)
    for batch in batches(feed, loss):
        centre = batch[graph.output][0][0]
        np.testing.assert_array_equal(batch[path][0], rows[starts[centre] : starts[centre + 1]])
        assert batch[graph.target].shape == (1, 6)
    wyrm.Trainer(loss, SGD(0.1), n_threads=2).fit(feed)
