"""The loops that set the limits compute what they are said to compute; then their rates, in each size of table."""

import limits
import numpy as np
import pytest

ROWS, STEPS, G = 50, 8, 0.25


@pytest.fixture(params=limits.available_instruction_sets())
def machine(request):
    try:
        return limits.instruction_sets()[request.param]
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 8, 16, 17, 32, 64, 100])
@pytest.mark.parametrize("way", ["add", "Adagrad", "Adagrad, estimated"])
@pytest.mark.parametrize("ahead, far", [(0, False), (8, False), (8, True)])
def test_rows(machine, dim, way, ahead, far):
    """Ragged steps over two tables, against NumPy."""
    rng = np.random.default_rng(0)
    width = dim if way == "add" else 2 * dim
    start = rng.random((ROWS, width), dtype=np.float32)
    offsets = np.cumsum([0, 3, 0, 7, 1, 5, 2, 9, 4])
    tables, lists = [machine.Table(ROWS, width) for _ in range(2)], []
    for table in tables:
        np.asarray(table.values)[:] = start
        lists.append(np.concatenate([rng.permutation(ROWS)[:n] for n in np.diff(offsets)]))
    accesses = [machine.Rows(table, rows, offsets, way) for table, rows in zip(tables, lists)]
    machine.update(accesses, 0, STEPS, ahead, G, far)
    for table, rows in zip(tables, lists):
        expected = start.astype(np.float64)
        for row in rows:
            if way == "add":
                expected[row] += G
            else:
                expected[row, dim:] += G * G
                expected[row, :dim] -= G / np.sqrt(expected[row, dim:])
        np.testing.assert_allclose(table.values, expected, rtol=2e-5, atol=2e-6)


def test_rows_that_are_not_there(machine):
    table = machine.Table(10, 4)
    for rows in ([10], [-1]):
        with pytest.raises(ValueError, match="row out of range"):
            machine.Rows(table, rows, [0, 1], "add")
    with pytest.raises(ValueError, match="offsets"):
        machine.Rows(table, [1], [0, 2], "add")
    with pytest.raises(ValueError, match="steps"):
        machine.update([machine.Rows(table, [1], [0, 1], "add")], 0, 2, 0)


def test_tables_share_a_list(machine):
    tables = [machine.Table(10, width) for width in (1, 4)]
    one = machine.Rows(tables[0], [3, 5, 3], [0, 2, 3], "add")
    machine.update([one, machine.Rows(tables[1], one, [0, 2, 3], "add")], 0, 2, 4, G)
    for table in tables:
        assert np.asarray(table.values)[:, 0].tolist() == [0, 0, 0, 2 * G, 0, G, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="row out of range"):
        machine.Rows(machine.Table(4, 1), one, [0, 2, 3], "add")


def test_threads_share_the_steps_out():
    rows = limits.random_rows(1_000, 101, 4)
    limit = limits.RowLimit([limits.Access(1_000, 3, rows)], "SGD")
    limit.best = (0, 0, False)
    limit.time(3, *limit.best)
    found = np.asarray(limit.tables[0].values)
    np.testing.assert_allclose(found[:, 0] / 1e-9, np.bincount(rows.ravel(), minlength=1_000), rtol=1e-5)


def test_product(machine):
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 33), dtype=np.float32), rng.random((33, 3 * machine.lanes()), dtype=np.float32)
    np.testing.assert_allclose(machine.tile(a, b, 2), a @ b, rtol=1e-5)
    with pytest.raises(ValueError, match="expected a"):
        machine.tile(a, b[1:], 1)


SIZES = {"small": 16_000, "regular": 4_000_000, "large": 256_000_000}  # bytes of a table


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dim", [1, 16, 64])
def test_row_limit(size, dim, measure, measuring):
    """Adagrad's rows, the bare limit; a step is a row."""
    n_rows = SIZES[size] // (8 * dim)
    rows = limits.random_rows(n_rows, 6_000 if measuring else 10)
    limit = limits.RowLimit([limits.Access(n_rows, dim, rows)], "Adagrad")
    limit.run()
    measure(lambda n: limit.run(), rows.size, bytes=2 * 8 * dim)
