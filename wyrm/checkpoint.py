"""Checkpoints of training: values and optimiser states of parameters, and a record of how far it went."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from wyrm.container import ModelFileError, read_container, write_container
from wyrm.history import History
from wyrm.snapshot import FitState

KIND = "wyrm checkpoint"
VERSION = 1


def write_checkpoint(path, snapshots, record):
    """Write named snapshots and a JSON-able record.

    Parameters
    ----------
    path : str or path-like
    snapshots : dict of str to Snapshot
    record : dict
        Strings, numbers, lists and dicts of them.
    """
    tensors, states = {}, {}
    for name, snapshot in snapshots.items():
        states[name] = {key: value for key, value in snapshot.state.items() if key != "parameters"}
        states[name]["parameters"] = []
        for i, (values, state) in enumerate(zip(snapshot.values, snapshot.state["parameters"], strict=True)):
            tensors[f"{name}.{i}.value"] = np.asarray(values)
            if state is not None:
                for slot, array in state["slots"].items():
                    tensors[f"{name}.{i}.{slot}"] = np.asarray(array)
                state = {"kind": state["kind"], "slots": list(state["slots"]), "clock": _listed(state["clock"])}
            states[name]["parameters"].append(state)
    write_container(path, KIND, VERSION, {"states": states, "record": record}, tensors)


def record_of(trainer):
    """What a checkpoint says of a trainer beside the numbers: its arguments, and how far it went."""
    fit = trainer._fit
    return {
        "batch_size": trainer.batch_size,
        "seed": trainer.seed,
        "deterministic": trainer.deterministic,
        "reduction": trainer.reduction,
        "optimizer": repr(trainer.optimizer),
        "history": asdict(trainer.history),
        "partial_fits": trainer._partial_fits,
        "fit": fit and {"epochs": fit.epochs, "best_loss": fit.best_loss, "history": asdict(fit.history)},
    }


def restore_fit(trainer, record):
    """Let a trainer go on where the record of another one ends."""
    trainer.history = History(**record["history"])
    trainer._partial_fits = record["partial_fits"]
    if record["fit"] is not None:
        trainer._fit = FitState(record["fit"]["epochs"])
        trainer._fit.best_loss = record["fit"]["best_loss"]
        trainer._fit.history = History(**record["fit"]["history"])
        trainer._resumed = True


def read_checkpoint(path):
    """Read what :func:`write_checkpoint` wrote.

    Returns
    -------
    values : dict of str to list of ndarray
        The parameters' values, by snapshot name.
    states : dict of str to dict
        The optimiser's states, as Optimizer.set_state() takes them.
    record : dict

    Raises
    ------
    OSError
        If the file can't be read.
    ModelFileError
        If it is not a whole checkpoint of a version this release reads; a ValueError.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    config, tensors = read_container(path, KIND, VERSION)
    try:
        values: dict[str, list[np.ndarray]] = {}
        for name, state in config["states"].items():
            values[name] = []
            for i, one in enumerate(state["parameters"]):
                values[name].append(tensors[f"{name}.{i}.value"])
                if one is not None:
                    one["slots"] = {slot: tensors[f"{name}.{i}.{slot}"] for slot in one["slots"]}
            if not isinstance(state["progress"], float) or not isinstance(state["learning_rate"], float):
                raise TypeError("progress and learning rate of the optimiser")
        if "last" not in values:
            raise KeyError("last")
        _check_record(config["record"])
        return values, config["states"], config["record"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(path, f"expected a {KIND}, found one without {error}") from error


def _check_record(record):
    """Raise KeyError or TypeError for a record that `record_of` didn't make."""
    numbers = [record[name] for name in ("batch_size", "seed", "partial_fits")]
    histories, fit = [record["history"]], record["fit"]
    if fit is not None:
        numbers.append(fit["epochs"])
        histories.append(fit["history"])
        if not isinstance(fit["best_loss"], float):
            raise TypeError("the best loss of its fit")
    if not all(type(number) is int and 0 <= number < 2**64 for number in numbers) or record["partial_fits"] >= 2**31:
        raise TypeError("its numbers")
    for history in histories:
        lists = [history[name] for name in ("loss", "validation_loss", "seconds", "examples")]
        if not all(type(entry) in (int, float) for values in lists for entry in values):
            raise TypeError("a history of numbers")
        History(**history)


def _listed(clock):
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in clock.items()}
