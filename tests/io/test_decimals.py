"""Float32 to text: what is written is read as the same float, and is as short as can be."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wyrm.io.vector_lines import format_lines


def texts(values):
    lines = bytes(format_lines([b"x"] * len(values), np.asarray(values, np.float32).reshape(-1, 1)))
    return [line.split(b" ")[1].decode() for line in lines.splitlines()]


def digits(text):
    return len(text.lower().split("e")[0].replace("-", "").replace(".", "").strip("0")) or 1


def check(values):
    for value, text in zip(values, texts(values), strict=True):
        assert np.float32(text) == value
        assert np.signbit(np.float32(text)) == np.signbit(value)
        assert len(text) <= 16


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_there_and_back(values):
    check(np.array(values, np.float32))


def test_any_bits():
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 20_000).astype(np.uint32)
    bits = np.concatenate([bits, np.arange(1_000), 0x7F7FFFFF - np.arange(1_000)]).astype(np.uint32)
    values = bits.view(np.float32)
    check(values)
    # NumPy's are the shortest there are.  Ours may have a digit more for powers of two, and where the shortest lies
    # half way to the next float.
    for value, text in zip(values, texts(values)):
        if digits(text) > digits(str(value)) and np.frexp(value)[0] != 0.5:
            neighbours = [np.nextafter(value, np.float32(end)) for end in (0, np.inf)]
            assert Fraction(str(value)) in [(Fraction(float(value)) + Fraction(float(n))) / 2 for n in neighbours]


def test_powers():
    check(np.ldexp(np.float32(1), np.arange(-149, 128)))
    check(np.float32([10.0**e for e in range(-45, 39)]))


def test_as_people_write_them():
    assert texts(
        [0, -0.0, 1, -1.5, 0.1, 100, 16777216, 123456.79, 0.00012, 0.000012, 1e9, 1e-45, 3.4028235e38, 9.9999]
    ) == [
        *("0", "-0", "1", "-1.5", "0.1", "100", "16777216", "123456.79", "0.00012", "1.2e-05", "1e+09"),
        *("1e-45", "3.4028235e+38", "9.9999"),
    ]


def test_not_finite():
    assert texts([np.nan, np.inf, -np.inf]) == ["nan", "inf", "-inf"]


def test_lines():
    assert format_lines([b"a", b"bc"], np.array([[1, 2], [3, 0.5]], np.float32)) == b"a 1 2\nbc 3 0.5\n"
    assert format_lines([], np.empty((0, 3), np.float32)) == b""
