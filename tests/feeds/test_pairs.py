"""Pairs and their negatives: what is laid down, how often, and never."""

import numpy as np
import pytest
import scipy.sparse
from feeds.graphs import Pairwise, Pointwise
from scipy.stats import chisquare

import wyrm
from wyrm.feeds import PairFeed, batches
from wyrm.optim import SGD, Adagrad

RNG = np.random.default_rng(0)
N_USERS, N_ITEMS, N = 30, 40, 400
USERS = RNG.integers(0, N_USERS, N)
ITEMS = (RNG.zipf(1.5, N) - 1) % N_ITEMS
KNOWN = set(zip(USERS.tolist(), ITEMS.tolist()))


def feed_of(graph, **settings):
    return PairFeed((USERS, ITEMS), **graph.nodes, **({"n_items": N_ITEMS} | settings))


def drawn(graph, feed, loss=None, **settings):
    """Users, items and negatives or labels of an epoch, one array each."""
    third = graph.nodes.get("negative") or graph.nodes["label"]
    parts = [
        (batch[graph.user][0], batch[graph.item][0], batch[third][0] if "negative" in graph.nodes else batch[third])
        for batch in batches(feed, loss or graph.loss, **settings)
    ]
    return tuple(np.concatenate([part[i] for part in parts]) for i in range(3))


def test_every_pair_comes_once_with_its_negatives():
    graph = Pairwise(N_USERS, N_ITEMS)
    feed = feed_of(graph, n_negatives=3)
    assert len(feed) == N
    assert feed.inputs() == set(graph.nodes.values())
    users, items, negatives = drawn(graph, feed)
    np.testing.assert_array_equal(users, USERS)
    np.testing.assert_array_equal(items, ITEMS)
    assert negatives.shape == (3 * N,)
    users, items, _ = drawn(graph, feed, shuffle=True)
    assert sorted(zip(users.tolist(), items.tolist())) == sorted(zip(USERS.tolist(), ITEMS.tolist()))
    assert (users != USERS).any()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_batches_hold_what_single_examples_do(batch_size, shuffle):
    graph = Pairwise(N_USERS, N_ITEMS)
    feed = feed_of(graph)
    single = drawn(graph, feed, seed=3, shuffle=shuffle)
    for one, many in zip(single, drawn(graph, feed, graph.batch_loss, batch_size=batch_size, seed=3, shuffle=shuffle)):
        np.testing.assert_array_equal(one, many)


def test_bags_cut_the_batch():
    graph = Pairwise(N_USERS, N_ITEMS)
    loss = graph.items.embedding_bag(graph.negative).sum() + graph.users.embedding(graph.user).sum()
    loss = loss + graph.items.embedding(graph.item).sum()
    batch = next(iter(batches(feed_of(graph, n_negatives=4), loss, batch_size=5)))
    np.testing.assert_array_equal(batch[graph.negative][1], [0, 4, 8, 12, 16, 20])
    np.testing.assert_array_equal(batch[graph.user][1], range(6))


def test_labels_mark_the_pairs_that_were_seen():
    graph = Pointwise(N_USERS, N_ITEMS)
    feed = feed_of(graph, n_negatives=4)
    assert len(feed) == 5 * N
    users, items, labels = drawn(graph, feed, batch_size=32)
    labels = labels.ravel()
    assert labels.sum() == N
    np.testing.assert_array_equal(users, np.repeat(USERS, 5))
    np.testing.assert_array_equal(labels, np.tile([1, 0, 0, 0, 0], N))
    np.testing.assert_array_equal(items[labels == 1], ITEMS)
    assert all((u, i) not in KNOWN for u, i in zip(users[labels == 0].tolist(), items[labels == 0].tolist()))


@pytest.mark.parametrize("power", [0.0, 0.75])
@pytest.mark.parametrize("n_negatives", [1, 6, 20])
def test_rejection_really_rejects(power, n_negatives):
    graph = Pairwise(N_USERS, N_ITEMS)
    feed = feed_of(graph, power=power, n_negatives=n_negatives)
    for epoch in range(5):
        users, _, negatives = drawn(graph, feed, epoch=epoch)
        pairs = zip(np.repeat(users, n_negatives).tolist(), negatives.tolist())
        assert not KNOWN & set(pairs)


def test_rejection_ends_where_one_item_is_left():
    """However unlikely it is to be drawn."""
    graph = Pairwise(3, 1000)
    items = np.delete(np.arange(1000), 777)
    counts = np.concatenate([np.repeat(items, 50), [777]])
    users = np.zeros(len(counts), int)
    users[-1] = 2
    feed = PairFeed((users, counts), **graph.nodes, power=1.5)
    seen_users, _, negatives = drawn(graph, feed)
    assert set(negatives[seen_users == 0].tolist()) == {777}


def test_what_to_reject_may_be_given():
    graph = Pairwise(N_USERS, N_ITEMS)
    others = scipy.sparse.csr_matrix(np.arange(N_ITEMS)[None, :].repeat(5, axis=0) % 2)  # odd items, five users
    users, _, negatives = drawn(graph, feed_of(graph, reject=others))
    assert not (negatives[users < 5] % 2).any()
    assert (negatives[users >= 5] % 2).any()
    users, _, negatives = drawn(graph, feed_of(graph, reject=False, n_negatives=1))
    assert KNOWN & set(zip(users.tolist(), negatives.tolist()))


@pytest.mark.parametrize(("power", "reject"), [(0.0, False), (0.75, False), (1.0, False), (0.0, True), (0.5, True)])
def test_negatives_have_the_distribution_asked_for(power, reject):
    """Over many epochs; with rejection, by user."""
    graph = Pairwise(N_USERS, N_ITEMS)
    feed = feed_of(graph, power=power, reject=reject, n_negatives=10)
    weights = np.bincount(ITEMS, minlength=N_ITEMS).astype(float)
    weights = np.where(weights > 0, np.where(weights > 0, weights, 1) ** power, 0) if power else np.ones(N_ITEMS)
    epochs = [drawn(graph, feed, epoch=epoch) for epoch in range(30)]
    users = np.concatenate([np.repeat(users, 10) for users, _, _ in epochs])
    negatives = np.concatenate([negatives for _, _, negatives in epochs])
    for user in range(5):
        allowed = weights.copy()
        if reject:
            allowed[[i for u, i in KNOWN if u == user]] = 0
        seen = np.bincount(negatives[users == user], minlength=N_ITEMS)
        possible = allowed > 0
        assert not seen[~possible].any()
        expected = allowed[possible] / allowed.sum() * seen.sum()
        assert chisquare(seen[possible], expected).pvalue > 1e-4


def test_draws_depend_on_seed_epoch_and_example_alone():
    graph = Pairwise(N_USERS, N_ITEMS)
    feed = feed_of(graph)
    first = drawn(graph, feed, seed=1, epoch=2)[2]
    drawn(graph, feed, seed=5, epoch=0)
    np.testing.assert_array_equal(drawn(graph, feed_of(graph), seed=1, epoch=2)[2], first)
    assert (drawn(graph, feed, seed=1, epoch=3)[2] != first).any()
    assert (drawn(graph, feed, seed=2, epoch=2)[2] != first).any()
    # The same example has the same negative in any order.
    users, items, negatives = drawn(graph, feed, seed=1, epoch=2, shuffle=True)
    assert sorted(zip(users, items, negatives)) == sorted(zip(USERS, ITEMS, first))


def test_forms_of_pairs():
    graph = Pairwise(N_USERS, N_ITEMS)
    matrix = scipy.sparse.coo_matrix((np.ones(N), (USERS, ITEMS)), shape=(N_USERS, N_ITEMS))
    for pairs in ((USERS, ITEMS), [USERS.tolist(), ITEMS.tolist()], np.stack([USERS, ITEMS], axis=1), matrix):
        users, items, _ = drawn(graph, PairFeed(pairs, **graph.nodes))
        np.testing.assert_array_equal(users, USERS)
        np.testing.assert_array_equal(items, ITEMS)
    stored = scipy.sparse.csr_matrix(([1.0, 0.0, 2.0], [1, 2, 0], [0, 2, 3]), shape=(2, 3))
    assert len(PairFeed(stored, **graph.nodes)) == 2


def test_n_items_is_that_of_the_matrix():
    graph = Pairwise(N_USERS, 500)
    matrix = scipy.sparse.csr_matrix((np.ones(N), (USERS, ITEMS)), shape=(N_USERS, 500))
    negatives = drawn(graph, PairFeed(matrix, **graph.nodes, n_negatives=20))[2]
    assert negatives.max() > N_ITEMS


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("kind", ["pairwise", "pointwise", "batches"])
def test_training_finds_the_groups(kind, n_threads):
    """Even users chose even items: afterwards these score higher."""
    rng = np.random.default_rng(1)
    users, items = rng.integers(0, 60, 6000), rng.integers(0, 20, 6000)
    items = items // 2 * 2 + users % 2
    graph = Pointwise(60, 20) if kind == "pointwise" else Pairwise(60, 20)
    feed = PairFeed((users, items), **graph.nodes, n_negatives=1 if kind == "batches" else 3)
    loss = graph.batch_loss if kind == "batches" else graph.loss
    trainer = wyrm.Trainer(loss, Adagrad(0.1), n_threads=n_threads, batch_size=1 if kind == "pairwise" else 8)
    history = trainer.fit(feed, epochs=3)
    assert history.examples == [len(feed)] * 3
    assert history.loss[2] < 0.7 * history.loss[0]
    scores = graph.users.value @ graph.items.value.T
    right = scores[0::2, 0::2].mean() + scores[1::2, 1::2].mean()
    wrong = scores[0::2, 1::2].mean() + scores[1::2, 0::2].mean()
    assert right > wrong + 1


def test_the_gradient_is_that_of_the_negatives_laid_down():
    """One epoch of SGD against the same steps in NumPy."""
    graph = Pairwise(N_USERS, N_ITEMS, seed=4)
    users, items = graph.users.value.astype(float), graph.items.value.astype(float)
    trainer = wyrm.Trainer(graph.loss, SGD(0.05), n_threads=1, seed=9)
    for u, i, j in zip(*drawn(graph, feed_of(graph), seed=9, shuffle=True)):
        slope = -1 / (1 + np.exp(users[u] @ (items[i] - items[j])))
        step = 0.05 * slope
        du, di = step * (items[i] - items[j]), step * users[u]
        users[u] -= du
        items[i] -= di
        items[j] += di
    trainer.fit(feed_of(graph), epochs=1)
    np.testing.assert_allclose(graph.users.value, users, atol=1e-5)
    np.testing.assert_allclose(graph.items.value, items, atol=1e-5)


def train(n_threads=1, deterministic=False, epochs=2, before=0, **settings):
    graph = Pairwise(N_USERS, N_ITEMS)
    trainer = wyrm.Trainer(
        graph.batch_loss, Adagrad(0.1), n_threads=n_threads, seed=3, deterministic=deterministic, **settings
    )
    feed = feed_of(graph)
    for _ in range(before):
        trainer.evaluate(feed)
    trainer.fit(feed, epochs=epochs)
    return graph.users.value.copy()


def test_one_thread_repeats_whatever_happened_before():
    np.testing.assert_array_equal(train(), train())
    np.testing.assert_array_equal(train(), train(before=3))


@pytest.mark.parametrize("n_threads", [2, 3])
def test_deterministic_training_is_the_same_for_any_number_of_threads(n_threads):
    one = train(1, True, batch_size=16)
    np.testing.assert_array_equal(one, train(n_threads, True, batch_size=16))


def test_validation_draws_the_same_negatives_every_time():
    graph = Pairwise(N_USERS, N_ITEMS)
    trainer = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=1)
    assert trainer.evaluate(feed_of(graph)) == trainer.evaluate(feed_of(graph))


def test_each_partial_fit_draws_anew():
    graph = Pairwise(N_USERS, N_ITEMS)
    trainer = wyrm.Trainer(graph.loss, SGD(1e-9), n_threads=1)
    losses = {trainer.partial_fit(feed_of(graph)) for _ in range(3)}
    assert len(losses) == 3


@pytest.mark.parametrize(
    ("pairs", "settings", "error", "words"),
    [
        (([0, 1], [1]), {}, ValueError, "as many users as items"),
        (([0], [-1]), {}, IndexError, "index -1 at"),
        (([0], [2**31]), {}, IndexError, "2147483648"),
        (([0.5], [1]), {}, TypeError, "integer"),
        (([], []), {}, ValueError, "at least one pair"),
        (([[0]], [[1]]), {}, ValueError, "shapes"),
        (np.zeros((3, 3), int), {}, TypeError, "an array \\(3, 3\\)"),
        ("ab", {}, TypeError, "str"),
        (([0, 2**31 - 1], [1, 2]), {}, ValueError, "users: expected numbers from 0 without large gaps, got 2147483647"),
        (([0, 1], [1, 2**31 - 2]), {"power": 1.0}, ValueError, "without large gaps"),
        (([0, 1], [1, 2**31 - 1]), {}, ValueError, "n_items from 1 to 2147483647, got 2147483648"),
        (([0, 1], [1, 2]), {"n_items": 2}, ValueError, "n_items above every item"),
        (([0, 1], [1, 2]), {"n_negatives": 0}, ValueError, "n_negatives"),
        (([0, 1], [1, 2]), {"n_negatives": 1.5}, TypeError, "n_negatives"),
        (([0, 1], [1, 2]), {"power": np.nan}, ValueError, "power"),
        (([0, 0], [0, 1]), {}, ValueError, "user 0 was seen with all 2 items"),
        (([0, 0, 1], [0, 1, 1]), {"power": 1.0, "n_items": 9}, ValueError, "user 0"),
        (([0, 1], [1, 2]), {"reject": "no"}, TypeError, "reject"),
    ],
)
def test_hostile_pairs_are_refused(pairs, settings, error, words):
    graph = Pairwise(5, 5)
    with pytest.raises(error, match=words):
        PairFeed(pairs, **graph.nodes, **settings)


def test_hostile_nodes_are_refused():
    graph = Pairwise(5, 5)
    pairs = [0, 1], [1, 2]
    for nodes, words in (
        ({}, "negative= .* or label="),
        ({"negative": graph.negative, "label": wyrm.InputNode([[1.0]])}, "negative= .* or label="),
        ({"negative": wyrm.InputNode([[1.0]])}, "negative= to be an IndexInputNode"),
        ({"label": wyrm.InputNode([[1.0, 2.0]])}, "one column"),
        ({"label": 3}, "got int"),
    ):
        with pytest.raises(TypeError, match=words):
            PairFeed(pairs, user=graph.user, item=graph.item, **nodes)
    with pytest.raises(ValueError, match="different nodes"):
        PairFeed(pairs, user=graph.user, item=graph.user, negative=graph.negative)
    with pytest.raises(TypeError, match="user= to be an IndexInputNode, got int"):
        PairFeed(pairs, user=0, item=graph.item, negative=graph.negative)


@pytest.mark.parametrize(
    ("n_users", "n_items", "words"),
    [(10, N_ITEMS, "index 29 for IndexInputNode 'u'"), (N_USERS, 30, "for IndexInputNode '[ij]'")],
)
def test_tables_that_are_too_small_are_found_before_training(n_users, n_items, words):
    graph = Pairwise(n_users, n_items)
    before = graph.users.value.copy()
    with pytest.raises(IndexError, match=words):
        wyrm.Trainer(graph.loss, SGD(0.1), n_threads=1).fit(feed_of(graph))
    np.testing.assert_array_equal(graph.users.value, before)


def test_a_batch_that_no_memory_holds_is_refused():
    graph = Pairwise(5, 5)
    feed = PairFeed(([0, 1], [1, 2]), **graph.nodes, n_negatives=2**31 - 1)
    with pytest.raises(ValueError, match="too many for one batch"):
        wyrm.Trainer(graph.batch_loss, SGD(0.1), n_threads=1, batch_size=2).fit(feed)


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("shuffle", [False, True])
def test_known_items_as_bits_or_as_lists_leave_the_same_to_draw(power, shuffle):
    """Few users with many items each have a bit for every item; a known user far above them makes these too many."""
    graph = Pairwise(N_USERS, N_ITEMS)
    far = 100 * N_USERS
    as_lists = (np.append(USERS, far), np.append(ITEMS, 0))
    assert N_USERS * N_ITEMS <= 64 * len(KNOWN) < far * N_ITEMS
    bits, lists = (
        drawn(graph, feed_of(graph, n_negatives=5, power=power, reject=reject), seed=1, shuffle=shuffle, batch_size=7)
        for reject in (True, as_lists)
    )
    for one, other in zip(bits, lists):
        np.testing.assert_array_equal(one, other)
    users, _, negatives = bits
    assert not KNOWN & set(zip(np.repeat(users, 5).tolist(), negatives.tolist()))


def test_bits_of_items_that_end_within_a_byte_and_of_items_that_cannot_be_drawn():
    graph = Pairwise(3, 200)
    users, items = np.repeat(np.arange(3), 9), np.tile(np.arange(9), 3)
    feed = PairFeed((users, items), **graph.nodes, n_items=10, reject=(np.append(users, 2), np.append(items, 150)))
    _, _, negatives = drawn(graph, feed)
    assert (negatives == 9).all()
