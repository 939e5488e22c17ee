"""Lines of libsvm and libffm files to arrays, without the GIL.

A `Parser` is fed whole lines and appends what they hold to growing buffers, which `take` hands out as arrays.  A line
of n bytes holds at most n / 2 features, so room is made once for each block of text and the inner loop has no check
for it.  The text ends with a newline, which stops every scan.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy

import numpy as np

from wyrm.io.errors import FormatError

cdef extern from "io/number.h" nogil:
    enum:
        WYRM_NUMBER
        WYRM_NUMBER_TOO_LARGE
    int wyrm_read_float(const char** text, float* value)
    int64_t wyrm_read_integer(const char** text)

cdef enum Fault:
    NONE
    NO_MEMORY
    NO_LABEL
    SEVERAL_LABELS
    LABEL_TOO_LARGE
    NO_QUERY
    QUERY_TOO_LARGE
    QUERY_MISSING
    QUERY_UNEXPECTED
    NO_FIELD
    FIELD_TOO_LARGE
    FIELD_ALONE
    NO_INDEX
    INDEX_ZERO
    INDEX_TOO_LARGE
    NO_VALUE
    VALUE_TOO_LARGE
    NO_END
    DUPLICATE

cdef enum Queries:
    UNKNOWN
    PRESENT
    ABSENT

cdef struct Entry:
    int64_t index
    int64_t position
    float value

# What has been read since the last `take`, where the next value goes, and what a line may hold.
cdef struct Rows:
    float* labels
    int64_t* queries
    int64_t* ends                # ends[i]: number of values in the rows up to and with row i
    int32_t* fields
    int32_t* narrow              # indices, until one is past int32 and they move to `wide`
    int64_t* wide
    float* values
    int64_t n_rows
    int64_t n_values

    bint with_fields
    bint is_wide
    bint sum_duplicates
    bint refuse_zero
    bint has_zero                # index 0 has been seen, in any row of the file
    Queries has_queries
    int64_t index_limit          # the first index, and field, that is too large
    int64_t field_limit
    int64_t max_index            # the largest in the file so far, and where it stands
    int64_t max_index_line
    int64_t max_index_column
    int32_t max_field
    int64_t line

    Fault fault
    const char* fault_at
    Entry* scratch               # room to sort a row in
    int64_t scratch_size


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


cdef const char* read_lines(Rows* rows, const char* at, const char* stop, int64_t max_rows) noexcept nogil:
    """Append lines to `rows` up to the first fault or `max_rows`; returns the first line that was not appended."""
    cdef const char* line = at
    while line < stop and rows.n_rows < max_rows:
        at = line
        rows.fault = read_line(rows, &at)
        if rows.fault != NONE:
            rows.fault_at = at
            break
        rows.line += 1
        line = at
    return line


cdef inline bint is_blank(char c) noexcept nogil:
    return c == c" " or c == c"\t"


cdef inline bint is_end(const char* at) noexcept nogil:
    """Whether nothing more is on the line."""
    return at[0] == c"\n" or at[0] == c"#" or (at[0] == c"\r" and at[1] == c"\n")


cdef inline const char* next_line(const char* at) noexcept nogil:
    # The text ends with a newline.
    while at[0] != c"\n":
        at += 1
    return at + 1


cdef Fault read_line(Rows* rows, const char** text) noexcept nogil:
    """Append the line at `text` and move `text` to the next; at a fault, to the place of it."""
    cdef const char* line = text[0]
    cdef const char* at = line
    cdef const char* begin
    cdef int64_t first = rows.n_values, n = first
    cdef int64_t field, index = 0, last = -1
    cdef bint is_sorted = True
    cdef Fault fault
    while is_blank(at[0]):
        at += 1
    if is_end(at):
        text[0] = next_line(at)
        return NONE
    text[0] = at
    fault = read_label(&at, &rows.labels[rows.n_rows])
    if fault != NONE:
        return fault
    if not rows.with_fields:
        text[0] = at
        fault = read_query(rows, text, &rows.queries[rows.n_rows])
        if fault != NONE:
            return fault
        at = text[0]
    while True:
        while is_blank(at[0]):
            at += 1
        text[0] = at
        begin = at
        index = wyrm_read_integer(&at)
        if rows.with_fields:
            if index == -1:
                break
            field = index
            if field < 0 or field >= rows.field_limit:
                return FIELD_TOO_LARGE
            text[0] = at
            if at[0] != c":":
                return FIELD_ALONE
            at += 1
            text[0] = at
            begin = at
            index = wyrm_read_integer(&at)
            if index == -1:
                return NO_INDEX
            rows.fields[n] = <int32_t> field
            if field > rows.max_field:
                rows.max_field = <int32_t> field
        elif index <= last:
            if index == -1:
                break
            is_sorted = False
        if index > rows.max_index or index < 0:
            if index < 0 or index >= rows.index_limit:
                return INDEX_TOO_LARGE
            if index > INT32_MAX and not rows.is_wide:
                rows.n_values = n
                widen(rows)
            rows.max_index = index
            rows.max_index_line = rows.line
            rows.max_index_column = begin - line + 1
        if index == 0:
            if rows.refuse_zero:
                return INDEX_ZERO
            rows.has_zero = True
        last = index
        if rows.is_wide:
            rows.wide[n] = index
        else:
            rows.narrow[n] = <int32_t> index
        if at[0] == c":":
            at += 1
            text[0] = at
            fault = read_value(&at, &rows.values[n])
            if fault != NONE:
                return fault
        else:
            rows.values[n] = 1
        n += 1
        if not is_blank(at[0]) and not is_end(at):
            text[0] = at
            return NO_END
    if not is_end(at):
        return NO_FIELD if rows.with_fields else NO_INDEX
    rows.n_values = n
    if not is_sorted:
        fault = sort_row(rows, first, line, text)
        if fault != NONE:
            return fault
    rows.ends[rows.n_rows] = rows.n_values
    rows.n_rows += 1
    text[0] = next_line(at)
    return NONE


cdef inline Fault read_label(const char** text, float* label) noexcept nogil:
    cdef int status = wyrm_read_float(text, label)
    if status == WYRM_NUMBER_TOO_LARGE:
        return LABEL_TOO_LARGE
    if status != WYRM_NUMBER or label[0] - label[0] != 0:  # neither NaN nor infinity
        return NO_LABEL
    if text[0][0] == c",":
        return SEVERAL_LABELS
    if not is_blank(text[0][0]) and not is_end(text[0]):
        return NO_LABEL
    return NONE


cdef inline Fault read_value(const char** text, float* value) noexcept nogil:
    cdef int status = wyrm_read_float(text, value)
    if status == WYRM_NUMBER:
        return NONE
    return VALUE_TOO_LARGE if status == WYRM_NUMBER_TOO_LARGE else NO_VALUE


cdef inline bint is_query(const char* at) noexcept nogil:
    return at[0] == c"q" and at[1] == c"i" and at[2] == c"d" and at[3] == c":"


cdef inline Fault read_query(Rows* rows, const char** text, int64_t* query) noexcept nogil:
    """The qid after a label, which either all lines have or none."""
    cdef const char* at = text[0]
    while is_blank(at[0]):
        at += 1
    text[0] = at
    if not is_query(at):
        if rows.has_queries == PRESENT:
            return QUERY_MISSING
        rows.has_queries = ABSENT
        return NONE
    if rows.has_queries == ABSENT:
        return QUERY_UNEXPECTED
    rows.has_queries = PRESENT
    at += 4
    text[0] = at
    query[0] = wyrm_read_integer(&at)
    if query[0] < 0:
        return NO_QUERY if query[0] == -1 else QUERY_TOO_LARGE
    text[0] = at
    return NONE if is_blank(at[0]) or is_end(at) else NO_END


cdef void widen(Rows* rows) noexcept nogil:
    """Indices from int32 to int64, in place."""
    cdef char* data = <char*> rows.wide
    cdef int64_t i, wide
    cdef int32_t narrow
    for i in range(rows.n_values - 1, -1, -1):
        memcpy(&narrow, data + i * sizeof(narrow), sizeof(narrow))
        wide = narrow
        memcpy(data + i * sizeof(wide), &wide, sizeof(wide))
    rows.is_wide = True


cdef int compare_entries(const void* a, const void* b) noexcept nogil:
    cdef const Entry* left = <const Entry*> a
    cdef const Entry* right = <const Entry*> b
    if left.index != right.index:
        return -1 if left.index < right.index else 1
    return -1 if left.position < right.position else 1


cdef Fault sort_row(Rows* rows, int64_t first, const char* line, const char** text) noexcept nogil:
    """Sort the values from `first` on by index; those of one index are added up, or are a fault at the second."""
    cdef int64_t n = rows.n_values - first, i, at = first
    cdef Entry* entries = rows.scratch
    if n > rows.scratch_size:
        entries = <Entry*> realloc(rows.scratch, n * sizeof(Entry))
        if entries == NULL:
            return NO_MEMORY
        rows.scratch = entries
        rows.scratch_size = n
    for i in range(n):
        entries[i].index = rows.wide[first + i] if rows.is_wide else rows.narrow[first + i]
        entries[i].value = rows.values[first + i]
        entries[i].position = i
    qsort(entries, n, sizeof(Entry), compare_entries)
    for i in range(n):
        if i > 0 and entries[i].index == entries[i - 1].index:
            if not rows.sum_duplicates:
                text[0] = feature_text(line, entries[i].position)
                return DUPLICATE
            rows.values[at - 1] += entries[i].value
            continue
        if rows.is_wide:
            rows.wide[at] = entries[i].index
        else:
            rows.narrow[at] = <int32_t> entries[i].index
        rows.values[at] = entries[i].value
        at += 1
    rows.n_values = at
    return NONE


cdef const char* feature_text(const char* at, int64_t position) noexcept nogil:
    """Where a feature stands in a line that was read without a fault."""
    cdef int64_t left = position + 2  # words to pass: the label, the features before, and into this one
    while True:
        while is_blank(at[0]):
            at += 1
        if not is_query(at):
            left -= 1
        if left == 0:
            return at
        while not is_blank(at[0]):
            at += 1
