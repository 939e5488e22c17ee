"""Who competes in what."""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

from contests import data, ours, pairs, theirs, words

PACKAGES = {"sklearn": "scikit-learn"}  # where the name on PyPI differs from that of the import


@dataclass(frozen=True)
class Contest:
    title: str
    unit: str  # of what is gone through per second
    data: Callable  # data(size)
    size: int
    entries: dict  # name to class; wyrm's is first
    reported: dict = field(default_factory=dict)  # name to units per second that others state; not measured here
    loss: str | None = None  # what its curves show


CONTESTS = {
    "lr": Contest(
        "logistic regression, Census-Income",
        "rows",
        data.census,
        199_523,
        {
            "wyrm": ours.LogisticRegression,
            "wyrm, SGD": ours.LogisticRegressionSGD,
            "scikit-learn": theirs.SGDClassifier,
            "scikit-learn, the same SGD": theirs.PlainSGDClassifier,
            "Vowpal Wabbit": theirs.VowpalWabbit,
        },
        {"xLearn": 1_600_000},
        "log loss",
    ),
    "fm": Contest(
        "factorisation machine of 16 factors, Census-Income",
        "rows",
        data.census,
        199_523,
        {"wyrm": ours.FactorizationMachine, "PyTorch": theirs.TorchFactorizationMachine},
        {"xLearn": 860_000, "a loop in C by hand": 1_600_000},
        "log loss",
    ),
    "fm-clicks": Contest(
        "factorisation machine of 16 factors, 39 values of 1,000,000, zipfian",
        "rows",
        data.clicks,
        200_000,
        {"wyrm": ours.RareFactorizationMachine, "PyTorch": theirs.TorchFactorizationMachine},
        {},
        "log loss",
    ),
    "ffm": Contest(
        "field-aware factorisation machine of 4 factors, Census-Income",
        "rows",
        data.census,
        50_000,
        {"wyrm": ours.FieldAwareFactorizationMachine, "Vowpal Wabbit": theirs.FieldAwareVowpalWabbit},
        {"xLearn": 222_000},
        "log loss",
    ),
    "word2vec": Contest(
        "Word2Vec, skip-gram, the first two million words of text8",
        "words",
        data.text8,
        2_000_000,
        {"wyrm": words.Word2Vec, "gensim": words.GensimWord2Vec},
        {"pWord2Vec with MKL": 530_000},
    ),
    "word2vec-cbow": Contest(
        "Word2Vec, CBOW, the first two million words of text8",
        "words",
        data.text8,
        2_000_000,
        {"wyrm": words.Word2VecBag, "gensim": words.GensimWord2VecBag},
    ),
    "bpr": Contest(
        "Bayesian personalised ranking, MovieLens-1M",
        "pairs",
        data.movielens,
        994_169,
        {"wyrm": pairs.MatrixFactorization, "implicit": pairs.ImplicitRanking},
    ),
    "word2vec-300": Contest(
        "Word2Vec, skip-gram of 300 dimensions, the first million words of text8",
        "words",
        data.text8,
        1_000_000,
        {"wyrm": words.WideWord2Vec, "gensim": words.WideGensimWord2Vec},
    ),
    "word2vec-tree": Contest(
        "Word2Vec, skip-gram with hierarchical softmax, the first million words of text8",
        "words",
        data.text8,
        1_000_000,
        {"wyrm": words.Word2VecTree, "gensim": words.GensimWord2VecTree},
    ),
    "libsvm": Contest(
        "reading a libsvm file, Census-Income",
        "bytes",
        data.census_file,
        100_000,
        {"wyrm": ours.ReadLibsvm, "scikit-learn": theirs.LoadSvmlight},
    ),
}


def package(entry):
    """The package that an entry needs beside wyrm, or None."""
    return getattr(entry, "package", None)


def available(entry):
    needed = package(entry)
    return needed is None or importlib.util.find_spec(needed) is not None


def version(entry):
    needed = package(entry) or "wyrm"
    return importlib.metadata.version(PACKAGES.get(needed, needed))
