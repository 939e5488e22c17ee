"""Similarities and neighbours, against plain NumPy."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from wyrm.models import KeyedVectors
from wyrm.models.nearest import top_cosines
from wyrm.top_k import TopK

N, D = 300, 12


@pytest.fixture(scope="module")
def wv():
    vectors = np.random.default_rng(1).standard_normal((N, D)).astype(np.float32)
    return KeyedVectors.from_arrays([f"w{i}" for i in range(N)], vectors)


@pytest.fixture(scope="module")
def units(wv):
    vectors = wv.vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def check(found, scores, topn, without=()):
    """What was found is the best of these scores, in order."""
    order = [i for i in np.argsort(-scores, kind="stable") if i not in without][:topn]
    assert [key for key, _ in found] == [f"w{i}" for i in order]
    np.testing.assert_allclose([score for _, score in found], scores[order], atol=1e-6)


class TestMostSimilar:
    @pytest.mark.parametrize("topn", [1, 5, 10, N - 1, N, 10 * N, np.int32(3)])
    def test_one_key(self, wv, units, topn):
        check(wv.most_similar("w7", topn=topn), units @ units[7], int(topn), {7})

    def test_positive_and_negative(self, wv, units):
        mean = units[1] + units[2] - units[3]
        scores = units @ mean / np.linalg.norm(mean)
        found = wv.most_similar(positive=["w1", "w2"], negative=["w3"])
        check(found, scores, 10, {1, 2, 3})
        assert found == wv.most_similar(["w1", "w2"], "w3")
        assert found == wv.most_similar([1, 2], [3])

    def test_weights(self, wv, units):
        mean = 2 * units[1] + 0.5 * units[2] - 3 * units[3]
        found = wv.most_similar([("w1", 2), ("w2", 0.5)], [("w3", -3)])
        check(found, units @ mean / np.linalg.norm(mean), 10, {1, 2, 3})

    def test_vectors(self, wv, units):
        vector = np.arange(D) - 4.0
        scores = units @ vector / np.linalg.norm(vector)
        check(wv.most_similar(vector), scores, 10)
        check(wv.most_similar([vector]), scores, 10)
        check(wv.similar_by_vector(vector.tolist(), topn=3), scores, 3)
        mean = units[5] + vector
        check(wv.most_similar(["w5", vector]), units @ mean / np.linalg.norm(mean), 10, {5})

    def test_no_key_is_left_out_for_a_vector(self, wv):
        assert wv.most_similar(wv["w5"], topn=1)[0][0] == "w5"

    def test_parts_of_the_table(self, wv, units):
        scores = units @ units[3]
        check(wv.most_similar("w3", restrict_vocab=50), np.where(np.arange(N) < 50, scores, -2), 10, {3})
        among = (np.arange(N) >= 20) & (np.arange(N) < 90)
        check(wv.most_similar("w3", clip_start=20, clip_end=90), np.where(among, scores, -2), 10, {3})
        assert wv.most_similar("w3", restrict_vocab=50, clip_start=60) == wv.most_similar("w3", restrict_vocab=50)
        assert len(wv.most_similar("w3", topn=100, clip_start=290)) == 10
        assert wv.most_similar("w3", clip_start=N) == []

    def test_all_similarities(self, wv, units):
        np.testing.assert_allclose(wv.most_similar("w3", topn=None), units @ units[3], atol=1e-6)
        assert wv.most_similar("w3", topn=None, clip_start=5, clip_end=9).shape == (4,)

    def test_none_asked_for(self, wv):
        assert wv.most_similar("w3", topn=0) == wv.most_similar("w3", topn=np.uint8(0)) == []

    def test_the_same_in_other_words(self, wv):
        assert wv.similar_by_key("w3", 4) == wv.similar_by_word("w3", 4) == wv.most_similar("w3", topn=4)

    def test_an_index_of_somebody_else(self, wv):
        class Index:
            def most_similar(self, vector, topn):
                return [(round(float(np.linalg.norm(vector)), 6), topn)]

        assert wv.most_similar("w3", topn=4, indexer=Index()) == [(1.0, 4)]

    def test_equal_similarities_in_the_order_of_rows(self):
        wv = KeyedVectors.from_arrays([f"w{i}" for i in range(9)], np.tile(np.eye(3, dtype=np.float32), (3, 1)))
        assert [key for key, _ in wv.most_similar("w0", topn=5)] == ["w3", "w6", "w1", "w2", "w4"]

    @pytest.mark.parametrize(
        ("positive", "error", "match"),
        [
            (None, ValueError, "expected a key or a vector"),
            ([], ValueError, "expected a key or a vector"),
            (np.zeros(3), ValueError, "vectors of 12 finite numbers"),
            (np.full(D, np.nan), ValueError, "vectors of 12 finite numbers"),
            (["w1", "nothing"], KeyError, "nothing"),
        ],
    )
    def test_what_does_not_fit(self, wv, positive, error, match):
        with pytest.raises(error, match=match):
            wv.most_similar(positive)

    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_other_types(self, wv, dtype):
        other = KeyedVectors.from_arrays(wv.index_to_key, wv.vectors.astype(dtype))
        vectors = other.vectors.astype(np.float64)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = other.most_similar("w3", topn=5)
        expected = (units @ units[3])[[other.get_index(key) for key, _ in found]]
        np.testing.assert_allclose([score for _, score in found], expected, atol=2e-3 if dtype == np.float16 else 1e-6)

    def test_a_strided_table(self, wv):
        wide = np.zeros((N, 2 * D), np.float32)
        wide[:, :D] = wv.vectors
        other = KeyedVectors.from_arrays(wv.index_to_key, wide[:, :D])
        found, expected = other.most_similar("w3"), wv.most_similar("w3")
        assert [key for key, _ in found] == [key for key, _ in expected]


class TestBatch:
    def test_like_one_by_one(self, wv, units):
        for i, found in enumerate(wv.most_similar_batch(wv.index_to_key, topn=7)):
            check(found, units @ units[i], 7, {i})

    def test_vectors(self, wv, units):
        queries = np.random.default_rng(2).standard_normal((200, D))
        for query, found in zip(queries, wv.most_similar_batch(queries, topn=7, restrict_vocab=100), strict=True):
            check(found, (units @ query / np.linalg.norm(query))[:100], 7)

    def test_keys_and_vectors(self, wv, units):
        first, second = wv.most_similar_batch(["w4", units[4]], topn=3)
        assert [key for key, _ in second] == ["w4", *(key for key, _ in first[:2])]

    def test_more_rows_than_a_block(self):
        rng = np.random.default_rng(0)
        vectors = rng.standard_normal((20_000, 4)).astype(np.float32)
        vectors[15_000] = vectors[3]
        wv = KeyedVectors.from_arrays(range(20_000), vectors)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = list(range(0, 20_000, 100))
        for row, found in zip(rows, wv.most_similar_batch(rows, topn=4, clip_start=10), strict=True):
            cosines = units[10:] @ units[row]
            best = [i + 10 for i in np.argsort(-cosines, kind="stable")[:5] if i + 10 != row][:4]
            np.testing.assert_allclose([score for _, score in found], units[best] @ units[row], atol=1e-6)

    @pytest.mark.parametrize("n_threads", [2, 3, 7])
    def test_threads(self, n_threads, monkeypatch):
        """Rows are shared out, and equal ones are found in their order all the same."""
        monkeypatch.setattr("wyrm.models.nearest.WORTH_A_THREAD", 1)
        monkeypatch.setattr("wyrm.models.nearest.usable_threads", lambda: n_threads)
        vectors = np.random.default_rng(0).integers(-2, 3, (500, 3)).astype(np.float32)
        units = vectors * 2.0 ** -np.ceil(np.log2(np.abs(vectors).sum(axis=1, keepdims=True) + 1))
        wv = KeyedVectors.from_arrays(range(500), units.astype(np.float32))
        wv.norms = np.ones(500, np.float32)
        for k in (3, 100, 1000):
            rows, cosines, sizes = top_cosines(wv.vectors, wv.norms, wv.vectors[:40], k)
            scores = units @ units[:40].T
            assert rows.shape == (40, min(k, 500))
            assert (sizes == min(k, 500)).all()
            np.testing.assert_array_equal(rows, np.argsort(-scores.T, axis=1, kind="stable")[:, :k])
            np.testing.assert_array_equal(cosines, -np.sort(-scores.T, axis=1)[:, :k])
        few = KeyedVectors.from_arrays(["a", "b"], np.eye(2, dtype=np.float32))
        assert few.most_similar_batch(["a"], topn=5) == [[("b", 0.0)]]

    def test_nothing(self, wv):
        assert wv.most_similar_batch([]) == []
        assert wv.most_similar_batch(np.empty((0, D))) == []
        assert wv.most_similar_batch(["w1"], topn=0) == [[]]
        assert KeyedVectors(3).most_similar_batch(np.ones((2, 3))) == [[], []]
        assert wv.most_similar_batch(np.zeros((1, D)), topn=2) == [[("w0", 0.0), ("w1", 0.0)]]

    def test_what_does_not_fit(self, wv):
        with pytest.raises(ValueError, match="rows of 12 finite numbers"):
            wv.most_similar_batch(np.ones((2, 3)))
        with pytest.raises(ValueError, match="rows of 12 finite numbers"):
            wv.most_similar_batch(np.full((2, D), np.inf))
        with pytest.raises(KeyError, match="nothing"):
            wv.most_similar_batch(["nothing"])


class TestTopK:
    score = st.one_of(st.integers(-3, 3).map(float), st.floats(width=32))

    @given(st.integers(0, 12), st.lists(st.lists(score, max_size=9), max_size=6), st.booleans())
    def test_the_best_in_order(self, k, blocks, negate):
        heaps, first = TopK(2, k), 0
        offered = []
        for block in blocks:
            scores = np.array([block, block[::-1]], np.float32).reshape(2, len(block))
            scale = np.full(len(block), -1 if negate else 1, np.float32)
            heaps.offer(scores, scale, first)
            offered.append(scores * scale)
            first += len(block) + 1
            offered.append(np.full((2, 1), np.nan, np.float32))  # an index that is passed over
        rows, scores, sizes = heaps.take()
        assert rows.shape == scores.shape == (2, k)
        everything = np.concatenate([np.empty((2, 0), np.float32), *offered], axis=1)
        for q in range(2):
            order = sorted(np.flatnonzero(~np.isnan(everything[q])), key=lambda i: (-everything[q, i], i))[:k]
            assert rows[q, : sizes[q]].tolist() == order
            np.testing.assert_array_equal(scores[q, : sizes[q]], everything[q, order])

    def test_shapes_are_checked(self):
        with pytest.raises(ValueError, match="2 queries"):
            TopK(2, 3).offer(np.zeros((3, 4), np.float32), np.zeros(4, np.float32), 0)
        with pytest.raises(ValueError, match="2 queries"):
            TopK(2, 3).offer(np.zeros((2, 4), np.float32), np.zeros(3, np.float32), 0)
        with pytest.raises(ValueError, match="not negative"):
            TopK(-1, 3)


class TestCosmul:
    def scores(self, units, over, under):
        shifted = (1 + units @ units.T) / 2
        return np.prod(shifted[over], axis=0) / (np.prod(shifted[under], axis=0) + 1e-6)

    def test_against_the_equation(self, wv, units):
        found = wv.most_similar_cosmul(["w1", "w2"], ["w3"], topn=8)
        scores = self.scores(units, [1, 2], [3])
        order = [i for i in np.argsort(-scores) if i not in {1, 2, 3}][:8]
        assert [key for key, _ in found] == [f"w{i}" for i in order]
        np.testing.assert_allclose([score for _, score in found], scores[order], rtol=1e-4)
        np.testing.assert_allclose(wv.most_similar_cosmul(["w1", "w2"], ["w3"], topn=None), scores, rtol=1e-4)

    def test_one_key_ranks_as_most_similar(self, wv):
        names = [[key for key, _ in call("w5")] for call in (wv.most_similar, wv.most_similar_cosmul)]
        assert names[0] == names[1]

    def test_edges(self, wv):
        assert wv.most_similar_cosmul("w1", topn=0) == []
        assert len(wv.most_similar_cosmul("w1", restrict_vocab=5)) == 4
        with pytest.raises(ValueError, match="positive"):
            wv.most_similar_cosmul(negative="w1")


class TestSimilarity:
    def test_pairs(self, wv, units):
        for a, b in [(0, 1), (5, 200), (7, 7)]:
            assert wv.similarity(f"w{a}", f"w{b}") == pytest.approx(units[a] @ units[b], abs=1e-12)
            assert wv.distance(f"w{a}", f"w{b}") == pytest.approx(1 - units[a] @ units[b], abs=1e-12)
        assert all(wv.similarity(key, key) == 1 for key in wv.index_to_key)

    def test_distances(self, wv, units):
        np.testing.assert_allclose(wv.distances("w3"), 1 - units @ units[3], atol=1e-6)
        np.testing.assert_allclose(wv.distances("w3", ["w5", "w6"]), 1 - units[[5, 6]] @ units[3], atol=1e-12)
        np.testing.assert_allclose(wv.distances(np.ones(D)), 1 - units.sum(axis=1) / np.sqrt(D), atol=1e-6)
        np.testing.assert_allclose(wv.cosine_similarities(wv.vectors[0], wv.vectors), units @ units[0], atol=1e-6)

    def test_rank(self, wv, units):
        closer = np.flatnonzero(units @ units[3] > units[3] @ units[9])
        assert set(wv.closer_than("w3", "w9")) == {f"w{i}" for i in closer} - {"w3"}
        assert wv.rank("w3", "w9") == len(closer)
        nearest = wv.most_similar("w3", topn=1)[0][0]
        assert wv.rank("w3", nearest) == 1
        assert wv.closer_than("w3", "w3") == []

    def test_most_similar_to_given(self, wv):
        some = ["w10", "w11", "w12"]
        assert wv.most_similar_to_given("w3", some) == max(some, key=lambda key: wv.similarity("w3", key))

    def test_n_similarity(self, wv):
        a, b = wv.vectors[[1, 2]].mean(axis=0), wv.vectors[[3, 4, 5]].mean(axis=0)
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert wv.n_similarity(["w1", "w2"], ["w3", "w4", "w5"]) == pytest.approx(expected, abs=1e-6)
        assert wv.n_similarity(["w1", "w2"], ["w2", "w1"]) == pytest.approx(1, abs=1e-12)
        with pytest.raises(ZeroDivisionError):
            wv.n_similarity([], ["w1"])

    def test_mean(self, wv, units):
        mean = wv.get_mean_vector(["w1", "nothing", "w2"], [1, 5, -3])
        np.testing.assert_allclose(mean, (units[1] - 3 * units[2]) / 4, atol=1e-6)
        mean = wv.get_mean_vector(["w1", np.ones(D)], pre_normalize=False)
        np.testing.assert_allclose(mean, (wv.vectors[1] + 1) / 2, atol=1e-6)
        assert np.linalg.norm(wv.get_mean_vector(["w1", "w2"], post_normalize=True)) == pytest.approx(1)
        with pytest.raises(KeyError, match="nothing"):
            wv.get_mean_vector(["nothing"], ignore_missing=False)
        with pytest.raises(ValueError, match="no keys"):
            wv.get_mean_vector([])
        with pytest.raises(ValueError, match="one for each of 2 keys"):
            wv.get_mean_vector(["w1", "w2"], [1])

    def test_relative_cosine_similarity(self, wv):
        total = sum(score for _, score in wv.most_similar("w1", topn=4))
        assert wv.relative_cosine_similarity("w1", "w2", 4) == pytest.approx(wv.similarity("w1", "w2") / total)


def test_the_odd_one_out():
    wv = KeyedVectors(2)
    wv.add_vectors(["breakfast", "lunch", "dinner", "cat"], [[2, 0.1], [3, 0], [4, 0.3], [0.1, 1]])
    assert wv.doesnt_match(["breakfast", "cat", "dinner", "lunch", "unknown"]) == "cat"
    ranked = wv.rank_by_centrality(["breakfast", "cat", "dinner"])
    assert [key for _, key in ranked][-1] == "cat"
    assert ranked == sorted(ranked, reverse=True)
    with pytest.raises(ValueError, match="have vectors"):
        wv.doesnt_match(["unknown"])


class TestWordMovers:
    def test_a_text_and_itself(self, wv):
        assert wv.wmdistance(["w1", "w2", "w2"], ["w2", "w1", "w2"]) == pytest.approx(0, abs=1e-12)

    def test_one_word_each(self, wv, units):
        assert wv.wmdistance(["w1"], ["w2"]) == pytest.approx(np.linalg.norm(units[1] - units[2]), abs=1e-6)
        expected = np.linalg.norm(wv.vectors[1] - wv.vectors[2])
        assert wv.wmdistance(["w1", "unknown"], ["w2"], norm=False) == pytest.approx(expected, abs=1e-6)

    def test_equal_weights_are_an_assignment(self, wv, units):
        a, b = [1, 2, 3, 4, 5], [6, 7, 8, 9, 10]
        costs = np.linalg.norm(units[a][:, None] - units[b], axis=2)
        rows, columns = scipy.optimize.linear_sum_assignment(costs)
        found = wv.wmdistance([f"w{i}" for i in a], [f"w{i}" for i in b])
        assert found == pytest.approx(costs[rows, columns].mean(), abs=1e-6)
        assert wv.wmdistance([f"w{i}" for i in b], [f"w{i}" for i in a]) == pytest.approx(found, abs=1e-9)

    def test_counts_are_weights(self, wv, units):
        near, far = np.linalg.norm(units[[2, 3]] - units[1], axis=1)
        assert wv.wmdistance(["w1"], ["w2", "w2", "w3"]) == pytest.approx((2 * near + far) / 3, abs=1e-6)

    def test_nothing_to_move(self, wv):
        assert wv.wmdistance(["unknown"], ["w1"]) == wv.wmdistance([], []) == float("inf")
