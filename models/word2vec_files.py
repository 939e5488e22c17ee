"""Saving and loading of Word2Vec, its tables and its vocabulary in one file."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import wyrm.io
from wyrm.container import ModelFileError
from wyrm.history import History
from wyrm.models.keyed_vectors import KeyedVectors
from wyrm.models.word2vec_graph import Tables, WindowGraph
from wyrm.parameter import HogwildParameter
from wyrm.text.vocabulary import Rule, Vocabulary

PARAMETERS = (
    *(
        "vector_size",
        "alpha",
        "window",
        "min_count",
        "max_vocab_size",
        "sample",
        "seed",
        "workers",
        "min_alpha",
        "sg",
        "hs",
    ),
    *("negative", "ns_exponent", "cbow_mean", "epochs", "compute_loss", "max_final_vocab", "shrink_windows"),
    *("shared_negatives", "deterministic", "comment"),
)
COUNTED = (
    *("corpus_count", "corpus_total_words", "effective_min_count", "train_count"),
    *("min_alpha_yet_reached", "running_training_loss"),
)


class WrongKindError(TypeError, AttributeError):
    """A file holds another kind of object."""


if TYPE_CHECKING:
    on_the_class = classmethod
else:

    class on_the_class(classmethod):
        """A class method that instances don't have, as if it changed the one it is called on."""

        def __get__(self, instance, owner=None):
            if instance is not None:
                raise AttributeError("load makes a new model and leaves this one as it is: call it on the class")
            return super().__get__(instance, owner)


class Word2VecFiles:
    """What makes a model of a file, and a file of a model."""

    wv: KeyedVectors
    history: History
    trim_rule: Rule | None
    negative: int
    hs: int
    effective_min_count: int
    _graph: WindowGraph | None

    if TYPE_CHECKING:

        def _use(self, vocabulary: Vocabulary, tables: Tables | None) -> None: ...

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        separately: Any = None,
        sep_limit: int | None = None,
        ignore: Any = (),
        pickle_protocol: int | None = None,
    ) -> None:
        """Save the whole model, to train on later; see :func:`wyrm.io.save`. The rule for the vocabulary is left out.

        Parameters
        ----------
        path : str or path-like
        separately, sep_limit, ignore, pickle_protocol : optional
            Of gensim, without effect: there is one file, and nothing is pickled.
        """
        wyrm.io.save(self, path)

    @on_the_class
    def load(cls, path: str | os.PathLike[str], mmap: str | bool | None = None) -> Self:
        """Load a model that was saved.

        Parameters
        ----------
        path : str or path-like
        mmap : optional
            Of gensim, without effect: what may be trained on is read. :meth:`KeyedVectors.load` maps vectors.

        Returns
        -------
        Word2Vec

        Raises
        ------
        TypeError
            If the file holds something else.
        ModelFileError
            If it is damaged, or not wyrm's.
        """
        with open(os.fspath(path), "rb") as file:
            if file.read(1) == b"\x80":
                raise ModelFileError(
                    path,
                    "expected a model of wyrm, found a pickle, such as gensim's, which could run any code; "
                    "Word2Vec.from_gensim(gensim.models.Word2Vec.load(path)) takes over what gensim has loaded",
                )
        model = wyrm.io.load(path)
        if not isinstance(model, cls):
            raise WrongKindError(f"{path}: expected a {cls.__name__}, found a {type(model).__name__}")
        return model

    @classmethod
    def from_gensim(cls, model: Any) -> Self:
        """Take over a model of gensim: its vocabulary, what it has learned, and its parameters.

        Parameters
        ----------
        model : gensim.models.Word2Vec

        Returns
        -------
        Word2Vec
            With copies of the tables; it can be trained on.

        Raises
        ------
        TypeError
            If it is something else.
        ValueError
            If it has a hierarchical softmax, whose tree is another one than here.
        """
        if not hasattr(model, "wv") or not hasattr(model, "hs"):
            raise TypeError(
                f"Word2Vec.from_gensim: expected a model of gensim, such as gensim.models.Word2Vec.load(path), got "
                f"{type(model).__name__}"
            )
        if model.hs:
            raise ValueError(
                "Word2Vec.from_gensim: expected a model with hs=0; nodes of gensim's tree have no counterpart here"
            )
        made = cls(**{name: getattr(model, name) for name in PARAMETERS if hasattr(model, name)})
        for name in COUNTED:
            setattr(made, name, getattr(model, name, getattr(made, name)))
        wv = model.wv
        if len(wv.index_to_key):
            counts = [wv.get_vecattr(key, "count") for key in wv.index_to_key]
            vocabulary = Vocabulary(wv.index_to_key, np.array(counts, dtype=np.int64))
            vocabulary.min_count = made.effective_min_count
            made._use(vocabulary, Tables(HogwildParameter(wv.vectors), HogwildParameter(model.syn1neg)))
            factors = getattr(wv, "vectors_lockf", np.ones(1))
            # gensim begins again where there are fewer than vectors.
            made.wv.vectors_lockf = factors if len(factors) == 1 else np.resize(factors, len(made.wv))
        return made

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        wv, arrays = self.wv._to_state()
        arrays = {f"wv.{name}": array for name, array in arrays.items()}
        if self._graph is not None:
            for name in ("output", "inner"):
                table = getattr(self._graph.tables, name)
                if table is not None:
                    arrays[name] = np.ascontiguousarray(table.value)
        params = {name: getattr(self, name) for name in PARAMETERS}
        known = {name: getattr(self, name) for name in COUNTED}
        return {"params": params, "known": known, "wv": wv, "history": asdict(self.history)}, arrays

    @classmethod
    def _from_state(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        model = cls(**config["params"])
        for name in COUNTED:
            setattr(model, name, config["known"][name])
        model.history = History(**config["history"])
        wv = KeyedVectors._from_state(
            config["wv"], {name[3:]: array for name, array in arrays.items() if name.startswith("wv.")}
        )
        if len(wv):
            vocabulary = Vocabulary(wv.index_to_key, wv.expandos["count"])
            vocabulary.min_count = model.effective_min_count
            names = {"output": model.negative, "inner": model.hs}
            tables = {name: HogwildParameter(arrays[name]) for name, wanted in names.items() if wanted}
            model._use(vocabulary, Tables(HogwildParameter(wv.vectors), **tables))
            model.wv._inherit(wv)
        return model

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, np.ndarray], Rule | None]:
        return (*self._to_state(), self.trim_rule)

    def __setstate__(self, state: tuple[dict[str, Any], dict[str, np.ndarray], Rule | None]) -> None:
        config, arrays, self.trim_rule = state
        self.__dict__ |= self._from_state(config, arrays).__dict__ | {"trim_rule": self.trim_rule}
