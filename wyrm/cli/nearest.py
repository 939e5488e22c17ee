"""Print the keys whose vectors are the most similar to those of some keys.

Each line has a key, a tab and the cosine similarity.  The file may be one of word2vec, text or binary, of GloVe, of
KeyedVectors.save, or a saved Word2Vec; compressed or not.  With several keys, others are compared with their mean:

  wyrm nearest vectors.bin paris
  wyrm nearest vectors.bin king woman --negative man
"""

from __future__ import annotations

import argparse
from typing import Any

import wyrm.io
from wyrm.cli.errors import UserError
from wyrm.io.word2vec import format_of
from wyrm.models import KeyedVectors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vectors", help="a file of vectors")
    parser.add_argument("keys", nargs="+", metavar="key", help="what to be similar to")
    parser.add_argument("--negative", nargs="+", default=[], metavar="KEY", help="what to be dissimilar to")
    parser.add_argument("--topn", type=int, default=10, metavar="N", help="how many keys to print (default: 10)")
    parser.add_argument("--limit", type=int, metavar="N", help="search the first N vectors of the file only")


def run(options: argparse.Namespace) -> None:
    if options.topn < 1 or (options.limit is not None and options.limit < 1):
        raise UserError("--topn and --limit: expected 1 or more")
    wv = _load(options.vectors, options.limit)
    sides = options.keys, options.negative
    positive, negative = ([_key(wv, text, options.vectors) for text in side] for side in sides)
    for key, similarity in wv.most_similar(positive, negative, topn=options.topn, restrict_vocab=options.limit):
        print(f"{key}\t{similarity:.4f}")


def _key(wv: KeyedVectors, text: str, path: str) -> str | int:
    """The key that a text stands for: itself, or a number, as of items or nodes of a graph."""
    if text in wv.key_to_index:
        return text
    if text.removeprefix("-").isdecimal() and int(text) in wv.key_to_index:
        return int(text)
    others = [other for other in (text.lower(), text.capitalize(), text.upper()) if other in wv.key_to_index]
    hint = f"; there is {others[0]!r}" if others else ""
    raise UserError(f"{path} has no vector for {text!r}{hint}")


def _load(path: str, limit: int | None) -> KeyedVectors:
    kind = format_of(path)
    if kind != "safetensors":
        return KeyedVectors.load_word2vec_format(
            path, binary=kind == "binary", no_header=kind == "glove", limit=limit, unicode_errors="replace"
        )
    found: Any = wyrm.io.load(path, mmap=True)
    found = getattr(found, "wv", found)
    if not isinstance(found, KeyedVectors):
        raise UserError(f"{path}: expected vectors, found a {type(found).__name__}")
    return found
