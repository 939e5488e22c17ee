"""Lookups: values, gradients, and the rows they touch."""

import itertools

import numpy as np
import pytest
from engine.support import LAYOUTS, assert_gradients, assert_value, densified, parameter, weighted

import wyrm

# (indices, offsets or None): one index, bags, repeated rows, empty bags at every place.
LISTS = {
    "one": ([3], None),
    "several": ([3, 0, 8], None),
    "repeated": ([3, 3, 0, 3, 9, 0], None),
    "bags": ([1, 2, 3, 4, 5], [0, 2, 5]),
    "repeated across bags": ([1, 2, 2, 1, 2], [0, 2, 3, 5]),
    "repeated within bags": ([7, 7, 7, 1], [0, 3, 4]),
    "empty bags": ([5, 6, 5], [0, 0, 2, 2, 2, 3, 3]),
    "many": (np.arange(200) % 9, np.arange(0, 201, 4)),
}
COLS = [1, 2, 3, 4, 8, 16, 17, 32, 64, 100]


def index_node(name):
    indices, offsets = LISTS[name]
    return wyrm.IndexInputNode(indices if offsets is None else (indices, offsets))


def bags_of(name, n):
    offsets = LISTS[name][1]
    return itertools.pairwise([0, n] if offsets is None else offsets)


def reference_bags(rows, bags, weights, mode):
    weighted_rows = rows.astype(float) * (1 if weights is None else weights.reshape(-1, 1))
    sums = [
        weighted_rows[start:end].sum(axis=0) / (max(end - start, 1) if mode == "mean" else 1) for start, end in bags
    ]
    return np.array(sums)


def reference_fm(rows, bags, weights):
    weighted_rows = rows.astype(float) * (1 if weights is None else weights.reshape(-1, 1))
    pairs = []
    for start, end in bags:
        products = weighted_rows[start:end] @ weighted_rows[start:end].T
        pairs.append([(products.sum() - np.trace(products)) / 2])
    return np.array(pairs)


def assert_touches(table, rows):
    sparse = table.sparse_gradient
    assert sparse.indices.dtype == np.int64
    assert sparse.values.dtype == np.float32
    np.testing.assert_array_equal(sparse.indices, np.unique(rows))
    assert sparse.values.shape == (len(sparse.indices), table.shape[1])
    np.testing.assert_array_equal(table.gradient, densified(table))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cols", COLS)
@pytest.mark.parametrize("name", LISTS)
def test_embedding(name, cols, layout, rng):
    table = parameter(rng.normal(size=(10, cols)), layout)
    index = index_node(name)
    y = wyrm.embedding(table, index)
    assert_value(y, table.value[index.value])
    assert_gradients(y.square(), rng)
    loss = weighted(y, rng)
    loss.forward()
    loss.backward()
    assert_touches(table, index.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "input", "parameter", "computed"])
@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("name", LISTS)
def test_embedding_bag(name, mode, weights, layout, rng):
    table = parameter(rng.normal(size=(10, 5)), layout)
    index = index_node(name)
    n = len(index.value)
    weight = weight_node(weights, n, rng)
    y = wyrm.embedding_bag(table, index, weight, mode=mode)
    values = weight_value(weight)
    assert_value(y, reference_bags(table.value[index.value], bags_of(name, n), values, mode), rtol=1e-5, atol=1e-5)
    assert_gradients(y.tanh(), rng)
    loss = weighted(y, rng)
    loss.forward()
    loss.backward()
    assert_touches(table, index.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "input", "parameter", "computed"])
@pytest.mark.parametrize("name", LISTS)
def test_fm_interaction(name, weights, layout, rng):
    table = parameter(rng.normal(size=(10, 5)), layout)
    index = index_node(name)
    n = len(index.value)
    weight = weight_node(weights, n, rng)
    y = wyrm.fm_interaction(table, index, weight)
    values = weight_value(weight)
    assert_value(y, reference_fm(table.value[index.value], bags_of(name, n), values), rtol=1e-5, atol=1e-4)
    assert_gradients(y.tanh(), rng)
    loss = weighted(y, rng)
    loss.forward()
    loss.backward()
    assert_touches(table, index.value)


def weight_node(kind, n, rng):
    if kind is None:
        return None
    if kind == "input":
        return wyrm.InputNode(rng.normal(size=(1, n)))
    node = wyrm.ParameterNode(rng.normal(size=(n, 1)))
    return node * 2 if kind == "computed" else node


def weight_value(node):
    if node is None:
        return None
    node.forward()
    return np.array(node.value)


@pytest.mark.parametrize("cols", COLS)
def test_bags_of_every_width(cols, rng):
    table = parameter(rng.normal(size=(50, cols)))
    bags = [(0, 39), (39, 39), (39, 40)]
    index = wyrm.IndexInputNode((rng.integers(50, size=40), [0, 39, 39, 40]))
    weights = wyrm.ParameterNode(rng.normal(size=(40, 1)))
    rows = table.value[index.value]
    for mode in ("sum", "mean"):
        y = wyrm.embedding_bag(table, index, weights, mode)
        assert_value(y, reference_bags(rows, bags, weights.value, mode), rtol=1e-4, atol=1e-4)
        assert_gradients(y.tanh(), rng)
    y = wyrm.fm_interaction(table, index, weights)
    assert_value(y, reference_fm(rows, bags, weights.value), rtol=1e-4, atol=1e-3)
    assert_gradients(y, rng)


def test_methods_and_functions_are_the_same(rng):
    table, index = parameter(rng.normal(size=(5, 2))), wyrm.IndexInputNode([1, 4])
    for one, other in [
        (table.embedding(index), wyrm.embedding(table, index)),
        (table.embedding_bag(index, mode="mean"), wyrm.embedding_bag(table, index, mode="mean")),
        (table.fm_interaction(index), wyrm.fm_interaction(table, index)),
    ]:
        one.forward()
        assert_value(other, one.value)


def test_weights_as_an_array(rng):
    table, index = parameter(rng.normal(size=(5, 2))), wyrm.IndexInputNode([1, 4])
    weights = np.array([[2.0], [-1.0]])
    assert_value(wyrm.embedding_bag(table, index, weights), 2 * table.value[1:2] - table.value[4:])


# --- Touched rows ------------------------------------------------------------------------------------------------


def test_repeated_rows_are_summed(rng):
    table = parameter(rng.normal(size=(6, 2)))
    loss = table.embedding(wyrm.IndexInputNode([4, 1, 4, 4])).sum()
    loss.forward()
    loss.backward(0.5)
    sparse = table.sparse_gradient
    np.testing.assert_array_equal(sparse.indices, [1, 4])
    np.testing.assert_array_equal(sparse.values, [[0.5, 0.5], [1.5, 1.5]])


def test_several_index_nodes_over_one_table(rng):
    table = parameter(rng.normal(size=(20, 3)))
    first, second, third = (wyrm.IndexInputNode(rows) for rows in ([1, 2, 3], [3, 2, 3], [19]))
    loss = weighted(
        table.embedding(first) * table.embedding(second) + table.embedding_bag(third) + table.fm_interaction(first), rng
    )
    assert wyrm.check_gradients(loss) < 1e-3
    loss.forward()
    loss.backward()
    assert_touches(table, [1, 2, 3, 19])
    for rows in ([1, 2, 3], [5, 5, 5], [18, 0, 18]):
        loss.zero_gradients()
        second.set_value(rows)
        assert wyrm.check_gradients(loss) < 1e-3
        loss.forward()
        loss.backward()
        assert_touches(table, [1, 2, 3, 19, *rows])


@pytest.mark.parametrize("rows", [[4], [4, 2], [4, 2, 4]])
def test_the_same_index_node_used_twice(rows, rng):
    table, other = parameter(rng.normal(size=(6, 3))), parameter(rng.normal(size=(6, 3)))
    index = wyrm.IndexInputNode(rows)
    y = table.embedding(index) * table.embedding(index) + other.embedding(index) + table.embedding_bag(index)
    values, bag = table.value[rows], table.value[rows].sum(axis=0)
    assert_value(y, values * values + other.value[rows] + bag, rtol=1e-5)
    assert_gradients(y, rng)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_used_whole_and_by_lookup(layout, rng):
    table = parameter(rng.normal(size=(6, 3)), layout)
    index = wyrm.IndexInputNode([5, 2, 5])
    y = table.embedding(index) @ table.T + (table * table).sum() + table.embedding_bag(index).sum()
    values = table.value.astype(float)
    assert_value(y, values[[5, 2, 5]] @ values.T + (values**2).sum() + values[[5, 2, 5]].sum(), rtol=1e-5, atol=1e-5)
    assert_gradients(y, rng)
    y.forward()
    y.backward()
    np.testing.assert_array_equal(table.sparse_gradient.indices, np.arange(6))
    np.testing.assert_array_equal(table.sparse_gradient.values, table.gradient)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_bags_from_a_table_that_is_looked_up_too(layout, rng):
    weights = parameter(rng.normal(size=(3, 1)), layout)
    index = wyrm.IndexInputNode([2, 0, 2])
    table = parameter(rng.normal(size=(3, 4)), layout)
    y = (
        table.embedding_bag(index, weights)
        + weights.embedding_bag(index, weights)
        + table.fm_interaction(index, weights)
    )
    v, w = table.value[[2, 0, 2]].astype(float), weights.value.astype(float)
    pairs = reference_fm(table.value[[2, 0, 2]], [(0, 3)], w)
    assert_value(y, (v * w).sum(axis=0) + (w[[2, 0, 2]] * w).sum(axis=0) + pairs, rtol=1e-5, atol=1e-5)
    assert_gradients(y, rng)


def test_a_graph_that_uses_a_table_whole_takes_over_touched_rows(rng):
    table = parameter(rng.normal(size=(5, 2)))
    loss = table.embedding(wyrm.IndexInputNode([3, 1, 3])).sum()
    loss.forward()
    loss.backward()
    whole = (table * 2).sum()
    whole.forward()
    np.testing.assert_array_equal(table.gradient, [[0, 0], [1, 1], [0, 0], [2, 2], [0, 0]])
    whole.backward()
    loss.backward()
    np.testing.assert_array_equal(table.gradient, [[2, 2], [4, 4], [2, 2], [6, 6], [2, 2]])
    table.zero_gradients()
    assert not table.gradient.any()
    assert len(table.sparse_gradient.indices) == 0


def test_gradients_accumulate_over_changing_rows_until_they_are_cleared(rng):
    table = parameter(rng.normal(size=(50, 3)))
    index = wyrm.IndexInputNode([0])
    coefficient = wyrm.InputNode([[1.0, 1.0, 1.0]])
    loss = (table.embedding(index) * coefficient).sum()
    expected = np.zeros((50, 3), dtype=np.float32)
    touched = []
    for step in range(40):
        rows = rng.integers(50, size=rng.integers(1, 8))
        index.set_value(rows)
        coefficient.set_value(rng.integers(-4, 5, size=(1, 3)))
        loss.forward()
        for _ in range(1 + step % 3):
            loss.backward()
            np.add.at(expected, rows, coefficient.value[0])
        touched.extend(rows)
        np.testing.assert_array_equal(table.gradient, expected)
        assert_touches(table, touched)
        if step % 7 == 6:
            table.zero_gradients()
            expected[...] = 0
            touched.clear()
            assert_touches(table, [])


def test_a_new_index_node_in_the_place_of_an_old_one(rng):
    """Graphs rebuilt at each step under one accumulated gradient: nodes come to lie where dead ones lay."""
    table = parameter(rng.normal(size=(100, 2)))
    expected = np.zeros((100, 2), dtype=np.float32)
    for step in range(60):
        rows = [step, 99 - step]
        loss = table.embedding(wyrm.IndexInputNode(rows)).sum()
        loss.forward()
        loss.backward()
        np.add.at(expected, rows, 1)
        del loss
    np.testing.assert_array_equal(table.gradient, expected)


# --- Lists that change -------------------------------------------------------------------------------------------


def test_lists_shorter_and_longer_than_at_construction(rng):
    table, weights = parameter(rng.normal(size=(30, 4))), wyrm.InputNode(np.ones((3, 1)))
    index = wyrm.IndexInputNode([1, 2, 3])
    rows, bag = table.embedding(index), table.embedding_bag(index, weights, mode="mean")
    for n in (3, 1, 70, 2, 500, 7):
        index.set_value(rng.integers(30, size=n))
        weights.set_value(rng.normal(size=(n, 1)))
        assert_value(rows, table.value[index.value])
        assert rows.shape == (n, 4)
        expected = (table.value[index.value] * weights.value).mean(axis=0, keepdims=True)
        assert_value(bag, expected, rtol=1e-4, atol=1e-5)
        assert_gradients(rows, rng)
        assert_gradients(bag, rng)


def test_numbers_of_bags_that_change(rng):
    table = parameter(rng.normal(size=(30, 4)))
    index = wyrm.IndexInputNode([1, 2, 3])
    y, pairs = table.embedding_bag(index), table.fm_interaction(index)
    for sizes in ([3], [1, 2], [0, 0, 5], [70], [2] * 50, [0], [0, 0], [1]):
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        index.set_value((rng.integers(30, size=offsets[-1]), offsets))
        bags = list(itertools.pairwise(offsets))
        rows = table.value[index.value]
        assert_value(y, reference_bags(rows, bags, None, "sum").reshape(-1, 4), rtol=1e-5, atol=1e-5)
        assert_value(pairs, reference_fm(rows, bags, None), rtol=1e-4, atol=1e-4)
        assert_gradients(y, rng)
        loss = pairs.sum()
        loss.forward()
        loss.zero_gradients()
        loss.backward()
        assert_touches(table, index.value)


@pytest.mark.parametrize("used_elsewhere", [False, True])
@pytest.mark.parametrize("name", ["embedding_bag", "fm_interaction"])
def test_weights_that_no_longer_match_the_list(name, used_elsewhere, rng):
    table, index = parameter(rng.normal(size=(9, 2))), wyrm.IndexInputNode([1, 2, 2])
    weights = wyrm.InputNode(np.ones((3, 1)))
    y = getattr(wyrm, name)(table, index, weights).sum()
    if used_elsewhere:
        y = y + weights.square().sum()
    y.forward()
    for change in (lambda: index.set_value([1, 2]), lambda: weights.set_value(np.ones((4, 1))),
                   lambda: index.set_value(np.arange(9)), lambda: index.set_value([])):  # fmt: skip
        change()
        with pytest.raises(ValueError, match=rf"{name}: expected one weight per index"):
            y.forward()
        with pytest.raises(RuntimeError, match="forward"):
            y.backward()
    index.set_value([5, 0, 5, 8])
    assert_gradients(y, rng)
    y.forward()
    y.backward()
    assert_touches(table, [0, 5, 8])


@pytest.mark.parametrize("name", ["embedding_bag", "fm_interaction"])
def test_weights_from_a_parameter_that_no_longer_match_the_list(name, rng):
    table, index = parameter(rng.normal(size=(9, 2))), wyrm.IndexInputNode([1, 2, 2])
    y = getattr(wyrm, name)(table, index, parameter(np.ones((3, 1)), "strided")).sum()
    for rows in ([1], [1] * 50, ([1, 2, 3, 4], [0, 4])):
        index.set_value(rows)
        with pytest.raises(ValueError, match="expected one weight per index"):
            y.forward()
    index.set_value([8, 8, 0])
    assert_gradients(y, rng)


@pytest.mark.parametrize("cols", [1, 3, 8, 16, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_alone_in_its_bag_interacts_with_nothing(cols, weighted, rng):
    """Its gradient is 0 and nothing near it: Adagrad takes whole steps however small a gradient is."""
    table = wyrm.ParameterNode(rng.normal(size=(50, cols)))
    index = wyrm.IndexInputNode((np.arange(50), np.arange(51)))
    weights = wyrm.InputNode(rng.normal(size=(50, 1))) if weighted else None
    loss = (wyrm.fm_interaction(table, index, weights) * rng.normal(size=(50, 1)).astype(np.float32)).sum()
    loss.forward()
    assert loss.value == 0
    loss.backward()
    np.testing.assert_array_equal(table.gradient, 0)


def test_a_matrix_of_indices_is_a_bag_per_row(rng):
    table = parameter(rng.normal(size=(9, 2)))
    index = wyrm.IndexInputNode(np.array([[1, 2], [3, 3], [0, 8]]))
    assert index.bags == 3
    np.testing.assert_array_equal(index.offsets, [0, 2, 4, 6])
    assert_value(table.embedding_bag(index), table.value[index.value].reshape(3, 2, 2).sum(axis=1))


def test_only_empty_bags(rng):
    table = parameter(rng.normal(size=(9, 2)))
    index = wyrm.IndexInputNode([])
    for y in (table.embedding_bag(index), table.embedding_bag(index, mode="mean"), table.fm_interaction(index)):
        y.forward()
        assert not y.value.any()
        y.backward()
        assert_touches(table, [])
    with pytest.raises(ValueError, match="at least one row"):
        table.embedding(index).forward()


# --- Row numbers at the limits -----------------------------------------------------------------------------------


def test_an_index_past_the_table_is_named():
    table = wyrm.ParameterNode(np.ones((5, 2)), name="words")
    index = wyrm.IndexInputNode([1, 2, 3], name="context")
    nodes = [table.embedding(index), table.embedding_bag(index), table.fm_interaction(index)]
    for node in nodes:
        node.forward()
    index.set_value([4, 0, 7, 9])
    for node in nodes:
        with pytest.raises(
            IndexError, match=r"index 7 at position 2 of .*'context'.* out of range .*'words' \(5x2\).*0 to 4"
        ):
            node.forward()
        with pytest.raises(RuntimeError, match="forward"):
            node.sum().backward()
    index.set_value([4])
    for node in nodes:
        node.forward()
    with pytest.raises(IndexError, match="index 5 at position 0"):
        table.embedding(wyrm.IndexInputNode(5)).forward()


@pytest.mark.parametrize("bad", [-1, 2**31, 2**40, 2**70, -(2**70)])
def test_indices_that_fit_no_table(bad):
    for value in (bad, [0, bad], np.array([0, bad]), [[0], [bad]], ([0, bad], [0, 1, 2])):
        with pytest.raises(IndexError, match=str(bad)):
            wyrm.IndexInputNode(value, name="rows")


def test_the_largest_index_is_kept():
    index = wyrm.IndexInputNode(2**31 - 1)
    assert index.value == [2**31 - 1]
    with pytest.raises(IndexError, match="2147483647"):
        wyrm.ParameterNode([[1.0]]).embedding(index).forward()


@pytest.mark.slow
@pytest.mark.parametrize("cols", [1, 4])
def test_rows_past_2_to_the_24(cols, rng):
    n = 2**24 + 10
    table = wyrm.ParameterNode(np.zeros((n, cols), dtype=np.float32))
    rows = [2**24 + 1, 2**24, 2**24 + 3, n - 1, 2**24 + 1]
    table.value[2**24 :] = np.arange(10 * cols).reshape(10, cols)
    index = wyrm.IndexInputNode(rows)
    assert_value(table.embedding(index), table.value[rows])
    assert_gradients(table.embedding(index).square(), rng)
    loss = table.embedding(index).sum()
    loss.forward()
    loss.backward()
    np.testing.assert_array_equal(table.sparse_gradient.indices, sorted(set(rows)))
    np.testing.assert_array_equal(table.sparse_gradient.values[:, 0], [1, 2, 1, 1])


def test_foreign_objects_are_refused():
    table, index = wyrm.ParameterNode(np.ones((3, 2))), wyrm.IndexInputNode([0, 1])
    for function in (wyrm.embedding, wyrm.embedding_bag, wyrm.fm_interaction):
        for foreign in (None, 3, "table", np.ones((3, 2)), index, wyrm.InputNode([[1.0]]), table * 2, table.parameter):
            with pytest.raises(TypeError, match="table: expected a ParameterNode"):
                function(foreign, index)
        for foreign in (None, 3, [0, 1], table, wyrm.InputNode([[1.0]]), table * 2):
            with pytest.raises(TypeError, match="index: expected an IndexInputNode"):
                function(table, foreign)
    for function in (wyrm.embedding_bag, wyrm.fm_interaction):
        for foreign in ("ones", [1.0, 1.0], index, object()):
            with pytest.raises(TypeError, match="weights: expected"):
                function(table, index, foreign)
        for shape in ((1, 1), (3, 1), (1, 4)):
            with pytest.raises(ValueError, match="one weight per index"):
                function(table, index, np.ones(shape))
    with pytest.raises(ValueError, match="'sum' or 'mean'"):
        wyrm.embedding_bag(table, index, mode="max")


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("backward", ["sum", "mean", None])
def test_the_gradient_of_a_bag_may_be_divided_or_not(mode, backward, rng):
    table = wyrm.ParameterNode(rng.normal(size=(6, 3)))
    index = wyrm.IndexInputNode(([1, 4, 1, 2, 0], [0, 3, 3, 5]))
    weights = wyrm.ParameterNode(rng.normal(size=(5, 1)))
    scale = rng.normal(size=(3, 3)).astype(np.float32)
    loss = (wyrm.embedding_bag(table, index, weights, mode=mode, backward=backward) * scale).sum()
    loss.forward()
    loss.backward()
    expected = np.zeros((6, 3))
    for position, (row, bag) in enumerate(zip([1, 4, 1, 2, 0], [0, 0, 0, 2, 2], strict=True)):
        divisor = [3, 1, 2][bag] if (backward or mode) == "mean" else 1
        expected[row] += weights.value[position] * scale[bag] / divisor
    np.testing.assert_allclose(table.gradient, expected, rtol=1e-5, atol=1e-6)
    true = [
        scale[bag] @ table.value[row] / ([3, 1, 2][bag] if mode == "mean" else 1)
        for row, bag in zip([1, 4, 1, 2, 0], [0, 0, 0, 2, 2], strict=True)
    ]
    np.testing.assert_allclose(weights.gradient[:, 0], true, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="backward 'sum' or 'mean', got 'max'"):
        table.embedding_bag(index, backward="max")
