"""Holding BLAS at one thread while threads of our own are at work."""

import os
import threading
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_held = 0
_limit: Any = None
_controller: ThreadpoolController | None = None  # finding the libraries takes milliseconds, so once


@contextmanager
def single_threaded_blas():
    """A context in which BLAS runs on the calling thread; contexts of several threads may overlap."""
    global _held, _limit, _controller
    with _lock:
        if _held == 0:
            if _controller is None:
                _controller = ThreadpoolController()
            _limit = _controller.limit(limits=1, user_api="blas")
            _limit.__enter__()
        _held += 1
    try:
        yield
    finally:
        with _lock:
            _held -= 1
            if _held == 0:
                _limit.__exit__(None, None, None)
                _limit = None


def _start_over():
    # In a forked child the threads that held the lock are gone.
    global _lock, _held, _limit
    _lock, _held, _limit = threading.Lock(), 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
