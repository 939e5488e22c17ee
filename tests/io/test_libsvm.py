"""Lines of libsvm files, right and wrong."""

import copy
import io

import numpy as np
import pytest
import scipy.sparse

from wyrm.io import FormatError, iter_libsvm, read_libsvm


def read(text, **options):
    return read_libsvm(io.BytesIO(text), **options)


def refused(text, **options):
    with pytest.raises(FormatError) as caught:
        read(text, **options)
    return caught.value


def test_rows():
    X, y, qid, zero_based = read(b"1 1:0.5 3:2\n-1 2:1e-1\n0.25\n")
    assert isinstance(X, scipy.sparse.csr_matrix)
    assert X.dtype == y.dtype == np.float32
    assert X.indices.dtype == X.indptr.dtype == np.int32
    np.testing.assert_array_equal(X.toarray(), np.float32([[0.5, 0, 2], [0, 0.1, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(y, np.float32([1, -1, 0.25]))
    assert qid is None
    assert zero_based is False


def test_what_a_line_may_hold():
    text = (
        b"\xef\xbb\xbf+1 1:1 2:2 # a comment\n"
        b"\n"
        b"   \t \n"
        b"# 5 1:1 \xff\n"
        b"\t 2\t\t1:3   2:-4 \r\n"
        b"\r\n"
        b"3 2:5# a comment\n"
        b"4#1:1\n"
        b"5 1:.5 2:5.\r"
    )
    data = read(text)
    np.testing.assert_array_equal(data.X.toarray(), [[1, 2], [3, -4], [0, 5], [0, 0], [0.5, 5]])
    np.testing.assert_array_equal(data.y, [1, 2, 3, 4, 5])


def test_an_index_alone_is_one_and_nan_is_missing():
    data = read(b"1 3 5:nan 7:-inf 9\n")
    assert data.X.indices.tolist() == [2, 4, 6, 8]
    np.testing.assert_array_equal(data.X.data, [1, np.nan, -np.inf, 1])


def test_zeros_are_kept():
    assert read(b"1 1:0 2:0.0\n").X.nnz == 2


@pytest.mark.parametrize("text", [b"", b"\n", b"# nothing\n\n", b" "])
def test_no_rows(text):
    X, y, qid, _ = read(text)
    assert X.shape == (0, 0) and y.shape == (0,) and qid is None
    assert read(text, n_features=5).X.shape == (0, 5)
    assert list(iter_libsvm(io.BytesIO(text))) == []


def test_rows_without_features():
    assert read(b"1\n0\n").X.shape == (2, 0)


class TestBase:
    def test_auto(self):
        assert read(b"1 1:5\n").X.indices.tolist() == [0]
        data = read(b"1 1:5\n1 0:4\n")
        assert data.zero_based is True
        assert data.X.indices.tolist() == [1, 0]
        assert data.X.shape == (2, 2)

    def test_given(self):
        assert read(b"1 1:5\n", zero_based=True).X.shape == (1, 2)
        assert read(b"1 1:5\n", zero_based=False).X.shape == (1, 1)

    def test_zero_where_indices_count_from_one(self):
        error = refused(b"1 1:5\n1 5:1 0:4\n", zero_based=False)
        assert (error.line, error.column) == (2, 7)
        assert "zero_based=True" in str(error)

    def test_chunks_decide_by_the_first(self):
        with pytest.raises(FormatError, match=r"line 2, column 3.*zero_based=True"):
            list(iter_libsvm(io.BytesIO(b"1 1:5\n1 0:4\n"), chunk_rows=1))
        chunks = list(iter_libsvm(io.BytesIO(b"1 0:5\n1 1:4\n"), chunk_rows=1))
        assert [chunk.X.indices.tolist() for chunk in chunks] == [[0], [1]]


class TestNumberOfFeatures:
    def test_wider(self):
        assert read(b"1 1:5\n", n_features=10).X.shape == (1, 10)

    @pytest.mark.parametrize("zero_based", [False, True])
    def test_limits(self, zero_based):
        last = 3 - zero_based
        assert read(b"1 %d:5\n" % last, n_features=3, zero_based=zero_based).X.shape == (1, 3)
        error = refused(b"1 1:1 %d:5\n" % (last + 1), n_features=3, zero_based=zero_based)
        assert (error.line, error.column) == (1, 7)
        assert f"up to {last}" in str(error)

    def test_auto(self):
        assert read(b"1 3:5\n", n_features=3).X.indices.tolist() == [2]
        assert refused(b"1 4:5\n", n_features=3).column == 3
        # An index 0 later in the file makes the 3 before it one too many.
        error = refused(b"1 1:1\n1 1:1 3:5\n1 0:1\n", n_features=3)
        assert (error.line, error.column) == (2, 7)
        assert "up to 2" in str(error)


class TestOrder:
    def test_any_order_is_sorted(self):
        data = read(b"1 3:30 1:10 2:20\n1 2:5\n")
        assert data.X.has_canonical_format
        assert data.X.indices.tolist() == [0, 1, 2, 1]
        assert data.X.data.tolist() == [10, 20, 30, 5]

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            (b"1 2:1 2:1\n", 7),
            (b"1 1:5 3:1  1:2\n", 12),
            (b"1 \t4:1 4 4\n", 8),
            (b"9 5 4 3 2 1 4\n", 13),
            (b" 1 qid:2 5:1 4:2 5\n", 18),
        ],
    )
    def test_duplicates_are_refused(self, text, column):
        error = refused(b"# first\n" + text)
        assert (error.line, error.column) == (2, column)
        assert "duplicates='sum'" in str(error)

    def test_duplicates_are_added(self):
        data = read(b"1 2:1 1:4 2:2 3:8 2:4\n1 7:1\n", duplicates="sum")
        assert data.X.indices.tolist() == [0, 1, 2, 6]
        assert data.X.data.tolist() == [4, 7, 8, 1]
        assert data.X.indptr.tolist() == [0, 3, 4]
        assert data.X.has_canonical_format

    def test_a_long_row_backwards(self):
        n = 200_000
        text = b"1 " + b" ".join(b"%d:%d" % (i, i) for i in range(n, 0, -1))
        data = read(text)
        np.testing.assert_array_equal(data.X.indices, np.arange(n))
        np.testing.assert_array_equal(data.X.data, np.arange(1, n + 1))


class TestLargeIndices:
    @pytest.mark.parametrize(("index", "dtype"), [(2**31 - 1, np.int32), (2**31, np.int64), (2**63 - 2, np.int64)])
    def test_dtype(self, index, dtype):
        data = read(b"1 1:1 5:2\n0 7:3 %d:4\n1 3:5\n" % index)
        assert data.X.indices.tolist() == [0, 4, 6, index - 1, 2]
        assert data.X.shape == (3, index)
        # SciPy has int64 as soon as the number of columns is past int32.
        assert data.X.indices.dtype == dtype

    def test_unsorted(self):
        data = read(b"1 2:1 %d:2 1:3 %d:4 3\n" % (2**40, 2**33))
        assert data.X.indices.tolist() == [0, 1, 2, 2**33 - 1, 2**40 - 1]
        assert data.X.data.tolist() == [3, 1, 1, 4, 2]

    def test_chunks_after_a_wide_one(self):
        text = b"1 5:1\n1 %d:1\n1 6:1\n" % 2**40
        chunks = list(iter_libsvm(io.BytesIO(text), chunk_rows=1))
        assert [chunk.X.indices.tolist() for chunk in chunks] == [[4], [2**40 - 1], [5]]
        assert [chunk.X.shape[1] for chunk in chunks] == [5, 2**40, 2**40]

    @pytest.mark.parametrize("index", [2**63 - 1, 2**63, 2**64, 2**64 + 5, 10**19, 10**40])
    def test_overflow(self, index):
        error = refused(b"1 1:1\n1 3:1 %d:4\n" % index)
        assert (error.line, error.column) == (2, 7)
        assert str(2**63 - 2) in str(error)

    def test_leading_zeros(self):
        assert read(b"1 0000000000000000000000000000012:1\n").X.indices.tolist() == [11]


class TestQueries:
    def test_queries(self):
        data = read(b"1 qid:7 1:1\n0  qid:7\n# x\n1 qid:9223372036854775807 2\n")
        assert data.qid.dtype == np.int64
        assert data.qid.tolist() == [7, 7, 2**63 - 1]

    def test_chunks(self):
        chunks = list(iter_libsvm(io.BytesIO(b"1 qid:7 1:1\n0 qid:8\n"), chunk_rows=1))
        assert [chunk.qid.tolist() for chunk in chunks] == [[7], [8]]

    @pytest.mark.parametrize(
        ("text", "line", "column", "expected"),
        [
            (b"1 qid:1 2:1\n1 2:1\n", 2, 3, "a qid"),
            (b"1 2:1\n1 qid:1 2:1\n", 2, 3, "no qid"),
            (b"1 qid: 2:1\n", 1, 7, "digits"),
            (b"1 qid:-4 2:1\n", 1, 7, "digits"),
            (b"1 qid:9223372036854775808\n", 1, 7, "a qid up to 9223372036854775807"),
            (b"1 qid:4.5 2:1\n", 1, 8, "a space"),
            (b"1 2:1 qid:4\n", 1, 7, "a feature"),
            (b"1 qid:4 qid:4\n", 1, 9, "a feature"),
            (b"1 qix:4\n", 1, 3, "a feature"),
            (b"1 q\n", 1, 3, "a feature"),
        ],
    )
    def test_refused(self, text, line, column, expected):
        error = refused(text)
        assert (error.line, error.column) == (line, column)
        assert error.expected.startswith(expected)


@pytest.mark.parametrize(
    ("text", "line", "column", "expected", "found"),
    [
        (b"x 1:1\n", 1, 1, "a label", "'x'"),
        (b"1:1 2:1\n", 1, 1, "a label", "'1:1'"),
        (b"  1x 2:1\n", 1, 3, "a label", "'1x'"),
        (b"nan 2:1\n", 1, 1, "a label", "'nan'"),
        (b"inf 2:1\n", 1, 1, "a label", "'inf'"),
        (b"1e39 2:1\n", 1, 1, "a label that float32 can hold", "'1e39'"),
        (b"1 1:1\n1,2 1:1\n", 2, 1, "one label", "'1,2'"),
        (b"1 1:1\n\n# c\n1 1:\n", 4, 5, "a number", "the end of the line"),
        (b"1 1: 2:3\n", 1, 5, "a number", "' '"),
        (b"1 1:\r\n", 1, 5, "a number", "the end of the line"),
        (b"1 1:x\n", 1, 5, "a number", "'x'"),
        (b"1 1:--5\n", 1, 5, "a number", "'--5'"),
        (b"1 1:.\n", 1, 5, "a number", "'.'"),
        (b"1 1:e5\n", 1, 5, "a number", "'e5'"),
        (b"1 1:1e\n", 1, 5, "a number", "'1e'"),
        (b"1 1:1e+\n", 1, 5, "a number", "'1e+'"),
        (b"1 1:1e39\n", 1, 5, "a value that float32 can hold", "'1e39'"),
        (b"1 1:-3.4028236e38\n", 1, 5, "a value that float32 can hold", "'-3.4028236e38'"),
        (b"1 1:0x10\n", 1, 6, "a space", "'x10'"),
        (b"1 1:1_000\n", 1, 6, "a space", "'_000'"),
        (b"1 1:1.2.3\n", 1, 8, "a space", "'.3'"),
        (b"1 1:nano\n", 1, 8, "a space", "'o'"),
        (b"1 1:2:3\n", 1, 6, "a space", "':3'"),
        (b"1 1:2,2:3\n", 1, 6, "a space", "',2:3'"),
        (b"1 -1:2\n", 1, 3, "a feature", "'-1:2'"),
        (b"1 +1:2\n", 1, 3, "a feature", "'+1:2'"),
        (b"1 :2\n", 1, 3, "a feature", "':2'"),
        (b"1 a:2\n", 1, 3, "a feature", "'a:2'"),
        (b"1 1.5:2\n", 1, 4, "a space", "'.5:2'"),
        (b"1 1 :2\n", 1, 5, "a feature", "':2'"),
        (b"1 1:2\r0 1:2\n", 1, 6, "a space", "'\\r'"),
        (b"1 1:2\x00\n", 1, 6, "a space", "'\\x00'"),
        (b"\x00", 1, 1, "a label", "'\\x00'"),
        (b"1 \xe9t\xe9:2\n", 1, 3, "a feature", "'\ufffdt\ufffd:2'"),
        (b"1 %s\n" % (b"x" * 100), 1, 3, "a feature", repr("x" * 40 + "…")),
    ],
)
def test_malformed(text, line, column, expected, found):
    error = refused(text)
    assert (error.line, error.column, error.found) == (line, column, found)
    assert error.expected.startswith(expected)
    assert str(error) == f"<stream>, line {line}, column {column}: expected {error.expected}, found {found}"


def test_errors_far_into_a_file():
    good = b"1 1:0.5 77:0.25 # a comment\n\n" * 50_000
    error = refused(good + b"1 5:0.5 6:oops\n" + good)
    assert (error.line, error.column, error.found) == (100_001, 11, "'oops'")


def test_the_error_is_a_value_error_and_can_be_copied():
    error = refused(b"1 1:x\n")
    assert isinstance(error, ValueError)
    again = copy.copy(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


class TestChunks:
    @pytest.mark.parametrize("chunk_rows", [1, 7, 100, 1000, 10**12])
    def test_the_same_rows(self, chunk_rows):
        rng = np.random.default_rng(0)
        text = b"".join(
            b"%d %s\n" % (row, b" ".join(b"%d:%d" % (i, row) for i in np.unique(rng.integers(1, 50, 6))))
            for row in range(1000)
        )
        whole = read(text)
        chunks = list(iter_libsvm(io.BytesIO(text), chunk_rows=chunk_rows, n_features=whole.X.shape[1]))
        sizes = [chunk.y.size for chunk in chunks]
        assert sizes[:-1] == [chunk_rows] * (len(sizes) - 1) and 0 < sizes[-1] <= chunk_rows
        assert (scipy.sparse.vstack([chunk.X for chunk in chunks]) != whole.X).nnz == 0
        np.testing.assert_array_equal(np.concatenate([chunk.y for chunk in chunks]), whole.y)

    def test_columns_grow(self):
        chunks = iter_libsvm(io.BytesIO(b"1 2\n1 9\n1 3\n"), chunk_rows=1)
        assert [chunk.X.shape[1] for chunk in chunks] == [2, 9, 9]

    def test_rows_before_a_fault_are_given(self):
        chunks = iter_libsvm(io.BytesIO(b"1 2\n1 9\n1 x\n"), chunk_rows=2)
        assert next(chunks).y.size == 2
        with pytest.raises(FormatError, match="line 3"):
            next(chunks)

    def test_chunks_are_not_overwritten(self):
        chunks = list(iter_libsvm(io.BytesIO(b"1 2:5\n2 2:6\n"), chunk_rows=1))
        chunks[0].X.data[0] = 7  # arrays belong to whoever holds them
        assert chunks[1].X.data.tolist() == [6]


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_features": -1}, ValueError),
            ({"n_features": 1.5}, TypeError),
            ({"zero_based": "no"}, ValueError),
            ({"duplicates": "keep"}, ValueError),
        ],
    )
    def test_refused(self, options, error):
        with pytest.raises(error, match=next(iter(options))):
            read(b"", **options)
        with pytest.raises(error, match=next(iter(options))):
            iter_libsvm(io.BytesIO(b""), **options)

    @pytest.mark.parametrize(("chunk_rows", "error"), [(0, ValueError), (-3, ValueError), ("many", TypeError)])
    def test_chunk_rows(self, chunk_rows, error):
        with pytest.raises(error, match="chunk_rows"):
            iter_libsvm(io.BytesIO(b""), chunk_rows=chunk_rows)


def test_against_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(1)
    X = scipy.sparse.csr_matrix(rng.normal(size=(300, 40)) * (rng.random((300, 40)) < 0.2))
    y = rng.normal(size=300)
    qid = np.sort(rng.integers(0, 20, 300))
    for zero_based in (False, True):
        file = io.BytesIO()
        datasets.dump_svmlight_file(X, y, file, query_id=qid, zero_based=zero_based, comment="from scikit-learn")
        theirs = datasets.load_svmlight_file(
            io.BytesIO(file.getvalue()), n_features=40, query_id=True, zero_based=zero_based
        )
        ours = read(file.getvalue(), n_features=40, zero_based=zero_based)
        np.testing.assert_array_equal(ours.X.toarray(), theirs[0].toarray().astype(np.float32))
        np.testing.assert_array_equal(ours.y, theirs[1].astype(np.float32))
        np.testing.assert_array_equal(ours.qid, theirs[2])
