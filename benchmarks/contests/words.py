"""Word vectors: wyrm's and gensim's, with the same arguments, reading the same file."""

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from contests.theirs import Peer

RESTRICT = 30_000  # words that an analogy may be answered with


class Words:
    """What the two have in common. The vocabulary is counted before, and not timed."""

    arguments: ClassVar = {
        "vector_size": 100,
        "window": 5,
        "negative": 5,
        "sample": 1e-4,
        "min_count": 5,
        "alpha": 0.05,
        "sg": 1,
    }
    epochs = 1
    seed = 1

    def quality(self):
        """Measured where the questions are: in the folder that WYRM_DATA_DIR names."""
        folder = Path(os.environ.get("WYRM_DATA_DIR", "."), "word_eval")
        if not folder.is_dir():
            return {}
        words, vectors = self.vectors()
        return {
            "analogies": analogies(folder / "questions-words.txt", words, vectors),
            "WordSim-353": similarities(folder / "wordsim353.tsv", words, vectors),
        }


class Word2Vec(Words):
    settings = (
        "skip-gram, 100 dimensions, window 5, 5 negatives shared by a window, chosen among recent draws, sample 1e-4, "
        "alpha 0.05"
    )

    def __init__(self, found, n_threads):
        self.data, self.n_threads = found, n_threads

    def prepare(self):
        from wyrm.models import Word2Vec

        self.model = Word2Vec(**self.arguments, epochs=self.epochs, workers=self.n_threads, seed=self.seed)
        self.model.build_vocab(self.data.path)

    def run(self):
        self.model.train(self.data.path, epochs=self.epochs)
        return self.epochs * self.data.n

    def vectors(self):
        return list(self.model.wv.index_to_key), np.asarray(self.model.wv.vectors)


class GensimWord2Vec(Peer, Words):
    package = "gensim"
    max_threads = 64
    settings = "skip-gram, 100 dimensions, window 5, 5 negatives for each pair, sample 1e-4, alpha 0.05, corpus_file"

    def prepare(self):
        from gensim.models import Word2Vec

        self.model = Word2Vec(**self.arguments, epochs=self.epochs, workers=self.n_threads, seed=self.seed)
        self.model.build_vocab(corpus_file=str(self.data.path))

    def run(self):
        model = self.model
        model.train(
            corpus_file=str(self.data.path),
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=self.epochs,
        )
        return self.epochs * self.data.n

    def vectors(self):
        return list(self.model.wv.index_to_key), self.model.wv.vectors


class Wide:
    arguments: ClassVar = Words.arguments | {"vector_size": 300}


class WideWord2Vec(Wide, Word2Vec):
    settings = Word2Vec.settings.replace("100", "300")


class WideGensimWord2Vec(Wide, GensimWord2Vec):
    settings = GensimWord2Vec.settings.replace("100", "300")


class Tree:
    arguments: ClassVar = Words.arguments | {"hs": 1, "negative": 0}


class Word2VecTree(Tree, Word2Vec):
    settings = "skip-gram, 100 dimensions, window 5, hierarchical softmax, sample 1e-4, alpha 0.05"


class GensimWord2VecTree(Tree, GensimWord2Vec):
    settings = f"{Word2VecTree.settings}, corpus_file"


class ContinuousBag:
    arguments: ClassVar = Words.arguments | {"sg": 0}


class Word2VecBag(ContinuousBag, Word2Vec):
    settings = Word2Vec.settings.replace("skip-gram", "CBOW")


class GensimWord2VecBag(ContinuousBag, GensimWord2Vec):
    settings = GensimWord2Vec.settings.replace("skip-gram", "CBOW").replace("for each pair", "for each word")


class BagTree:
    arguments: ClassVar = Tree.arguments | {"sg": 0}


class Word2VecBagTree(BagTree, Word2Vec):
    settings = Word2VecTree.settings.replace("skip-gram", "CBOW")


class GensimWord2VecBagTree(BagTree, GensimWord2Vec):
    settings = GensimWord2VecTree.settings.replace("skip-gram", "CBOW")


# --- How good they are, by the same measure --------------------------------------------------------------------------


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def analogies(path, words, vectors):
    """Accuracy on questions all of whose words are among the most frequent; words are ordered by frequency."""
    place = {word: i for i, word in enumerate(words[:RESTRICT])}
    vectors = unit(vectors[:RESTRICT].astype(np.float32))
    lines = [line.lower().split() for line in path.read_text().splitlines() if not line.startswith(":")]
    asked = np.array([[place[word] for word in line] for line in lines if all(word in place for word in line)])
    if not len(asked):
        return float("nan")
    right = 0
    for a, b, c, d in (part.T for part in np.array_split(asked, len(asked) // 500 + 1)):
        scores = unit(vectors[b] - vectors[a] + vectors[c]) @ vectors.T
        for known in (a, b, c):
            scores[np.arange(len(a)), known] = -np.inf
        right += int((scores.argmax(axis=1) == d).sum())
    return right / len(asked)


def similarities(path, words, vectors):
    """Rank correlation (Spearman) with the judgements of people."""
    from scipy.stats import spearmanr

    place = {word: i for i, word in enumerate(words)}
    vectors = unit(vectors)
    found = []
    for line in path.read_text().splitlines():
        a, b, score = [*line.split("\t"), "", ""][:3]
        if a.lower() in place and b.lower() in place:
            found.append((vectors[place[a.lower()]] @ vectors[place[b.lower()]], float(score)))
    return float(spearmanr(*zip(*found)).statistic) if len(found) > 2 else float("nan")
