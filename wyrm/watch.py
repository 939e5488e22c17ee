"""Watching the threads of a run from the thread that called for it."""

import contextlib
import numbers
import threading
import time


def checked_count(what, value, least=1, most=None):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what}: expected an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{what}: expected at least {least}, got {value}")
    if most is not None and value > most:
        raise ValueError(f"{what}: expected at most {most}, got {value}")
    return int(value)


# Examples that one worker goes through in the calling thread; to start another may take longer.
AT_ONCE = 4096

# Seconds between two looks at how far the threads are.
LOOK_EVERY = 0.05


class Gate:
    """Knows which threads are at work, and keeps out those that come after it has been closed.

    An exception such as Ctrl-C may leave ``Thread.start`` before the new thread has begun. It then begins at some later
    time, and ``is_alive`` doesn't tell. Threads that wait for each other at work, `together` of them, are let in when
    all have come, and else none of them.
    """

    def __init__(self, together=1):
        self._changed = threading.Condition()
        self._inside = 0
        self._missing = together
        self._closed = False

    def enter(self):
        with self._changed:
            if self._closed:
                return False
            self._inside += 1
            self._missing -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._missing <= 0 or self._closed)
            self._inside -= self._missing > 0
            return self._missing <= 0

    def leave(self):
        with self._changed:
            self._inside -= 1

    def close(self):
        """Let nobody in any more, and return when nobody is inside."""
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                with self._changed:
                    self._closed = True
                    self._changed.notify_all()
                    if not self._inside:
                        return
                time.sleep(0.001)


class Lookout:
    """What the calling thread does meanwhile: it moves the bar and calls callbacks whose time has come."""

    def __init__(self, control, bar, callbacks, trainer):
        self._control, self._bar, self._trainer = control, bar, trainer
        self._timed = [callback for callback in callbacks if callback.interval is not None]
        self._due = [time.monotonic() + callback.interval for callback in self._timed]
        self.ended = False

    def show(self):
        if self._bar is not None:
            self._bar.advance_to(self._control.done)

    def look(self):
        self.show()
        for i, callback in enumerate(self._timed):
            if time.monotonic() >= self._due[i]:
                self._due[i] = time.monotonic() + callback.interval
                if callback.on_interval(self._trainer):
                    self.ended = True
                    self._control.stop()


def watch(workers, control, bar, callbacks, trainer, n_examples=-1, together=False, meanwhile=None):
    """Let every worker run on a thread of its own; return when all are done, with whether a callback ended it.

    `together` says that the workers wait for each other. They need not wait for `meanwhile`, a callable: what it does,
    the calling thread does once they have begun.
    """
    lookout = Lookout(control, bar, callbacks, trainer)
    if len(workers) == 1 and 0 <= n_examples <= AT_ONCE:
        if meanwhile is not None:
            meanwhile()
        run_here(workers[0], lookout)
        lookout.show()
        return lookout.ended
    gate = Gate(len(workers) if together else 1)
    threads = [threading.Thread(target=guarded, args=(worker, control, gate), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        if meanwhile is not None:
            meanwhile()
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_EVERY)
                lookout.look()
    except BaseException:
        # Whatever happened, also to start() and also a second Ctrl-C, no thread goes on behind the caller's back.
        control.stop()
        gate.close()
        raise
    lookout.show()
    return lookout.ended


def run_here(worker, lookout):
    """Let a worker run in the calling thread, a few examples at a time: Ctrl-C waits for those."""
    most, before = 1, time.monotonic()
    while worker.run(most):
        lookout.look()
        now = time.monotonic()
        most = 2 * most if now - before < LOOK_EVERY / 2 else max(1, most // 2)
        before = now


def guarded(worker, control, gate):
    if not gate.enter():
        return
    try:
        worker.run()
    except BaseException as error:
        worker.error = error
        control.stop()
    finally:
        gate.leave()
