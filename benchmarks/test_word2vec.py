"""Word2Vec: words per second of counting and of training, beside gensim.

The text follows a power law, each word before a partner of its own, which has to be learnt before times are taken. A
step is a word. Where gensim is installed it does the same by turns, on one thread as we do, and `ratio` is how many
times longer it takes. The contests (contest.py) have text8 instead, and accuracy.py has what is learnt there.
"""

from collections import Counter

import numpy as np
import pytest
from timing import by_turns, clock_for, note_rate, ratio

from wyrm.models import Word2Vec
from wyrm.text import Vocabulary

SIZES = {"small": 20_000, "regular": 500_000, "large": 4_000_000}
LINE = 1_000
ROUNDS = 3
TREE = {"hs": 1, "negative": 0}
KINDS = {
    "skip-gram": {"sg": 1},
    "skip-gram-300": {"sg": 1, "vector_size": 300},
    "skip-gram-tree": {"sg": 1, **TREE},
    "cbow": {"sg": 0},
    "cbow-300": {"sg": 0, "vector_size": 300},
    "cbow-tree": {"sg": 0, **TREE},
}


class Text:
    def __init__(self, path, n):
        firsts = np.minimum(np.random.default_rng(0).zipf(1.3, n // 2), 1_000)
        words = np.stack([firsts, firsts + 1_000], axis=1).reshape(-1, LINE).astype(str)
        path.write_text("\n".join(map(" ".join, words.tolist())) + "\n")
        self.path, self.n = path, n


@pytest.fixture(scope="module", params=SIZES)
def text(request, measuring, tmp_path_factory):
    if not measuring and request.param != "small":
        pytest.skip("for measuring")
    return Text(tmp_path_factory.mktemp("text") / "words", SIZES[request.param])


def knows_partners(model):
    """Whether a word makes its own partner likelier than the next word's."""
    if model.negative:
        likely = dict(model.predict_output_word(["1"], topn=len(model.wv)))
        return likely["1001"] > 2 * likely["1002"]
    own, other = model.score([["1", "1001"], ["1", "1002"]])
    return own > other + 1


def beside(benchmark, measuring, text, ours, theirs):
    """Note how much longer gensim takes, where it is installed."""
    if measuring and theirs is not None and text.n < SIZES["large"]:
        times = by_turns({"ours": ours, "theirs": theirs}, ROUNDS, clock_for(1))
        benchmark.extra_info["gensim words/s"] = round(text.n / min(times["theirs"]))
        benchmark.extra_info["ratio"] = round(ratio(times["theirs"], times["ours"]), 2)


def model_of_gensim(text, options):
    try:
        from gensim.models import Word2Vec as Peer
    except ImportError:
        return None
    peer = Peer(**options)
    peer.build_vocab(corpus_file=str(text.path))
    return peer


@pytest.mark.parametrize("kind", KINDS)
def test_training(kind, text, measure, benchmark, measuring):
    options = {"vector_size": 100, "window": 5, "negative": 5, "sample": 0, "min_count": 1, "workers": 1, "seed": 1}
    options |= {"alpha": 0.05, **KINDS[kind]}
    model = Word2Vec(**options).build_vocab(text.path)
    model.train(text.path, epochs=5 if text.n == SIZES["small"] else 1)
    assert knows_partners(model)
    measure(lambda n: model.train(text.path, epochs=1), text.n, rounds=ROUNDS)
    note_rate(benchmark, "words")
    peer = model_of_gensim(text, options) if measuring else None
    theirs = peer and (
        lambda: peer.train(
            corpus_file=str(text.path),
            total_examples=peer.corpus_count,
            total_words=peer.corpus_total_words,
            epochs=1,
        )
    )
    beside(benchmark, measuring, text, lambda: model.train(text.path, epochs=1), theirs)


def test_counting(text, measure, benchmark, measuring):
    count = lambda: Vocabulary.count(text.path, n_threads=1)  # noqa: E731
    expected, found = Counter(text.path.read_text().split()), count()
    assert dict(zip(found.keys, found.counts.tolist(), strict=True)) == expected
    assert (found.n_tokens, found.n_sentences) == (text.n, text.n // LINE)
    measure(lambda n: count(), text.n, bytes=text.path.stat().st_size / text.n, rounds=ROUNDS)
    note_rate(benchmark, "words")
    peer = model_of_gensim(text, {"workers": 1}) if measuring else None
    beside(benchmark, measuring, text, count, peer and (lambda: peer.scan_vocab(corpus_file=str(text.path))))


def test_growing(text, measure, benchmark):
    """build_vocab(update=True) with the same text: all words are known."""
    model = Word2Vec(vector_size=100, min_count=1, workers=1).build_vocab(text.path)
    counts = model.wv.expandos["count"].copy()
    model.build_vocab(text.path, update=True)
    np.testing.assert_array_equal(model.wv.expandos["count"], 2 * counts)
    measure(lambda n: model.build_vocab(text.path, update=True), text.n, rounds=ROUNDS)
    note_rate(benchmark, "words")
