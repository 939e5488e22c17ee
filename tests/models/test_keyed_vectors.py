"""Keys, vectors and attributes: what is stored is what comes back."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyrm.io import ModelFileError
from wyrm.io import load as load_any
from wyrm.models import KeyedVectors


def make(n=20, vector_size=5, dtype=np.float32, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, vector_size)).astype(dtype)
    return KeyedVectors.from_arrays([f"w{i}" for i in range(n)], vectors, count=np.arange(n, 0, -1))


@pytest.fixture
def wv():
    return make()


class TestLookUp:
    def test_a_key_gives_its_row(self, wv):
        for i, key in enumerate(wv.index_to_key):
            np.testing.assert_array_equal(wv[key], wv.vectors[i])
            assert wv.get_index(key) == i
            assert key in wv
        assert len(wv) == 20
        assert wv.vector_size == 5

    def test_several_keys_give_a_matrix(self, wv):
        np.testing.assert_array_equal(wv[["w3", "w1"]], wv.vectors[[3, 1]])
        assert wv[[]].shape == (0, 5)

    def test_an_integer_is_a_row(self, wv):
        np.testing.assert_array_equal(wv[3], wv.vectors[3])
        np.testing.assert_array_equal(wv[np.int32(3)], wv.vectors[3])
        assert 19 in wv
        assert 20 not in wv
        assert -1 not in wv

    def test_a_missing_key(self, wv):
        for call in (wv.get_vector, wv.get_index, wv.__getitem__, wv.most_similar):
            with pytest.raises(KeyError, match="'nothing' not present"):
                call("nothing")
        assert wv.get_index("nothing", 7) == 7
        assert "nothing" not in wv

    def test_vectors_are_read_only(self, wv):
        with pytest.raises(ValueError, match="read-only"):
            wv["w1"][0] = 3
        with pytest.raises(ValueError, match="read-only"):
            wv.get_vector("w1", norm=True)[0] = 3

    def test_unit_length(self, wv):
        expected = wv.vectors / np.linalg.norm(wv.vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(wv.get_vector("w2", norm=True), expected[2], rtol=1e-6)
        np.testing.assert_allclose(wv.get_normed_vectors(), expected, rtol=1e-6)
        wv.unit_normalize_all()
        np.testing.assert_allclose(wv.vectors, expected, rtol=1e-6)
        wv.fill_norms()
        np.testing.assert_allclose(wv.norms, 1, rtol=1e-6)

    def test_norms_follow_the_vectors(self, wv):
        wv.fill_norms()
        wv["w0"] = [3, 4, 0, 0, 0]
        np.testing.assert_allclose(wv.get_vector("w0", norm=True), [0.6, 0.8, 0, 0, 0], rtol=1e-6)
        wv.vectors[1] = [0, 5, 0, 0, 0]
        wv.fill_norms(force=True)
        assert wv.norms[1] == 5

    def test_a_vector_of_zeros_has_no_direction(self):
        wv = KeyedVectors(2)
        wv.add_vectors(["zero", "a"], [[0, 0], [3, 4]])
        np.testing.assert_array_equal(wv.get_vector("zero", norm=True), [0, 0])
        np.testing.assert_array_equal(wv.get_normed_vectors()[0], [0, 0])
        assert wv.similarity("zero", "a") == 0
        assert wv.most_similar("a") == [("zero", 0.0)]


class TestAdding:
    def test_one_after_the_other(self):
        expected = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
        wv = KeyedVectors(3, count=10)
        assert len(wv) == 0
        for i, vector in enumerate(expected):
            assert wv.add_vector(f"w{i}", vector) == i
            assert wv.vectors.shape == (i + 1, 3)
        np.testing.assert_array_equal(wv.vectors, expected)

    def test_a_key_that_is_there_keeps_its_vector(self, wv):
        before = wv["w1"].copy()
        wv.add_vectors(["w1", "new"], np.ones((2, 5)))
        np.testing.assert_array_equal(wv["w1"], before)
        np.testing.assert_array_equal(wv["new"], np.ones(5))
        assert wv.add_vector("w1", np.zeros(5)) == 1
        np.testing.assert_array_equal(wv["w1"], before)

    def test_unless_it_is_replaced(self, wv):
        wv.add_vectors(["w1", "new"], np.ones((2, 5)), replace=True)
        np.testing.assert_array_equal(wv["w1"], np.ones(5))
        wv[["w1", "w2"]] = [[2] * 5, [3] * 5]
        np.testing.assert_array_equal(wv[["w1", "w2"]], [[2] * 5, [3] * 5])
        assert len(wv) == 21

    def test_a_key_twice_in_one_call(self):
        wv = KeyedVectors(1)
        wv.add_vectors(["a", "a"], [[1], [2]])
        assert wv.vectors.tolist() == [[1]]
        wv[["b", "b"]] = [[1], [2]]
        assert wv["b"].tolist() == [2]
        assert wv.index_to_key == ["a", "b"]

    def test_attributes_come_along(self, wv):
        wv.add_vectors(["new", "w0"], np.ones((2, 5)), extras={"count": np.array([99, 1])})
        assert wv.get_vecattr("new", "count") == 99
        assert wv.get_vecattr("w0", "count") == 20
        wv.add_vector("newer", np.ones(5))
        assert wv.get_vecattr("newer", "count") == 0

    def test_vectors_of_a_user_are_not_written_to(self):
        mine = np.zeros((4, 2), np.float32)
        wv = KeyedVectors.from_arrays(["a", "b"], mine[:2])
        wv.add_vectors(["c", "d"], np.ones((2, 2)))
        assert not mine.any()

    def test_a_read_only_table_is_copied_when_it_changes(self):
        mine = np.zeros((2, 2), np.float32)
        mine.flags.writeable = False
        wv = KeyedVectors.from_arrays(["a", "b"], mine)
        assert wv.vectors is mine
        wv["a"] = [1, 1]
        assert wv["a"].tolist() == [1, 1]
        assert not mine.any()

    def test_copies_grow_apart(self):
        wv = KeyedVectors(1, count=10)
        wv["a"] = [1]
        other = copy.deepcopy(wv)
        wv["b"] = [2]
        other["c"] = [3]
        assert (wv.index_to_key, other.index_to_key) == (["a", "b"], ["a", "c"])
        assert (wv["b"].item(), other["c"].item()) == (2, 3)

    @pytest.mark.parametrize(
        ("keys", "weights"),
        [
            (["a"], [[1, 2]]),
            (["a", "b"], [[1, 2, 3]]),
            ("a", [1, 2]),
            (["a"], [1, 2, 3]),
            (["a"], [[1, np.nan, 3]]),
            ("a", [np.inf, 1, 1]),
        ],
    )
    def test_what_does_not_fit_adds_nothing(self, keys, weights):
        wv = KeyedVectors(3)
        with pytest.raises(ValueError, match="weights: expected"):
            wv.add_vectors(keys, weights)
        assert len(wv) == len(wv.vectors) == len(wv.key_to_index) == 0

    @given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 99), st.booleans()), max_size=30))
    def test_like_a_dict(self, steps):
        wv, expected = KeyedVectors(1), {}
        for key, value, replace in steps:
            wv.add_vectors([key], [[value]], replace=replace)
            if replace or key not in expected:
                expected[key] = value
        assert wv.index_to_key == list(expected)
        assert wv.vectors[:, 0].tolist() == list(expected.values())

    def test_sizes_and_types_are_checked(self):
        with pytest.raises(ValueError, match="vector_size"):
            KeyedVectors(0)
        with pytest.raises(TypeError, match="float16, float32 or float64"):
            KeyedVectors(3, dtype=np.int32)
        with pytest.raises(ValueError, match="a row for each of 1 keys"):
            KeyedVectors.from_arrays(["a"], np.zeros((2, 2), np.float32))
        with pytest.raises(ValueError, match="'a' twice"):
            KeyedVectors.from_arrays(["a", "a"], np.zeros((2, 2), np.float32))
        with pytest.raises(ValueError, match="matrix of floats"):
            KeyedVectors(2).vectors = np.zeros(3)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_the_dtype_stays(self, dtype):
        wv = KeyedVectors(2, dtype=dtype)
        wv.add_vectors(["a"], np.ones((1, 2)))
        assert wv.vectors.dtype == dtype
        assert wv.get_normed_vectors().dtype == dtype
        assert wv.get_mean_vector(["a"]).dtype == dtype


class TestAttributes:
    def test_set_and_get(self, wv):
        wv.set_vecattr("w3", "kind", "noun")
        wv.set_vecattr("w4", "weight", 0.5)
        assert wv.get_vecattr("w3", "kind") == "noun"
        assert wv.get_vecattr("w4", "weight") == 0.5
        assert wv.get_vecattr("w5", "weight") == 0

    def test_one_type_for_all(self, wv):
        with pytest.raises(TypeError, match="'count'"):
            wv.set_vecattr("w3", "count", "many")

    def test_unknown(self, wv):
        with pytest.raises(KeyError, match="'size'"):
            wv.get_vecattr("w3", "size")
        with pytest.raises(KeyError, match="nothing"):
            wv.set_vecattr("nothing", "size", 3)
        assert "size" not in wv.expandos

    def test_sorting(self, wv):
        vectors, counts = wv.vectors.copy(), np.random.default_rng(0).integers(0, 5, 20)
        wv.expandos["count"] = counts
        wv.sort_by_descending_frequency()
        order = sorted(range(20), key=lambda i: -counts[i])
        assert wv.index_to_key == [f"w{i}" for i in order]
        assert wv.expandos["count"].tolist() == counts[order].tolist()
        for i, row in enumerate(vectors):
            np.testing.assert_array_equal(wv[f"w{i}"], row)

    def test_sorting_needs_counts(self, wv):
        del wv.expandos["count"]
        with pytest.raises(KeyError, match="no counts"):
            wv.sort_by_descending_frequency()


class TestSubsets:
    def test_in_the_order_asked_for(self, wv):
        some = wv.vectors_for_all(["w3", "x", "w1", "w3"])
        assert some.index_to_key == ["w3", "w1"]
        np.testing.assert_array_equal(some.vectors, wv.vectors[[3, 1]])
        assert some.expandos["count"].tolist() == [2, 1]
        assert len(wv.vectors_for(["x"])) == 0

    def test_with_attributes(self, wv):
        some = wv.vectors_for_all(["w3", "w1"], copy_vecattrs=True)
        assert some.expandos["count"].tolist() == [17, 19]


class TestKeeping:
    def check(self, wv, other):
        assert type(other) is KeyedVectors
        assert other.index_to_key == wv.index_to_key
        assert other.key_to_index == wv.key_to_index
        assert other.vectors.dtype == wv.vectors.dtype
        np.testing.assert_array_equal(other.vectors, wv.vectors)
        assert list(other.expandos) == list(wv.expandos)
        for name in wv.expandos:
            np.testing.assert_array_equal(other.expandos[name], wv.expandos[name])
        assert other.most_similar(wv.index_to_key[0]) == wv.most_similar(wv.index_to_key[0])
        other["one more"] = np.ones(wv.vector_size)
        assert len(other) == len(wv) + 1

    def test_pickle(self, wv):
        self.check(wv, pickle.loads(pickle.dumps(wv)))

    @pytest.mark.parametrize("mmap", [False, True, None, "r"])
    def test_save(self, wv, tmp_path, mmap):
        wv.set_vecattr("w3", "kind", "noun")
        wv.save(tmp_path / "wv")
        found = KeyedVectors.load(tmp_path / "wv", mmap=mmap)
        assert found.vectors.flags.writeable == (not mmap)
        self.check(wv, found)
        self.check(wv, pickle.loads(pickle.dumps(KeyedVectors.load(tmp_path / "wv", mmap=mmap))))
        self.check(wv, load_any(tmp_path / "wv"))

    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_save_other_types(self, tmp_path, dtype):
        wv = make(dtype=dtype)
        wv.save(tmp_path / "wv")
        self.check(wv, KeyedVectors.load(tmp_path / "wv"))

    def test_save_any_key(self, tmp_path):
        keys = ["", "new york", "a\nb", 7, "7", "ありがとう", "\ud800", 10**15]
        wv = KeyedVectors.from_arrays(keys, np.eye(len(keys), dtype=np.float32))
        wv.save(tmp_path / "wv")
        self.check(wv, KeyedVectors.load(tmp_path / "wv"))

    def test_save_none(self, tmp_path):
        KeyedVectors(3).save(tmp_path / "wv")
        found = KeyedVectors.load(tmp_path / "wv", mmap=True)
        assert (len(found), found.vector_size) == (0, 3)

    def test_safetensors_reads_it(self, wv, tmp_path):
        safetensors = pytest.importorskip("safetensors.numpy")
        wv.save(tmp_path / "wv")
        np.testing.assert_array_equal(safetensors.load_file(tmp_path / "wv")["vectors"], wv.vectors)

    @pytest.mark.parametrize("part", [0, 5, 0.3, 0.9, 0.999])
    def test_truncated(self, wv, tmp_path, part):
        wv.save(tmp_path / "wv")
        content = (tmp_path / "wv").read_bytes()
        (tmp_path / "wv").write_bytes(content[: part if part == 5 else int(part * len(content))])
        for mmap in (False, True):
            with pytest.raises(ModelFileError, match="wv"):
                KeyedVectors.load(tmp_path / "wv", mmap=mmap)
