"""Counting and numbering tokens, against collections.Counter and str.split."""

import _thread
import bz2
import gzip
import itertools
import lzma
import operator
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wyrm.text import Vocabulary
from wyrm.text.corpus import TextCorpus

SPACES = [
    " ",
    "\n",
    "\r\n",
    "\t",
    "\v",
    "\f",
    "\x1c",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u202f",
    "\u205f",
    "\u3000",
]
PIECES = [
    b"a",
    b"b",
    b"ab",
    "ä".encode(),
    "日本".encode(),
    "😀".encode(),
    b"\xff",
    b"\xc2",
    b"\xe2\x80",
    b"\xe3",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
]
texts = st.lists(st.sampled_from(PIECES + [space.encode() for space in SPACES] + [b" ", b"\n"] * 6), max_size=60).map(
    b"".join
)


def sentences_of(content):
    """What a text should be read as."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    return [line.split() for line in text.split("\n") if line.split()]


def ranked(sentences, min_count=1):
    """Keys and counts by frequency, then by where they came first."""
    counted = Counter(word for sentence in sentences for word in sentence)
    return [(word, count) for word, count in counted.most_common() if count >= min_count]


def pairs(vocabulary):
    return list(zip(vocabulary.keys, vocabulary.counts.tolist(), strict=True))


def numbered(sentences, vocabulary):
    found = [[vocabulary[word] for word in sentence if word in vocabulary] for sentence in sentences]
    found = [sentence for sentence in found if sentence]
    return [number for sentence in found for number in sentence], np.cumsum([0, *map(len, found)]).tolist()


def check(corpus, sentences, **options):
    vocabulary = Vocabulary.count(corpus, **options)
    assert pairs(vocabulary) == ranked(sentences, options.get("min_count", 1))
    assert vocabulary.n_tokens == sum(map(len, sentences))
    assert vocabulary.n_sentences == len(sentences)
    tokens, starts = vocabulary.encode(corpus)
    assert tokens.dtype == np.int32
    assert starts.dtype == np.int64
    assert (tokens.tolist(), starts.tolist()) == numbered(sentences, vocabulary)
    return vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@settings(max_examples=300, deadline=None)
@given(content=texts, block=st.integers(1, 30), n_threads=st.integers(1, 3), min_count=st.integers(1, 3))
@example(content="a\u3000b".encode(), block=2, n_threads=1, min_count=1)
@example(content=b"\xef\xbb\xbfa b\n\n c", block=1, n_threads=2, min_count=1)
@example(content=b"\xe2\x80 a\xe2\x80", block=3, n_threads=1, min_count=1)
def test_any_bytes_cut_anywhere(folder, content, block, n_threads, min_count):
    (folder / "text").write_bytes(content)
    corpus = TextCorpus([folder / "text"])
    corpus.block = block
    check(corpus, sentences_of(content), min_count=min_count, n_threads=n_threads)


# Long enough to be looked at by 64 bytes at a time; words around 8 and 16 bytes, of zeros too.
LONGER = [
    b"abcdefg",
    b"abcdefgh",
    b"bcdefghi",
    b"abcdefghi",
    b"abcdefghijklmnop",
    b"abcdefghijklmnoq",
    b"x" * 70,
    b"\0",
    b"a\0",
    b"\0a",
    b"\0" * 9,
    b"\0" * 10,
    "\u3000".encode(),
    "\u3042".encode(),
    "\x85".encode(),
    b" " * 65,
]
long_texts = st.lists(st.sampled_from(PIECES + LONGER + [b" "] * 12 + [b"\n"] * 2), max_size=600).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(
    content=long_texts,
    before=st.integers(0, 70),
    block=st.sampled_from([64, 65, 127, 300, 1000, 1 << 20]),
    n_threads=st.integers(1, 2),
)
@example(content="x\u3000".encode() * 50, before=62, block=1 << 20, n_threads=1)
@example(content=b"\xe3\x80" * 100 + b" a" * 200, before=0, block=1 << 20, n_threads=1)
def test_longer_texts(folder, content, before, block, n_threads):
    content = b"-" * before + content
    (folder / "longer").write_bytes(content)
    corpus = TextCorpus([folder / "longer"])
    corpus.block = block
    check(corpus, sentences_of(content), n_threads=n_threads)


@settings(max_examples=100, deadline=None)
@given(contents=st.lists(texts, min_size=1, max_size=4), block=st.integers(1, 40), compress=st.booleans())
def test_several_files(folder, contents, block, compress):
    """Compressed or not; each file starts a sentence."""
    paths = [folder / f"part{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(gzip.compress(content, 1) if compress else content)
    corpus = TextCorpus(paths)
    corpus.block = block
    check(corpus, [sentence for content in contents for sentence in sentences_of(content)])


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed_files(tmp_path, compress):
    content = ("a b c\n" * 1000 + "d " * 5000 + "wörter\n" * 10).encode()
    (tmp_path / "text.z").write_bytes(compress(content))
    check(tmp_path / "text.z", sentences_of(content))
    check(str(tmp_path / "text.z"), sentences_of(content), min_count=11)


def test_long_lines_and_long_words(tmp_path):
    """Nothing is cut: a line of a million words, a word of three megabytes."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in rng.zipf(1.3, 1_000_000) % 5000]
    long = "x" * 3_000_001
    content = " ".join([*words, long, "end", long]).encode()
    (tmp_path / "text").write_bytes(content)
    for n_threads in (1, 3):
        vocabulary = check(tmp_path / "text", [[*words, long, "end", long]], n_threads=n_threads)
    assert vocabulary.counts[vocabulary[long]] == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.integers(-3, 3), st.text("ab", max_size=2), st.tuples(st.booleans())), max_size=8),
        max_size=8,
    )
)
def test_sequences_of_anything_hashable(sentences):
    vocabulary = Vocabulary.count(sentences)
    assert pairs(vocabulary) == ranked(sentences)
    assert vocabulary.n_sentences == len(sentences)
    tokens, starts = vocabulary.encode(sentences)
    assert (tokens.tolist(), starts.tolist()) == numbered(sentences, vocabulary)


def test_arrays_of_numbers_are_sentences():
    walks = np.random.default_rng(0).integers(0, 20, (50, 8))
    vocabulary = Vocabulary.count(walks)
    assert pairs(vocabulary) == ranked(walks.tolist())
    assert type(vocabulary.keys[0]) is int
    np.testing.assert_array_equal(np.array(vocabulary.keys)[vocabulary.encode(walks)[0]], walks.ravel())


def pruned(sentences, limit):
    """As gensim counts with max_vocab_size."""
    counts, least = {}, 1
    for sentence in sentences:
        for word in sentence:
            counts[word] = counts.get(word, 0) + 1
        if len(counts) > limit:
            counts = {word: count for word, count in counts.items() if count >= least}
            least += 1
    return counts


@settings(max_examples=60, deadline=None)
@given(
    sentences=st.lists(
        st.lists(st.sampled_from([f"w{i}" for i in range(12)]), min_size=1, max_size=8), min_size=1, max_size=20
    ),
    limit=st.integers(1, 8),
    block=st.integers(1, 50),
)
def test_max_vocab_size(folder, sentences, limit, block):
    expected = sorted(pruned(sentences, limit).items(), key=lambda pair: -pair[1])
    assert pairs(Vocabulary.count(sentences, max_vocab_size=limit)) == expected
    (folder / "pruned").write_text("\n".join(map(" ".join, sentences)))
    corpus = TextCorpus([folder / "pruned"])
    corpus.block = block
    assert pairs(Vocabulary.count(corpus, max_vocab_size=limit, n_threads=3)) == expected


def test_max_vocab_size_bounds_one_long_line(tmp_path):
    words = [f"w{i}" for i in range(50_000)]
    (tmp_path / "text").write_text(" ".join(["often"] * 100 + words + ["often"] * 100))
    for corpus in (tmp_path / "text", [["often"] * 100 + words + ["often"] * 100]):
        vocabulary = Vocabulary.count(corpus, max_vocab_size=1000)
        assert len(vocabulary) < 25_000
        assert vocabulary.keys[0] == "often"
        assert vocabulary.counts[0] == 200


def test_max_final_vocab():
    sentences = [["a"] * 4, ["b"] * 3, ["c"] * 3, ["d"] * 2, ["e"]]
    vocabulary = Vocabulary.count(sentences, max_final_vocab=2)
    assert vocabulary.keys == ["a"]
    assert vocabulary.min_count == 4
    assert Vocabulary.count(sentences, max_final_vocab=3).keys == ["a", "b", "c"]
    assert Vocabulary.count(sentences, max_final_vocab=9, min_count=2).keys == ["a", "b", "c", "d"]


def test_rule():
    sentences = [["a", "a", "b", "b", "c"]]
    vocabulary = Vocabulary.count(sentences, min_count=2, rule=lambda key, count, least: {"a": 1, "c": 2}.get(key, 0))
    assert vocabulary.keys == ["b", "c"]


def test_counts_of_equal_words_do_not_depend_on_the_process(tmp_path):
    words = [f"w{i}" for i in np.random.default_rng(0).permutation(3000)]
    (tmp_path / "text").write_text(" ".join(words * 60))
    program = (
        "import sys, hashlib; from wyrm.text import Vocabulary;"
        "v = Vocabulary.count(sys.argv[1], n_threads=int(sys.argv[2]));"
        "print(hashlib.sha256(' '.join(v.keys).encode()).hexdigest())"
    )
    found = set()
    for seed, n_threads in (("0", "1"), ("1", "3")):
        found.add(
            subprocess.run(
                [sys.executable, "-c", program, tmp_path / "text", n_threads],
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            ).stdout
        )
    assert len(found) == 1
    assert Vocabulary.count(tmp_path / "text").keys == words


def test_keys_that_are_no_words_are_not_found_in_text(tmp_path):
    (tmp_path / "text").write_bytes(b"a \xed\xa0\x80 b")
    assert Vocabulary(["a", "\ud800", "a b"]).encode(tmp_path / "text")[0].tolist() == [0]


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        ("no such file", FileNotFoundError, "no such file"),
        (5, TypeError, "expected a path, several, or an iterable"),
        (b"path", TypeError, "got bytes"),
        ([["a", ["b"]]], TypeError, "unhashable"),
        ([1, 2], TypeError, "not iterable"),
    ],
)
def test_what_is_no_corpus(corpus, error, message):
    with pytest.raises(error, match=message):
        Vocabulary.count(corpus)


def test_utf16_and_broken_archives_are_refused(tmp_path):
    (tmp_path / "wide").write_text("a b c", encoding="utf-16")
    with pytest.raises(ValueError, match="found UTF-16"):
        Vocabulary.count(tmp_path / "wide")
    (tmp_path / "wide.gz").write_bytes(gzip.compress("a b c".encode("utf-16")))
    with pytest.raises(ValueError, match="found UTF-16"):
        Vocabulary.count(tmp_path / "wide.gz")
    (tmp_path / "short.gz").write_bytes(gzip.compress(b"a b c " * 1000)[:-20])
    with pytest.raises(ValueError, match="intact gzip data"):
        Vocabulary.count(tmp_path / "short.gz")


@pytest.mark.parametrize(
    "options", [{"min_count": -1}, {"max_vocab_size": 0}, {"max_final_vocab": 0}, {"n_threads": 0}]
)
def test_arguments_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Vocabulary.count([["a"]], **options)


def test_vocabularies_made_by_hand():
    assert len(Vocabulary([])) == 0
    assert Vocabulary(["x", "y"], [3, 5]).counts.tolist() == [3, 5]
    with pytest.raises(ValueError, match="'x' twice"):
        Vocabulary(["x", "x"])
    with pytest.raises(ValueError, match="counts"):
        Vocabulary(["x"], [-1])
    with pytest.raises(ValueError, match="counts"):
        Vocabulary(["x"], [0.5])


def test_ctrl_c_is_heeded_among_many_tokens():
    tokens = ["a"] * 1_000_000
    for count in (lambda corpus: Vocabulary.count(corpus), Vocabulary(["a"]).encode):
        rest = iter(tokens)
        with pytest.raises(KeyboardInterrupt):
            count([itertools.chain(itertools.starmap(_thread.interrupt_main, [()]), rest)])
        assert operator.length_hint(rest) > 0
