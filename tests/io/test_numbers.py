"""Decimals are read as the nearest float32."""

import ctypes
import io
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wyrm.io import FormatError, read_libsvm

LARGEST = Fraction((2**24 - 1) * 2**104)


def read(*texts):
    """What the reader makes of decimals."""
    line = "1 " + " ".join(f"{i}:{text}" for i, text in enumerate(texts, 1))
    return read_libsvm(io.BytesIO(line.encode())).X.data


def nearest(text):
    """The float32 nearest to a decimal, ties to even, in exact arithmetic; None where it is too large."""
    exact = Fraction(text)
    size = abs(exact)
    if size == 0:
        return np.float32(math.copysign(0, -1 if text.startswith("-") else 1))
    # The last place of floats of this size: 2^-149 for the smallest.
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    unit = Fraction(2) ** max(exponent - 23, -149)
    rounded = round(size / unit) * unit  # Fraction rounds ties to even
    if rounded > LARGEST:
        return None
    value = np.float32(float(rounded))
    assert Fraction(float(value)) == rounded
    return -value if text.startswith("-") else value


def check(text):
    expected = nearest(text)
    if expected is None:
        with pytest.raises(FormatError, match="float32 can hold"):
            read(text)
    else:
        (found,) = read(text)
        assert found.tobytes() == expected.tobytes(), f"{text}: {found!r}, not {expected!r}"


digits = st.text("0123456789", max_size=25)
decimals = st.builds(
    lambda sign, whole, point, fraction, exponent: (
        sign + (whole or "0") + point + (fraction if point else "") + exponent
    ),
    st.sampled_from(["", "-", "+"]),
    digits,
    st.sampled_from(["", "."]),
    digits,
    st.one_of(st.just(""), st.integers(-60, 60).map("e{}".format), st.integers(0, 40).map("E+{:03d}".format)),
)


@given(decimals)
@example("16777217")  # half way, to the even one below
@example("16777219")  # half way, to the even one above
@example("16777217.0000000000000000000000000000001")
@example("16777216.9999999999999999999999999999999")
@example("1677721700e-2")
@example("3.4028234663852886e38")  # the largest
@example("3.4028235677973365e38")  # just below half way from the largest to 2^128
@example("3.4028235677973366e38")  # and just above it
@example("340282356779733661637539395458142568447.9999")
@example("340282356779733661637539395458142568448")
@example("1.1754943508222875e-38")  # the smallest normal
@example("1.1754942807573643e-38")
@example("1.401298464324817e-45")  # the smallest
@example("7.006492321624085e-46")
@example("7.0064923216240853e-46")
@example("7.0064923216240854e-46")
@example("1e-46")
@example("1e-60")
@example("0e99")
@example("-0.0")
@example("00000000000000000000000000000000001.5")
@example("0.000000000000000000000000000000000000000000000000000000000000000015e60")
@example("9007199254740993")
@example("8.5899345e9")
@example("18446744073709551615")
@example("18446744073709551616e-19")
@example("99999999999999999999e-20")
def test_decimals(text):
    check(text)


@given(st.integers(0, 0x7F7FFFFF), st.sampled_from([-1, 0, 1]), st.integers(0, 8))
def test_around_half_way(bits, side, place):
    """Decimals that are half way from one float to the next, or off it in a late digit."""
    low, high = np.array([bits, bits + 1], np.uint32).view(np.float32).astype(np.float64)
    high = high if np.isfinite(high) else 2.0**128
    half = (Fraction(low) + Fraction(high)) / 2
    # A binary fraction p / 2^k is p 5^k / 10^k.
    k = half.denominator.bit_length() - 1
    number = half.numerator * 5**k * 10**place + side
    check(f"{number}e{-k - place}")
    if k + place < 200:
        text = str(number).zfill(k + place + 1)
        check(f"{text[: len(text) - k - place]}.{text[len(text) - k - place :]}")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_there_and_back(value):
    value = np.float32(value)
    texts = [repr(float(value)), str(value), f"{value:.9g}", f"{float(value):.60e}"]
    assert read(*texts).tobytes() == np.array([value] * 4).tobytes()


@given(st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=50))
def test_usual_decimals_are_as_strtof_reads_them(values):
    texts = [str(value) for value in values]
    try:
        strtof = ctypes.CDLL(None).strtof
    except (TypeError, AttributeError, OSError):
        pytest.skip("this system has no strtof to ask")
    strtof.restype = ctypes.c_float
    strtof.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    expected = np.array([strtof(text.encode(), None) for text in texts], np.float32)
    np.testing.assert_array_equal(read(*texts), expected)


def test_long_texts():
    zeros = "0" * 5000
    assert read(f"1{zeros}e-5000", f"0.{zeros}1e5001", f"{zeros}2.5{zeros}").tolist() == [1, 1, 2.5]
    assert read(f"16777217.{zeros}1", f"16777217.{zeros}", f"16777217{zeros}e-5000").tolist() == [
        16777218,
        16777216,
        16777216,
    ]
    assert read("1e-99999999999999999999", "0e99999999999999999999", "0.0e-99999999999999999999").tolist() == [0, 0, 0]
    with pytest.raises(FormatError, match="float32 can hold"):
        read("1e99999999999999999999")


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "+NAN"])
def test_nan(text):
    assert np.isnan(read(text)[0])


@pytest.mark.parametrize("text", ["inf", "Infinity", "+INF", "-inf", "-infinity"])
def test_infinity(text):
    assert read(text)[0] == (-math.inf if text.startswith("-") else math.inf)
