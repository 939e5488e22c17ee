"""How well vectors answer analogy questions, and agree with people on what is similar."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from wyrm.io.source import blocks_of_lines, name_of
from wyrm.models.nearest import top_cosines, top_products
from wyrm.models.vector_table import inverse_or_zero, norms_of

if TYPE_CHECKING:
    from wyrm.models.keyed_vectors import KeyedVectors

Section = dict[str, Any]
Question = tuple[str, str, str, str]

logger = logging.getLogger(__name__)

CANDIDATES = 5  # are looked at in search of one that is a known word and not in the question


def lines_of(path: Any, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file, compressed or not."""
    with closing(blocks_of_lines(path, lambda: 1)) as blocks:
        for text, start, stop in blocks:
            yield from bytes(text[start:stop]).decode(encoding).splitlines()


def known_words(wv: KeyedVectors, restrict_vocab: int | None, case_insensitive: bool) -> dict[str, int]:
    """The rows of the words that count, by their upper case if that is asked for; of equal ones, the first."""
    words: dict[str, int] = {}
    for row, key in enumerate(wv.index_to_key[:restrict_vocab]):
        if isinstance(key, str):
            words.setdefault(key.upper() if case_insensitive else key, row)
    return words


def evaluate_analogies(
    wv: KeyedVectors,
    path: Any,
    restrict_vocab: int | None,
    case_insensitive: bool,
    dummy4unknown: bool,
    similarity_function: str,
) -> tuple[float, list[Section]]:
    """See `KeyedVectors.evaluate_word_analogies`."""
    if similarity_function not in ("most_similar", "most_similar_cosmul"):
        raise ValueError(
            f"similarity_function: expected 'most_similar' or 'most_similar_cosmul', got {similarity_function!r}"
        )
    words = known_words(wv, restrict_vocab, case_insensitive)
    names, questions = _questions(path, case_insensitive)
    asked = [at for at, (_, question) in enumerate(questions) if all(word in words for word in question)]
    rows = np.array([[words[word] for word in questions[at][1]] for at in asked], np.int64).reshape(-1, 4)
    answers = dict(zip(asked, _answers(wv, rows, words, restrict_vocab, similarity_function, case_insensitive)))
    sections: list[Section] = [{"section": name, "correct": [], "incorrect": []} for name in names]
    for at, (number, question) in enumerate(questions):
        if at in answers or dummy4unknown:
            kind = "correct" if answers.get(at) == question[3] else "incorrect"
            sections[number][kind].append(question)
    total = {
        kind: [question for section in sections for question in section[kind]] for kind in ("correct", "incorrect")
    }
    sections.append({"section": "Total accuracy", **total})
    for section in sections:
        n, n_correct = len(section["correct"]) + len(section["incorrect"]), len(section["correct"])
        if n:
            logger.info("%s: %.1f%% (%d/%d)", section["section"], 100 * n_correct / n, n_correct, n)
    n = len(total["correct"]) + len(total["incorrect"])
    return (len(total["correct"]) / n if n else 0.0), sections


def _questions(path: Any, case_insensitive: bool) -> tuple[list[str], list[tuple[int, Question]]]:
    """The names of sections, and the questions with the number of their section."""
    names: list[str] = []
    questions: list[tuple[int, Question]] = []
    for number, line in enumerate(lines_of(path), 1):
        if line.startswith(": "):
            names.append(line.lstrip(": ").strip())
            continue
        if not names:
            raise ValueError(
                f"{name_of(path)}, line {number}: expected ': name' of a section first, found {line[:40]!r}"
            )
        words = (line.upper() if case_insensitive else line).split()
        if len(words) == 4:
            a, b, c, d = words
            questions.append((len(names) - 1, (a, b, c, d)))
        elif words:
            logger.info("%s, line %d: passed over, expected four words", name_of(path), number)
    return names, questions


def _answers(
    wv: KeyedVectors,
    rows: np.ndarray,
    words: dict[str, int],
    restrict_vocab: int | None,
    similarity_function: str,
    case_insensitive: bool,
) -> Iterator[str | None]:
    """For each question the word whose vector is nearest to b - a + c, but a, b and c."""
    table = wv.vectors[:restrict_vocab]
    norms = norms_of(table)
    given = rows[:, :3].T
    a, b, c = np.asarray(table[given], np.float32) * inverse_or_zero(norms[given])[..., None]
    k = CANDIDATES + 3
    if similarity_function == "most_similar":
        queries = b + c - a
        queries *= inverse_or_zero(norms_of(queries))[:, None]
        found, _, sizes = top_cosines(table, norms, queries, k)
    else:
        found, _, sizes = top_products(table, norms, [b, c], [a], k)
    for question, candidates, size in zip(rows.tolist(), found.tolist(), sizes.tolist()):
        yield _first_known(wv, question[:3], candidates[:size], words, case_insensitive)


def _first_known(
    wv: KeyedVectors, given: list[int], candidates: list[int], words: dict[str, int], case_insensitive: bool
) -> str | None:
    """The first candidate that is a word and none of the given ones, in whatever case."""
    ignored = {_folded(wv.index_to_key[row], case_insensitive) for row in given}
    others = [row for row in candidates if row not in given][:CANDIDATES]
    names = (_folded(wv.index_to_key[row], case_insensitive) for row in others)
    return next((name for name in names if name in words and name not in ignored), None)


def _folded(key: Any, case_insensitive: bool) -> Any:
    return key.upper() if case_insensitive and isinstance(key, str) else key


def evaluate_pairs(
    wv: KeyedVectors,
    path: Any,
    delimiter: str,
    encoding: str,
    restrict_vocab: int | None,
    case_insensitive: bool,
    dummy4unknown: bool,
) -> tuple[Any, Any, float]:
    """See `KeyedVectors.evaluate_word_pairs`."""
    from scipy import stats  # takes longer to import than all of wyrm

    words = known_words(wv, restrict_vocab, case_insensitive)
    gold, found = [], []
    n_unknown = 0
    for number, line in enumerate(lines_of(path, encoding), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            a, b, text = (line.upper() if case_insensitive else line).split(delimiter)
            given = float(text)
        except ValueError:
            logger.info("%s, line %d: passed over, expected two words and a number", name_of(path), number)
            continue
        is_known = a in words and b in words
        n_unknown += not is_known
        if is_known or dummy4unknown:
            gold.append(given)
            found.append(wv.similarity(wv.index_to_key[words[a]], wv.index_to_key[words[b]]) if is_known else 0.0)
    if len(gold) < 2:
        raise ValueError(
            f"{name_of(path)}: expected two pairs or more of words that have vectors, and numbers, separated by "
            f"{delimiter!r}; found {len(gold)} such, and {n_unknown} with unknown words"
        )
    oov_ratio = 100 * n_unknown / (len(gold) if dummy4unknown else len(gold) + n_unknown)
    return stats.pearsonr(gold, found), stats.spearmanr(gold, found), oov_ratio
