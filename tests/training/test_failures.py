"""What happens when training is interrupted or goes wrong: nothing is lost, nothing hangs."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from training.problems import Machine, examples, same_bits

import wyrm
from wyrm.callbacks import Callback
from wyrm.feeds import ArrayFeed
from wyrm.optim import SGD, Adagrad, Adam


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("optimizer", [SGD, Adagrad, Adam])
def test_a_loss_that_is_not_finite_stops_training_and_restores_the_last_good_parameters(n_threads, optimizer):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, optimizer(0.05), n_threads=n_threads)
    trainer.fit(machine.feed())
    good = machine.values()
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError, match=r"epoch 1: .*NaN or infinite.*learning rate"):
        trainer.fit(machine.feed(), epochs=2)
    assert same_bits(good, machine.values())
    assert len(trainer.history.loss) == 1
    trainer.optimizer.learning_rate = 0.05
    trainer.fit(machine.feed())
    assert np.isfinite(trainer.history.loss).all()


def test_an_exception_in_a_callback_stops_all_threads_and_surfaces():
    machine = Machine()

    class Broken(Callback):
        interval = 0.01

        def on_interval(self, trainer):
            raise LookupError("my own bug")

    rows, labels = examples(2_000_000)
    before = threading.active_count()
    with pytest.raises(LookupError, match="my own bug") as caught:
        wyrm.Trainer(machine.loss, SGD(0.001), n_threads=3).fit(
            {machine.index: rows, machine.label: labels}, callbacks=[Broken()]
        )
    assert any("on_interval" in str(entry) for entry in caught.traceback)
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a job in the background ignores Ctrl-C")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_stops_soon_and_leaves_a_usable_model(n_threads):
    machine = Machine()
    trainer = wyrm.Trainer(machine.loss, SGD(0.001), n_threads=n_threads)
    trainer.fit(machine.feed())
    rows, labels = examples(3_000_000)
    feed = ArrayFeed({machine.index: rows, machine.label: labels})
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(feed, epochs=1000)
    # 0.2 s are promised; the machine may be busy with other things.
    assert time.monotonic() - pressed[0] < 5
    timer.join()
    assert trainer.history.stopped == "interrupt" and len(trainer.history.loss) >= 1
    assert all(np.isfinite(values).all() for values in machine.values())
    assert not any("guarded" in thread.name and thread.is_alive() for thread in threading.enumerate())
    trainer.fit(machine.feed())


TRAIN_AND_CHECKPOINT = """
import sys
from training.problems import Machine
import wyrm
from wyrm.callbacks import Checkpoint
from wyrm.optim import {optimizer}

machine = Machine()
trainer = wyrm.Trainer(machine.loss, {optimizer}(0.05), n_threads=1, seed=7)
print("ready", flush=True)
trainer.fit(machine.feed(), epochs=100000, callbacks=[Checkpoint(sys.argv[1])])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
@pytest.mark.parametrize("optimizer", [SGD, Adagrad, Adam])
def test_killed_at_any_moment_the_last_checkpoint_loads_and_goes_on_bit_for_bit(tmp_path, optimizer):
    path = tmp_path / "run.ckpt"
    script = textwrap.dedent(TRAIN_AND_CHECKPOINT.format(optimizer=optimizer.__name__))
    rng = np.random.default_rng(0)
    for _ in range(8):
        environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(__file__)))
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, env=environment, cwd=tmp_path
        )
        assert process.stdout.readline().strip() == b"ready"
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.wait()
        process.stdout.close()

        machine = Machine()
        trainer = wyrm.Trainer.resume(path, machine.loss, optimizer(0.05), n_threads=1)
        done = len(trainer.history.loss)
        assert done >= 1
        again = Machine()
        # As many epochs in one go, each followed by a checkpoint as there.
        other = wyrm.Trainer(again.loss, optimizer(0.05), n_threads=1, seed=7)
        other.fit(again.feed(), epochs=100000, callbacks=[lambda t, n=done: len(t.history.loss) == n])
        assert trainer.history.loss == other.history.loss
        assert same_bits(machine.values(), again.values())
        path.unlink()
