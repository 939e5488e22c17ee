"""How well the ready-made models predict, on the test parts of real data: the mean over seeds, with their range.

    python benchmarks/accuracy.py --update docs/benchmarks.md
    python benchmarks/accuracy.py --only census-ffm vectors --seeds 1

Rows that are not asked for are those of the last run (build/benchmarks/results).

Nothing is chosen on a test part: settings are the models' defaults, or those named in the table, or (MovieLens) were
chosen on a part of the training data; how many epochs to
train is decided by early stopping on a tenth of the training part. Data that isn't there is left out, and said so.
"""

import argparse
import importlib.util
import json
import statistics
import sys
from functools import cache
from pathlib import Path

import numpy as np
import report
from contest import RESULTS
from contests import data, words

from wyrm.datasets import DataUnavailableError, fetch_movielens_100k, fetch_text8, load_adult
from wyrm.metrics import log_loss, roc_auc_score
from wyrm.models import (
    FactorizationMachineClassifier,
    FactorizationMachineRegressor,
    FieldAwareFactorizationMachineClassifier,
    LogisticRegression,
)
from wyrm.optim import LinearDecay
from wyrm.preprocessing import CategoryEncoder

STOPPING = {"epochs": 60, "early_stopping": True}


class Parts:
    """Training and test part of a classification, encoded."""

    def __init__(self, X, y, X_test, y_test, fields):
        self.X, self.y, self.X_test, self.y_test, self.fields = X, y, X_test, y_test, fields

    def quality(self, model):
        p = model.fit(self.X, self.y).predict_proba(self.X_test)[:, 1]
        return {"AUC": roc_auc_score(self.y_test, p), "log loss": log_loss(self.y_test, p)}


@cache
def census(size=None):
    found = data.census(size or 199_523)
    return Parts(found.X, found.y, found.held_out_X, found.held_out_y, found.fields)


@cache
def adult(size=None):
    found = load_adult(as_frame=False)
    encoder = CategoryEncoder().fit(found.train)
    n = slice(size)
    X, X_test = encoder.transform(found.train)[n], encoder.transform(found.test)
    return Parts(X, found.y_train[n], X_test, found.y_test, encoder.fields_)


def logistic_regression(parts, seed):
    return parts.quality(LogisticRegression(random_state=seed, n_threads=1, **STOPPING))


def factorization_machine(parts, seed):
    return parts.quality(FactorizationMachineClassifier(n_factors=16, random_state=seed, n_threads=1, **STOPPING))


def field_aware(parts, seed):
    make = FieldAwareFactorizationMachineClassifier
    return parts.quality(make(n_factors=4, fields=parts.fields, random_state=seed, n_threads=1, **STOPPING))


def scikit_learn(parts, seed):
    from sklearn.linear_model import LogisticRegression as Peer

    return parts.quality(Peer(C=1.0, max_iter=300))


def movielens(seed, implicit, size=None):
    """RMSE of a random fold of five; with `implicit`, columns for all items that the user has rated."""
    import scipy.sparse

    found = fetch_movielens_100k(download_if_missing=False)
    users, items, ratings = (part[:size] for part in (found.users, found.items, found.ratings))
    held_out = np.random.default_rng(seed).integers(0, 5, len(ratings)) == 0
    n, n_users, n_items = len(ratings), found.n_users, found.n_items
    ones = np.ones(n, dtype=np.float32)
    blocks = [
        scipy.sparse.csr_matrix((ones, (np.arange(n), ids)), shape=(n, width))
        for ids, width in ((users, n_users), (items, n_items))
    ]
    if implicit:
        rated = scipy.sparse.csr_matrix((ones, (users, items)), shape=(n_users, n_items))
        blocks.append(rated.multiply(1 / np.sqrt(rated.sum(axis=1))).tocsr()[users])
    X = scipy.sparse.hstack(blocks, format="csr")
    # Chosen on ratings held out of the training part of one fold.
    model = FactorizationMachineRegressor(
        n_factors=16,
        init_scale=0.1,
        epochs=40,
        optimizer="sgd",
        learning_rate=LinearDecay(0.02, 0.001),
        l2=5e-4 if implicit else 3e-4,
        random_state=seed,
        n_threads=1,
    )
    predicted = model.fit(X[~held_out], ratings[~held_out]).predict(X[held_out])
    return {"RMSE": float(np.sqrt(np.mean(np.square(predicted - ratings[held_out]))))}


@cache
def text8(size=None):
    return data.text8(size or 17_005_207)


def vectors(make, n_threads, seed, size):
    """Analogies and word similarities after five epochs of text8."""
    fetch_text8(download_if_missing=False)
    entry = make(text8(size), n_threads)
    entry.epochs, entry.seed = 5, seed
    entry.prepare()
    entry.run()
    return entry.quality()


def beside_gensim(kind, title, ours, theirs):
    """The rows of a kind of Word2Vec, and of gensim's, which it should be as good as."""
    return {
        f"vectors-{kind}": (
            f"… {title}, 2 threads",
            "within 0.01 of gensim",
            lambda seed, n: vectors(ours, 2, seed, n),
        ),
        f"vectors-{kind}-peer": ("… … gensim's", "", lambda seed, n: vectors(theirs, 2, seed, n)),
    }


# Title, what to reach, and the measurement of a seed.
ROWS = {
    "census-lr": (
        "Census-Income, LR",
        "AUC 0.9535, log loss 0.1125",
        lambda seed, n: logistic_regression(census(n), seed),
    ),
    "census-fm": (
        "Census-Income, FM of 16 factors",
        "AUC 0.953",
        lambda seed, n: factorization_machine(census(n), seed),
    ),
    "census-ffm": ("Census-Income, FFM of 4 factors", "AUC 0.954", lambda seed, n: field_aware(census(n), seed)),
    "census-peer": ("Census-Income, scikit-learn's LR (L-BFGS)", "", lambda seed, n: scikit_learn(census(n), seed)),
    "adult-lr": ("Adult, LR", "AUC 0.905", lambda seed, n: logistic_regression(adult(n), seed)),
    "adult-fm": ("Adult, FM of 16 factors", "above LR", lambda seed, n: factorization_machine(adult(n), seed)),
    "adult-ffm": ("Adult, FFM of 4 factors", "above LR", lambda seed, n: field_aware(adult(n), seed)),
    "adult-peer": ("Adult, scikit-learn's LR (L-BFGS)", "", lambda seed, n: scikit_learn(adult(n), seed)),
    "movielens": (
        "MovieLens-100k, FM of 16 factors, user and item",
        "RMSE 0.925",
        lambda seed, n: movielens(seed, False, n),
    ),
    "movielens-implicit": (
        "the same, and the items a user rated",
        "RMSE 0.915",
        lambda seed, n: movielens(seed, True, n),
    ),
    "vectors": (
        "text8, 5 epochs, Word2Vec of 100 dimensions, 1 thread",
        "analogies 0.40, WordSim-353 0.69",
        lambda seed, n: vectors(words.Word2Vec, 1, seed, n),
    ),
    "vectors-threads": (
        "… 2 threads",
        "analogies 0.40, WordSim-353 0.69",
        lambda seed, n: vectors(words.Word2Vec, 2, seed, n),
    ),
    "vectors-peer": ("… gensim's, 2 threads", "", lambda seed, n: vectors(words.GensimWord2Vec, 2, seed, n)),
    **beside_gensim("tree", "hierarchical softmax", words.Word2VecTree, words.GensimWord2VecTree),
    **beside_gensim("cbow", "CBOW", words.Word2VecBag, words.GensimWord2VecBag),
    **beside_gensim("cbow-tree", "CBOW with hierarchical softmax", words.Word2VecBagTree, words.GensimWord2VecBagTree),
}
REPORTED = [
    ["Census-Income, xLearn's LR, FFM and FM: reported, not measured here", "AUC 0.9537, 0.9530, 0.9483", "", ""],
    ["MovieLens-100k, biased SVD, SVD++: reported, not measured here", "RMSE 0.934, 0.92", "", ""],
]
HEADER = ["data and model", "on the test part", "range over seeds", "to reach"]
ONCE = tuple(name for name in ROWS if name.endswith("-peer"))  # without a seed, or too slow for several
NEEDED = {name: "gensim" if name.startswith("vectors") else "sklearn" for name in ONCE}


def line(name, seeds, size):
    title, reach, call = ROWS[name]
    found = [call(seed, size) for seed in range(1 if name in ONCE else seeds)]
    means = ", ".join(f"{key} {statistics.mean(one[key] for one in found):.4f}" for key in found[0])
    ranges = ", ".join(
        f"{min(one[key] for one in found):.4f} to {max(one[key] for one in found):.4f}" for key in found[0]
    )
    return [title, means, ranges if len(found) > 1 else "one run", reach]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, help="rows or words to train on, to try it out")
    parser.add_argument("--update", metavar="PAGE", help="put the table between the markers of a page")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="default: in build/benchmarks")
    options = parser.parse_args()
    kept = options.results / "accuracy.json"
    lines = json.loads(kept.read_text()) if kept.exists() and len(options.only) < len(ROWS) else {}
    missing = []
    for name in options.only:
        print(f"{ROWS[name][0]} …", file=sys.stderr, flush=True)
        if name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None:
            missing.append(f"{ROWS[name][0]}: {NEEDED[name]} is not installed (make bench-peers).")
            continue
        try:
            lines[name] = line(name, options.seeds, options.size)
        except DataUnavailableError:
            missing.append(f"{ROWS[name][0]}: its data is not here.")
        options.results.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(lines, indent=1))
    lines = [[ROWS[name][0], *lines[name][1:]] for name in ROWS if name in lines] + REPORTED
    if options.update:
        text = [report.machine(), report.table(HEADER, lines), " ".join(missing)]
        report.fill(options.update, "accuracy", "\n\n".join(filter(None, text)))
    else:
        print(report.aligned([HEADER, *lines]))
        print("\n".join(missing))


if __name__ == "__main__":
    main()
