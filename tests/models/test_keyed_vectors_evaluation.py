"""Analogies and word pairs, against the definitions and against gensim."""

import gzip

import numpy as np
import pytest
import scipy.stats

from wyrm.datasets import fetch_word_analogies, fetch_wordsim353
from wyrm.models import KeyedVectors

PAIRS = [(a, b) for a in range(6) for b in range(6) if a != b]


@pytest.fixture(scope="module")
def wv():
    """Countries and capitals, apart by one direction; capitals in upper case too, behind the others."""
    rng = np.random.default_rng(0)
    countries = rng.standard_normal((6, 8))
    capitals = countries + 3 * np.eye(8)[0]
    others = rng.standard_normal((40, 8))
    keys = [*(f"Country{i}" for i in range(6)), *(f"capital{i}" for i in range(6)), *(f"other{i}" for i in range(40))]
    vectors = np.concatenate([countries, capitals, others, countries * 0.5])
    keys += [f"COUNTRY{i}" for i in range(6)]
    return KeyedVectors.from_arrays(keys, vectors.astype(np.float32))


@pytest.fixture
def questions(tmp_path):
    lines = [": capitals"]
    lines += [f"country{a} capital{a} country{b} capital{b}" for a, b in PAIRS]
    lines += ["too few words", "country1 capital1 unknown capital2", ""]
    lines += [": wrong"]
    lines += [f"Country{a} capital{a} Country{b} capital{a}" for a, b in PAIRS]
    lines += [f"Country{a} capital{a} Country{b} other{b}" for a, b in PAIRS]
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(lines))
    return path


class TestAnalogies:
    def expected(self, wv, a, b, c):
        """The nearest to b - a + c that is none of them in any case."""
        units = wv.vectors / np.linalg.norm(wv.vectors, axis=1, keepdims=True)
        query = units[b] - units[a] + units[c]
        given = {wv.index_to_key[i].upper() for i in (a, b, c)}
        return next(name for i in np.argsort(-(units @ query)) if (name := wv.index_to_key[i].upper()) not in given)

    def test_against_the_definition(self, wv, questions):
        score, sections = wv.evaluate_word_analogies(questions)
        assert [section["section"] for section in sections] == ["capitals", "wrong", "Total accuracy"]
        first, second, total = sections
        for a, b in PAIRS:
            question = tuple(f"{name}{i}".upper() for i in (a, b) for name in ("Country", "capital"))
            right = self.expected(wv, a, 6 + a, b) == question[3]
            assert question in first["correct" if right else "incorrect"]
        assert first["correct"]
        assert not second["correct"]
        assert total["correct"] == first["correct"]
        assert total["incorrect"] == first["incorrect"] + second["incorrect"]
        assert score == len(first["correct"]) / (3 * len(PAIRS))

    def test_case(self, wv, questions):
        assert not wv.evaluate_word_analogies(questions, case_insensitive=False)[1][0]["incorrect"]
        assert len(wv.evaluate_word_analogies(questions, case_insensitive=False)[1][1]["incorrect"]) == 2 * len(PAIRS)

    def test_unknown_words(self, wv, questions):
        unknown = ("COUNTRY1", "CAPITAL1", "UNKNOWN", "CAPITAL2")
        assert unknown not in wv.evaluate_word_analogies(questions)[1][0]["incorrect"]
        assert unknown in wv.evaluate_word_analogies(questions, dummy4unknown=True)[1][0]["incorrect"]
        score, sections = wv.evaluate_word_analogies(questions, restrict_vocab=3)
        assert (score, sections[-1]["correct"], sections[-1]["incorrect"]) == (0.0, [], [])

    def test_cosmul(self, wv, questions):
        score, sections = wv.evaluate_word_analogies(questions, similarity_function="most_similar_cosmul")
        for a, b in PAIRS:
            nearest = wv.most_similar_cosmul([6 + a, b], [a], topn=5)
            given = {f"{name}{i}".upper() for i, name in ((a, "country"), (a, "capital"), (b, "country"))}
            right = next(key.upper() for key, _ in nearest if key.upper() not in given) == f"CAPITAL{b}"
            question = tuple(f"{name}{i}".upper() for i in (a, b) for name in ("Country", "capital"))
            assert (question in sections[0]["correct"]) == right
        assert 0 < score < 1

    def test_files(self, wv, questions, tmp_path):
        (tmp_path / "questions.gz").write_bytes(gzip.compress(questions.read_bytes()))
        assert wv.evaluate_word_analogies(tmp_path / "questions.gz") == wv.evaluate_word_analogies(str(questions))
        questions.write_text("a b c d\n")
        with pytest.raises(ValueError, match=r"questions.txt, line 1: expected ': name'"):
            wv.evaluate_word_analogies(questions)
        with pytest.raises(ValueError, match="most_similar_cosmul"):
            wv.evaluate_word_analogies(questions, similarity_function="nearest")

    def test_gensim(self, wv, questions):
        gensim = pytest.importorskip("gensim.models")
        theirs = gensim.KeyedVectors(wv.vector_size)
        theirs.add_vectors(wv.index_to_key, wv.vectors)
        for options in ({}, {"case_insensitive": False}, {"dummy4unknown": True}, {"restrict_vocab": 20}):
            assert wv.evaluate_word_analogies(questions, **options) == theirs.evaluate_word_analogies(
                str(questions), **options
            )


class TestPairs:
    @pytest.fixture
    def pairs(self, tmp_path):
        lines = ["# a comment", "country1\tcapital1\t9.5", "Country2\tother3\t1.5", "other1\tother2\t0", "no pair", ""]
        lines += ["country3\tunknown\t4", "capital4\tcapital5\t7"]
        (tmp_path / "pairs.tsv").write_text("\n".join(lines))
        return tmp_path / "pairs.tsv"

    def test_against_scipy(self, wv, pairs):
        gold = [9.5, 1.5, 0, 7]
        found = [wv.similarity(a, b) for a, b in ((1, 7), (2, 15), (13, 14), (10, 11))]
        pearson, spearman, oov_ratio = wv.evaluate_word_pairs(pairs)
        assert tuple(pearson) == pytest.approx(tuple(scipy.stats.pearsonr(gold, found)))
        assert tuple(spearman) == pytest.approx(tuple(scipy.stats.spearmanr(gold, found)))
        assert oov_ratio == 20

    def test_unknown_words(self, wv, pairs):
        gold = [9.5, 1.5, 0, 4, 7]
        found = [wv.similarity(a, b) if a else 0 for a, b in ((1, 7), (2, 15), (13, 14), (0, 0), (10, 11))]
        pearson, _, oov_ratio = wv.evaluate_word_pairs(pairs, dummy4unknown=True)
        assert pearson[0] == pytest.approx(scipy.stats.pearsonr(gold, found)[0])
        assert oov_ratio == 20
        with pytest.raises(ValueError, match=r"pairs.tsv: expected two pairs or more"):
            wv.evaluate_word_pairs(pairs, restrict_vocab=1)

    def test_formats(self, wv, pairs):
        text = pairs.read_text().replace("\t", ",")
        expected = wv.evaluate_word_pairs(pairs)
        pairs.write_text(text, encoding="utf-16")
        with pytest.raises(UnicodeDecodeError):
            wv.evaluate_word_pairs(pairs, delimiter=",")
        pairs.write_text(text, encoding="latin-1")
        assert wv.evaluate_word_pairs(pairs, delimiter=",", encoding="latin-1") == expected
        with pytest.raises(ValueError, match="found 0"):
            wv.evaluate_word_pairs(pairs)

    def test_gensim(self, wv, pairs):
        gensim = pytest.importorskip("gensim.models")
        theirs = gensim.KeyedVectors(wv.vector_size)
        theirs.add_vectors(wv.index_to_key, wv.vectors)
        for options in ({}, {"dummy4unknown": True}):
            for ours, expected in zip(
                wv.evaluate_word_pairs(pairs, **options), theirs.evaluate_word_pairs(str(pairs), **options), strict=True
            ):
                np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.data
@pytest.mark.slow
def test_the_files_everybody_uses(data_dir):
    gensim = pytest.importorskip("gensim.models")
    options = {"data_home": data_dir, "download_if_missing": False}
    questions, pairs = fetch_word_analogies(**options), fetch_wordsim353(**options)
    words = dict.fromkeys(
        word for line in questions.read_text().splitlines() for word in line.split() if not line.startswith(":")
    )
    words |= dict.fromkeys(
        word for line in pairs.read_text().splitlines() if line[0] != "#" for word in line.split("\t")[:2]
    )
    vectors = np.random.default_rng(0).standard_normal((len(words), 20)).astype(np.float32)
    wv = KeyedVectors.from_arrays(words, vectors)
    theirs = gensim.KeyedVectors(20)
    theirs.add_vectors(list(words), vectors)
    found, expected = wv.evaluate_word_analogies(questions), theirs.evaluate_word_analogies(str(questions))
    assert found == expected
    assert len(found[1]) == 15
    for ours, other in zip(wv.evaluate_word_pairs(pairs), theirs.evaluate_word_pairs(str(pairs)), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-4)
