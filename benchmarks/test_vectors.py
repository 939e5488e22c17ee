"""Word vectors: the nearest of many queries, and files, beside gensim.

The queries are 100 keys, the table is made here and 100 wide.  Where gensim is installed it does the same by turns, and
`ratio` is how many times longer it takes.  The neighbours are bounded by the product of queries and table alone, in one
call of BLAS with all its threads.
"""

import numpy as np
import pytest
from timing import by_turns, ratio

from wyrm.models import KeyedVectors
from wyrm.models.vector_table import norms_of

WIDTH, QUERIES, TOPN = 100, 100, 10
SIZES = {"small": 2_000, "regular": 100_000, "large": 1_000_000}
FORMATS = {"text": {"binary": False}, "binary": {"binary": True}}


@pytest.fixture(scope="module", params=SIZES)
def wv(request, measuring):
    if not measuring and request.param != "small":
        pytest.skip("for measuring")
    n = SIZES[request.param]
    vectors = np.random.default_rng(0).standard_normal((n, WIDTH), dtype=np.float32)
    return KeyedVectors.from_arrays([f"w{i}" for i in range(n)], vectors, count=np.arange(n, 0, -1))


@pytest.fixture(scope="module")
def theirs(wv):
    gensim = pytest.importorskip("gensim.models")
    found = gensim.KeyedVectors(WIDTH)
    found.index_to_key, found.key_to_index, found.vectors = wv.index_to_key, wv.key_to_index, wv.vectors
    found.expandos["count"] = wv.expandos["count"]
    return found


def queries_of(wv):
    return wv.index_to_key[:: len(wv) // QUERIES][:QUERIES]


def compare(benchmark, measuring, ours, peer, rounds):
    if measuring:
        times = by_turns({"ours": ours, "peer": peer}, rounds)
        benchmark.extra_info["peer s"] = round(min(times["peer"]), 3)
        benchmark.extra_info["ratio"] = round(ratio(times["peer"], times["ours"]), 1)


def test_nearest(benchmark, wv, theirs, measuring):
    keys = queries_of(wv)
    ours = lambda: wv.most_similar_batch(keys, topn=TOPN)  # noqa: E731
    peer = lambda: [theirs.most_similar(key, topn=TOPN) for key in keys]  # noqa: E731
    for found, expected in zip(ours(), peer(), strict=True):
        assert [key for key, _ in found] == [key for key, _ in expected]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=1e-5)
    benchmark.pedantic(ours, rounds=5)
    benchmark.extra_info["flops"] = 2 * QUERIES * wv.vectors.size
    compare(benchmark, measuring, ours, peer, 3)


def test_product(benchmark, wv):
    """What the neighbours cost at least."""
    queries = wv[queries_of(wv)]
    product = lambda: queries @ wv.vectors.T  # noqa: E731
    assert product().shape == (QUERIES, len(wv))
    benchmark.pedantic(product, rounds=5)
    benchmark.extra_info["flops"] = 2 * QUERIES * wv.vectors.size


def test_one_query(benchmark, wv, theirs, measuring):
    ours = lambda: wv.most_similar("w7", topn=TOPN)  # noqa: E731
    peer = lambda: theirs.most_similar("w7", topn=TOPN)  # noqa: E731
    assert [key for key, _ in ours()] == [key for key, _ in peer()]
    benchmark.pedantic(ours, rounds=5)
    compare(benchmark, measuring, ours, peer, 5)


@pytest.mark.parametrize("name", FORMATS)
def test_load(benchmark, wv, measuring, name, tmp_path):
    gensim = pytest.importorskip("gensim.models")
    path = str(tmp_path / "vectors")
    wv.save_word2vec_format(path, **FORMATS[name])
    ours = lambda: KeyedVectors.load_word2vec_format(path, **FORMATS[name])  # noqa: E731
    peer = lambda: gensim.KeyedVectors.load_word2vec_format(path, **FORMATS[name])  # noqa: E731
    found = ours()
    assert found.index_to_key == wv.index_to_key
    np.testing.assert_array_equal(found.vectors, wv.vectors)
    benchmark.pedantic(ours, rounds=3)
    benchmark.extra_info["bytes"] = (tmp_path / "vectors").stat().st_size
    compare(benchmark, measuring and len(wv) <= SIZES["regular"], ours, peer, 1)


@pytest.mark.parametrize("name", FORMATS)
def test_save(benchmark, wv, theirs, measuring, name, tmp_path):
    ours = lambda: wv.save_word2vec_format(tmp_path / "ours", **FORMATS[name])  # noqa: E731
    peer = lambda: theirs.save_word2vec_format(str(tmp_path / "peer"), **FORMATS[name])  # noqa: E731
    ours()
    found = KeyedVectors.load_word2vec_format(tmp_path / "ours", **FORMATS[name])
    np.testing.assert_array_equal(found.vectors, wv.vectors)
    benchmark.pedantic(ours, rounds=3)
    benchmark.extra_info["bytes"] = (tmp_path / "ours").stat().st_size
    compare(benchmark, measuring and len(wv) <= SIZES["regular"], ours, peer, 1)


def test_load_mapped(benchmark, wv, tmp_path):
    wv.save(tmp_path / "vectors")
    load = lambda: KeyedVectors.load(tmp_path / "vectors", mmap=True)  # noqa: E731
    np.testing.assert_array_equal(load().vectors, wv.vectors)
    benchmark.pedantic(load, rounds=3)


def test_norms(benchmark, wv):
    np.testing.assert_allclose(norms_of(wv.vectors), np.linalg.norm(wv.vectors, axis=1), rtol=1e-5)
    benchmark.pedantic(lambda: norms_of(wv.vectors), rounds=5)
    benchmark.extra_info["bytes"] = wv.vectors.nbytes
