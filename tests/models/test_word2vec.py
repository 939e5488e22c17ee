"""Word2Vec: what it learns, from what it learns, and that it repeats."""

import gzip
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import wyrm
from wyrm.callbacks import Checkpoint
from wyrm.models import KeyedVectors, Word2Vec

RNG = np.random.default_rng(0)
TOPICS = [[f"{name}{i}" for i in range(8)] for name in "ab"]
SENTENCES = [RNG.choice(TOPICS[i % 2], 8).tolist() for i in range(400)]
KINDS = {
    "skip-gram": {"sg": 1},
    "CBOW": {"sg": 0},
    "CBOW of sums": {"sg": 0, "cbow_mean": 0},
    "skip-gram, tree": {"sg": 1, "hs": 1, "negative": 0},
    "CBOW, tree": {"sg": 0, "hs": 1, "negative": 0},
    "skip-gram, both": {"sg": 1, "hs": 1},
    "CBOW, both": {"sg": 0, "hs": 1},
    "skip-gram, by pair": {"sg": 1, "shared_negatives": False},
    "CBOW, by window": {"sg": 0, "shared_negatives": False},
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def model(**options):
    return Word2Vec(**({"vector_size": 12, "window": 3, "min_count": 1, "sample": 0, "workers": 1} | options))


def same_topic_is_nearer(wv):
    unit = wv.vectors[[wv.key_to_index[key] for topic in TOPICS for key in topic]]
    unit = unit - unit.mean(axis=0)  # what all have in common says nothing
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T
    inside = (scores[:8, :8].sum() + scores[8:, 8:].sum() - 16) / 112
    return inside > scores[:8, 8:].mean() + 0.3


@every_kind
def test_tokens_of_a_topic_come_together(kind):
    trained = model(alpha=0.1, epochs=12, **kind).fit(SENTENCES)
    assert same_topic_is_nearer(trained.wv)
    losses = trained.history.loss
    assert losses[-1] < losses[0]


@every_kind
def test_the_first_loss_is_that_of_knowing_nothing(kind):
    """Outputs are zero, and a learning rate too small to change that: log 2 for each logit of each pair."""
    trained = model(alpha=1e-20, min_alpha=1e-20, epochs=1, **kind).fit(SENTENCES)
    expected = (1 + 5) * np.log(2) if kind.get("negative", 5) else 0.0
    if kind.get("hs"):
        expected += 4 * np.log(2)  # 16 tokens, about equally frequent: four turns each
    assert trained.history.loss[0] == pytest.approx(expected, rel=0.02 if kind.get("hs") else 1e-6)


@every_kind
def test_one_thread_repeats_bit_for_bit(kind):
    first, second = (model(seed=3, **kind).fit(SENTENCES[:50]) for _ in range(2))
    np.testing.assert_array_equal(first.wv.vectors, second.wv.vectors)
    other = model(seed=4, **kind).fit(SENTENCES[:50])
    assert (first.wv.vectors != other.wv.vectors).any()


def test_deterministic_training_does_not_depend_on_workers_or_the_process(tmp_path):
    (tmp_path / "text").write_text("\n".join(map(" ".join, SENTENCES * 8)))
    program = (
        "import sys, hashlib; from wyrm.models import Word2Vec;"
        "m = Word2Vec(vector_size=8, epochs=1, deterministic=True, workers=int(sys.argv[2])).fit(sys.argv[1]);"
        "print(hashlib.sha256(m.wv.vectors.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, tmp_path / "text", workers],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        ).stdout
        for workers, hash_seed in (("1", "0"), ("4", "1"))
    }
    assert len(found) == 1


def test_forms_of_a_corpus_give_the_same_model(tmp_path):
    text = "\n".join(map(" ".join, SENTENCES)).encode()
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "half1").write_bytes(b"\n".join(text.split(b"\n")[:150]))
    (tmp_path / "half2").write_bytes(b"\n".join(text.split(b"\n")[150:]))
    (tmp_path / "text.gz").write_bytes(gzip.compress(text))
    expected = model().fit(SENTENCES)
    for corpus in (
        tmp_path / "text",
        str(tmp_path / "text"),
        [tmp_path / "half1", tmp_path / "half2"],
        [str(tmp_path / "half1"), str(tmp_path / "half2")],
        tmp_path / "text.gz",
    ):
        found = model().fit(corpus)
        assert found.wv.index_to_key == expected.wv.index_to_key
        assert found.corpus_count == 400
        assert found.corpus_total_words == 3200
    for made in (model(corpus_file=tmp_path / "text"), model().fit(corpus_file=[tmp_path / "text"])):
        assert made.wv.index_to_key == expected.wv.index_to_key
    np.testing.assert_array_equal(model(sentences=SENTENCES).wv.vectors, expected.wv.vectors)


def test_numbers_and_other_hashables_are_tokens():
    walks = RNG.integers(0, 30, (100, 10))
    trained = model(epochs=1).fit(walks)
    assert sorted(trained.wv.index_to_key) == list(range(30))
    tuples = [[(i % 3, i) for i in range(5)]] * 20
    assert len(model(epochs=1).fit(tuples).wv) == 5


def test_threads_learn_as_one():
    sentences = SENTENCES * 15
    assert same_topic_is_nearer(model(sg=1, alpha=0.1, epochs=1, workers=3).fit(sentences).wv)
    assert same_topic_is_nearer(model(sg=0, alpha=0.1, epochs=2, workers=3).fit(sentences).wv)


def test_both_halves_are_the_whole():
    whole = model(epochs=3).fit(SENTENCES)
    halves = model(epochs=3).build_vocab(SENTENCES)
    centres, tokens = halves.train(SENTENCES)
    np.testing.assert_array_equal(halves.wv.vectors, whole.wv.vectors)
    assert (centres, tokens) == (3 * 3200, 3 * 3200)


@every_kind
def test_new_tokens_join_the_old(kind):
    trained = model(**kind).fit(SENTENCES)
    known, before = list(trained.wv.index_to_key), trained.wv.vectors.copy()
    outputs = None if trained.negative == 0 else trained.syn1neg.copy()
    new = [["c0", "c1", "c2", "a0"]] * 30
    trained.build_vocab(new, update=True)
    assert trained.wv.index_to_key == [*known, "c0", "c1", "c2"]
    assert trained.wv.get_vecattr("c0", "count") == 30
    assert trained.wv.get_vecattr("a0", "count") == sum(s.count("a0") for s in SENTENCES) + 30
    np.testing.assert_array_equal(trained.wv.vectors[:16], before)
    if outputs is not None:
        np.testing.assert_array_equal(trained.syn1neg[:16], outputs)
        assert not trained.syn1neg[16:].any()
    moved = trained.wv.vectors.copy()
    trained.train(new, epochs=20)
    assert (trained.wv.vectors[16:] != moved[16:]).all()
    assert trained.history.loss[-1] < trained.history.loss[-20]


def test_partial_fit_starts_and_goes_on():
    trained = model(alpha=0.1)
    for i in range(4):
        trained.partial_fit(SENTENCES[i * 100 : (i + 1) * 100])
    assert len(trained.history.loss) == 4
    trained.partial_fit([["new", "a1"]] * 10)
    assert "new" in trained.wv


def test_training_twice_draws_anew():
    trained = model(epochs=1).build_vocab(SENTENCES)
    moves = []
    for _ in range(2):
        trained.build_vocab(SENTENCES)
        trained.train(SENTENCES)
        moves.append(trained.wv.vectors.copy())
    assert (moves[0] != moves[1]).any()


@every_kind
def test_saved_and_pickled_models_go_on(kind, tmp_path):
    trained = model(**kind).fit(SENTENCES)
    trained.save(tmp_path / "model")
    others = [Word2Vec.load(tmp_path / "model"), pickle.loads(pickle.dumps(trained)), wyrm.io.load(tmp_path / "model")]
    trained.train(SENTENCES, epochs=2)
    for other in others:
        assert other.history.loss == trained.history.loss[:-2]
        other.train(SENTENCES, epochs=2)
        np.testing.assert_array_equal(other.wv.vectors, trained.wv.vectors)
        assert other.wv.index_to_key == trained.wv.index_to_key
    assert len(Word2Vec.load(tmp_path / "model").wv) == 16


def test_models_without_a_vocabulary_are_saved_too(tmp_path):
    Word2Vec(vector_size=7).save(tmp_path / "model")
    assert Word2Vec.load(tmp_path / "model").vector_size == 7
    trained = model(trim_rule=lambda *_: 0)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(trained)


def test_a_run_that_was_cut_short_goes_on_from_its_checkpoint(tmp_path):
    whole = model(epochs=4).fit(SENTENCES)
    path = tmp_path / "checkpoint"

    def stop(trainer):
        return len(trainer.history.loss) == 2

    cut = model(epochs=4).build_vocab(SENTENCES)
    cut.train(SENTENCES, callbacks=[Checkpoint(path), stop])
    assert len(cut.history.loss) == 2
    resumed = model(epochs=4).build_vocab(SENTENCES)
    resumed.train(SENTENCES, resume=path)
    np.testing.assert_array_equal(resumed.wv.vectors, whole.wv.vectors)


def test_callbacks_of_both_kinds():
    calls = []

    class Gensim:
        def on_train_begin(self, model):
            calls.append("train")

        def on_epoch_begin(self, model):
            calls.append("begin")

        def on_epoch_end(self, model):
            calls.append(len(model.history.loss))

        def on_train_end(self, model):
            calls.append("end")

    model(epochs=2).fit(SENTENCES, callbacks=[Gensim(), lambda trainer: calls.append("trainer")])
    assert calls == ["train", "begin", 1, "begin", "trainer", 2, "trainer", "end"]


def test_callbacks_of_the_constructor_are_for_all_training():
    calls = []
    made = model(epochs=2, callbacks=[lambda trainer: calls.append(1)]).fit(SENTENCES)
    assert len(calls) == 2
    made.train(SENTENCES, epochs=1)
    made.partial_fit(SENTENCES)
    assert len(calls) == 4
    made.train(SENTENCES, epochs=1, callbacks=())
    assert len(calls) == 4 and pickle.loads(pickle.dumps(made)).callbacks == ()
    with pytest.raises(TypeError, match="callback"):
        model(callbacks=[3]).fit(SENTENCES)


@pytest.mark.parametrize(
    ("corpus", "options", "error", "words"),
    [
        ([], {}, RuntimeError, "the corpus has no tokens"),
        ([["a", "b"]], {"min_count": 3}, RuntimeError, "no token occurs 3 times"),
        ([[["a"], ["b"]]], {}, TypeError, "sequences of hashable tokens: unhashable"),
        ([1, 2], {}, TypeError, "sequences of hashable tokens: 'int'"),
    ],
)
def test_a_corpus_without_anything_to_learn(corpus, options, error, words):
    with pytest.raises(error, match=words):
        model(**options).fit(corpus)


def test_predicted_words(caplog):
    trained = model(sg=0, alpha=0.1, epochs=10).fit(SENTENCES)
    found = trained.predict_output_word(["a0", "a1"], topn=8)
    assert {key for key, _ in found} == set(TOPICS[0])
    assert found == trained.predict_output_word([trained.wv.key_to_index["a0"], "a1", "unknown"], topn=8)
    assert sum(p for _, p in trained.predict_output_word(["a0"], topn=99)) == pytest.approx(1)
    assert trained.predict_output_word(["unknown"]) is None
    assert "in the vocabulary" in caplog.text
    with pytest.raises(RuntimeError, match="negative sampling"):
        model(hs=1, negative=0).fit(SENTENCES).predict_output_word(["a0"])


@pytest.mark.parametrize("sg", [0, 1])
def test_scores_are_log_likelihoods(sg):
    """Against the tree, walked in Python."""
    trained = model(sg=sg, hs=1, negative=0, alpha=0.1, window=2).fit(SENTENCES)
    rows, turns, starts = wyrm.text.huffman.huffman_paths(trained.wv.expandos["count"])

    def log_likelihood(hidden, centre):
        path = slice(starts[centre], starts[centre + 1])
        return -np.logaddexp(0, -turns[path] * (trained.syn1[rows[path]].astype(float) @ hidden)).sum()

    sentences = [["a0", "a1", "b0"], [], ["b1"], ["unknown", "b2", "b3", "b4", "b5"]]
    expected = []
    for sentence in sentences:
        tokens = [trained.wv.key_to_index[key] for key in sentence if key in trained.wv]
        total = 0.0
        for i, centre in enumerate(tokens):
            near = trained.wv.vectors[tokens[max(0, i - 2) : i] + tokens[i + 1 : i + 3]].astype(float)
            if len(near):
                total += sum(log_likelihood(h, centre) for h in (near if sg else [near.mean(axis=0)]))
        expected.append(total)
    np.testing.assert_allclose(trained.score(sentences), expected, rtol=1e-4, atol=1e-5)
    assert trained.score(sentences, 2).shape == (2,)
    with pytest.raises(RuntimeError, match="hierarchical softmax"):
        model().fit(SENTENCES).score(sentences)


def test_vocabularies_from_counts():
    trained = model(min_count=2).build_vocab_from_freq({"x": 3, "y": 5, "z": 1})
    assert trained.wv.index_to_key == ["y", "x"]
    trained.build_vocab_from_freq({"x": 1, "w": 9}, update=True)
    assert trained.wv.index_to_key == ["y", "x", "w"]
    assert trained.wv.expandos["count"].tolist() == [5, 4, 9]


def test_rules_choose_tokens():
    trained = model(trim_rule=lambda key, count, least: 1 if key == "a0" else 0).build_vocab(SENTENCES)
    assert "a0" not in trained.wv
    assert "a0" in model().build_vocab(SENTENCES, trim_rule=lambda *_: 0).wv


def test_the_matrix_of_wv_is_what_is_trained():
    trained = model().build_vocab(SENTENCES)
    vectors = trained.wv.vectors
    trained.wv.fill_norms()
    before = vectors.copy()
    trained.train(SENTENCES, epochs=1)
    assert trained.wv.vectors is vectors
    assert (vectors != before).any()
    assert trained.wv.norms is None
    assert isinstance(trained.wv, KeyedVectors)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"vector_size": 0}, ValueError, "vector_size >= 1"),
        ({"window": 2.5}, TypeError, "integer as window"),
        ({"epochs": 0}, ValueError, "epochs >= 1"),
        ({"negative": -1}, ValueError, "negative >= 0"),
        ({"hs": 0, "negative": 0}, ValueError, "either hs or negative"),
        ({"workers": 0}, ValueError, "workers"),
        ({"alpha": -1.0}, ValueError, "alpha >= 0, got -1.0"),
        ({"min_alpha": np.nan}, ValueError, "finite min_alpha"),
        ({"sample": -1.0}, ValueError, "sample"),
        ({"sample": None}, TypeError, "number as sample"),
        ({"ns_exponent": np.inf}, ValueError, "finite ns_exponent, got inf"),
        ({"sg": 2}, ValueError, "0 or 1 as sg"),
        ({"hs": -1}, ValueError, "0 or 1 as hs"),
        ({"cbow_mean": "yes"}, ValueError, "0 or 1 as cbow_mean"),
    ],
)
def test_hostile_parameters_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        model(**options).fit(SENTENCES)


@pytest.mark.parametrize("options", [{"negative": 2}, {"hs": 1, "negative": 0}], ids=str)
def test_a_single_token_is_nothing_to_train_on(options):
    with pytest.raises(RuntimeError, match=r"expected two different tokens or more .*\['a'\]"):
        model(**options).fit([["a"] * 10] * 20)


@pytest.mark.parametrize("options", [{"sg": 1}, {"sg": 0}, {"hs": 1, "negative": 0}], ids=str)
def test_a_sample_that_leaves_nothing_trains_nothing(options):
    trained = model(**options, sample=1e-30).build_vocab(SENTENCES)
    before = trained.wv.vectors.copy()
    assert trained.train(SENTENCES, epochs=1)[0] == 0
    np.testing.assert_array_equal(trained.wv.vectors, before)


def test_a_text_without_known_tokens_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("some other words\n" * 10)
    trained = model(sample=0.9).build_vocab(SENTENCES)
    with pytest.raises(ValueError, match="tokens of the vocabulary, found none of them"):
        trained.train(path)
    path.write_text(f"some {SENTENCES[0][0]} other\n" * 10)
    assert trained.train(path)[0] == 0
    assert trained.train(iter([["one", SENTENCES[0][0]]]))[0] == 0


def test_hostile_corpora_are_refused(tmp_path, caplog):
    with pytest.raises(RuntimeError, match="you must first build vocabulary before training the model"):
        model().fit([])
    with pytest.raises(RuntimeError, match="no token occurs 1000 times"):
        model(min_count=1000).fit(SENTENCES)
    with pytest.raises(RuntimeError, match="first build vocabulary"):
        model().train(SENTENCES)
    with pytest.raises(RuntimeError, match="no vocabulary to update"):
        model().build_vocab(SENTENCES, update=True)
    with pytest.raises(TypeError, match="generator"):
        model().fit(sentence for sentence in SENTENCES)
    with pytest.raises(TypeError, match="got both"):
        model().fit(SENTENCES, corpus_file=tmp_path)
    with pytest.raises(TypeError, match="got none"):
        model().fit()
    with pytest.raises(FileNotFoundError):
        model().fit(tmp_path / "missing")
    with pytest.raises(ValueError, match="found none of them"):
        model().build_vocab(SENTENCES).train([["unknown"]])
    model().build_vocab(["human", "machine"])
    assert "should be a list of words" in caplog.text
    with pytest.raises(FloatingPointError, match="infinite"):
        model(alpha=1e30, epochs=3).fit(SENTENCES)
