"""The field-aware interaction in graphs: values, gradients, touched rows, and what it refuses."""

import itertools

import numpy as np
import pytest
from engine.support import LAYOUTS, assert_gradients, assert_value, densified, parameter, weighted

import wyrm
from wyrm.nn.losses import logistic
from wyrm.optim import Adagrad

# (rows, offsets, fields): in order, shuffled, repeated rows, repeated fields, empty bags.
LISTS = {
    "one": ([3], [0, 1], [2]),
    "rising": ([3, 0, 8], [0, 3], [0, 1, 2]),
    "some of the fields": ([3, 0], [0, 2], [0, 2]),
    "shuffled": ([3, 0, 8, 4], [0, 4], [3, 1, 0, 2]),
    "one row in several fields": ([3, 3, 3], [0, 3], [0, 1, 3]),
    "several rows in one field": ([1, 2, 3, 4, 5], [0, 5], [1, 0, 1, 2, 1]),
    "one field only": ([1, 2, 3], [0, 3], [1, 1, 1]),
    "bags": ([1, 2, 2, 1, 2], [0, 2, 3, 5], [0, 1, 2, 3, 3]),
    "empty bags": ([5, 6, 5], [0, 0, 2, 2, 2, 3, 3], [3, 1, 0]),
    "nothing": ([], [0, 0], []),
}
N_FIELDS = 4


def reference(rows, fields, offsets, weights):
    v = rows.astype(float).reshape(len(rows), N_FIELDS, rows.shape[1] // N_FIELDS)
    w = np.ones(len(v)) if weights is None else weights.reshape(-1)
    return np.array([
        [sum(w[i] * w[j] * v[i, fields[j]] @ v[j, fields[i]] for i, j in itertools.combinations(range(*bag), 2))]
        for bag in itertools.pairwise(offsets)
    ])  # fmt: skip


def assert_touches(table, rows):
    np.testing.assert_array_equal(table.sparse_gradient.indices, np.unique(rows))
    np.testing.assert_array_equal(table.gradient, densified(table))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, "input", "parameter", "computed"])
@pytest.mark.parametrize("n_factors", [1, 4, 8])
@pytest.mark.parametrize("name", LISTS)
def test_values_gradients_and_touched_rows(name, n_factors, weights, layout, rng):
    rows, offsets, fields = LISTS[name]
    table = parameter(rng.normal(size=(10, N_FIELDS * n_factors)), layout)
    weight = None
    if weights is not None and rows:
        values = rng.normal(size=(len(rows), 1))
        weight = wyrm.InputNode(values) if weights == "input" else wyrm.ParameterNode(values)
        weight = weight * 2 if weights == "computed" else weight
        weight.forward()
    y = wyrm.field_aware_interaction(
        table, wyrm.IndexInputNode((rows, offsets)), wyrm.IndexInputNode((fields, offsets)), weight, n_fields=N_FIELDS
    )
    expected = reference(table.value[rows], fields, offsets, None if weight is None else weight.value)
    assert_value(y, expected, rtol=1e-5, atol=1e-5)
    if rows:
        assert_gradients((y * 0.3).tanh(), rng)
    loss = weighted(y, rng)
    loss.zero_gradients()
    loss.forward()
    loss.backward()
    assert_touches(table, rows)


@pytest.mark.parametrize("name", LISTS)
def test_a_field_for_every_row_of_the_table(name, rng):
    rows, offsets, _ = LISTS[name]
    table = parameter(rng.normal(size=(10, N_FIELDS * 4)))
    by_row = rng.integers(0, N_FIELDS, size=10)
    index = wyrm.IndexInputNode((rows, offsets))
    y = table.field_aware_interaction(index, by_row, n_fields=N_FIELDS)
    fields = by_row[np.asarray(rows, dtype=int)]
    by_row[:] = 77  # it was copied
    assert_value(y, reference(table.value[rows], fields, offsets, None), rtol=1e-5, atol=1e-5)
    if rows:
        assert_gradients((y * 0.3).tanh(), rng)
    assert y.n_fields == N_FIELDS
    assert y.fields_of is None
    assert y.operands == (table, index)


def test_lists_that_change(rng):
    table = parameter(rng.normal(size=(10, N_FIELDS * 4)))
    index, fields = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0])
    weights = wyrm.InputNode([[1.0]])
    y = table.field_aware_interaction(index, fields, weights, n_fields=N_FIELDS)
    assert y.operands == (table, index, fields, weights)
    loss = y.sum()
    for sizes in ([3], [1, 2], [0, 0, 5], [70], [4] * 50, [0], [1]):
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        n = offsets[-1]
        index.set_value((rng.integers(10, size=n), offsets))
        fields.set_value((rng.integers(N_FIELDS, size=n), offsets))
        weights.set_value(rng.normal(size=(max(n, 1), 1)))
        if not n:
            with pytest.raises(ValueError, match="one weight per index"):
                y.forward()
            continue
        expected = reference(table.value[index.value], fields.value, offsets, weights.value)
        assert_value(y, expected, rtol=1e-4, atol=1e-3)
        loss.zero_gradients()
        loss.forward()
        loss.backward()
        assert_touches(table, index.value)


def test_a_table_that_other_lookups_reach_too(rng):
    table = parameter(rng.normal(size=(10, N_FIELDS * 2)))
    index, other = wyrm.IndexInputNode([1, 2, 3]), wyrm.IndexInputNode([3, 4])
    y = table.field_aware_interaction(index, wyrm.IndexInputNode([0, 2, 3]), n_fields=N_FIELDS)
    loss = weighted(y + table.embedding_bag(other) + table.fm_interaction(index), rng)
    assert wyrm.check_gradients(loss) < 1e-3
    loss.forward()
    loss.backward()
    assert_touches(table, [1, 2, 3, 4])


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_trainer_learns_it(by_row, batch_size, n_threads, rng):
    """Labels that depend on pairs alone, of two fields, which are neither independent nor linear."""
    n, n_rows = 6000, 30
    rows = np.stack([rng.integers(0, 10, n), rng.integers(10, 20, n), rng.integers(20, 30, n)], axis=1)
    sign = rng.choice([-1, 1], size=n_rows)
    labels = (sign[rows[:, 0]] * sign[rows[:, 1]] > 0).astype(np.float32)
    table = wyrm.ParameterNode(rng.uniform(0, 0.5, size=(n_rows, 3 * 4)))
    index, target = wyrm.IndexInputNode([0]), wyrm.InputNode(0.0)
    fields = wyrm.IndexInputNode([0])
    of_row = np.arange(n_rows) // 10
    y = table.field_aware_interaction(index, of_row if by_row else fields, n_fields=3)
    trainer = wyrm.Trainer(logistic(y, target), Adagrad(0.1), n_threads=n_threads, batch_size=batch_size)
    data = {index: rows, target: labels} | ({} if by_row else {fields: of_row[rows]})
    history = trainer.fit(data, epochs=3)
    assert history.loss[-1] < 0.1
    predicted = trainer.predict(y, {node: values for node, values in data.items() if node is not target})
    assert ((predicted[:, 0] > 0) == labels).mean() > 0.99


def test_a_trainer_refuses_fields_out_of_range(rng):
    table = wyrm.ParameterNode(rng.normal(size=(9, 6)))
    index, fields = wyrm.IndexInputNode([0]), wyrm.IndexInputNode([0], name="fields")
    y = table.field_aware_interaction(index, fields, n_fields=3).square()
    trainer = wyrm.Trainer(y, Adagrad(0.1), n_threads=1)
    with pytest.raises(IndexError, match=r"field 3 for IndexInputNode 'fields'.*expected 0 to 2"):
        trainer.fit({index: [[1, 2]], fields: [[1, 3]]})
    with pytest.raises(ValueError, match="expected one field per index"):
        trainer.fit({index: [[1, 2]], fields: [[1]]})
    trainer.fit({index: [[1, 2]], fields: [[1, 2]]})


def test_what_it_refuses(rng):
    table = wyrm.ParameterNode(rng.normal(size=(5, 6)), name="factors")
    index = wyrm.IndexInputNode([0, 4])
    fields = wyrm.IndexInputNode([0, 1], name="fields")

    def make(index=index, fields=fields, weights=None, n_fields=3):
        return wyrm.field_aware_interaction(table, index, fields, weights, n_fields=n_fields)

    with pytest.raises(TypeError, match="expected a ParameterNode"):
        wyrm.field_aware_interaction(index, index, fields, n_fields=3)
    with pytest.raises(TypeError, match="expected an IndexInputNode"):
        make(index=[0, 4])
    for n_fields in (2.0, "3", None, True):
        with pytest.raises(TypeError, match="expected an integer as n_fields"):
            make(n_fields=n_fields)
    for n_fields in (0, -3, 4, 7):
        with pytest.raises(ValueError, match=rf"columns for each of the {n_fields} fields, got 6 in .*'factors'"):
            make(n_fields=n_fields)
    with pytest.raises(ValueError, match=r"each of the 5 rows of ParameterNode 'factors'.*got shape \(2,\)"):
        make(fields=[0, 1])
    with pytest.raises(IndexError, match="field 3 of row 4 is out of range; expected 0 to 2"):
        make(fields=[0, 1, 2, 0, 3])
    with pytest.raises(IndexError, match="-1 at position 1"):
        make(fields=[0, -1, 2, 0, 0])
    with pytest.raises(TypeError, match="integer"):
        make(fields=[0.0, 1, 2, 0, 0])
    with pytest.raises(ValueError, match="expected one weight per index"):
        make(weights=np.ones((3, 1)))
    with pytest.raises(ValueError, match="expected one field per index, in the same bags"):
        make(fields=wyrm.IndexInputNode([0, 1, 2]))
    with pytest.raises(ValueError, match="expected one field per index, in the same bags"):
        make(wyrm.IndexInputNode(([0, 1, 2], [0, 1, 3])), wyrm.IndexInputNode(([0, 1, 2], [0, 2, 3])))
    y = make()
    y.forward()
    fields.set_value([2, 3])
    with pytest.raises(IndexError, match=r"field 3 at position 1 of IndexInputNode 'fields' .* expected 0 to 2"):
        y.forward()
    fields.set_value([2])
    with pytest.raises(ValueError, match="expected one field per index"):
        y.forward()
    index.set_value([5])
    with pytest.raises(IndexError, match="index 5 at position 0"):
        y.forward()
    index.set_value([4])
    y.forward()
    assert not y.value.any()
