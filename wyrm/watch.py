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


def watch(workers, control, bar, callbacks, trainer):
    """Let every worker run on a thread of its own; return when all are done."""
    timed = [callback for callback in callbacks if callback.interval is not None]
    threads = [threading.Thread(target=guarded, args=(worker, control), daemon=True) for worker in workers]
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
        while any(thread.is_alive() for thread in threads):
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(0.001)
        raise


def guarded(worker, control):
    try:
        worker.run()
    except BaseException as error:
        worker.error = error
        control.stop()
