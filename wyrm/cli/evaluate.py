"""Tell how good a model's predictions for a file are.

Of a classifier: log loss, area under the ROC curve (for two classes) and accuracy. Of a regression: root mean squared
error, mean absolute error and R².

examples:
  wyrm evaluate model test.libsvm
  wyrm evaluate model test.csv --json
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from wyrm import metrics
from wyrm.cli.data import Examples
from wyrm.cli.errors import UserError
from wyrm.cli.models import Predictor
from wyrm.cli.options import add_input_options, add_threads


class Scores:
    """Collects predictions and targets, and scores them all."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._predicted: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def add(self, examples: Examples) -> None:
        """Predict for more examples."""
        if examples.y is not None and examples.X is not None:
            self._predicted.append(self._predictor.predict(examples.X))
            self._targets.append(examples.y)

    def found(self) -> dict[str, float]:
        """The scores by name."""
        if not self._targets:
            raise UserError("there are no rows to evaluate")
        y, p = np.concatenate(self._targets), np.concatenate(self._predicted)
        scores: dict[str, float] = {"rows": len(y)}
        if not self._predictor.is_classifier:
            scores["RMSE"] = metrics.root_mean_squared_error(y, p)
            scores["MAE"] = metrics.mean_absolute_error(y, p)
            scores["R2"] = metrics.r2_score(y, p)
            return scores
        classes = self._predictor.classes
        unknown = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
        if unknown:
            raise UserError(f"the model knows the classes {classes.tolist()}, and not {unknown[:5]}")
        y = y.astype(classes.dtype)
        scores["log loss"] = metrics.log_loss(y, p, labels=classes)
        if len(classes) == 2 and len(np.unique(y)) == 2:
            scores["AUC"] = metrics.roc_auc_score(y, p[:, 1])
        scores["accuracy"] = metrics.accuracy_score(y, self._predictor.labels(p))
        return scores

    def line(self) -> str:
        """The scores in a line."""
        return ", ".join(
            f"{name} {value:,}" if name == "rows" else f"{name} {value:.5f}" for name, value in self.found().items()
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="what `wyrm fit` or wyrm.io.save wrote")
    parser.add_argument("file", metavar="FILE", help="examples with targets, or - for the standard input")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    add_threads(parser)
    add_input_options(parser)


def run(options: argparse.Namespace) -> None:
    predictor = Predictor.load(options.model, options.threads)
    reader = predictor.reader(options, target_needed=True)
    predictor.check_format(reader, options.file)
    scores = Scores(predictor)
    for examples in reader.chunks(options.file):
        scores.add(examples)
    found = scores.found()
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<10}{value:>12,}" if name == "rows" else f"{name:<10}{value:>12.6f}")
