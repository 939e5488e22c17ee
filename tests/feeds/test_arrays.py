"""What a feed of arrays takes for indices, and what it refuses."""

from collections import deque

import numpy as np
import pytest
import scipy.sparse

import wyrm
from wyrm.feeds import ArrayFeed, batches

TABLE = wyrm.ParameterNode(np.ones((100, 1)))
INDEX, WEIGHT = wyrm.IndexInputNode([0], name="index"), wyrm.InputNode(1.0, name="weight")
ROWS = np.random.default_rng(0).integers(0, 100, (3, 3))


def laid_down(values):
    loss = TABLE.embedding_bag(INDEX).square()
    return [batch[INDEX][0].tolist() for batch in batches({INDEX: values}, loss)]


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows.tolist(),
        lambda rows: tuple(map(tuple, rows.tolist())),
        lambda rows: deque(rows.tolist()),
        lambda rows: np.asfortranarray(rows.astype(np.uint16)),
        lambda rows: rows.astype(">i8"),
        lambda rows: rows[::-1][::-1],
        lambda rows: pytest.importorskip("pandas").DataFrame(rows),
        lambda rows: pytest.importorskip("pandas").Series(rows.tolist()),
        lambda rows: pytest.importorskip("polars").DataFrame(rows),
        lambda rows: (rows.ravel(), np.arange(0, 10, 3, dtype=np.uint8)),
    ],
)
def test_forms_of_indices(make):
    """A frame with as many rows as columns is not taken for its columns."""
    assert laid_down(make(ROWS)) == ROWS.tolist()


def test_sequences_of_numbers():
    for values in (
        range(4),
        [0, 1, 2, 3],
        np.arange(4),
        deque(range(4)),
        pytest.importorskip("pandas").Series(range(4)),
    ):
        assert laid_down(values) == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ((row for row in ROWS.tolist()), ValueError, "from generator"),
        (iter([1, 2]), ValueError, "from list_iterator"),
        (5, ValueError, "from int"),
        (None, ValueError, "from NoneType"),
        ("abc", ValueError, "from str"),
        (ROWS[..., None], ValueError, "shape"),
        (([0, 1, 2], [0.0, 1.5, 3.0]), TypeError, "integers as offsets"),
        (([0, 1, 2], [0, 2]), ValueError, "rise from 0"),
    ],
)
def test_what_is_not_indices(values, error, words):
    with pytest.raises(error, match=words):
        ArrayFeed({INDEX: values})


def matrix():
    found = scipy.sparse.random(50, 100, 0.1, format="csr", random_state=0)
    assert found.has_canonical_format
    return found


@pytest.mark.parametrize("canonical", [True, False])
@pytest.mark.parametrize("offset", [10**6, -5, 3])
def test_a_matrix_whose_offsets_are_wrong_is_refused(canonical, offset):
    """Neither SciPy nor a kernel gets to see it."""
    broken = matrix()
    broken.indptr[5] = offset
    broken.has_canonical_format = canonical
    if offset == 3:
        broken.indptr[-1] = 10**6
    with pytest.raises(ValueError, match="expected offsets that rise"):
        ArrayFeed({(INDEX, WEIGHT): broken})


def test_a_matrix_with_room_to_spare():
    found, wide = matrix(), matrix()
    wide.indices = np.concatenate([wide.indices, [-1, 2**30]])
    wide.data = np.concatenate([wide.data, [np.nan, np.inf]])
    wide.has_canonical_format = True
    loss = TABLE.embedding_bag(INDEX, WEIGHT).square()
    for one, other in zip(batches({(INDEX, WEIGHT): found}, loss), batches({(INDEX, WEIGHT): wide}, loss), strict=True):
        assert np.array_equal(one[INDEX][0], other[INDEX][0]) and np.array_equal(one[WEIGHT], other[WEIGHT])


def test_an_empty_dict_is_called_so():
    with pytest.raises(TypeError, match="an empty one"):
        ArrayFeed({})
