"""Train a model on a file of examples, and save it.

models:
  lr       logistic regression, of two classes or more
  linear   linear regression
  fm       factorisation machine; --task says whether it predicts classes (the default) or numbers
  ffm      field-aware factorisation machine; the same

files:
  libsvm (label index:value …), libffm (label field:index:value …) or CSV with a line of names, as they are or
  compressed with gzip, xz or bzip2. In libsvm files column i is index i, whether they count from 0 or from 1; for the
  same in Python, give read_libsvm zero_based=True. Columns of a CSV file that hold numbers only are cut into
  intervals; the others, and those that --categorical names, are categories.

Ctrl-C ends training and saves the model as it is then.

examples:
  wyrm fit lr train.libsvm -o model
  wyrm fit fm train.libsvm.gz --valid valid.libsvm.gz --factors 16 --patience 2 -o model
  wyrm fit ffm adult.csv --label income -o model
  wyrm fit lr large.libsvm --chunk-rows 100000 -o model
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import scipy.sparse

import wyrm.io
from wyrm.cli.data import Reader, is_read_once
from wyrm.cli.errors import UserError
from wyrm.cli.evaluate import Scores
from wyrm.cli.models import Predictor, of_width
from wyrm.cli.options import add_input_options, add_threads, check_output, count, rate
from wyrm.preprocessing import CategoryEncoder, TableModel

MODELS = {
    "lr": {"classification": "LogisticRegression"},
    "linear": {"regression": "LinearRegression"},
    "fm": {
        "classification": "FactorizationMachineClassifier",
        "regression": "FactorizationMachineRegressor",
    },
    "ffm": {
        "classification": "FieldAwareFactorizationMachineClassifier",
        "regression": "FieldAwareFactorizationMachineRegressor",
    },
}

# Options that are arguments of the estimators; what is not given is left to these.
SETTINGS = {
    "factors": "n_factors",
    "epochs": "epochs",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "optimizer": "optimizer",
    "l2": "l2",
    "l1": "l1",
    "threads": "n_threads",
    "seed": "random_state",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", choices=list(MODELS), metavar="MODEL", help="lr, linear, fm or ffm")
    parser.add_argument("train", metavar="TRAIN", help="file to learn from, or - for the standard input")
    parser.add_argument("--valid", metavar="FILE", help="file to watch the loss on")
    parser.add_argument("-o", "--output", metavar="FILE", help="where the model goes")
    parser.add_argument("--task", choices=("classification", "regression"), help="what fm and ffm predict")
    group = parser.add_argument_group("training (defaults: those of the model)")
    group.add_argument("--factors", type=count, metavar="K", help="length of the vectors of fm and ffm")
    group.add_argument("--epochs", type=count, metavar="N", help="passes over the file")
    group.add_argument("--learning-rate", type=rate, metavar="X", help="step of the optimiser")
    group.add_argument("--optimizer", choices=("adagrad", "sgd", "ftrl", "adam"))
    group.add_argument("--batch-size", type=count, metavar="N", help="rows per step")
    group.add_argument("--l2", type=rate, metavar="X", help="weight decay")
    group.add_argument("--l1", type=rate, metavar="X", help="shrinkage towards zero")
    group.add_argument(
        "--patience",
        type=count,
        metavar="N",
        help="stop after so many epochs without a better loss on --valid, or else on a tenth of TRAIN, "
        "and go back to the best",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of the order of rows and of what vectors start from")
    add_threads(group)  # type: ignore[arg-type]
    group.add_argument("--quiet", action="store_true", help="print nothing")
    add_input_options(parser)
    tables = parser.add_argument_group("tables (CSV)")
    tables.add_argument("--categorical", metavar="A,B,…", help="columns of categories that look like numbers; or 'all'")
    tables.add_argument("--bins", type=count, metavar="N", help="intervals of a column of numbers")
    tables.add_argument("--min-frequency", type=count, metavar="N", help="rarer categories count as unseen")


def run(options: argparse.Namespace) -> int:
    check_output(options.output)
    task = options.task or next(iter(MODELS[options.model]))
    if task not in MODELS[options.model]:
        raise UserError(f"{options.model} is for {next(iter(MODELS[options.model]))} only; fm and ffm are for both")
    reader = Reader(options, with_fields=options.model == "ffm", regression=task == "regression")
    in_chunks = options.chunk_rows is not None
    if in_chunks and (is_read_once(options.train) or reader.format_of(options.train) == "csv"):
        raise UserError("--chunk-rows goes through the file several times: give a libsvm or libffm file")
    if in_chunks and options.patience is not None and options.valid is None:
        raise UserError("--patience with --chunk-rows needs a file to watch the loss on: --valid FILE")

    begin = time.perf_counter()
    train = None if in_chunks else reader.read(options.train)
    held_out = reader.read(options.valid) if options.valid else None
    if held_out is not None and scipy.sparse.issparse(held_out.X):
        parts = reader.chunks(options.train) if train is None else [train]
        held_out = held_out._replace(X=of_width(held_out.X, max(part.X.shape[1] for part in parts)))
    seconds = time.perf_counter() - begin

    model = _make_model(options, task, reader.encoder)
    if not options.quiet:
        known = None if train is None else train.y
        rows = f"in chunks of {options.chunk_rows:,} rows" if known is None else f"{len(known):,} rows"
        print(f"{type(model).__name__} on {options.train}: {rows}, read in {seconds:.1f} s", flush=True)
    data: Any = (lambda: ((part.X, part.y) for part in reader.chunks(options.train)),) if train is None else train
    begin = time.perf_counter()
    interrupted = False
    try:
        model.fit(*data, eval_set=held_out)
    except KeyboardInterrupt:
        if not hasattr(model, "n_features_in_"):
            raise  # before there was anything to keep
        interrupted = True
    seconds = time.perf_counter() - begin
    if options.output:
        wyrm.io.save(model if reader.encoder is None else TableModel(reader.encoder, model), options.output)
    if not options.quiet:
        _report(model, options, seconds)
        if held_out is not None and not interrupted:
            scores = Scores(Predictor(model, reader.encoder))
            scores.add(held_out)
            print(f"{options.valid}: {scores.line()}")
    if interrupted:
        kept = f"the model as it was then is in {options.output}" if options.output else "nothing is kept without -o"
        print(f"wyrm: interrupted; {kept}", file=sys.stderr)
        return 130
    return 0


def _make_model(options: argparse.Namespace, task: str, encoder: CategoryEncoder | None) -> Any:
    import wyrm.models

    kind = getattr(wyrm.models, MODELS[options.model][task])
    known = kind().get_params()
    settings: dict[str, Any] = {"verbose": not options.quiet and sys.stderr.isatty()}
    for option, name in SETTINGS.items():
        value = getattr(options, option)
        if value is None:
            continue
        if name not in known:
            raise UserError(f"{options.model} has no --{option.replace('_', '-')}")
        settings[name] = value
    if options.patience is not None:
        settings |= {"early_stopping": True, "patience": options.patience}
    if options.model == "ffm" and encoder is not None:
        settings["fields"] = encoder.fields_
    return kind(**settings)


def _report(model: Any, options: argparse.Namespace, seconds: float) -> None:
    history = model.history_
    watched = bool(history.validation_loss)
    n = len(history.loss)
    if history.loss:
        column = f"  {'--valid' if options.valid else 'held out':>9}" if watched else ""
        print(f"{'epoch':>5}  {'loss':>9}{column}  rows/s")
    for i, loss in enumerate(history.loss):
        if (i + 1) % 10 ** (len(str(i + 1)) - 1) and i not in (n - 1, history.best_epoch):
            continue  # 1 to 10, then every tenth, every hundredth, and so on
        line = f"{i + 1:>5}  {loss:>9.5f}"
        if watched:
            line += f"  {history.validation_loss[i]:>9.5f}"
        line += f"  {history.examples_per_second[i]:,.0f}"
        print(line + "  kept" * (options.patience is not None and history.best_epoch == i))
    print(f"{model.n_features_in_:,} columns, trained in {seconds:.1f} s")
    if options.output:
        print(f"saved to {options.output}, {Path(options.output).stat().st_size:,} bytes")
    else:
        print("not saved: say -o FILE to keep it")
