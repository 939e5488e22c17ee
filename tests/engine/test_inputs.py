"""What users hand in: every layout that NumPy has is taken, everything that is no finite matrix is refused by name."""

import fractions

import numpy as np
import pytest

import wyrm

ENTRIES = {
    "InputNode": wyrm.InputNode,
    "ParameterNode": wyrm.ParameterNode,
    "HogwildParameter": wyrm.HogwildParameter,
}
BASE = np.arange(12).reshape(3, 4)
LAYOUTS = {
    "fortran": np.asfortranarray(BASE),
    "every other row": np.repeat(BASE, 2, axis=0)[::2],
    "every other column": np.repeat(BASE, 2, axis=1)[:, ::2],
    "reversed": BASE[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": BASE.T.copy().T,
    "broadcast": np.broadcast_to(BASE[:1], (3, 4)),
    "list": BASE.tolist(),
    "tuple of arrays": tuple(BASE),
    "memoryview": memoryview(BASE.astype(np.float64)),
    "matrix of Fortran floats": np.asfortranarray(BASE, dtype=np.float32),
    "strided floats": np.zeros((6, 8), dtype=np.float32)[::2, 1::2],
    "big-endian": BASE.astype(">f8"),
    "read-only": np.frombuffer(BASE.astype(np.float32).tobytes(), dtype=np.float32).reshape(3, 4),
}
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES = ["bool", *INTEGERS, "float16", "float32", "float64", "longdouble"]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(entry, layout):
    node = ENTRIES[entry](LAYOUTS[layout])
    expected = np.asarray(LAYOUTS[layout], dtype=np.float32)
    assert node.shape == (3, 4)
    assert node.value.dtype == np.float32
    np.testing.assert_array_equal(node.value, expected)
    other = ENTRIES[entry](np.ones((3, 4)))
    if entry == "InputNode":
        other.set_value(LAYOUTS[layout])
    else:
        other.value = LAYOUTS[layout]
    np.testing.assert_array_equal(other.value, expected)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(entry, dtype):
    values = np.array([[0, 1], [2, 100]]).astype(dtype)
    np.testing.assert_array_equal(ENTRIES[entry](values).value, values.astype(np.float32))


@pytest.mark.parametrize("entry", ENTRIES)
def test_values_are_copied(entry):
    values = np.ones((2, 2), dtype=np.float32)
    node = ENTRIES[entry](values)
    values[...] = 7
    np.testing.assert_array_equal(node.value, np.ones((2, 2)))


NOT_NUMBERS = {
    "None": None, "string": "1.0", "strings": [["1", "2"]], "bytes": b"12", "complex": [[1j]], "object": object(),
    "objects": np.array([[1, None]]), "dates": np.zeros((2, 2), "M8[s]"), "records": np.zeros((2, 2), "f4,f4"),
    "dict": {}, "set": {1}, "function": print, "type": float, "generator": (i for i in range(3)),
    "big integers": [[2**70]], "a node": wyrm.InputNode(1.0), "nodes": [[wyrm.InputNode(1.0)]],
    "a parameter node": wyrm.ParameterNode([[1.0]]),
}  # fmt: skip
NO_MATRIX = {
    "vector": [1.0, 2.0], "cube": np.zeros((2, 2, 2)), "empty": [], "empty rows": np.zeros((0, 3)),
    "empty columns": np.zeros((3, 0)), "nothing": np.zeros((0, 0)), "ragged": [[1.0], [1.0, 2.0]],
}  # fmt: skip
NOT_FINITE = {
    "nan": [[1.0, np.nan]], "inf": [[np.inf, 1.0]], "-inf": [[0.0, -np.inf]], "too large for float32": [[1e39, 0.0]],
    "too large integers": np.array([[0, 2**63]], dtype=object).astype(float) * 2.0**65,
    "long double": np.array([[1.0, 1e300]], dtype=np.longdouble),
}  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_what_is_no_number_is_refused(entry, bad):
    with pytest.raises(TypeError, match="expected real numbers"):
        ENTRIES[entry](NOT_NUMBERS[bad])


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("bad", NO_MATRIX)
def test_what_is_no_matrix_is_refused(entry, bad):
    with pytest.raises(ValueError, match=f"{entry}|HogwildParameter") as raised:
        ENTRIES[entry](NO_MATRIX[bad])
    assert "expected" in str(raised.value)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("bad", NOT_FINITE)
def test_what_is_not_finite_is_refused(entry, bad):
    with np.errstate(over="ignore"):
        column = int(np.argmax(~np.isfinite(np.asarray(NOT_FINITE[bad]).astype(np.float32))))
    with pytest.raises(ValueError, match=rf"finite in float32, got .* at row 0, column {column}"):
        ENTRIES[entry](NOT_FINITE[bad])


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, *NO_MATRIX, *NOT_FINITE])
def test_a_refused_value_leaves_the_old_one(bad):
    bad = {**NOT_NUMBERS, **NO_MATRIX, **NOT_FINITE}[bad]
    x, w = wyrm.InputNode([[1.0, 2.0]], name="x"), wyrm.ParameterNode([[1.0, 2.0]], name="w")
    with pytest.raises((TypeError, ValueError), match=r"InputNode 'x' \(1x2\)"):
        x.set_value(bad)
    with pytest.raises((TypeError, ValueError), match="expected"):
        w.value = bad
    with pytest.raises((TypeError, ValueError), match="expected"):
        w.parameter.value = bad
    np.testing.assert_array_equal(x.value, [[1, 2]])
    np.testing.assert_array_equal(w.value, [[1, 2]])


def test_shapes_that_a_node_cannot_take():
    x, w = wyrm.InputNode(np.ones((2, 3)), name="x"), wyrm.ParameterNode(np.ones((2, 3)))
    for shape in ((2, 2), (2, 4), (3, 1)):
        with pytest.raises(ValueError, match=r"'x' \(2x3\): expected 3 column"):
            x.set_value(np.ones(shape))
    for scalar in (1.0, 3, np.float32(1)):
        with pytest.raises(ValueError, match=r"'x' \(2x3\): expected an array with 3 columns"):
            x.set_value(scalar)
    for shape in ((3, 2), (1, 3), (2, 2)):
        with pytest.raises(ValueError, match="expected shape"):
            w.value = np.ones(shape)
    with pytest.raises((TypeError, ValueError)):
        w.value = 1.0


@pytest.mark.parametrize("scalar", [3, 2.5, True, np.float16(1.5), np.float32(1.5), np.float64(2.5), np.int8(4),
                                    np.uint64(2**60), np.longdouble(1.5), np.array(2.0), np.array(7), np.array(True),
                                    fractions.Fraction(1, 4)], ids=repr)  # fmt: skip
def test_numbers(scalar):
    x = wyrm.InputNode(scalar)
    assert x.shape == (1, 1)
    assert x.value == np.float32(float(scalar))
    x.set_value(np.ones((5, 1)))
    x.set_value(scalar)
    assert x.shape == (1, 1)
    assert x.value == np.float32(float(scalar))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39, -1e300, 10**400, -(10**5000), np.float64("nan"),
                                 np.array(np.inf), np.longdouble("1e400"), fractions.Fraction(10**50)],
                         ids=lambda bad: f"{type(bad).__name__}")  # fmt: skip
def test_numbers_that_are_not_finite_in_float32(bad):
    with pytest.raises(ValueError, match=r"InputNode.*finite in float32"):
        wyrm.InputNode(bad)
    x = wyrm.InputNode(5.0, name="x")
    with pytest.raises(ValueError, match=r"'x'.*finite in float32"):
        x.set_value(bad)
    assert x.value == [[5.0]]


@pytest.mark.parametrize("bad", [1j, np.complex64(1), np.array(1j), np.array("3"), np.array(None), "3",
                                 np.datetime64(3, "s"), np.array(3, dtype="m8[s]")], ids=repr)  # fmt: skip
def test_scalars_that_are_no_real_number(bad):
    with pytest.raises(TypeError):
        wyrm.InputNode(bad)
    x = wyrm.InputNode(5.0)
    with pytest.raises(TypeError):
        x.set_value(bad)
    assert x.value == [[5.0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda name: wyrm.InputNode(1.0, name=name),
        lambda name: wyrm.IndexInputNode(1, name),
        lambda name: wyrm.ParameterNode([[1.0]], name=name),
    ],
    ids=["input", "index", "parameter"],
)
def test_names(make):
    assert make("x").name == "x"
    assert make(None).name is None
    for bad in (1, b"x", ["x"], object()):
        with pytest.raises(TypeError, match="name: expected a str"):
            make(bad)


def test_shared_takes_a_hogwild_parameter_only():
    for foreign in (None, [[1.0]], np.ones((2, 2)), wyrm.ParameterNode([[1.0]]), wyrm.InputNode(1.0)):
        with pytest.raises(TypeError, match="expected a HogwildParameter"):
            wyrm.ParameterNode.shared(foreign)


def test_sizes_that_no_memory_holds():
    """Arrays of one number repeated by strides of zero cost nothing until they are copied."""
    with pytest.raises(ValueError, match="at most 2147483647 rows"):
        wyrm.HogwildParameter(np.broadcast_to(np.int8(0), (2**31, 1)))
    for shape in ((1, 2**50), (1, 2**60), (1, 2**62), (2, 2**61), (1, 2**62 + 16)):
        with pytest.raises((MemoryError, ValueError)):
            wyrm.HogwildParameter(np.broadcast_to(np.int8(0), shape))
    x = wyrm.InputNode(np.ones((2, 3)))
    for shape in ((2**52, 3), (2**60, 3)):
        with pytest.raises((MemoryError, ValueError)):
            x.set_value(np.broadcast_to(np.int8(0), shape))
    np.testing.assert_array_equal(x.value, np.ones((2, 3)))
    with pytest.raises((MemoryError, ValueError)):
        wyrm.IndexInputNode(np.broadcast_to(np.int8(0), 2**50))
    with pytest.raises(ValueError, match="at most 2147483647 indices"):
        wyrm.IndexInputNode(np.broadcast_to(np.int32(0), 2**31))


def test_a_value_that_no_memory_holds():
    a, b = wyrm.InputNode(np.ones((1, 1))), wyrm.ParameterNode(np.ones((1, 2**16)))
    y = (a * b) @ b.T @ b
    y.forward()
    wide = (a @ np.ones((1, 2**24), dtype=np.float32)).T @ np.ones((1, 2**24), dtype=np.float32)  # 2^50 bytes
    with pytest.raises(MemoryError, match="matmul"):
        wide.forward()
    with pytest.raises(RuntimeError, match="no value"):
        wide.value  # noqa: B018
    y.forward()
    assert y.value[0, 0] == 2**16


# --- Index lists -------------------------------------------------------------------------------------------------

INDEX_LAYOUTS = {
    "list": [4, 0, 9], "tuple": (4, 0, 9), "range": range(3), "strided": np.arange(12)[::4],
    "reversed": np.arange(5)[::-1], "big-endian": np.array([1, 2], dtype=">i4"), "memoryview": memoryview(np.arange(4)),
    "integers of NumPy": [np.int64(1), np.int8(2)], "array of objects": np.array([1, 2], dtype=object),
}  # fmt: skip


@pytest.mark.parametrize("layout", INDEX_LAYOUTS)
def test_every_layout_of_indices(layout):
    index = wyrm.IndexInputNode(INDEX_LAYOUTS[layout])
    expected = np.asarray(INDEX_LAYOUTS[layout]).astype(int)
    assert index.value.dtype == np.int32
    np.testing.assert_array_equal(index.value, expected)
    assert index.bags == 1
    np.testing.assert_array_equal(index.offsets, [0, len(expected)])
    assert index.shape == (len(expected), 1)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_every_dtype_of_indices_and_offsets(dtype):
    index = wyrm.IndexInputNode((np.arange(100).astype(dtype), np.array([0, 1, 1, 100]).astype(dtype)))
    np.testing.assert_array_equal(index.value, np.arange(100))
    np.testing.assert_array_equal(index.offsets, [0, 1, 1, 100])
    assert index.bags == 3


@pytest.mark.parametrize("one", [3, np.int64(3), np.uint8(3), np.array(3), np.array([[3]]), [[3]]], ids=repr)
def test_a_single_index(one):
    index = wyrm.IndexInputNode([1, 2])
    index.set_value(one)
    np.testing.assert_array_equal(index.value, [3])
    assert index.bags == 1


def test_matrices_of_indices_in_every_layout():
    matrix = np.arange(6).reshape(2, 3)
    for layout in (matrix, np.asfortranarray(matrix), np.repeat(matrix, 2, axis=1)[:, ::2], matrix.tolist()):
        index = wyrm.IndexInputNode(layout)
        np.testing.assert_array_equal(index.value, matrix.ravel())
        np.testing.assert_array_equal(index.offsets, [0, 3, 6])
    index = wyrm.IndexInputNode(np.zeros((4, 0), dtype=int))
    assert index.bags == 4
    assert len(index.value) == 0


@pytest.mark.parametrize("empty", [[], (), np.zeros(0, int), np.zeros(0), range(0), [[]], ([], [0, 0])], ids=repr)
def test_an_empty_bag(empty):
    index = wyrm.IndexInputNode(empty)
    assert index.bags == 1
    assert index.shape == (0, 1)


def test_indices_are_copied():
    rows, offsets = np.array([1, 2, 3], dtype=np.int32), np.array([0, 1, 3], dtype=np.int32)
    index = wyrm.IndexInputNode((rows, offsets))
    rows[...], offsets[...] = 7, 9
    np.testing.assert_array_equal(index.value, [1, 2, 3])
    np.testing.assert_array_equal(index.offsets, [0, 1, 3])


BAD_INDICES = {
    "None": None, "floats": [1.0, 2.0], "whole floats": np.array([1.0]), "a float": 1.5, "nan": [np.nan],
    "bools": [True], "a bool": True, "an array of bools": np.ones(3, bool), "strings": ["1"], "a string": "12",
    "bytes": b"12", "complex": [1j], "None in a list": [1, None], "dict": {1: 2}, "set": {1, 2}, "object": object(),
    "dates": [np.datetime64(1, "s")], "ragged": [[1], [1, 2]], "cube": np.zeros((1, 1, 1), int),
    "no bags": np.zeros((0, 3), int), "nothing": np.zeros((0, 0)),
    "negative": [1, -1], "too large": [2**31], "far too large": [2**63], "huge": [10**30], "minus huge": [-(10**30)],
    "unsigned too large": np.array([2**64 - 1], dtype=np.uint64), "negative bytes": np.array([3, -3], dtype=np.int8),
    "offsets that start late": ([1, 2, 3], [1, 3]), "offsets that end early": ([1, 2, 3], [0, 2]),
    "offsets that end late": ([1, 2, 3], [0, 4]), "falling offsets": ([1, 2, 3], [0, 2, 1, 3]),
    "negative offsets": ([1, 2, 3], [0, -1, 3]), "one offset": ([], [0]), "no offsets": ([1], []),
    "float offsets": ([1, 2], [0.0, 2.0]), "nested offsets": ([1, 2], [[0, 2]]),
    "ragged offsets": ([1, 2], [[0], [1, 2]]), "huge offsets": ([1, 2], [0, 10**30, 2]),
    "None as offsets": ([1, 2], None), "a number as offsets": ([1, 2], 2),
    "offsets of a matrix": ([[1], [2]], [0, 1, 2]), "offsets twice": ([1, 2], ([0, 1], [0, 2])),
    "unsigned offsets that wrap": ([1, 2, 3], np.array([0, 2**31, 3], dtype=np.uint32)),
    "small unsigned offsets that wrap": (np.arange(10), np.array([0, 255, 10], dtype=np.uint8)),
    "unsigned 64-bit offsets that wrap": (np.arange(10), np.array([0, 2**63 + 5, 10], dtype=np.uint64)),
    "byte offsets that wrap": (np.arange(10), np.array([0, 127, -2, 10], dtype=np.int8)),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_INDICES)
def test_bad_indices_are_refused_and_leave_the_old_ones(bad):
    with pytest.raises((TypeError, ValueError, IndexError), match="IndexInputNode"):
        wyrm.IndexInputNode(BAD_INDICES[bad])
    index = wyrm.IndexInputNode(([5, 6, 5], [0, 1, 3]), name="rows")
    with pytest.raises((TypeError, ValueError, IndexError), match="IndexInputNode 'rows'"):
        index.set_value(BAD_INDICES[bad])
    np.testing.assert_array_equal(index.value, [5, 6, 5])
    np.testing.assert_array_equal(index.offsets, [0, 1, 3])
    table = wyrm.ParameterNode(np.arange(14).reshape(7, 2))
    y = table.embedding_bag(index)
    y.forward()
    np.testing.assert_array_equal(y.value, [[10, 11], [22, 24]])


KINDS = [
    ([-1], IndexError), ([2**31], IndexError), ([1.0], TypeError), ([True], TypeError), (([1], [0]), ValueError),
    ([[1], [1, 2]], ValueError),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "kind"), KINDS, ids=repr)
def test_kinds_of_errors(bad, kind):
    with pytest.raises(kind):
        wyrm.IndexInputNode(bad)
