"""Watching the threads of a run from the thread that called for it."""

import contextlib
import numbers
import threading
import time


def checked_count(what, value, least=1):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what}: expected an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{what}: expected at least {least}, got {value}")
    return int(value)


# Examples that one worker goes through in the calling thread; to start another may take longer.
AT_ONCE = 4096


class Gate:
    """Knows which threads are at work, and keeps out those that come after it has been closed.

    An exception such as Ctrl-C may leave ``Thread.start`` before the new thread has begun. It then begins at some later
    time, and ``is_alive`` doesn't tell.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0
        self._closed = False

    def enter(self):
        with self._lock:
            self._inside += not self._closed
            return not self._closed

    def leave(self):
        with self._lock:
            self._inside -= 1

    def close(self):
        """Let nobody in any more, and return when nobody is inside."""
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                with self._lock:
                    self._closed = True
                    if not self._inside:
                        return
                time.sleep(0.001)


def watch(workers, control, bar, callbacks, trainer, n_examples=-1):
    """Let every worker run on a thread of its own; return when all are done."""
    gate = Gate()
    if len(workers) == 1 and 0 <= n_examples <= AT_ONCE:
        guarded(workers[0], control, gate)
        return
    timed = [callback for callback in callbacks if callback.interval is not None]
    threads = [threading.Thread(target=guarded, args=(worker, control, gate), daemon=True) for worker in workers]
    due = [time.monotonic() + callback.interval for callback in timed]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.05)
                if bar is not None:
                    bar.advance_to(control.done)
                for i, callback in enumerate(timed):
                    if time.monotonic() >= due[i]:
                        due[i] = time.monotonic() + callback.interval
                        if callback.on_interval(trainer):
                            control.stop()
    except BaseException:
        # Whatever happened, also to start() and also a second Ctrl-C, no thread goes on behind the caller's back.
        control.stop()
        gate.close()
        raise


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
