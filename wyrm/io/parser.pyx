"""Blocks of text to arrays: what readers feed, and what they get.

A `Parser` is fed whole lines and appends what they hold to growing buffers, which `take` hands out as arrays.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, realloc

import numpy as np

from wyrm.io.errors import FormatError

from wyrm.io.lines cimport (
    DUPLICATE,
    FIELD_ALONE,
    FIELD_TOO_LARGE,
    INDEX_TOO_LARGE,
    INDEX_ZERO,
    LABEL_TOO_LARGE,
    NO_FIELD,
    NO_INDEX,
    NO_LABEL,
    NO_MEMORY,
    NO_QUERY,
    NO_VALUE,
    NONE,
    PRESENT,
    QUERY_MISSING,
    QUERY_TOO_LARGE,
    QUERY_UNEXPECTED,
    SEVERAL_LABELS,
    VALUE_TOO_LARGE,
    Fault,
    Rows,
    read_lines,
)


cdef class _Buffer:
    """Growing memory that becomes an array without a copy."""

    cdef void* data
    cdef size_t size

    def __dealloc__(self):
        free(self.data)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.data, <Py_ssize_t> self.size, False, flags)

    cdef int resize(self, size_t size) except -1:
        cdef void* data = realloc(self.data, size if size else 1)
        if data == NULL:
            raise MemoryError(f"no memory for {size} bytes of a file's content")
        self.data = data
        self.size = size
        return 0

    cdef void* reserve(self, size_t size) except NULL:
        """Memory for `size` bytes or more, that begins as before."""
        if size > self.size or self.data == NULL:
            self.resize(max(size, self.size + self.size // 2))
        return self.data


cdef class Parser:
    """Parse lines of ``label [qid:n] index[:value] ...``, or of ``label field:index[:value] ...``.

    Parameters
    ----------
    name : str
        The file, for messages.
    with_fields : bool
        Whether features have a field.
    sum_duplicates : bool
        Add the values of an index that a line has twice; otherwise that is an error.  Not with fields.
    refuse_zero : bool
        Whether index 0 is an error.
    index_limit, field_limit : int
        The first index, and field, that is an error.
    """

    cdef readonly str name
    cdef Rows rows
    cdef _Buffer labels, queries, ends, fields, indices, values

    def __init__(self, str name, *, bint with_fields=False, bint sum_duplicates=False, bint refuse_zero=False,
                 int64_t index_limit=INT64_MAX, int64_t field_limit=INT32_MAX):
        self.name = name
        self.rows.with_fields = with_fields
        self.rows.sum_duplicates = sum_duplicates
        self.rows.refuse_zero = refuse_zero
        self.rows.index_limit = index_limit
        self.rows.field_limit = field_limit
        self.rows.max_index = -1
        self.rows.max_field = -1
        self.rows.line = 1
        self.clear()

    def __dealloc__(self):
        free(self.rows.scratch)

    cdef clear(self):
        self.labels, self.queries, self.ends = _Buffer(), _Buffer(), _Buffer()
        self.fields, self.indices, self.values = _Buffer(), _Buffer(), _Buffer()
        self.rows.n_rows = self.rows.n_values = 0

    @property
    def n_rows(self):
        """int: rows since the last `take`."""
        return self.rows.n_rows

    @property
    def line(self):
        """int: number of the line that comes next, from 1."""
        return self.rows.line

    @property
    def has_zero(self):
        """bool: whether index 0 has been seen."""
        return self.rows.has_zero

    @property
    def refuse_zero(self):
        """bool: whether index 0 is an error from here on."""
        return self.rows.refuse_zero

    @refuse_zero.setter
    def refuse_zero(self, bint value):
        self.rows.refuse_zero = value

    @property
    def max_index(self):
        """(int, int, int): the largest index so far, its line and its column; the index is -1 if there is none."""
        return self.rows.max_index, self.rows.max_index_line, self.rows.max_index_column

    @property
    def max_field(self):
        """int: the largest field so far, or -1."""
        return self.rows.max_field

    def feed(self, bytearray text not None, Py_ssize_t start, Py_ssize_t stop, int64_t max_rows):
        """Parse the lines in ``text[start:stop]``, the last of which ends at `stop`, until there are `max_rows` rows.

        Returns
        -------
        int
            Where the first line that was not parsed begins.

        Raises
        ------
        FormatError
            At the first line that does not follow the format; the parser is of no use then.
        """
        if not 0 <= start <= stop <= len(text):
            raise IndexError(f"lines {start} to {stop} are not in a text of {len(text)} bytes")
        if start == stop:
            return start
        if text[stop - 1] != 10:
            raise ValueError("the last line has no newline")
        cdef const char* begin = text
        cdef const char* at = begin + start
        self.reserve(stop - start, max_rows)
        with nogil:
            at = read_lines(&self.rows, at, begin + stop, max_rows)
        if self.rows.fault == NO_MEMORY:
            raise MemoryError(f"no memory for line {self.rows.line} of {self.name}")
        if self.rows.fault != NONE:
            # `at` is where the line begins.
            self.refuse(text[at - begin:], self.rows.fault_at - at)
        return at - begin

    cdef reserve(self, size_t n_bytes, int64_t max_rows):
        cdef Rows* rows = &self.rows
        cdef size_t more_rows = min(n_bytes // 2, <size_t> max(max_rows - rows.n_rows, 0)) + 1
        cdef size_t n_rows = rows.n_rows + more_rows, n_values = rows.n_values + n_bytes // 2 + 1
        rows.labels = <float*> self.labels.reserve(n_rows * sizeof(float))
        rows.ends = <int64_t*> self.ends.reserve(n_rows * sizeof(int64_t))
        if not rows.with_fields:
            rows.queries = <int64_t*> self.queries.reserve(n_rows * sizeof(int64_t))
        else:
            rows.fields = <int32_t*> self.fields.reserve(n_values * sizeof(int32_t))
        rows.values = <float*> self.values.reserve(n_values * sizeof(float))
        # Room for wide indices is touched only if they come.
        rows.wide = <int64_t*> self.indices.reserve(n_values * sizeof(int64_t))
        rows.narrow = <int32_t*> rows.wide

    def take(self):
        """The rows since the last time, and forget them.

        Returns
        -------
        labels : ndarray of float32, shape (n_rows,)
        queries : ndarray of int64, shape (n_rows,), or None
        offsets : ndarray of int64, shape (n_rows + 1,)
        fields : ndarray of int32, shape (n_values,), or None
        indices : ndarray of int32 or int64, shape (n_values,)
        values : ndarray of float32, shape (n_values,)
        """
        cdef Rows* rows = &self.rows
        offsets = np.zeros(rows.n_rows + 1, np.int64)
        offsets[1:] = as_array(self.ends, rows.n_rows, np.int64)
        taken = (
            as_array(self.labels, rows.n_rows, np.float32),
            as_array(self.queries, rows.n_rows, np.int64) if rows.has_queries == PRESENT else None,
            offsets,
            as_array(self.fields, rows.n_values, np.int32) if rows.with_fields else None,
            as_array(self.indices, rows.n_values, np.int64 if rows.is_wide else np.int32),
            as_array(self.values, rows.n_values, np.float32),
        )
        self.clear()
        return taken

    cdef refuse(self, bytearray text, Py_ssize_t column):
        """Raise for what stands at `column` of the line at the beginning of `text`."""
        line = bytes(text[:text.find(b"\n")])
        rest = line[column:]
        words = rest.split()
        if words:
            word = (rest[:1] if rest[:1].isspace() else words[0]).decode("utf-8", "replace")
            shown = repr(word if len(word) <= 40 else word[:40] + "…")
        else:
            shown = "the end of the line"
        raise FormatError(self.name, self.rows.line, column + 1, self.expected(), shown)

    cdef str expected(self):
        cdef Fault fault = self.rows.fault
        if fault == NO_LABEL:
            return "a label, which is one finite number"
        if fault == SEVERAL_LABELS:
            return "one label (files with several labels per line are not supported)"
        if fault == LABEL_TOO_LARGE:
            return "a label that float32 can hold"
        if fault == NO_QUERY:
            return "digits after 'qid:'"
        if fault == QUERY_TOO_LARGE:
            return f"a qid up to {INT64_MAX}"
        if fault == QUERY_MISSING:
            return "a qid after the label, as on the lines before"
        if fault == QUERY_UNEXPECTED:
            return "no qid, as on the lines before"
        if fault == NO_FIELD:
            return "a feature as field:index:value or field:index"
        if fault == FIELD_TOO_LARGE:
            return f"a field up to {self.rows.field_limit - 1}"
        if fault == FIELD_ALONE:
            return "':' and an index after the field"
        if fault == NO_INDEX:
            return "an index, in digits" if self.rows.with_fields else "a feature as index:value or index"
        if fault == INDEX_ZERO:
            return "an index from 1 (pass zero_based=True for a file that counts from 0)"
        if fault == INDEX_TOO_LARGE:
            return f"an index up to {self.rows.index_limit - 1}"
        if fault == NO_VALUE:
            return "a number after ':'"
        if fault == VALUE_TOO_LARGE:
            return "a value that float32 can hold"
        if fault == DUPLICATE:
            return "an index that this line does not have yet (duplicates='sum' adds them up)"
        return "a space or the end of the line"


cdef object as_array(_Buffer buffer, size_t n, type dtype):
    buffer.resize(n * np.dtype(dtype).itemsize)
    return np.frombuffer(buffer, dtype) if n else np.empty(0, dtype)
