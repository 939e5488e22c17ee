"""The check of gradients finds what is wrong, passes what is right, and leaves everything as it was."""

import numpy as np
import pytest
from engine.support import parameter, weighted

import wyrm
from wyrm.leaf import SparseGradient


class Wrong(wyrm.ParameterNode):
    """A parameter whose gradient reads wrong."""

    distort = staticmethod(lambda indices, values: (indices, values))

    @property
    def sparse_gradient(self):
        found = super().sparse_gradient
        return SparseGradient(*self.distort(found.indices, found.values)) if len(found.indices) else found


def wrong(values, distort, name="w"):
    node = Wrong(values, name)
    node.distort = distort
    return node


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_right_gradients_pass_at_any_scale(scale, rng):
    w, x = parameter(scale * rng.normal(size=(5, 4))), wyrm.InputNode(rng.normal(size=(30, 5)) / scale)
    for loss in ((x @ w).tanh().mean(), ((x @ w).sigmoid() + 100.0).sum(), (x @ w).square().sum() * scale):
        assert 0 <= wyrm.check_gradients(loss) < 1e-3


def test_a_wrong_entry_is_named(rng):
    def distort(indices, values):
        values[1, 2] *= 1.1
        return indices, values

    w = wrong(rng.normal(size=(4, 3)), distort)
    with pytest.raises(
        AssertionError, match=r"'w' \(4x3\): backward\(\) gives .* at row 1, column 2, differences .* give"
    ):
        wyrm.check_gradients((w * w).sum())


def test_the_two_numbers_are_given():
    w = wrong([[3.0]], lambda indices, values: (indices, values + 1))
    with pytest.raises(
        AssertionError, match=r"backward\(\) gives 7 at row 0, column 0, differences of the loss give 6;"
    ):
        wyrm.check_gradients((w * w).sum())


def test_a_wrong_entry_of_a_lookup_is_named_by_its_row(rng):
    def distort(indices, values):
        values[list(indices).index(70), 1] += 0.1
        return indices, values

    w = wrong(rng.normal(size=(100, 3)), distort)
    loss = w.embedding(wyrm.IndexInputNode([3, 70, 99, 3])).tanh().sum()
    with pytest.raises(AssertionError, match="at row 70, column 1"):
        wyrm.check_gradients(loss)


def test_a_gradient_of_zero_is_found_wrong(rng):
    w = wrong(rng.normal(size=(4, 3)), lambda indices, values: (indices, 0 * values))
    with pytest.raises(AssertionError, match="backward"):
        wyrm.check_gradients(w.exp().sum())


def test_a_gradient_where_there_is_none_is_found_wrong():
    w = wrong([[1.0, 2.0]], lambda indices, values: (indices, values + 0.01))
    with pytest.raises(AssertionError, match="backward"):
        wyrm.check_gradients((w * 0.0).sum())


def test_nan_is_found_wrong():
    w = wrong([[1.0, 2.0]], lambda indices, values: (indices, values * np.nan))
    with pytest.raises(AssertionError, match="backward"):
        wyrm.check_gradients((w * 2).sum())


def test_untouched_rows_are_found(rng):
    w = wrong(rng.normal(size=(50, 2)), lambda indices, values: (indices[1:], values[1:]))
    with pytest.raises(AssertionError, match="row 7 was used, but"):
        wyrm.check_gradients(w.embedding(wyrm.IndexInputNode([8, 7, 40])).sum())


def test_rows_touched_for_nothing_are_found(rng):
    w = wrong(
        rng.normal(size=(50, 2)), lambda indices, values: (np.append(indices, 41), np.append(values, [[0, 0]], 0))
    )
    with pytest.raises(AssertionError, match="touched row 41, which was not used"):
        wyrm.check_gradients(w.embedding(wyrm.IndexInputNode([8, 7, 40])).sum())


def test_a_row_that_moves_the_loss_untouched_is_found(rng, monkeypatch):
    w = wrong(rng.normal(size=(50, 2)), lambda indices, values: (indices[1:], values[1:]))
    monkeypatch.setattr("wyrm.gradient_check._check_touched", lambda node, looked_up: None)
    with pytest.raises(AssertionError, match=r"row 7 changes the loss, but backward\(\) did not touch it"):
        wyrm.check_gradients(w.embedding(wyrm.IndexInputNode([8, 7, 40])).sum())


@pytest.mark.parametrize("whole", [False, True])
def test_values_and_gradients_are_as_before(whole, rng):
    w, v = parameter(rng.normal(size=(20, 3))), parameter(rng.normal(size=(1, 3)))
    index = wyrm.IndexInputNode([3, 9, 3])
    loss = (w.embedding(index) * v).tanh().sum() + ((w * w).sum() if whole else 0)
    loss.forward()
    loss.backward(0.3)
    before = [(node.value.copy(), node.gradient, node.sparse_gradient) for node in (w, v)]
    value = loss.value
    index.set_value([5, 0, 3])
    wyrm.check_gradients(loss)
    index.set_value([3, 9, 3])
    loss.forward()
    np.testing.assert_array_equal(loss.value, value)
    for node, (values, gradient, sparse) in zip((w, v), before):
        np.testing.assert_array_equal(node.value, values)
        np.testing.assert_array_equal(node.gradient, gradient)
        np.testing.assert_array_equal(node.sparse_gradient.indices, sparse.indices)
        np.testing.assert_array_equal(node.sparse_gradient.values, sparse.values)


def test_values_and_gradients_are_as_before_a_failed_check(rng):
    w = wrong(rng.normal(size=(4, 3)), lambda indices, values: (indices, values + 1))
    loss = (w * w).sum()
    loss.forward()
    value, values = loss.value, w.value.copy()
    with pytest.raises(AssertionError):
        wyrm.check_gradients(loss)
    np.testing.assert_array_equal(w.value, values)
    np.testing.assert_array_equal(loss.value, value)


def test_only_the_parameters_asked_for_are_checked(rng):
    good, bad = parameter(rng.normal(size=(2, 2))), wrong(rng.normal(size=(2, 2)), lambda i, v: (i, 2 * v), name="bad")
    loss = (good * bad).sum()
    assert wyrm.check_gradients(loss, [good]) < 1e-3
    with pytest.raises(AssertionError, match="'bad'"):
        wyrm.check_gradients(loss, iter([bad]))
    with pytest.raises(AssertionError, match="'bad'"):
        wyrm.check_gradients(loss)


def test_the_same_seed_gives_the_same_error(rng):
    loss = weighted(parameter(rng.normal(size=(5, 4))).tanh(), rng)
    assert wyrm.check_gradients(loss, seed=3) == wyrm.check_gradients(loss, seed=3)


def test_kinks_and_edges_of_the_domain_nearby(rng):
    w = parameter([[0.01, -0.02, 1.0, 0.3]])
    assert wyrm.check_gradients(w.relu().sum() + w.clip(-1, 0.31).sum()) < 1e-3
    w = parameter([[0.05, 2.0, 0.3]])
    assert wyrm.check_gradients(w.log().sum() + w.sqrt().sum()) < 1e-3


def test_a_parameter_of_zeros(rng):
    w, x = parameter(np.zeros((3, 1))), wyrm.InputNode(rng.normal(size=(6, 3)))
    assert wyrm.check_gradients((x @ w).softplus().sum()) < 1e-3


def test_a_parameter_as_the_loss(rng):
    w = parameter(rng.normal(size=(3, 2)))
    assert wyrm.check_gradients(w) < 1e-3


def test_a_large_table_is_sampled(rng):
    table = wyrm.ParameterNode(np.zeros((3_000_000, 2), dtype=np.float32))
    table.value[[0, 17, 2_999_999]] = 1
    loss = table.embedding(wyrm.IndexInputNode([17, 2_999_999])).square().sum()
    assert wyrm.check_gradients(loss) < 1e-3


def test_refusals(rng):
    w = parameter(rng.normal(size=(2, 2)))
    loss = w.square().sum()
    for foreign in (None, 3.0, [loss], w.value, "loss"):
        with pytest.raises(TypeError, match="expected a node"):
            wyrm.check_gradients(foreign)
    for foreign in (wyrm.ParameterNode([[1.0]]), 3, None):
        with pytest.raises(ValueError, match="does not depend on"):
            wyrm.check_gradients(loss, [foreign])
    for settings in ({"directions": 0}, {"tolerance": 0}, {"tolerance": np.nan}, {"absolute": -1}):
        with pytest.raises(ValueError, match="expected directions"):
            wyrm.check_gradients(loss, **settings)
    with pytest.raises(ValueError, match="no parameter"):
        wyrm.check_gradients(wyrm.InputNode(1.0) * 2)
    with pytest.raises(ValueError, match="no parameter"):
        wyrm.check_gradients(loss, [])
    with pytest.raises(ValueError, match="finite"):
        wyrm.check_gradients((w - 10).log().sum())
