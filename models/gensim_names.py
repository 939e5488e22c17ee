"""Names of gensim, of today and of old, that mean nothing here: the errors say what to use instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

OF_VECTORS = {
    **dict.fromkeys(("index2word", "index2entity"), "index_to_key"),
    "vocab": "key_to_index, and get_vecattr(key, 'count') for counts",
    "syn0": "vectors",
    **dict.fromkeys(("vectors_norm", "syn0norm"), "get_normed_vectors()"),
    "init_sims": "fill_norms(), or unit_normalize_all() where it was init_sims(replace=True)",
    "word_vec": "get_vector(key, norm=…)",
    "words_closer_than": "closer_than(key1, key2)",
    "accuracy": "evaluate_word_analogies(analogies)",
    **dict.fromkeys(("log_accuracy", "log_evaluate_word_pairs"), "what the evaluation returns"),
    **dict.fromkeys(("add", "add_entity", "resize_vectors", "next_index"), "add_vectors(keys, vectors)"),
}
OF_MODELS = {
    **dict.fromkeys(("size", "layer1_size"), "vector_size"),
    "iter": "epochs",
    "total_train_time": "sum(history.seconds)",
    "raw_vocab": "wyrm.text.Vocabulary.count(corpus)",
    "update_weights": "build_vocab(corpus, update=True)",
    **dict.fromkeys(("prepare_weights", "seeded_vector", "reset_weights"), "init_weights()"),
    **dict.fromkeys(("create_binary_tree", "make_cum_table", "cum_table"), "build_vocab(corpus), which makes them"),
    **dict.fromkeys(("lifecycle_events", "add_lifecycle_event"), "comment"),
    "delete_temporary_training_data": "nothing in its place: there is none",
    **dict.fromkeys(("batch_words", "hashfxn", "random"), "nothing in its place: it has no part in training"),
}


class Renamed:
    """Says what to use instead of attributes that are missing."""

    _instead: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # which has raised an error of its own
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in self._instead:
                message += f", which gensim has or had: use {self._instead[name]}"
            raise AttributeError(message, name=name, obj=self)
