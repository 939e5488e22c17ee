"""Arbitrary values for inputs, indices and parameters: taken as NumPy reads them, or refused with the old one kept."""

import itertools
import numbers

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import wyrm

EXAMPLES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=3),
    st.binary(max_size=3),
)
NESTED = st.recursive(
    EXAMPLES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(st.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=8,
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = hnp.arrays(st.one_of(hnp.scalar_dtypes(), st.just(np.dtype(object))), SHAPES)
NUMBERS = hnp.arrays(st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i4", "u8", "?", ">f8"]), SHAPES)


@st.composite
def views(draw, arrays):
    """An array in another layout: transposed, reversed, every other entry, read-only, broadcast."""
    array = draw(arrays)
    for _ in range(draw(st.integers(0, 2))):
        array = draw(
            st.sampled_from(
                [array.T, array[::-1] if array.ndim else array, array[..., ::2] if array.ndim else array,
                 np.asfortranarray(array), np.broadcast_to(array, (2, *array.shape)) if array.ndim < 2 else array]
            )
        )  # fmt: skip
    return array


VALUES = st.one_of(views(NUMBERS), views(ARRAYS), NESTED)


def as_array(value):
    try:
        return np.asarray(value)
    except (ValueError, OverflowError, TypeError):
        return None


def expected_matrix(value, cols=None):
    """What a node should hold, or None where it should refuse."""
    if isinstance(value, numbers.Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
        if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
            return None
        try:
            array = np.array([[float(value)]])
        except (OverflowError, TypeError, ValueError):
            return None
    else:
        array = as_array(value)
    if array is None or array.dtype.kind not in "fiub" or array.ndim != 2 or array.size == 0:
        return None
    if cols is not None and array.shape[1] != cols:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        single = array.astype(np.float32)
    return single if np.isfinite(single).all() else None


@given(VALUES)
def test_input_nodes(value):
    expected = expected_matrix(value)
    try:
        node = wyrm.InputNode(value)
    except (TypeError, ValueError) as error:
        assert expected is None, error
        return
    assert expected is not None
    np.testing.assert_array_equal(node.value, expected)
    assert node.shape == expected.shape


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 3))
def test_set_value_of_inputs(values, cols):
    node = wyrm.InputNode(np.full((2, cols), 5))
    total = (node * 2.0).sum(axis=0)
    held = node.value
    for value in values:
        expected = expected_matrix(value, cols)
        try:
            node.set_value(value)
        except (TypeError, ValueError) as error:
            assert expected is None, error
        else:
            assert expected is not None
            held = expected
        np.testing.assert_array_equal(node.value, held)
        total.forward()
        with np.errstate(over="ignore", invalid="ignore"):
            np.testing.assert_allclose(total.value, (2 * held).sum(axis=0, keepdims=True), rtol=1e-4, atol=1e-3)


@given(VALUES)
def test_parameter_nodes(value):
    array = as_array(value)
    expected = None if array is None or array.ndim != 2 else expected_matrix(array)
    try:
        node = wyrm.ParameterNode(value)
    except (TypeError, ValueError) as error:
        assert expected is None, error
    else:
        assert expected is not None
        np.testing.assert_array_equal(node.value, expected)


@given(VALUES)
def test_set_value_of_parameters(value):
    node = wyrm.ParameterNode(np.full((2, 2), 5))
    array = as_array(value)
    expected = None if array is None or array.shape != (2, 2) else expected_matrix(array)
    try:
        node.value = value
    except (TypeError, ValueError) as error:
        assert expected is None, error
        expected = np.full((2, 2), 5)
    np.testing.assert_array_equal(node.value, expected)


# --- Indices -----------------------------------------------------------------------------------------------------

ROWS = st.one_of(
    st.integers(0, 12),
    st.lists(st.integers(0, 12), max_size=8),
    st.lists(st.integers(-3, 2**33), max_size=3),
    hnp.arrays(hnp.integer_dtypes(), SHAPES, elements={"min_value": 0, "max_value": 12}),
    hnp.arrays(hnp.integer_dtypes(), SHAPES),
    VALUES,
)
OFFSETS = st.one_of(
    st.lists(st.integers(0, 8), max_size=5).map(sorted),
    hnp.arrays(hnp.integer_dtypes(), st.integers(0, 6)),
    VALUES,
)


@st.composite
def cut_rows(draw):
    """Rows in bags, mostly right: as many offsets as it takes, sometimes with one changed."""
    rows = draw(st.lists(st.integers(0, 12), max_size=8))
    inner = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    dtype = draw(st.sampled_from(["i1", "u1", "i2", "u4", "i8", "u8"]))
    offsets = np.array([0, *inner, len(rows)]).astype(dtype)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(offsets) - 1))
        offsets[at] = draw(st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max))
    return rows, offsets


def expected_rows(value):
    """(rows, offsets) that an index node should hold, or None where it should refuse."""
    offsets = None
    if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], numbers.Number):
        value, offsets = value
        offsets = as_array(offsets)
        if offsets is None or offsets.ndim != 1 or offsets.size < 2 or offsets.dtype.kind not in "iu":
            return None
    rows = as_array(value)
    if rows is None or rows.ndim > 2 or (offsets is not None and rows.ndim == 2):
        return None
    if rows.size and (rows.dtype.kind not in "iuO" or not all(isinstance(i, int) for i in rows.ravel().tolist())):
        return None
    if rows.dtype.kind == "O" and not rows.size and not isinstance(rows, np.ndarray):
        return None
    flat = [int(i) for i in rows.ravel().tolist()]
    if any(not 0 <= i < 2**31 for i in flat):
        return None
    if offsets is None:
        bags, size = (len(rows), rows.shape[1]) if rows.ndim == 2 else (1, len(flat))
        cuts = [size * i for i in range(bags + 1)]
        return (flat, cuts) if bags else None
    cuts = [int(i) for i in offsets.tolist()]
    rising = all(first <= second for first, second in itertools.pairwise(cuts))
    return (flat, cuts) if rising and cuts[0] == 0 and cuts[-1] == len(flat) else None


INDEX_VALUES = st.one_of(ROWS, st.tuples(ROWS, OFFSETS), cut_rows())


@given(INDEX_VALUES)
def test_index_nodes(value):
    expected = expected_rows(value)
    try:
        node = wyrm.IndexInputNode(value)
    except (TypeError, ValueError, IndexError) as error:
        assert expected is None, error
        return
    assert expected is not None
    assert node.value.tolist() == expected[0]
    assert node.offsets.tolist() == expected[1]


@given(st.lists(INDEX_VALUES, min_size=1, max_size=4))
def test_set_value_of_indices(values):
    node = wyrm.IndexInputNode(([1, 2, 1], [0, 1, 3]))
    table = wyrm.ParameterNode(np.arange(1, 27).reshape(13, 2))
    bags, pairs = table.embedding_bag(node), table.fm_interaction(node)
    held = [1, 2, 1], [0, 1, 3]
    for value in values:
        expected = expected_rows(value)
        try:
            node.set_value(value)
        except (TypeError, ValueError, IndexError) as error:
            assert expected is None, error
        else:
            assert expected is not None
            held = expected
        rows, cuts = held
        assert node.value.tolist() == rows
        assert node.offsets.tolist() == cuts
        if max(rows, default=0) >= 13:
            for graph in (bags, pairs):
                try:
                    graph.forward()
                except IndexError as error:
                    assert str(next(i for i in rows if i >= 13)) in str(error)
                else:
                    raise AssertionError("a row past the table was looked up")
            continue
        loss = bags.sum() + pairs.sum()
        loss.zero_gradients()
        loss.forward()
        loss.backward()
        taken = [table.value[rows[start:end]] for start, end in itertools.pairwise(cuts)]
        np.testing.assert_allclose(bags.value, np.array([part.sum(axis=0) for part in taken]), rtol=1e-5)
        assert table.sparse_gradient.indices.tolist() == sorted(set(rows))
