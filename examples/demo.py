"""Logistic regression and factorisation machines on the Adult data; `make demo` runs this.

Does a person earn more than 50,000 dollars a year?  Trains three models with early stopping, compares them on data they
have not seen, saves and reloads them, and draws learning curves and calibration.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import wyrm
import wyrm.io
from wyrm.datasets import load_adult
from wyrm.metrics import calibration_curve, log_loss, roc_auc_score
from wyrm.models import (
    FactorizationMachineClassifier,
    FieldAwareFactorizationMachineClassifier,
    LogisticRegression,
)
from wyrm.preprocessing import CategoryEncoder
from wyrm.threads import usable_threads

IMPORTS = """\
from wyrm.datasets import load_adult
from wyrm.models import FactorizationMachineClassifier
from wyrm.preprocessing import CategoryEncoder"""

FOUR_LINES = """\
adult = load_adult()
encoder = CategoryEncoder().fit(adult.train)
model = FactorizationMachineClassifier().fit(encoder.transform(adult.train), adult.y_train)
print(model.score(encoder.transform(adult.test), adult.y_test))"""


def models(encoder, options):
    """The three models, by their names."""
    settings = {
        "epochs": 30,
        "early_stopping": True,
        "random_state": options.seed,
        "verbose": not options.quiet,
    }
    return {
        "LR": LogisticRegression(**settings),
        "FM": FactorizationMachineClassifier(**settings),
        "FFM": FieldAwareFactorizationMachineClassifier(fields=encoder.fields_, **settings),
    }


def rows_per_second(model, X, y, n_threads):
    """The speed of an epoch, the best of some: they take milliseconds, which other programs disturb."""
    model = type(model)(**{**model.get_params(), "n_threads": n_threads, "epochs": 10, "verbose": False})
    return max(model.set_params(early_stopping=False).fit(X, y).history_.examples_per_second)


def draw(folder, histories, probabilities, y_test):
    """Learning curves and calibration, as files in a folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for i, (name, history) in enumerate(histories.items()):
        epochs = range(1, len(history.loss) + 1)
        ax.plot(epochs, history.loss, ":", color=f"C{i}", label=f"{name}, training")
        ax.plot(epochs, history.validation_loss, "-", color=f"C{i}", label=f"{name}, held out")
        best = history.best_epoch
        ax.plot(best + 1, history.validation_loss[best], "o", color=f"C{i}")
    ax.set(xlabel="epoch", ylabel="log loss", title="Learning curves on Adult (dots: epochs that were kept)")
    ax.legend(ncols=len(histories), fontsize="small")
    ax.grid(alpha=0.3)
    figure.savefig(folder / "learning_curves.png", dpi=120)

    figure, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
    ax.plot([0, 1], [0, 1], "--", color="gray", linewidth=1, label="perfect")
    for name, p in probabilities.items():
        frequency, mean, _ = calibration_curve(y_test, p, n_bins=15)
        ax.plot(mean, frequency, marker="o", markersize=4, label=name)
    ax.set(xlabel="predicted probability", ylabel="frequency among test rows", title="Calibration on Adult")
    ax.legend()
    ax.grid(alpha=0.3)
    figure.savefig(folder / "calibration.png", dpi=120)
    plt.close("all")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder of plots and models (default: demo)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    adult = load_adult()
    encoder = CategoryEncoder()
    X, X_test = encoder.fit_transform(adult.train), encoder.transform(adult.test)
    y, y_test = adult.y_train, adult.y_test
    print(f"wyrm {wyrm.__version__} on Adult: {X.shape[0]:,} rows to learn from, {X.shape[1]} columns, 14 in the table")

    held_out = np.random.default_rng(options.seed).random(len(y)) < 0.1
    n_threads = usable_threads()
    histories, probabilities, table = {}, {}, []
    for name, model in models(encoder, options).items():
        if not options.quiet:
            print(f"\n{name}: {type(model).__name__}")
        start = time.perf_counter()
        model.fit(X[~held_out], y[~held_out], eval_set=(X[held_out], y[held_out]))
        seconds = time.perf_counter() - start
        p = model.predict_proba(X_test)

        path = options.output / f"{name.lower()}.model"
        model.save(path)
        for mmap in (False, True):
            if not np.array_equal(wyrm.io.load(path, mmap=mmap).predict_proba(X_test), p):
                raise SystemExit(f"{name}: the reloaded model predicts something else")

        histories[name], probabilities[name] = model.history_, p[:, 1]
        speeds = [rows_per_second(model, X, y, n) for n in (1, n_threads)]
        table.append((name, roc_auc_score(y_test, p[:, 1]), log_loss(y_test, p), seconds, *speeds))
    encoder.save(options.output / "encoder.model")

    print(
        f"\n{'':<5}{'test AUC':>10}{'log loss':>10}{'seconds':>9}{'rows/s, 1 thread':>19}{f'{n_threads} threads':>13}"
    )
    for name, auc, loss, seconds, one, many in table:
        print(f"{name:<5}{auc:>10.4f}{loss:>10.4f}{seconds:>9.2f}{one:>19,.0f}{many:>13,.0f}")
    if min(auc for _, auc, *_ in table) < 0.905:
        raise SystemExit("A model is worse than it should be on these data.")

    try:
        draw(options.output, histories, probabilities, y_test)
        print(f"\nLearning curves, calibration and the models are in {options.output}/.", end=" ")
    except ImportError:
        print(f"\nThe models are in {options.output}/; for plots: pip install matplotlib.", end=" ")
    print("The same in four lines of Python:\n")
    print(f"{IMPORTS}\n\n{FOUR_LINES}")


if __name__ == "__main__":
    main()
