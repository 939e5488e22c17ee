"""The graphs of word2vec, and the feed that goes with each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wyrm.feeds import WindowFeed
from wyrm.feeds.tokens import ArrayTokens, TokenStream
from wyrm.feeds.windows import keep_thresholds
from wyrm.leaf import IndexInputNode, InputNode, ParameterNode
from wyrm.nn.losses import logistic
from wyrm.node import OperatorNode
from wyrm.ops import vector_dot
from wyrm.optim import SGD
from wyrm.parameter import HogwildParameter
from wyrm.text.huffman import huffman_paths
from wyrm.trainer import Trainer

# CBOW: windows that a step takes at most.
MOST_CENTRES = 8
# Windows that have a drawn token among their negatives, where the table (of so many bytes) is too large for a core's
# caches; docs/performance.md.
REUSE = 8
WORTH_REUSING = 4 << 20


def initial_vectors(n: int, size: int, seed: int, first: int = 0) -> npt.NDArray[np.float32]:
    """Small random vectors for tokens `first` to `first + n - 1`, whatever those before them have."""
    values = np.random.default_rng([seed, first]).random((n, size), dtype=np.float32)
    values -= 0.5
    values /= size
    return values


def threshold(sample: float, n_tokens: int) -> float:
    """The frequency from which tokens are left out."""
    if sample >= 1:  # gensim: a number of occurrences
        return float(sample) * (3 + 5**0.5) / 2 / max(1, n_tokens)
    return float(sample)


@dataclass
class Tables:
    """What is learned: a vector for each token as a neighbour, and what predicts the tokens from them.

    Attributes
    ----------
    vectors : HogwildParameter, shape (n_tokens, vector_size)
    output : HogwildParameter, shape (n_tokens, vector_size), or None
        For negative sampling.
    inner : HogwildParameter, shape (n_tokens, vector_size), or None
        For hierarchical softmax: the inner nodes of its tree, one less than there are tokens.
    """

    vectors: HogwildParameter
    output: HogwildParameter | None = None
    inner: HogwildParameter | None = None

    def grown(self, new: npt.NDArray[np.float32]) -> Tables:
        """Tables with more rows."""
        zeros = np.broadcast_to(np.float32(0), new.shape)  # takes no memory
        return Tables(
            self.vectors.grown(new),
            None if self.output is None else self.output.grown(zeros),
            None if self.inner is None else self.inner.grown(zeros),
        )


@dataclass
class WindowGraph:
    """A graph over the tables, and how its feed is made."""

    tables: Tables
    counts: npt.NDArray[np.int64]
    sg: bool
    negative: int
    shared_negatives: bool
    window: int
    shrink_windows: bool
    ns_exponent: float
    cbow_mean: bool
    sample: float
    loss: OperatorNode = field(init=False)
    batch_size: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        vectors = ParameterNode.shared(self.tables.vectors, name="vectors")
        context = IndexInputNode([0], name="context")
        if self.sg:
            hidden = vectors.embedding(context)
        else:
            # As in word2vec: of the mean's gradient each neighbour gets the whole, of the sum's a part.
            if self.cbow_mean:
                hidden = vectors.embedding_bag(context, mode="mean", backward="sum")
            else:
                hidden = vectors.embedding_bag(context, mode="sum", backward="mean")
        self._nodes: dict[str, Any] = {"context": context}
        losses = []
        if self.tables.output is not None:
            outputs = ParameterNode.shared(self.tables.output, name="output")
            losses.append(self._negative_loss(hidden, outputs))
        if self.tables.inner is not None:
            inner = ParameterNode.shared(self.tables.inner, name="inner")
            losses.append(self._tree_loss(hidden, inner))
        self.loss = losses[0] if len(losses) == 1 else losses[0].sum() + losses[1].sum()

    def _negative_loss(self, hidden: OperatorNode, outputs: ParameterNode) -> OperatorNode:
        k = self.negative
        output = IndexInputNode([0], name="output")
        self._nodes |= {"output": output, "n_negatives": k, "power": self.ns_exponent}
        if self.shared_negatives or not self.sg or self.tables.inner is not None:
            output.set_value(range(1 + k))
            target = InputNode(np.zeros((1, 1 + k)), name="target")
            self._nodes["target"] = target
            if self.sg:
                return logistic(hidden @ outputs.embedding(output).T, target)
            if self.tables.inner is None:
                self.batch_size = self._centres()
            return logistic(vector_dot(hidden, outputs.embedding(output)), target)
        self._nodes |= {"target": InputNode(0.0, name="target"), "by_pair": True}
        return logistic(vector_dot(hidden, outputs.embedding(output)), self._nodes["target"])

    def _centres(self) -> int:
        """Centres of a step: so few that their windows have the most frequent token about once.

        More would move its vectors many times from one place at once, which overshoots.
        """
        frequency = self.counts / max(1, self.counts.sum())
        if self.sample:
            frequency = frequency * (keep_thresholds(self.counts, self._threshold()) / 0xFFFFFFFF)
        often = frequency.max() * (1 + self.window)
        return int(np.clip(frequency.sum() / often, 1, MOST_CENTRES)) if often else 1

    def _threshold(self) -> float:
        """The frequency from which tokens are left out."""
        return threshold(self.sample, int(self.counts.sum()))

    def _reuse(self) -> int:
        """Windows that share a negative, on average."""
        outputs = self.tables.output
        large = outputs is not None and 4 * outputs.shape[0] * outputs.shape[1] >= WORTH_REUSING
        return REUSE if large and self.shared_negatives else 1

    def _tree_loss(self, hidden: OperatorNode, inner: ParameterNode) -> OperatorNode:
        path, turn = IndexInputNode([0], name="path"), InputNode(1.0, name="turn")
        self._nodes |= {"path": path, "turn": turn, "paths": huffman_paths(self.counts)}
        return (-turn * (inner.embedding(path) @ hidden.T)).softplus()

    def feed(self, stream: TokenStream) -> WindowFeed:
        """The feed of a corpus."""
        return WindowFeed(
            stream,
            counts=self.counts,
            window=self.window,
            shrink_windows=self.shrink_windows,
            sample=self._threshold(),
            cbow=not self.sg,
            reuse=self._reuse(),
            **self._nodes,
        )

    def tree_losses(self, tokens: npt.NDArray[np.int32], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The loss under the tree of each token as a centre of a whole window, NaN where it is none."""
        tree = replace(
            self, tables=Tables(self.tables.vectors, inner=self.tables.inner), shrink_windows=False, sample=0.0
        )
        total = tree.loss.sum()
        return Trainer(total, SGD(0.0), n_threads=1).predict(total, tree.feed(ArrayTokens(tokens, starts)))[:, 0]
