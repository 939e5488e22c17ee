"""Predict for the rows of a file, a line for each.

A classifier gives the probability of the larger of two classes, or those of all classes in ascending order; with
--labels the most likely class. A regression gives a number. Targets in the file are not looked at; a libsvm or libffm
file has to have some, and 0 will do.

examples:
  wyrm predict model test.libsvm -o predictions.txt
  wyrm predict model test.csv --labels | head
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from wyrm.cli.models import Predictor
from wyrm.cli.options import add_input_options, add_threads, check_output
from wyrm.container import whole_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="what `wyrm fit` or wyrm.io.save wrote")
    parser.add_argument("file", metavar="FILE", help="examples, or - for the standard input")
    parser.add_argument("-o", "--output", metavar="FILE", help="where predictions go; the standard output by default")
    parser.add_argument("--labels", action="store_true", help="the most likely classes and not probabilities")
    add_threads(parser)
    add_input_options(parser)


def run(options: argparse.Namespace) -> None:
    check_output(options.output)
    predictor = Predictor.load(options.model, options.threads)
    reader = predictor.reader(options, target_needed=False)
    predictor.check_format(reader, options.file)
    target: Any = whole_file(options.output) if options.output else nullcontext(None)
    with target as file:
        for examples in reader.chunks(options.file):
            text = "".join(f"{line}\n" for line in _lines(predictor, examples.X, options.labels))
            if file is None:
                sys.stdout.write(text)
            else:
                file.write(text.encode())


def _lines(predictor: Predictor, X: Any, with_labels: bool) -> Iterator[str]:
    predicted = predictor.predict(X)
    if not predictor.is_classifier:
        return (f"{value:.7g}" for value in predicted.tolist())
    if with_labels:
        return (str(label) for label in predictor.labels(predicted).tolist())
    if predicted.shape[1] == 2:
        return (f"{value:.7g}" for value in predicted[:, 1].tolist())
    return (" ".join(f"{value:.7g}" for value in row) for row in predicted.tolist())
