"""What a trained Word2Vec can tell beside its vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wyrm.history import History
from wyrm.models.gensim_names import OF_MODELS, OF_VECTORS, Renamed
from wyrm.models.keyed_vectors import KeyedVectors
from wyrm.models.word2vec_graph import WindowGraph
from wyrm.parameter import HogwildParameter

logger = logging.getLogger("wyrm.models.word2vec")


class Word2VecQueries(Renamed):
    """The tables that predict tokens, and what they predict."""

    _instead = (
        {name: f"wv.{name}" for name in dir(KeyedVectors) if not name.startswith("_")}
        | {name: f"wv.{instead}" for name, instead in OF_VECTORS.items()}
        | OF_MODELS
    )
    wv: KeyedVectors
    history: History
    running_training_loss: float
    negative: int
    hs: int
    cbow_mean: int
    _graph: WindowGraph | None

    def get_latest_training_loss(self) -> float:
        """The loss summed over all pairs since the latest `train` began; :attr:`history` has means by pair."""
        return self.running_training_loss

    @property
    def syn1neg(self) -> npt.NDArray[np.float32]:
        """ndarray, shape (n_tokens, vector_size): the vectors of tokens as outputs, of negative sampling."""
        return self._table("output", "negative sampling, negative > 0").value

    @property
    def syn1(self) -> npt.NDArray[np.float32]:
        """ndarray, shape (n_tokens, vector_size): the vectors of the tree's inner nodes, of hierarchical softmax."""
        return self._table("inner", "hierarchical softmax, hs=1").value

    def _table(self, name: str, of: str) -> HogwildParameter:
        table: HogwildParameter | None = None if self._graph is None else getattr(self._graph.tables, name)
        if table is None:
            raise AttributeError(f"Word2Vec: it has these vectors with {of}, once the vocabulary is built")
        return table

    def predict_output_word(self, context_words_list: Sequence[Any], topn: int = 10) -> list[tuple[Any, float]] | None:
        """The tokens that most likely stand among some others.

        Parameters
        ----------
        context_words_list : list of tokens
            Or their numbers. Those that are not in the vocabulary don't count.
        topn : int, default 10

        Returns
        -------
        list of (token, probability), or None
            None when no token is in the vocabulary.

        Raises
        ------
        RuntimeError
            If the model has no negative sampling.
        """
        if self._graph is None or self._graph.tables.output is None:
            raise RuntimeError("predict_output_word needs a model that was trained with negative sampling")
        rows = [self.wv.get_index(key) for key in context_words_list if key in self.wv]
        if not rows:
            logger.warning("none of the context words is in the vocabulary")
            return None
        hidden = self.wv.vectors[rows].sum(axis=0)
        if self.cbow_mean:
            hidden /= len(rows)
        logits = (self.syn1neg @ hidden).astype(np.float64)
        odds = np.exp(logits - logits.max())
        odds /= odds.sum()
        best = np.argsort(-odds, kind="stable")[: max(0, topn)]
        return [(self.wv.index_to_key[i], float(odds[i])) for i in best]

    def score(self, sentences: Iterable[Sequence[Any]], total_sentences: int | None = None) -> npt.NDArray[np.float32]:
        """The log-likelihood of sentences under hierarchical softmax, over all windows of full size.

        Parameters
        ----------
        sentences : iterable of token lists
        total_sentences : int, optional
            Scores no more than this.

        Returns
        -------
        ndarray of float32, shape (n_sentences,)

        Raises
        ------
        RuntimeError
            If the model has no hierarchical softmax, or no vocabulary.
        """
        if self._graph is None:
            raise RuntimeError("you must first build vocabulary before scoring new data")
        if not self.hs:
            raise RuntimeError("score needs a model that was trained with hierarchical softmax, hs=1")
        index = self.wv.key_to_index
        rows = [[index[key] for key in sentence if key in index] for sentence in sentences][:total_sentences]
        starts = np.cumsum([0, *map(len, rows)])
        tokens = np.array([row for sentence in rows for row in sentence], dtype=np.int32)
        scores = np.zeros(len(rows), dtype=np.float32)
        if len(tokens):
            losses = self._graph.tree_losses(tokens, starts)
            sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(losses), dtype=np.float64)])
            scores[:] = sums[starts[:-1]] - sums[starts[1:]]
        return scores
