"""What Word2Vec hooks into its training: its own history, and callbacks that were written for gensim."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from wyrm.callbacks import Callback

logger = logging.getLogger("wyrm.models.word2vec")

GENSIM = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end")


class Recorder(Callback):
    """Keeps the history of a model, with losses by pair of a token and what it predicts."""

    def __init__(self, model: Any, feed: Any) -> None:
        self._model, self._feed = model, feed

    def on_epoch(self, trainer: Any) -> None:
        history, latest = self._model.history, trainer.history
        # CBOW predicts once for each window.
        pairs = self._feed.n_pairs if self._model.sg else latest.examples[-1]
        history.loss.append(latest.loss[-1] * latest.examples[-1] / max(1, pairs))
        history.seconds.append(latest.seconds[-1])
        history.examples.append(latest.examples[-1])
        if latest.examples[-1]:
            self._model.running_training_loss += latest.loss[-1] * latest.examples[-1]
        logger.info(
            "EPOCH %d: %d centres in %.1f s, a loss of %.4f by pair",
            len(latest.loss),
            latest.examples[-1],
            latest.seconds[-1],
            history.loss[-1],
        )
        self._model.wv.norms = None


class ForGensim(Callback):
    """Calls what a callback of gensim has, with the model."""

    def __init__(self, model: Any, hook: Any, epochs: int) -> None:
        self._model, self._hook, self._left = model, hook, epochs

    def call(self, name: str) -> None:
        if hasattr(self._hook, name):
            getattr(self._hook, name)(self._model)

    def begin(self) -> None:
        self.call("on_train_begin")
        self.call("on_epoch_begin")

    def on_epoch(self, trainer: Any) -> None:
        self.call("on_epoch_end")
        self._left -= 1
        if self._left:
            self.call("on_epoch_begin")


def adapted(hooks: Iterable[Any], model: Any, epochs: int) -> list[Any]:
    """Callbacks as the trainer takes them."""
    return [
        ForGensim(model, hook, epochs)
        if not isinstance(hook, Callback) and any(hasattr(hook, name) for name in GENSIM)
        else hook
        for hook in hooks
    ]
