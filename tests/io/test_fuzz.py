"""Whatever a file holds, it is read or refused: with line and column, and never with a crash."""

import bz2
import gzip
import io
import lzma
import re

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from wyrm.io import FormatError, iter_libffm, iter_libsvm, read_libffm, read_libsvm

TOKENS = [
    *(b" ", b"\t", b"\n", b"\r\n", b"\r", b":", b",", b"#", b"-", b"+", b".", b"e", b"qid:", b"nan", b"inf", b"\x00"),
    *(b"0", b"1", b"2", b"7", b"0.5", b"1e5", b"-1", b"1 1:1\n", b"0 0:0:1\n", b"2147483648", b"9223372036854775807"),
    *(b"1e39", b"99999999999999999999999", b"q", b"qi", b"x", b"\xff", b"\xef\xbb\xbf"),
]
soup = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)
index = st.one_of(
    st.integers(0, 20), st.integers(2**31 - 3, 2**31 + 3), st.integers(2**63 - 4, 2**64 + 3), st.integers()
)
value = st.one_of(st.floats(), st.floats(width=32), st.integers(), st.decimals())
PYTHON_VALUE = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf(?:inity)?))")


def attempt(read, content):
    """What comes of reading: the data, or an error that points into the file."""
    try:
        return read(io.BytesIO(content))
    except FormatError as error:
        lines = content.split(b"\n")
        assert 1 <= error.line <= len(lines)
        if error.column is not None:
            # A byte order mark is passed over, and not counted.
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        return None


def check_rows(X):
    assert X.indices.min(initial=0) >= 0
    assert X.indices.max(initial=-1) < X.shape[1]
    assert X.indptr[0] == 0 and X.indptr[-1] == X.indices.size == X.data.size
    X.check_format()
    # The reader says that it is canonical; a new matrix looks.
    assert scipy.sparse.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape).has_canonical_format


def libsvm_reference(content):
    """The rows of a libsvm file in plain Python, 1-based; None where the reader has to refuse it."""
    rows = []
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    for line in content.split(b"\n"):
        line = line.split(b"#")[0] if b"#" in line else line.removesuffix(b"\r")
        if b"\r" in line:
            return None
        words = [word for word in re.split(rb"[ \t]+", line) if word]
        if not words:
            continue
        if not PYTHON_VALUE.fullmatch(words[0]) or not np.isfinite(np.float32(float(words[0]))):
            return None
        row = {}
        for word in words[1:]:
            name, colon, text = word.partition(b":")
            if not re.fullmatch(rb"\d+", name) or not 1 <= int(name) < 2**63 - 1 or int(name) in row:
                return None
            if colon and not PYTHON_VALUE.fullmatch(text):
                return None
            number = np.float32(float(text)) if colon else np.float32(1)
            if np.isinf(number) and b"n" not in text.lower():
                return None
            row[int(name)] = number
        rows.append((np.float32(float(words[0])), sorted(row.items())))
    return rows


@settings(max_examples=200)
@given(st.one_of(soup, st.binary(max_size=60)))
def test_anything(content):
    data = attempt(lambda file: read_libsvm(file, duplicates="sum"), content)
    if data is not None:
        check_rows(data.X)
    attempt(lambda file: read_libsvm(file, n_features=3), content)
    data = attempt(read_libffm, content)
    if data is not None:
        assert data.offsets[-1] == data.indices.size == data.fields.size == data.values.size
        assert data.indices.min(initial=0) >= 0 and data.fields.min(initial=0) >= 0


@pytest.mark.filterwarnings("ignore:overflow encountered")
@settings(max_examples=200)
@given(soup)
def test_against_plain_python(content):
    expected = libsvm_reference(content) if b"qid" not in content else None
    data = attempt(lambda file: read_libsvm(file, zero_based=False), content)
    if b"qid" in content:
        return
    assert (data is None) == (expected is None)
    if data is None:
        return
    assert data.y.tolist() == [label for label, _ in expected]
    found = [
        list(zip((data.X.indices[start:stop].astype(object) + 1).tolist(), data.X.data[start:stop].tolist()))
        for start, stop in zip(data.X.indptr, data.X.indptr[1:])
    ]
    assert repr(found) == repr([[(i, float(v)) for i, v in row] for _, row in expected])


@given(st.lists(st.lists(st.tuples(index, index, value), max_size=5), max_size=5), st.booleans())
def test_well_formed_lines_of_any_numbers(rows, with_fields):
    lines = [
        " ".join(["1", *(f"{f}:{i}:{v}" if with_fields else f"{i}:{v}" for f, i, v in row)]).encode() for row in rows
    ]
    data = attempt(read_libffm if with_fields else read_libsvm, b"\n".join(lines))
    if data is not None:
        assert data.y.size == len(rows)
        if not with_fields:
            check_rows(data.X)


@settings(max_examples=200)
@given(st.data())
def test_mutated_files(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    content = bytearray(
        b"".join(b"1 qid:3 %d:0.25 12:1e-3 13 70000:-4.5 # c\n" % rng.integers(1, 12) for _ in range(20))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            content[at : at + data.draw(st.integers(0, 5))] = data.draw(st.sampled_from(TOKENS))
        if not content:
            break
    content = bytes(content)
    whole = attempt(read_libsvm, content)
    attempt(read_libffm, content)
    # In chunks it is read or refused just so, where base and number of features are not to be found out.
    options = {"n_features": 10**6, "zero_based": True}
    one = attempt(lambda file: read_libsvm(file, **options), content)
    chunks = attempt(lambda file: list(iter_libsvm(file, chunk_rows=3, **options)), content)
    assert (one is None) == (chunks is None)
    if one is not None:
        np.testing.assert_array_equal(np.concatenate([chunk.X.data for chunk in chunks]), one.X.data)
        assert whole is None or whole.y.size == one.y.size


@given(st.data())
def test_mutated_compressed_files(data):
    compress = data.draw(st.sampled_from([gzip.compress, lzma.compress, bz2.compress]))
    content = bytearray(compress(b"1 1:0.25 2:0.5\n" * 200))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    for read in (read_libsvm, read_libffm, lambda file: list(iter_libsvm(file)), lambda file: list(iter_libffm(file))):
        try:
            read(io.BytesIO(content))
        except FormatError as error:
            assert error.line >= 1
