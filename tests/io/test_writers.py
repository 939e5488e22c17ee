"""What is written can be read."""

import io

import numpy as np
import pytest
import scipy.sparse

from wyrm.io import read_libffm, read_libsvm, write_libffm, write_libsvm, writers


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = scipy.sparse.csr_matrix((rng.random((3_000, 30)) < 0.1).astype(np.float32))
    X.data[:] = rng.normal(size=X.nnz) * 10.0 ** rng.integers(-40, 38, X.nnz)
    X.data[:3] = np.nan, np.inf, 0
    return X, rng.normal(size=3_000).astype(np.float32), rng.integers(0, 100, 3_000)


@pytest.mark.parametrize("zero_based", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".bz2"])
def test_libsvm(tmp_path, monkeypatch, rows, zero_based, suffix):
    X, y, qid = rows
    monkeypatch.setattr(writers, "ROWS_AT_A_TIME", 1_000)
    path = tmp_path / f"data{suffix}"
    write_libsvm(path, X, y, qid=qid, zero_based=zero_based)
    assert path.read_bytes().startswith({".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ", ".bz2": b"BZh"}.get(suffix, b""))
    data = read_libsvm(path, n_features=30, zero_based=zero_based)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(data.X, name), getattr(X, name))
    np.testing.assert_array_equal(data.y, y)
    np.testing.assert_array_equal(data.qid, qid)


def test_libffm(tmp_path, rows):
    X, y, _ = rows
    fields = np.random.default_rng(1).integers(0, 8, X.nnz).astype(np.int32)
    write_libffm(tmp_path / "data", X.indices, fields, X.data, X.indptr, y)
    data = read_libffm(tmp_path / "data")
    for found, expected in zip(data, (X.indices, fields, X.data, X.indptr, y)):
        np.testing.assert_array_equal(found, expected)


def test_indices_that_int32_cannot_hold():
    X = scipy.sparse.csr_matrix((np.ones(1, np.float32), [2**31 - 1], [0, 1]), shape=(1, 2**31))
    file = io.BytesIO()
    write_libsvm(file, X, [1])
    assert file.getvalue() == b"1 2147483648:1\n"


def test_the_matrix_is_left_alone():
    X = scipy.sparse.csr_matrix((np.float32([1, 2, 3]), [1, 0, 1], [0, 3]), shape=(1, 2))
    file = io.BytesIO()
    write_libsvm(file, X, [1])
    assert file.getvalue() == b"1 1:2 2:4\n"
    assert X.indices.tolist() == [1, 0, 1]


def test_no_rows():
    file = io.BytesIO()
    write_libsvm(file, np.zeros((0, 3)), [])
    write_libffm(file, [], [], [], [0], [])
    assert file.getvalue() == b""


def test_arguments():
    X = np.eye(2)
    with pytest.raises(ValueError, match="y: expected 2"):
        write_libsvm(io.BytesIO(), X, [1])
    with pytest.raises(ValueError, match="y: expected 2"):
        write_libsvm(io.BytesIO(), X, [1, np.nan])
    with pytest.raises(ValueError, match="qid"):
        write_libsvm(io.BytesIO(), X, [1, 0], qid=[0.5, 1])
    with pytest.raises(ValueError, match="fields"):
        write_libffm(io.BytesIO(), [1], [1, 2], [1], [0, 1], [1])
    with pytest.raises(ValueError, match="offsets"):
        write_libffm(io.BytesIO(), [1], [1], [1], [0, 2], [1])
    with pytest.raises(ValueError, match="negative"):
        write_libffm(io.BytesIO(), [-1], [1], [1], [0, 1], [1])
