"""Lines of libsvm and libffm files to rows, in plain memory and without the GIL.

A line of n bytes holds at most n / 2 features, so the caller makes room once for each block of text, and the inner loop
has no check for it.  The text ends with a newline, which stops every scan.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t
from libc.stdlib cimport qsort, realloc
from libc.string cimport memcpy

cdef extern from "io/number.h" nogil:
    enum:
        WYRM_NUMBER
        WYRM_NUMBER_TOO_LARGE
    int wyrm_read_float(const char** text, float* value)
    int64_t wyrm_read_integer(const char** text)

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
