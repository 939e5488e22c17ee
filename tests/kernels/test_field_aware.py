"""The field-aware interaction and its gradients, pair by pair."""

import numpy as np
import pytest
from hypothesis import strategies as st
from kernels.references import SEEDS, assert_close, examples, normal, random_bags, sum_by

FLAGS = st.booleans()
FACTORS = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33])
# How the fields of a bag are drawn; "one each" leaves none out.
DRAWS = st.sampled_from(["any", "sorted", "distinct", "rising", "one each"])


def random_fields(rng, draw, sizes, n_fields):
    parts = []
    for size in sizes:
        if draw in ("any", "sorted"):
            part = rng.integers(0, n_fields, size)
        else:
            part = rng.permutation(max(n_fields, size))[:size] % n_fields
        parts.append(np.sort(part) if draw in ("sorted", "rising", "one each") else part)
    return np.concatenate([np.zeros(0, dtype=int), *parts])


def reference(v, fields, bag_of, w, n_bags):
    """y, the gradients by position of y.sum(), those of the weights, and the sizes of what each adds up."""
    n, (_, n_fields, k) = len(bag_of), v.shape
    y, y_size = np.zeros((2, n_bags))
    dv, dv_size = np.zeros((2, n, n_fields, k))
    dw, dw_size = np.zeros((2, n))
    for i in range(n):
        for j in range(n):
            if i == j or bag_of[i] != bag_of[j]:
                continue
            mine, other = v[i, fields[j]], v[j, fields[i]]
            if i < j:
                y[bag_of[i]] += w[i] * w[j] * (mine @ other)
                y_size[bag_of[i]] += np.abs(w[i] * w[j]) * (np.abs(mine) @ np.abs(other))
            dv[i, fields[j]] += w[i] * w[j] * other
            dv_size[i, fields[j]] += np.abs(w[i] * w[j] * other)
            dw[i] += w[j] * (mine @ other)
            dw_size[i] += np.abs(w[j]) * (np.abs(mine) @ np.abs(other))
    # Entries of one field are summed, and their own share is taken off again.
    for i in range(n):
        own = np.abs(w[i] * v[i, fields[i]])
        dv_size[i, fields[i]] += np.abs(w[i]) * own
        dw_size[i] += own @ np.abs(v[i, fields[i]])
    return y, y_size, dv.reshape(n, n_fields * k), dv_size.reshape(n, n_fields * k), dw, dw_size


@examples(k_=FACTORS, n_fields=st.sampled_from([1, 2, 5, 8, 13]), n_bags=st.sampled_from([0, 1, 2, 5]), draw=DRAWS,
          stride=st.sampled_from([0, 3]), weighted=FLAGS, by_row=FLAGS, seed=SEEDS)  # fmt: skip
def test_field_aware(k, k_, n_fields, n_bags, draw, stride, weighted, by_row, seed):
    rng = np.random.default_rng(seed)
    bags, table, rows, bag_of, w, sizes = random_bags(k, rng, k_ * n_fields, n_bags, 9, weighted, stride=stride)
    if draw == "one each":
        sizes = np.full(n_bags, n_fields)
        bag_of, rows = np.repeat(np.arange(n_bags), n_fields), rng.integers(0, 9, n_bags * n_fields)
        w = normal(k, rng, rows.size) if weighted else np.ones(rows.size)
        whole = np.pad(table, ((0, 0), (0, stride)))
        bags = k.bags(whole, k_ * n_fields, rows, np.arange(n_bags + 1) * n_fields, w if weighted else None)
    if by_row:
        given = random_fields(rng, draw, [len(table)], n_fields)
        fields = given[rows]
    else:
        given = fields = random_fields(rng, draw, sizes, n_fields)
    args = given, n_fields, by_row
    v = table[rows].reshape(-1, n_fields, k_)
    y, y_size, dv, dv_size, dw, dw_size = reference(v, fields, bag_of, w, n_bags)
    assert_close(k, k.field_aware(bags, *args), y, y_size, steps=24)

    dy = normal(k, rng, n_bags)
    n, scale = rows.size, dy[bag_of, None]
    expected, size = scale * dv, np.abs(scale) * dv_size
    exact = dv_size == 0  # nothing to learn there: rounding must not leave a gradient, which Adagrad would enlarge
    found = k.field_aware_back(bags, dy, None, n, *args)
    assert_close(k, found, expected, size, steps=16)
    assert not found[exact].any()
    order = rng.permutation(n)
    assert_close(k, k.field_aware_back(bags, dy, order, n, *args)[order], expected, size, steps=16)
    unique, slots = np.unique(rows, return_inverse=True)
    before = normal(k, rng, (unique.size, bags.D))
    added = k.field_aware_back(bags, dy, slots, unique.size, *args, values=before)
    assert_close(k, added, before + sum_by(slots, unique.size, expected),
                 np.abs(before) + sum_by(slots, unique.size, size), steps=24)  # fmt: skip

    expected, size = dy[bag_of] * dw, np.abs(dy[bag_of]) * dw_size
    assert_close(k, k.field_aware_weights_back(bags, dy, *args), expected, size, steps=24)
    before = normal(k, rng, n)
    added = k.field_aware_weights_back(bags, dy, *args, dw=before)
    assert_close(k, added, before + expected, np.abs(before) + size, steps=24)


@pytest.mark.parametrize("k_", [1, 2, 4, 8, 16])
def test_a_field_alone_has_no_gradient_of_its_own(k, k_):
    """Rounding would leave some, and Adagrad would take full steps along it."""
    rng = np.random.default_rng(0)
    n_fields = 6
    table = normal(k, rng, (n_fields, n_fields * k_))
    for fields in (np.arange(6), [5, 1, 2, 0, 3, 4], [0, 0, 2, 3, 4, 5]):
        bags = k.bags(table, n_fields * k_, np.arange(6), [0, 6], normal(k, rng, 6))
        dv = k.field_aware_back(bags, [0.3], None, 6, fields, n_fields).reshape(6, n_fields, k_)
        for i in range(6):
            if np.sum(np.asarray(fields) == fields[i]) == 1:
                assert not dv[i, fields[i]].any()
            else:
                assert dv[i, fields[i]].any()


def test_a_long_bag_of_one_field(k):
    bags = k.bags(np.ones((1, 6)), 6, np.zeros(1000), [0, 1000])
    np.testing.assert_array_equal(k.field_aware(bags, np.ones(1000), 2), [3 * 1000 * 999 / 2])
