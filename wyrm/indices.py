"""Checks and conversions of the row numbers that users give."""

import numpy as np

from wyrm.errors import named

# The largest row number; one more is the largest table.
MAX_ROW = 2**31 - 1


def refuse_row_number(row, position, what):
    """Raise IndexError for a row number that no table has."""
    reason = "is negative" if row < 0 else "is too large for any table"
    raise IndexError(f"{named(what)}: index {row} at position {position} {reason}; expected 0 to {MAX_ROW}")


def as_rows(indices, what, most=MAX_ROW):
    """Row numbers, at most `most` of them, as a contiguous int32 array of the shape they came in."""
    try:
        array = np.asarray(indices)
    except ValueError as error:
        raise ValueError(
            f"{named(what)}: expected a flat sequence of indices, got a ragged one; "
            f"for bags of different sizes give (indices, offsets)"
        ) from error
    except OverflowError as error:
        raise IndexError(f"{named(what)}: an index is too large for any table; expected 0 to {MAX_ROW}") from error
    if array.size > most:
        raise ValueError(f"{named(what)}: expected at most {most} indices, got {array.size}")
    if array.size == 0 and array.ndim <= 2:
        return np.zeros(array.shape, dtype=np.int32)
    if array.dtype.kind == "O" and all(isinstance(i, int) for i in array.ravel()):
        pass  # Python ints past 64 bits, refused below
    elif array.dtype.kind not in "iu":
        raise TypeError(
            f"{named(what)}: expected integer indices, got dtype {array.dtype} from {type(indices).__name__}"
        )
    if array.min() < 0 or (array.dtype != np.int32 and array.max() > MAX_ROW):
        at = int(np.argmax((array < 0) | (array > MAX_ROW)))
        refuse_row_number(array.ravel()[at], at, what)
    return np.ascontiguousarray(array, dtype=np.int32)


def as_offsets(offsets, n, what):
    """Offsets that cut n indices into bags, as a contiguous int32 array."""
    try:
        array = np.asarray(offsets)
    except ValueError as error:
        raise ValueError(f"{named(what)}: expected offsets as a flat sequence of integers, got a ragged one") from error
    if array.ndim != 1 or array.size < 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{named(what)}: expected offsets as a sequence of at least two integers, got shape {array.shape}, "
            f"dtype {array.dtype}"
        )
    # Compared, not subtracted: differences of small and of unsigned integers wrap around.
    if array[0] != 0 or array[-1] != n or (array[1:] < array[:-1]).any():
        raise ValueError(
            f"{named(what)}: expected offsets that rise from 0 to the number of indices, {n} (as a CSR matrix's "
            f"indptr, one more than there are bags), got {array[:8]}{'…' if array.size > 8 else ''}"
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def fields_by_row(fields, n_rows, n_fields, table):
    """The field of each row of a table, as a contiguous int32 array; a copy."""
    array = as_rows(fields, "field_aware_interaction: fields").copy()
    if array.shape != (n_rows,):
        raise ValueError(
            f"field_aware_interaction: expected fields as an IndexInputNode, or an array with the field of each of the "
            f"{n_rows} rows of {named(table)}, got shape {array.shape}"
        )
    if array.max() >= n_fields:
        at = int(np.argmax(array >= n_fields))
        raise IndexError(
            f"field_aware_interaction: field {array[at]} of row {at} is out of range; expected 0 to {n_fields - 1}"
        )
    return array
