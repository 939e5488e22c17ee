"""What those who come from gensim expect of Word2Vec: its names, errors, warnings and numbers."""

import copy
import logging
import pickle
import re

import numpy as np
import pytest

from wyrm.models import KeyedVectors, Word2Vec
from wyrm.models.word2vec_vocabulary import VocabularyError

RNG = np.random.default_rng(0)
SENTENCES = [RNG.choice(["a", "b", "c", "d", "e"], 8, p=[0.4, 0.3, 0.2, 0.06, 0.04]).tolist() for _ in range(100)]
TOTAL = 800


def model(**options):
    return Word2Vec(**({"vector_size": 6, "window": 3, "min_count": 1, "sample": 0, "workers": 1} | options))


def test_a_script_of_gensim_runs():
    class Losses:
        def __init__(self):
            self.sums = []

        def on_epoch_end(self, model):
            self.sums.append(model.get_latest_training_loss())

    losses = Losses()
    trained = model(sg=1, epochs=3, hashfxn=hash, batch_words=10_000, sorted_vocab=1, null_word=0, comment="a script")
    trained.build_vocab(corpus_iterable=SENTENCES, progress_per=10_000, keep_raw_vocab=True)
    counted = {"total_examples": trained.corpus_count, "total_words": trained.corpus_total_words}
    assert counted == {"total_examples": 100, "total_words": TOTAL}
    trained.train(
        corpus_iterable=SENTENCES,
        epochs=trained.epochs,
        compute_loss=True,
        callbacks=[losses],
        queue_factor=2,
        report_delay=1.0,
        **counted,
    )
    assert trained.compute_loss
    assert trained.comment == "a script"
    # Sums since the training began, of which the history has means by pair.
    assert losses.sums == sorted(losses.sums)
    sums = np.diff([0, *losses.sums])
    np.testing.assert_allclose(sums / sums[0], np.divide(trained.history.loss, trained.history.loss[0]), rtol=0.05)
    before = trained.get_latest_training_loss()
    trained.train(SENTENCES, epochs=1)
    assert trained.get_latest_training_loss() < before


def test_what_gensim_has_and_we_do_not_is_refused():
    for options in ({"sorted_vocab": 0}, {"null_word": 1}):
        with pytest.raises(ValueError, match="sorted_vocab=1 and null_word=0"):
            model(**options)


def test_names_that_are_missing_say_what_to_use_instead():
    trained = model().build_vocab(SENTENCES)
    for name, instead in {
        "vocab": "key_to_index, and get_vecattr(key, 'count')",
        "index2word": "index_to_key",
        "vectors_norm": "get_normed_vectors()",
        "init_sims": "unit_normalize_all() where it was init_sims(replace=True)",
        "word_vec": "get_vector",
        "words_closer_than": "closer_than",
    }.items():
        with pytest.raises(
            AttributeError, match=re.escape(f"no attribute '{name}', which gensim has or had: use ")
        ) as e:
            getattr(trained.wv, name)
        assert instead in str(e.value)
        with pytest.raises(AttributeError, match="which gensim has or had: use wv"):
            getattr(trained, name)
    for name, instead in {
        "most_similar": "wv.most_similar",
        "raw_vocab": "Vocabulary",
        "update_weights": "update=True",
    }.items():
        with pytest.raises(AttributeError, match=re.escape(instead)):
            getattr(trained, name)
    assert not hasattr(trained, "anything_else")
    assert not hasattr(trained.wv, "anything_else")
    with pytest.raises(AttributeError, match="with hierarchical softmax, hs=1"):
        assert trained.syn1


@pytest.mark.parametrize("kind", [{"hs": 1}, {"alpha": 0.03}], ids=["both losses", "rising alpha"])
def test_odd_settings_are_warned_about(kind, caplog):
    words = "Both hierarchical softmax and negative sampling" if "hs" in kind else "'alpha' higher than previous"
    trained = model(**kind).build_vocab(SENTENCES)
    trained.train(SENTENCES, epochs=1)
    if "alpha" in kind:
        trained.partial_fit(SENTENCES)
        assert words not in caplog.text
        trained.train(SENTENCES, epochs=1)
    assert words in caplog.text


def test_epochs_are_logged(caplog):
    with caplog.at_level(logging.INFO):
        model(epochs=2).fit(SENTENCES)
    assert [line[:7] for line in caplog.messages if line.startswith("EPOCH")] == ["EPOCH 1", "EPOCH 2"]


def test_vocabularies_in_two_steps():
    trained = model(min_count=60, max_final_vocab=2)
    assert trained.scan_vocab(SENTENCES) == (TOTAL, 100)
    tried = trained.prepare_vocab(dry_run=True)
    assert len(trained.wv) == 0
    assert trained.prepare_vocab() == tried
    counts = trained.wv.expandos["count"]
    assert trained.wv.index_to_key == ["a", "b"]
    assert tried["drop_unique"] == 3
    assert tried["num_retained_words"] == 2
    assert tried["retain_total"] == tried["downsample_total"] == counts.sum()
    assert tried["downsample_unique"] == 0
    assert trained.effective_min_count > 60
    with pytest.raises(VocabularyError, match="scan_vocab has counted"):
        trained.prepare_vocab()
    rare = model()
    rare.scan_vocab(SENTENCES)
    found = rare.prepare_vocab(min_count=100, sample=1e-3)
    assert found["downsample_unique"] == len(rare.wv) == 3
    assert 0 < found["downsample_total"] < found["retain_total"]
    assert (rare.min_count, rare.sample) == (100, 1e-3)


def test_weights_begin_anew():
    trained = model().fit(SENTENCES)
    first = model().build_vocab(SENTENCES).wv.vectors.copy()
    assert (trained.wv.vectors != first).any()
    other = model(vector_size=3).build_vocab([["x", "y"]])
    other.reset_from(trained)
    assert other.wv.key_to_index == trained.wv.key_to_index
    assert other.wv.vectors.shape == (5, 3)
    assert other.corpus_count == 100
    other.train(SENTENCES, epochs=1)
    trained.init_weights()
    np.testing.assert_array_equal(trained.wv.vectors, first)
    for call in (model().init_weights, lambda: other.reset_from(model())):
        with pytest.raises(VocabularyError, match="vocabulary"):
            call()


def test_memory_is_estimated():
    found = model(vector_size=100, hs=1).estimate_memory(1000)
    assert found["vectors"] == found["syn1"] == found["syn1neg"] == 400_000
    assert found["total"] == sum(found.values()) - found["total"]
    assert "syn1" not in model().build_vocab(SENTENCES).estimate_memory()


def test_codes_and_points_are_the_ways_in_the_tree():
    wv = model(hs=1, negative=0).build_vocab(SENTENCES).wv
    codes = {key: "".join(map(str, wv.get_vecattr(key, "code"))) for key in wv.index_to_key}
    assert len(codes["a"]) < len(codes["e"])
    assert sum(2.0 ** -len(code) for code in codes.values()) == 1
    assert not any(b.startswith(a) for a in codes.values() for b in codes.values() if a != b)
    for key, code in codes.items():
        points = wv.get_vecattr(key, "point")
        assert len(points) == len(code)
        assert points[0] == wv.get_vecattr("a", "point")[0]
        assert points.max() < len(wv) - 1
    wv.add_vector("new", np.ones(6))
    with pytest.raises(KeyError, match="code"):
        wv.get_vecattr("new", "code")


def test_vectors_put_in_place_of_others_are_trained_on():
    """Those of another source, say."""
    trained, same = model().build_vocab(SENTENCES), model().build_vocab(SENTENCES)
    start = RNG.normal(size=trained.wv.vectors.shape).astype(np.float32)
    trained.wv.vectors = start.copy()
    same.wv.vectors[:] = start
    for one in (trained, same):
        one.train(SENTENCES, epochs=1)
    assert (trained.wv.vectors != start).any()
    np.testing.assert_array_equal(trained.wv.vectors, same.wv.vectors)
    trained.wv.vectors = trained.wv.vectors * 2
    trained.build_vocab([["f", "a"]], update=True)
    np.testing.assert_array_equal(trained.wv.vectors[:5], same.wv.vectors * 2)

    for wv in (KeyedVectors(6), same.wv):
        if len(wv):
            wv.add_vector("new", np.ones(6))
        same.wv = wv
        with pytest.raises(ValueError, match=r"build_vocab\(…, update=True\)"):
            same.train(SENTENCES)
    with pytest.raises(ValueError, match="first build vocabulary"):  # a RuntimeError, too
        model().train(SENTENCES)


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"]
)
def test_copies_are_their_own(clone):
    trained = model(hs=1).fit(SENTENCES)
    other, wv = clone(trained), clone(trained.wv)
    np.testing.assert_array_equal(other.wv.get_vecattr("d", "code"), trained.wv.get_vecattr("d", "code"))
    before = trained.wv.vectors.copy()
    other.train(SENTENCES, epochs=1)
    wv["a"] = np.ones(6)
    np.testing.assert_array_equal(trained.wv.vectors, before)
    assert (other.wv.vectors != before).any()


def test_vectors_of_a_file_to_begin_with(tmp_path):
    source = KeyedVectors(6)
    source.add_vectors(["b", "z", "a"], RNG.normal(size=(3, 6)))
    for binary in (False, True):
        source.save_word2vec_format(tmp_path / "vectors", binary=binary)
        trained = model().build_vocab(SENTENCES)
        before, live = trained.wv.vectors.copy(), trained.wv.vectors
        trained.wv.fill_norms()
        assert trained.wv.intersect_word2vec_format(tmp_path / "vectors", binary=binary) == 2
        assert trained.wv.vectors is live
        assert "z" not in trained.wv
        np.testing.assert_allclose(trained.wv[["a", "b"]], source[["a", "b"]], rtol=1e-6)
        np.testing.assert_array_equal(trained.wv[["c", "d", "e"]], before[2:])
        assert trained.wv.similarity("a", "b") == pytest.approx(source.similarity("a", "b"))
        trained.train(SENTENCES, epochs=1)
        assert (trained.wv["a"] != source["a"]).all()
    with pytest.raises(ValueError, match="of 7 numbers, found 6"):
        KeyedVectors(7).intersect_word2vec_format(tmp_path / "vectors", binary=True)
    assert KeyedVectors(6).intersect_word2vec_format(tmp_path / "vectors", binary=True) == 0


@pytest.mark.parametrize(
    "kind",
    [{"sg": 1}, {"sg": 0}, {"sg": 0, "cbow_mean": 0}, {"hs": 1, "negative": 0}, {"sg": 1, "shared_negatives": False}],
    ids=str,
)
@pytest.mark.parametrize("threads", [{"workers": 1}, {"workers": 3}, {"deterministic": True}], ids=str)
def test_vectors_are_kept_from_learning(kind, threads):
    sentences = SENTENCES * 40
    trained = model(**kind, **threads).build_vocab(sentences)
    assert trained.wv.vectors_lockf.tolist() == [1.0]
    trained.wv.vectors_lockf = np.ones(5, np.float32)
    trained.wv.vectors_lockf[[0, 3]] = 0
    before = trained.wv.vectors.copy()
    trained.train(sentences, epochs=2)
    moved = (trained.wv.vectors != before).any(axis=1)
    assert moved.tolist() == [False, True, True, False, True]
    assert trained.history.loss[1] < trained.history.loss[0]
    trained.wv.vectors_lockf[:] = 1
    trained.train(sentences, epochs=1)
    assert (trained.wv.vectors != before).any(axis=1).all()


def test_a_single_factor_is_for_all_vectors():
    fast, slow, frozen = (model(sg=1).build_vocab(SENTENCES) for _ in range(3))
    before = frozen.wv.vectors.copy()
    slow.wv.vectors_lockf[0] = 1e-3
    frozen.wv.vectors_lockf = [0]
    for trained in (fast, slow, frozen):
        trained.train(SENTENCES, epochs=1)
    np.testing.assert_array_equal(frozen.wv.vectors, before)
    assert (frozen.syn1neg != 0).any()
    assert 0 < np.abs(slow.wv.vectors - before).max() < np.abs(fast.wv.vectors - before).max() / 50


def test_what_is_kept_from_learning_lasts(tmp_path):
    trained = model().build_vocab(SENTENCES)
    trained.wv.vectors_lockf = [0, 1, 1, 1, 1]
    trained.wv.set_vecattr("b", "kind", "letter")
    first = trained.wv.vectors[0].copy()
    trained.save(tmp_path / "model")
    trained.wv.save(tmp_path / "vectors")
    for other in (Word2Vec.load(tmp_path / "model"), copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert other.wv.vectors_lockf.tolist() == [0, 1, 1, 1, 1]
        assert other.wv.get_vecattr("b", "kind") == "letter"
    assert KeyedVectors.load(tmp_path / "vectors", mmap=True).vectors_lockf.tolist() == [0, 1, 1, 1, 1]
    trained.build_vocab([["f", "a", "g"]] * 50, update=True)
    assert trained.wv.vectors_lockf.tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert [trained.wv.get_vecattr(key, "kind") for key in "bg"] == ["letter", 0]
    assert trained.wv.get_vecattr("a", "count") == 50 + sum(sentence.count("a") for sentence in SENTENCES)
    trained.train([["f", "a", "g"]] * 50, epochs=1)
    np.testing.assert_array_equal(trained.wv.vectors[0], first)
    trained.wv.vectors_lockf = np.ones(3)
    with pytest.raises(ValueError, match="one for each of 7 tokens, found 3"):
        trained.train(SENTENCES)
    for wrong in ([], [[1.0]], [-1.0], [np.nan]):
        with pytest.raises(ValueError, match="vectors_lockf: expected finite numbers >= 0"):
            trained.wv.vectors_lockf = wrong
    trained.init_weights()
    assert trained.wv.vectors_lockf.tolist() == [1.0]
    wv = KeyedVectors.from_arrays(["x", "y"], np.eye(2), count=[1, 2])
    wv.vectors_lockf = [0, 1]
    wv.sort_by_descending_frequency()
    assert wv.vectors_lockf.tolist() == [1, 0]


def test_vectors_of_a_file_are_kept_from_learning(tmp_path):
    source = KeyedVectors(6)
    source.add_vectors(["b", "z", "a"], RNG.normal(size=(3, 6)).astype(np.float32))
    source.save_word2vec_format(tmp_path / "vectors", binary=True)
    trained = model().build_vocab(SENTENCES)
    trained.wv.intersect_word2vec_format(tmp_path / "vectors", binary=True, lockf=0.0)
    assert trained.wv.vectors_lockf.tolist() == [0, 0, 1, 1, 1]
    trained.train(SENTENCES, epochs=1)
    np.testing.assert_array_equal(trained.wv[["a", "b"]], source[["a", "b"]])
    trained.wv.intersect_word2vec_format(tmp_path / "vectors", binary=True)
    assert trained.wv.vectors_lockf.tolist() == [1] * 5


def test_files_are_loaded_by_the_class(tmp_path):
    trained = model().fit(SENTENCES)
    trained.save(tmp_path / "model", sep_limit=0)
    again = Word2Vec.load(tmp_path / "model", mmap="r")
    np.testing.assert_array_equal(again.wv.vectors, trained.wv.vectors)
    assert again.get_latest_training_loss() == trained.get_latest_training_loss()
    with pytest.raises(AttributeError, match="call it on the class"):
        again.load(tmp_path / "model")
    trained.wv.save(tmp_path / "vectors")
    for kind in (TypeError, AttributeError):
        with pytest.raises(kind, match="expected a Word2Vec, found a KeyedVectors"):
            Word2Vec.load(tmp_path / "vectors")
    (tmp_path / "pickle").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match=r"found a pickle.*from_gensim"):
        Word2Vec.load(tmp_path / "pickle")


def test_models_of_gensim_are_taken_over():
    gensim = pytest.importorskip("gensim.models")
    theirs = gensim.Word2Vec(SENTENCES, vector_size=6, window=4, min_count=1, sg=1, workers=1, alpha=0.03)
    assert Word2Vec.from_gensim(theirs).wv.vectors_lockf.tolist() == [1]
    theirs.wv.vectors_lockf = np.array([0.5, 1], np.float32)  # again and again
    assert Word2Vec.from_gensim(theirs).wv.vectors_lockf.tolist() == [0.5, 1, 0.5, 1, 0.5]
    theirs.wv.vectors_lockf = np.ones(1, np.float32)
    ours = Word2Vec.from_gensim(theirs)
    assert ours.wv.index_to_key == theirs.wv.index_to_key
    np.testing.assert_array_equal(ours.wv.vectors, theirs.wv.vectors)
    np.testing.assert_array_equal(ours.syn1neg, theirs.syn1neg)
    assert (ours.window, ours.sg, ours.alpha, ours.corpus_count) == (4, 1, 0.03, 100)
    assert ours.wv.get_vecattr("a", "count") == theirs.wv.get_vecattr("a", "count")
    ours.train(SENTENCES, epochs=1)
    assert (ours.wv.vectors != theirs.wv.vectors).any()
    with pytest.raises(ValueError, match="hs=0"):
        Word2Vec.from_gensim(gensim.Word2Vec(SENTENCES, vector_size=6, min_count=1, hs=1, negative=0))


def test_what_is_no_model_or_path_is_refused():
    trained = model().build_vocab(SENTENCES)
    with pytest.raises(TypeError, match=r"a model of gensim, such as gensim.models.Word2Vec.load\(path\), got str"):
        Word2Vec.from_gensim("model.w2v")
    with pytest.raises(TypeError, match="expected another Word2Vec, got str"):
        trained.reset_from("model.w2v")
    with pytest.raises(TypeError, match="expected a path or a binary file object, got list"):
        trained.wv.save_word2vec_format(["vectors"])
    for load in (Word2Vec.load, KeyedVectors.load):
        with pytest.raises(TypeError, match="not int"):  # which would be closed, whatever it is
            load(1)
    with pytest.raises(TypeError, match="expected an array, got list"):
        trained.wv.vectors = [[1.0]]
    with pytest.raises(TypeError, match="expected a key, such as a string or a number, got ndarray"):
        trained.wv.similarity(trained.wv["a"], "b")
