"""Checkpoints: what is in them, and what happens to files that are none."""

import os
import stat
import threading

import numpy as np
import pytest
from training.problems import Machine, same_bits

import wyrm
from wyrm.callbacks import Checkpoint
from wyrm.container import read_container, write_container
from wyrm.optim import FTRL, SGD, Adagrad, Adam, LinearDecay

OPTIMIZERS = [
    lambda: SGD(0.05),
    lambda: SGD(LinearDecay(0.1, 0.01), l2=1e-2, l1=1e-3),
    lambda: Adagrad(LinearDecay(0.1, 0.001)),
    lambda: Adam(0.01),
    lambda: Adam(LinearDecay(0.01, 0.001), l2=1e-2),
    lambda: FTRL(0.2, l1=1e-2),
]


class Interrupted(Exception):
    pass


def stop_after(n):
    def callback(trainer):
        if len(trainer.history.loss) == n:
            raise Interrupted

    return callback


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("deterministic", [False, True])
def test_an_interrupted_fit_ends_bit_for_bit_as_if_nothing_had_happened(tmp_path, make, deterministic):
    path = tmp_path / "run.ckpt"

    def fit(trainer, machine, *callbacks):
        held_out = machine.feed(100, seed=5)
        return trainer.fit(
            machine.feed(), epochs=6, validation=held_out, patience=9, callbacks=[Checkpoint(path), *callbacks]
        )

    def start():
        machine = Machine()
        trainer = wyrm.Trainer(
            machine.loss,
            make(),
            n_threads=1,
            seed=3,
            batch_size=16 if deterministic else 1,
            deterministic=deterministic,
        )
        return machine, trainer

    whole, trainer = start()
    expected = fit(trainer, whole)
    broken, trainer = start()
    with pytest.raises(Interrupted):
        fit(trainer, broken, stop_after(3))
    resumed = Machine(seed=77)
    history = fit(wyrm.Trainer.resume(path, resumed.loss, make(), n_threads=1), resumed)
    assert history.loss == expected.loss and history.validation_loss == expected.validation_loss
    assert history.best_epoch == expected.best_epoch
    assert same_bits(whole.values(), resumed.values())


@pytest.mark.parametrize("at", range(2, 8))
def test_early_stopping_that_was_interrupted_stops_where_it_would_have(tmp_path, at):
    path = tmp_path / "run.ckpt"

    def fit(trainer, machine, *callbacks):
        noise = machine.feed(100, seed=4)
        noise[machine.label] = 1 - noise[machine.label]
        return trainer.fit(
            machine.feed(), epochs=30, validation=noise, patience=3, callbacks=[Checkpoint(path), *callbacks]
        )

    whole, broken, resumed = Machine(), Machine(), Machine(seed=77)
    expected = fit(wyrm.Trainer(whole.loss, Adagrad(0.5), n_threads=1), whole)
    assert expected.stopped == "patience"
    at = min(at, len(expected.loss))
    with pytest.raises(Interrupted):
        fit(wyrm.Trainer(broken.loss, Adagrad(0.5), n_threads=1), broken, stop_after(at))
    history = fit(wyrm.Trainer.resume(path, resumed.loss, Adagrad(0.5), n_threads=1), resumed)
    assert history.loss == expected.loss and history.stopped == "patience"
    assert history.best_epoch == expected.best_epoch
    assert same_bits(whole.values(), resumed.values())


def saved(tmp_path, make=OPTIMIZERS[2]):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, make(), n_threads=1)
    trainer.fit(machine.feed())
    trainer.save(tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


def test_a_file_that_is_no_whole_checkpoint_is_refused(tmp_path):
    path = saved(tmp_path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    machine = Machine()
    before = machine.values()
    damaged = [data[: len(data) // 2], data[:7], b"", b"garbage" * 100, data[:8] + b"[" + data[9:]]
    damaged += [data[:n] for n in rng.integers(0, len(data), 30)]
    damaged += [
        data[:n] + bytes([data[n] ^ 0x41]) + data[n + 1 :] for n in rng.integers(len(data) - 500, len(data), 30)
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"run\.ckpt: "):
            wyrm.Trainer.resume(path, machine.loss, OPTIMIZERS[2]())
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        wyrm.Trainer.resume(path, machine.loss, OPTIMIZERS[2]())
    assert same_bits(before, machine.values())


def test_another_graph_or_optimiser_is_refused(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(ValueError, match="shapes"):
        wyrm.Trainer.resume(path, Machine(n_factors=5).loss, OPTIMIZERS[2]())
    with pytest.raises(ValueError, match="made with"):
        wyrm.Trainer.resume(path, Machine().loss, Adagrad(0.5))


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = saved(tmp_path)
    old = path.read_bytes()
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.1), n_threads=1)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        trainer.save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]


def _put(value, *path):
    def change(config):
        at = config
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _put({}, "record"),
        _put([], "record"),
        _put({}, "states"),
        _put([], "states", "last"),
        _put(5, "states", "last", "parameters", 1, "slots"),
        _put(None, "states", "last", "progress"),
        _put("x", "record", "batch_size"),
        _put(2**70, "record", "partial_fits"),
        _put(2**70, "record", "seed"),
        _put(None, "record", "history"),
        _put({"unknown": 1}, "record", "history"),
        _put("abc", "record", "history", "loss"),
        _put([None], "record", "history", "loss"),
        _put(5, "record", "fit"),
        _put({}, "record", "fit"),
    ],
)
def test_a_whole_file_that_no_trainer_wrote_is_refused(tmp_path, change):
    """Its checksums are right, but not what it says."""
    path = saved(tmp_path)
    config, arrays = read_container(path, "wyrm checkpoint", 1)
    change(config)
    write_container(path, "wyrm checkpoint", 1, config, arrays)
    with pytest.raises(ValueError, match=r"run\.ckpt: "):
        wyrm.Trainer.resume(path, Machine().loss, OPTIMIZERS[2]())


def test_a_state_without_its_arrays_is_refused(tmp_path):
    path = saved(tmp_path)
    config, arrays = read_container(path, "wyrm checkpoint", 1)
    config["states"]["last"]["parameters"][1]["slots"] = []
    write_container(path, "wyrm checkpoint", 1, config, arrays)
    with pytest.raises(ValueError, match="expected accumulator, got nothing"):
        wyrm.Trainer.resume(path, Machine().loss, OPTIMIZERS[2]())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_links_pipes_and_folders(tmp_path):
    """A link stays one, a pipe is written to and not replaced by a file."""
    path = saved(tmp_path)
    trainer = wyrm.Trainer.resume(path, Machine().loss, OPTIMIZERS[2](), n_threads=1)
    (tmp_path / "link").symlink_to(path)
    trainer.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and not path.is_symlink()
    os.mkfifo(tmp_path / "pipe")
    found = []
    thread = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    thread.start()
    trainer.save(tmp_path / "pipe")
    thread.join()
    assert found == [path.read_bytes()]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(IsADirectoryError):
        trainer.save(tmp_path)
