"""Readers of text files, in MB/s of text on one core.

Each benchmark reads the same rows, made here: as many features per row as Criteo has, with values of four decimals.
The control is a pass over the bytes that only counts lines, which bounds what any reader of them can do.
"""

import io
import time

import numpy as np
import pytest
import scipy.sparse

from wyrm.io import iter_libsvm, read_libffm, read_libsvm, write_libffm, write_libsvm

N_FIELDS = 39
SIZES = {"small": (500, 1), "regular": (20_000, 1), "large": (20_000, 10)}  # rows, and how often they come


def make_rows(n_rows):
    """Indices of shape (n_rows, N_FIELDS), ascending in each row; values; labels."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 2_500, (n_rows, N_FIELDS)) + np.arange(N_FIELDS) * 2_500
    return indices, rng.random((n_rows, N_FIELDS)).round(4).astype(np.float32), rng.integers(0, 2, n_rows)


@pytest.fixture(scope="module", params=SIZES)
def rows(request):
    n_rows, copies = SIZES[request.param]
    return make_rows(n_rows), copies


@pytest.fixture(scope="module")
def libsvm(rows):
    (indices, values, y), copies = rows
    offsets = np.arange(0, indices.size + 1, N_FIELDS)
    X = scipy.sparse.csr_matrix((values.ravel(), indices.ravel(), offsets), shape=(len(y), N_FIELDS * 2_500))
    file = io.BytesIO()
    write_libsvm(file, X, y)
    return file.getvalue() * copies, scipy.sparse.vstack([X] * copies, "csr"), np.tile(y, copies)


@pytest.fixture(scope="module")
def libffm(rows):
    (indices, values, y), copies = rows
    fields = np.tile(np.arange(N_FIELDS), len(y))
    arrays = indices.ravel(), fields, values.ravel(), np.arange(0, indices.size + 1, N_FIELDS), y
    file = io.BytesIO()
    write_libffm(file, *arrays)
    return file.getvalue() * copies, *(np.tile(array, copies) for array in arrays)


def report(benchmark, text):
    megabytes = len(text) / 1e6
    benchmark.extra_info["MB"] = round(megabytes, 1)
    if benchmark.stats:
        benchmark.extra_info["MB/s"] = round(megabytes / benchmark.stats.stats.min, 1)


def test_count_lines(benchmark, libsvm):
    text, _, y = libsvm
    assert benchmark(text.count, b"\n") == y.size
    report(benchmark, text)


def test_read_libsvm(benchmark, libsvm):
    text, X, y = libsvm
    read = lambda: read_libsvm(io.BytesIO(text), n_features=X.shape[1], zero_based=False)  # noqa: E731
    data = read()
    np.testing.assert_array_equal(data.X.indices, X.indices)
    np.testing.assert_array_equal(data.X.data, X.data)
    np.testing.assert_array_equal(data.y, y)
    benchmark(read)
    report(benchmark, text)


def test_read_libffm(benchmark, libffm):
    text, indices, fields, values, _, y = libffm
    read = lambda: read_libffm(io.BytesIO(text))  # noqa: E731
    data = read()
    np.testing.assert_array_equal(data.indices, indices)
    np.testing.assert_array_equal(data.fields, fields)
    np.testing.assert_array_equal(data.values, values)
    np.testing.assert_array_equal(data.y, y)
    benchmark(read)
    report(benchmark, text)


def test_iter_libsvm(benchmark, libsvm):
    text, X, _ = libsvm
    read = lambda: [c.X.nnz for c in iter_libsvm(io.BytesIO(text), chunk_rows=8_192, zero_based=False)]  # noqa: E731
    assert sum(read()) == X.nnz
    benchmark(read)
    report(benchmark, text)


def test_read_libsvm_scikit_learn(benchmark, libsvm):
    """The peer, and how many times faster `read_libsvm` is, both measured here by turns."""
    load = pytest.importorskip("sklearn.datasets").load_svmlight_file
    text, X, y = libsvm
    peer = lambda: load(io.BytesIO(text), n_features=X.shape[1], dtype=np.float32, zero_based=False)  # noqa: E731
    ours = lambda: read_libsvm(io.BytesIO(text), n_features=X.shape[1], zero_based=False)  # noqa: E731
    found, labels = peer()
    np.testing.assert_array_equal(found.indices, X.indices)
    np.testing.assert_array_equal(found.data, X.data)
    np.testing.assert_array_equal(labels, y)
    benchmark.pedantic(peer, rounds=2)
    report(benchmark, text)
    if benchmark.enabled:
        benchmark.extra_info["ratio"] = round(fastest(peer) / fastest(ours), 1)


def fastest(call, rounds=2):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
