"""Tables as matrices, in rows per second on one core.

A table of strings as large as Census-Income, 40 columns with as many categories as there; every string is an object of
its own, as after reading a file.  The peer is scikit-learn's OneHotEncoder, which does the same for the same table.
"""

import numpy as np
import pytest

from wyrm.preprocessing import CategoryEncoder

SIZES = {"small": 500, "regular": 20_000, "large": 200_000}
CATEGORIES = (91, 9, 52, 47, 17, 1240, 3, 7, 24, 15, 5, 10, 2, 3, 6, 8, 132, 113, 1478, 6)


@pytest.fixture(scope="module", params=SIZES)
def table(request):
    rng = np.random.default_rng(0)
    columns = [(rng.random(SIZES[request.param]) ** 3 * k).astype(int) for k in CATEGORIES * 2]
    rows = [[f"category {code}" for code in row] for row in np.stack(columns, axis=1).tolist()]
    return np.array(rows, object)


def report(benchmark, n_rows):
    if benchmark.stats:
        benchmark.extra_info["rows/s"] = round(n_rows / benchmark.stats.stats.min)


def encode(benchmark, table, reference):
    encoder = CategoryEncoder()
    expected = CategoryEncoder().fit_transform(reference)
    assert (encoder.fit_transform(table) != expected).nnz == 0
    benchmark.pedantic(encoder.transform, (table,), rounds=5)
    report(benchmark, len(reference))


def test_objects(benchmark, table):
    encode(benchmark, table, table)


def test_fit_objects(benchmark, table):
    X = benchmark.pedantic(CategoryEncoder().fit_transform, (table,), rounds=5)
    assert X.nnz == table.size and (X.sum(axis=1) == table.shape[1]).all()
    report(benchmark, len(table))


def test_pandas_categories(benchmark, table):
    pd = pytest.importorskip("pandas")
    encode(benchmark, pd.DataFrame(table).astype("category"), table)


def test_polars_strings(benchmark, table):
    pl = pytest.importorskip("polars")
    encode(benchmark, pl.DataFrame({str(i): column.tolist() for i, column in enumerate(table.T)}), table)


def test_scikit_learn(benchmark, table):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(table)
    expected = CategoryEncoder().fit_transform(table)
    assert encoder.transform(table).nnz == expected.nnz
    benchmark.pedantic(encoder.transform, (table,), rounds=3)
    report(benchmark, len(table))
