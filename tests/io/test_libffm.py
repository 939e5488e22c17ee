"""Lines of libffm files, right and wrong."""

import io

import numpy as np
import pytest

from wyrm.io import FormatError, iter_libffm, read_libffm


def read(text, **options):
    return read_libffm(io.BytesIO(text), **options)


def test_rows():
    indices, fields, values, offsets, y = read(b"1 0:3:0.5 2:1:2 1:1\n\n0\n# c\n1 0:0:4\t5:2:nan # c\n")
    assert indices.tolist() == [3, 1, 1, 0, 2]
    assert fields.tolist() == [0, 2, 1, 0, 5]
    np.testing.assert_array_equal(values, [0.5, 2, 1, 4, np.nan])
    assert offsets.tolist() == [0, 3, 3, 5]
    assert y.tolist() == [1, 0, 1]
    assert (indices.dtype, fields.dtype, values.dtype, offsets.dtype, y.dtype) == (
        np.int32,
        np.int32,
        np.float32,
        np.int64,
        np.float32,
    )


def test_order_and_duplicates_are_kept():
    data = read(b"1 3:9:1 1:4:2 3:9:3\n")
    assert data.indices.tolist() == [9, 4, 9]
    assert data.fields.tolist() == [3, 1, 3]


def test_no_rows():
    data = read(b"")
    assert [array.size for array in data] == [0, 0, 0, 1, 0]
    assert list(iter_libffm(io.BytesIO(b"\n"))) == []


def test_large_numbers():
    data = read(b"1 0:5:1\n0 %d:%d:1 1:6\n" % (2**31 - 2, 2**63 - 2))
    assert data.indices.dtype == np.int64
    assert data.indices.tolist() == [5, 2**63 - 2, 6]
    assert data.fields.tolist() == [0, 2**31 - 2, 1]


@pytest.mark.parametrize(
    ("text", "column", "expected", "found"),
    [
        (b"1 3\n", 4, "':' and an index", "the end of the line"),
        (b"1 3 4:1\n", 4, "':' and an index", "' '"),
        (b"1 3:\n", 5, "an index", "the end of the line"),
        (b"1 3:x:1\n", 5, "an index", "'x:1'"),
        (b"1 3:-1:1\n", 5, "an index", "'-1:1'"),
        (b"1 3:1.5\n", 6, "a space", "'.5'"),
        (b"1 3:1:\n", 7, "a number", "the end of the line"),
        (b"1 3:1:2:4\n", 8, "a space", "':4'"),
        (b"1 3:1:1e99\n", 7, "a value that float32 can hold", "'1e99'"),
        (b"1 -3:1:1\n", 3, "a feature as field:index:value", "'-3:1:1'"),
        (b"1 qid:3 1:2:3\n", 3, "a feature as field:index:value", "'qid:3'"),
        (b"1 2147483647:1:1\n", 3, "a field up to 2147483646", "'2147483647:1:1'"),
        (b"1 99999999999999999999:1:1\n", 3, "a field up to 2147483646", "'99999999999999999999:1:1'"),
        (b"1 1:9223372036854775807:1\n", 5, "an index up to 9223372036854775806", "'9223372036854775807:1'"),
        (b"1:2:3 1:2:3\n", 1, "a label", "'1:2:3'"),
        (b"1,2 1:2:3\n", 1, "one label", "'1,2'"),
    ],
)
def test_malformed(text, column, expected, found):
    with pytest.raises(FormatError) as caught:
        read(b"1 1:1:1\n" + text)
    assert (caught.value.line, caught.value.column, caught.value.found) == (2, column, found)
    assert caught.value.expected.startswith(expected)


def test_limits():
    assert read(b"1 2:4:1\n", n_features=5, n_fields=3).indices.tolist() == [4]
    with pytest.raises(FormatError, match="column 5: expected an index up to 3"):
        read(b"1 2:4:1\n", n_features=4)
    with pytest.raises(FormatError, match="column 3: expected a field up to 1"):
        read(b"1 2:4:1\n", n_fields=2)
    with pytest.raises(ValueError, match="n_fields"):
        read(b"", n_fields=-1)


@pytest.mark.parametrize("chunk_rows", [1, 3, 50, 1000])
def test_chunks(chunk_rows):
    text = b"".join(
        b"%d %s\n" % (row % 2, b" ".join(b"%d:%d:%d" % (j, row, row * j) for j in range(row % 5))) for row in range(50)
    )
    whole = read(text)
    chunks = list(iter_libffm(io.BytesIO(text), chunk_rows=chunk_rows))
    assert sum(chunk.y.size for chunk in chunks) == 50
    for name in ("indices", "fields", "values", "y"):
        np.testing.assert_array_equal(np.concatenate([getattr(c, name) for c in chunks]), getattr(whole, name))
    lengths = np.concatenate([np.diff(chunk.offsets) for chunk in chunks])
    np.testing.assert_array_equal(lengths, np.diff(whole.offsets))
    assert all(chunk.offsets[0] == 0 for chunk in chunks)


@pytest.mark.data
@pytest.mark.parametrize("part", ["train", "test"])
def test_criteo_sample(data_dir, part):
    path = data_dir / "criteo_sample" / f"xlearn_libffm_small_{part}.txt"
    if not path.exists():
        pytest.skip(f"{path.name} is not under WYRM_DATA_DIR")
    data = read_libffm(path)
    rows = [line.split() for line in path.read_text().splitlines()]
    assert data.y.tolist() == [float(row[0]) for row in rows]
    np.testing.assert_array_equal(np.diff(data.offsets), [len(row) - 1 for row in rows])
    triples = [feature.split(":") for row in rows for feature in row[1:]]
    np.testing.assert_array_equal(data.fields, [int(field) for field, _, _ in triples])
    np.testing.assert_array_equal(data.indices, [int(index) for _, index, _ in triples])
    np.testing.assert_array_equal(data.values, np.float32([float(value) for _, _, value in triples]))
