"""Work ahead: an iterator that runs in a thread of its own and keeps a few results ready."""

import threading
from collections import deque


class Prefetcher:
    """Runs through an iterator in the background.

    Parameters
    ----------
    items : iterator
        It is only ever used by the background thread, which closes it in the end if it has a ``close()``.
    depth : int
        How many items may wait to be taken.

    Attributes
    ----------
    error : BaseException or None
        What the iterator raised.
    WAITING : object
        What :meth:`take` returns when it has waited long enough.
    """

    WAITING = object()

    def __init__(self, items, depth):
        self._items = items
        self._depth = depth
        self._ready: deque[object] = deque()
        self._ended = self._stopped = False
        self._changed = threading.Condition()
        self.error = None
        self._thread = threading.Thread(target=self._work, name="wyrm-prefetch", daemon=True)
        self._thread.start()

    def _work(self):
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item):
        """Add an item as soon as there is room; false when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._depth)
            if not self._stopped:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._stopped

    def take(self, timeout):
        """The next item; None at the end or after an error, WAITING when none came in `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._stopped, timeout)
            if self._ready and self.error is None:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            return None if self._ended or self._stopped else self.WAITING

    def stop(self, timeout):
        """Ask the thread to end, and wait up to `timeout` seconds for it: nothing can interrupt the iterator itself."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join(timeout)
