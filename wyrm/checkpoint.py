"""Checkpoints of training: safetensors for the numbers, JSON in its header for the rest; no pickle.

A checkpoint is written to a temporary file beside its place, flushed to the disk, and renamed over it, so that
whatever happens there is a whole one: the old or the new.
"""

import json
import os
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

FORMAT = "wyrm checkpoint"
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
            tensors[f"{name}.{i}.value"] = np.ascontiguousarray(values)
            if state is not None:
                for slot, array in state["slots"].items():
                    tensors[f"{name}.{i}.{slot}"] = np.ascontiguousarray(array)
                state = {"kind": state["kind"], "slots": list(state["slots"]), "clock": _listed(state["clock"])}
            states[name]["parameters"].append(state)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "states": states,
        "record": record,
        "checksums": {name: zlib.crc32(array.data) for name, array in tensors.items()},
    }
    _write_whole(Path(path), save(tensors, metadata={"wyrm": json.dumps(header, default=_number)}))


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
    ValueError
        If it is not a whole checkpoint of a version this release reads.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})["wyrm"])
            if header["format"] != FORMAT:
                raise KeyError("format")
            if header["version"] > VERSION:
                raise ValueError(
                    f"{path} was written by a newer wyrm (format {header['version']}, this reads {VERSION})"
                )
            values: dict[str, list[np.ndarray]] = {}
            states = {}
            for name, state in header["states"].items():
                values[name] = []
                for i, one in enumerate(state["parameters"]):
                    values[name].append(_tensor(file, header, f"{name}.{i}.value"))
                    if one is not None:
                        one["slots"] = {slot: _tensor(file, header, f"{name}.{i}.{slot}") for slot in one["slots"]}
                states[name] = state
            return values, states, header["record"]
    except (SafetensorError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a checkpoint of wyrm, or it is damaged: {error}") from error


def _tensor(file, header, name):
    array = np.ascontiguousarray(file.get_tensor(name))
    if zlib.crc32(array.data) != header["checksums"][name]:
        raise KeyError(f"checksum of {name}")
    return array


def _write_whole(path, data):
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the rename itself
        directory = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _listed(clock):
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in clock.items()}


def _number(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a checkpoint")
