"""Windows over a text that is read while it is trained on, against windows cut in Python."""

import os
import re

import numpy as np
import pytest
from feeds.graphs import Chances, Windows
from hypothesis import example, given, settings
from hypothesis import strategies as st

import wyrm
from wyrm.feeds import WindowFeed, batches
from wyrm.feeds.windows import keep_thresholds
from wyrm.optim import SGD
from wyrm.text import TextTokens

WORDS = ["a", "b", "cc", "d", "wörter", "日本"]
N = len(WORDS)
COUNTS = np.array([50, 40, 30, 3, 2, 1])
texts = st.lists(
    st.sampled_from(
        [
            *(word.encode() for word in WORDS),
            b"unknown",
            b"x" * 90,
            b"\xff",
            b" ",
            b" ",
            b"\n",
            b"\r\n",
            "\u3000".encode(),
        ]
    ),
    max_size=150,
).map(b" ".join)


def expected(contents, window, shrink_windows, sample, seed, epoch):
    """Neighbours and centres; the place of a word is that of its first byte among all files."""
    chances = Chances(seed, epoch)
    keep = keep_thresholds(COUNTS, sample) if sample else None
    found, begin = [], 0
    for content in contents:
        for line in re.finditer(rb"[^\n]+", content):
            kept = []
            for word in re.finditer(rb"(?:(?!\xe3\x80\x80)\S)+", line[0]):
                place = begin + line.start() + word.start()
                text = word[0].decode(errors="replace")
                token = WORDS.index(text) if text in WORDS else -1
                if token >= 0 and (keep is None or chances.stays(place, keep[token])):
                    kept.append((place, token))
            for i, (place, token) in enumerate(kept):
                reach = chances.reach(place, window) if shrink_windows else window
                near = [other for _, other in kept[max(0, i - reach) : i] + kept[i + 1 : i + reach + 1]]
                if near:
                    found.append((near, token))
        begin += len(content)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


def write(folder, contents):
    paths = [folder / f"part{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@settings(max_examples=80, deadline=None)
@given(
    contents=st.lists(texts, min_size=1, max_size=3).filter(any),
    window=st.integers(1, 6),
    shrink_windows=st.booleans(),
    sample=st.sampled_from([0, 0.1, 0.01]),
    epoch=st.integers(0, 2),
)
@example(contents=[b"", b"a b cc a", b""], window=2, shrink_windows=False, sample=0, epoch=0)
@example(contents=[b"a " + b"unknown " * 900 + b"b\n" + b"cc " * 30], window=3, shrink_windows=False, sample=0, epoch=0)
@example(
    contents=[b"a b " + b"x" * 9000 + b" cc d\n" + b"y" * 3000 + b" a b"],
    window=3,
    shrink_windows=False,
    sample=0,
    epoch=0,
)
@example(
    contents=[b"a b\n" + b"unknown " * 700, b"unknown " * 500 + b"cc d"],
    window=2,
    shrink_windows=False,
    sample=0,
    epoch=0,
)
def test_windows_are_those_of_the_text(folder, contents, window, shrink_windows, sample, epoch):
    graph = Windows(N)
    stream = TextTokens(write(folder, contents), WORDS)
    feed = WindowFeed(stream, **graph.nodes, counts=COUNTS, window=window, shrink_windows=shrink_windows, sample=sample)
    found = [
        (batch[graph.context][0].tolist(), int(batch[graph.output][0][0]))
        for batch in batches(feed, graph.loss, seed=5, epoch=epoch)
    ]
    stream.close()
    assert found == expected(contents, window, shrink_windows, sample, 5, epoch)
    assert stream.n_words == sum(len(c.decode(errors="replace").split()) for c in contents)


def test_long_lines_are_not_cut(folder):
    """Of many chunks and shares."""
    words = np.random.default_rng(0).choice(WORDS, 20_000).tolist()
    content = " ".join(words).encode()
    stream = TextTokens(write(folder, [content]), WORDS)
    graph = Windows(N)
    feed = WindowFeed(stream, **graph.nodes, counts=COUNTS, sample=0, shrink_windows=False, window=4)
    found = [(batch[graph.context][0].tolist(), int(batch[graph.output][0][0])) for batch in batches(feed, graph.loss)]
    stream.close()
    tokens = [WORDS.index(word) for word in words]
    assert found == [(tokens[max(0, i - 4) : i] + tokens[i + 1 : i + 5], tokens[i]) for i in range(len(tokens))]


@pytest.mark.parametrize("gap", [b"x" * 1_000_000, b"unknown " * 60_000, b"d " * 60_000])
@pytest.mark.parametrize("window", [1, 4])
def test_neighbours_on_the_two_sides_of_a_long_gap(folder, gap, window):
    """It takes up many shares, of which none but the one behind it has to look back."""
    content = b"a b cc " + gap + b" a b cc " * 20 + b"\n" + gap + b" a\nb"
    graph, sample = Windows(N), 1e-3  # most words "d" are left out
    counts = np.array([5, 5, 5, 100_000, 1, 1])
    stream = TextTokens(write(folder, [content]), WORDS)
    feed = WindowFeed(stream, **graph.nodes, counts=counts, window=window, shrink_windows=False, sample=sample)
    found = [(batch[graph.context][0].tolist(), int(batch[graph.output][0][0])) for batch in batches(feed, graph.loss)]
    chances, keep, kept, want = Chances(0, 0), keep_thresholds(counts, sample), [[]], []
    for word in re.finditer(rb"\S+|\n", content):
        if word[0] == b"\n":
            kept.append([])
        elif (text := word[0].decode()) in WORDS and chances.stays(word.start(), keep[WORDS.index(text)]):
            kept[-1].append(WORDS.index(text))
    for line in kept:
        around = [(line[max(0, i - window) : i] + line[i + 1 : i + window + 1], t) for i, t in enumerate(line)]
        want += [(near, token) for near, token in around if near]
    assert found == want
    stream.close()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_threads_see_every_window_once(folder, n_threads):
    words = np.random.default_rng(1).choice([*WORDS, "unknown"], 30_000)
    content = b"\n".join(" ".join(line).encode() for line in words.reshape(-1, 60))
    stream = TextTokens(write(folder, [content]), WORDS)
    graph = Windows(N)
    feed = WindowFeed(stream, **graph.nodes, counts=COUNTS, sample=0.1)
    history = wyrm.Trainer(graph.loss, SGD(1e-30), n_threads=n_threads, seed=2).fit(feed)
    stream.close()
    examples = expected([content], 5, True, 0.1, 2, 0)
    assert history.examples == [len(examples)]
    assert feed.n_pairs == sum(len(near) for near, _ in examples)


@pytest.mark.skipif(os.name == "nt", reason="open files can't be removed there")
def test_a_file_that_goes_away(folder):
    (path,) = write(folder, [b"a b cc d\n" * 10])
    stream = TextTokens([path], WORDS)
    path.unlink()
    graph = Windows(N)
    feed = WindowFeed(stream, **graph.nodes, counts=COUNTS, sample=0)
    history = wyrm.Trainer(graph.loss, SGD(0.1), n_threads=2).fit(feed)
    assert history.examples == [40]
    stream.close()
    with pytest.raises(OSError, match="part0"):
        wyrm.Trainer(graph.loss, SGD(0.1), n_threads=2).fit(feed)


def test_hostile_arguments(folder):
    graph = Windows(N)
    (path,) = write(folder, [b"a b"])
    stream = TextTokens([path], WORDS)
    with pytest.raises(ValueError, match="needs counts="):
        WindowFeed(stream, **graph.nodes)
    with pytest.raises(ValueError, match="knows its sentences"):
        WindowFeed(stream, **graph.nodes, counts=COUNTS, starts=[0, 2])
    with pytest.raises(IndexError, match="token 5 is out of range for 5 counts"):
        WindowFeed(stream, **graph.nodes, counts=COUNTS[:5])
    stream.close()
    with pytest.raises(FileNotFoundError):
        TextTokens([folder / "missing"], WORDS)
    (path,) = write(folder, [b""])
    with pytest.raises(ValueError, match="found none"):
        TextTokens([path], WORDS)


@pytest.mark.skipif(os.name == "nt", reason="open files can't be cut there")
@pytest.mark.parametrize("left", [0, 10, 9000])
def test_a_file_that_became_shorter_is_an_error(folder, left):
    [path] = write(folder, [b"a b cc d " * 1000])
    stream, graph = TextTokens([path], WORDS), Windows(N)
    os.truncate(path, left)
    feed = WindowFeed(stream, **graph.nodes, counts=COUNTS, sample=0)
    if left == 9000:
        wyrm.Trainer(graph.loss, SGD(0.1), n_threads=2).fit(feed)
    else:
        with pytest.raises(OSError, match="stays as it is, but it became shorter"):
            wyrm.Trainer(graph.loss, SGD(0.1), n_threads=2).fit(feed)
    stream.close()
