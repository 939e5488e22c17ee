"""Word vectors in files, without the GIL: lines of ``key number number ...``, or keys and raw floats."""

from cpython.unicode cimport PyUnicode_Decode, PyUnicode_DecodeUTF8
from libc.float cimport FLT_MAX
from libc.math cimport fabsf, isfinite
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcpy

import codecs

from wyrm.io.errors import FormatError

cdef extern from "io/number.h" nogil:
    enum:
        WYRM_NUMBER
        WYRM_NUMBER_TOO_LARGE
    int wyrm_read_float(const char** text, float* value)

cdef extern from "io/decimal.h" nogil:
    enum:
        WYRM_DECIMAL_SIZE
    char* wyrm_write_float(char* at, float value)

cdef enum Fault:
    NONE
    NO_KEY
    TOO_FEW
    TOO_MANY
    NO_NUMBER
    NOT_FINITE

_EXPECTED = {
    NO_KEY: "a key at the start of the line",
    TOO_FEW: "{} numbers after the key",
    TOO_MANY: "the end of the line after {} numbers",
    NO_NUMBER: "a number",
    NOT_FINITE: "a number that is finite in float32",
}

cdef enum:
    ROWS_AT_A_TIME = 256

# Where the key of a row stands in the text, and where the row does.
cdef struct Key:
    const char* start
    const char* stop
    int64_t place


cdef inline bint is_blank(char c) noexcept nogil:
    return c == c" " or c == c"\t"


cdef inline bint is_end(const char* at) noexcept nogil:
    return at[0] == c"\n" or (at[0] == c"\r" and at[1] == c"\n")


cdef inline Fault read_number(const char** text, float* value) noexcept nogil:
    """Read a number that a blank or the end of the line follows; at a fault, `text` stays."""
    cdef const char* at = text[0]
    cdef int status = wyrm_read_float(&at, value)
    if status == WYRM_NUMBER_TOO_LARGE:
        return NOT_FINITE
    if status != WYRM_NUMBER or not (is_blank(at[0]) or is_end(at)):
        return NO_NUMBER
    if not isfinite(value[0]):
        return NOT_FINITE
    text[0] = at
    return NONE


cdef Fault read_vector(const char** text, const char** key_stop, float* values, int64_t n) noexcept nogil:
    """Read a line and move `text` to the next; at a fault, to the place of it.

    A key may have blanks in it, as some of GloVe's do, if the word after each is no number.
    """
    cdef const char* at = text[0]
    cdef int64_t i = 0
    cdef Fault fault
    if is_end(at) or is_blank(at[0]):
        return NO_KEY
    while not is_blank(at[0]) and at[0] != c"\n":
        at += 1
    key_stop[0] = at if at[0] != c"\n" or at[-1] != c"\r" else at - 1
    at = key_stop[0]
    while True:
        while is_blank(at[0]):
            at += 1
        text[0] = at
        if is_end(at):
            break
        if i == n:
            return TOO_MANY
        fault = read_number(&at, &values[i])
        if fault == NO_NUMBER and i == 0:
            while not is_blank(at[0]) and not is_end(at):
                at += 1
            key_stop[0] = at
            continue
        if fault != NONE:
            return fault
        i += 1
    if i < n:
        return TOO_FEW
    text[0] = at + (2 if at[0] == c"\r" else 1)
    return NONE


cdef int64_t read_lines(const char** text, const char* stop, int64_t* line, Key* keys, float* values, int64_t n_rows,
                        int64_t n, Fault* fault) noexcept nogil:
    """Read up to `n_rows` lines; returns how many.  At a fault, `text` is its place and `line` its line."""
    cdef int64_t row = 0
    while row < n_rows and text[0] < stop:
        if is_end(text[0]):
            text[0] += 1 if text[0][0] == c"\n" else 2
            line[0] += 1
            continue
        keys[row].start = text[0]
        keys[row].place = line[0]
        fault[0] = read_vector(text, &keys[row].stop, &values[row * n], n)
        if fault[0] != NONE:
            break
        line[0] += 1
        row += 1
    return row


cdef int64_t read_raw(const char** text, const char* stop, const char* begin, Key* keys, float* values, int64_t n_rows,
                      int64_t n, Fault* fault) noexcept nogil:
    """Read up to `n_rows` keys and raw vectors that are whole; returns how many."""
    cdef int64_t row = 0, i
    cdef int64_t size = n * sizeof(float)
    cdef const char* at
    cdef const char* space
    cdef bint finite
    while row < n_rows:
        at = text[0]
        while at < stop and at[0] == c"\n":  # written after each vector by some, not by others
            at += 1
        space = <const char*> memchr(at, c" ", stop - at)
        if space == NULL or stop - space - 1 < size:
            break
        keys[row].start = at
        keys[row].stop = space
        keys[row].place = at - begin
        memcpy(&values[row * n], space + 1, size)
        finite = True
        for i in range(n):  # to the end: without a way out of it the loop becomes vector instructions
            finite &= fabsf(values[row * n + i]) <= FLT_MAX
        if not finite:
            i = 0
            while isfinite(values[row * n + i]):
                i += 1
            fault[0] = NOT_FINITE
            text[0] = space + 1 + i * sizeof(float)
            return row
        text[0] = space + 1 + size
        row += 1
    return row


cdef class VectorLines:
    """Read the keys and vectors of word2vec's formats from blocks of a file.

    Parameters
    ----------
    name : str
        The file, for messages.
    vector_size : int
        Numbers in a vector.
    encoding, errors : str
        How keys are decoded.
    """

    cdef readonly str name
    cdef readonly int64_t vector_size
    cdef readonly list keys
    cdef public int64_t line
    cdef public int64_t offset
    cdef bytes encoding
    cdef bytes errors

    def __init__(self, str name, int64_t vector_size, str encoding, str errors):
        codecs.lookup_error(errors)
        self.name = name
        self.vector_size = vector_size
        self.encoding = codecs.lookup(encoding).name.encode()
        self.errors = errors.encode()
        self.keys = []

    def feed_lines(self, const unsigned char[::1] text, int64_t start, int64_t stop, float[:, ::1] values):
        """Read the lines of text[start:stop], which ends with a newline, into the rows after those that are read.

        Returns
        -------
        int
            Where in the text it stopped: at its end, or where the rows of `values` did.
        """
        cdef int64_t row = len(self.keys), n
        cdef Key[ROWS_AT_A_TIME] keys
        cdef Fault fault = NONE
        cdef const char* begin = <const char*> &text[0]
        cdef const char* at = begin + start
        self.check(text, start, stop, values)
        if stop > start and text[stop - 1] != c"\n":
            raise ValueError("expected text that ends with a newline")
        while at < begin + stop and row < values.shape[0]:
            with nogil:
                n = read_lines(&at, begin + stop, &self.line, keys, &values[row, 0],
                               min(values.shape[0] - row, <int64_t> ROWS_AT_A_TIME), self.vector_size, &fault)
            self.append_keys(keys, n, False)
            row += n
            if fault != NONE:
                self.refuse(fault, keys[n].start, at)
        return at - begin

    def feed_raw(self, const unsigned char[::1] data, int64_t start, int64_t stop, float[:, ::1] values):
        """Read the rows that are whole in data[start:stop]: a key, a space, and little-endian floats.

        Returns
        -------
        int
            Where in the data it stopped.
        """
        cdef int64_t row = len(self.keys), n = 1
        cdef Key[ROWS_AT_A_TIME] keys
        cdef Fault fault = NONE
        cdef const char* begin = <const char*> &data[0]
        cdef const char* at = begin + start
        self.check(data, start, stop, values)
        while n and row < values.shape[0]:
            with nogil:
                n = read_raw(&at, begin + stop, begin + start, keys, &values[row, 0],
                             min(values.shape[0] - row, <int64_t> ROWS_AT_A_TIME), self.vector_size, &fault)
            self.append_keys(keys, n, True)
            row += n
            if fault != NONE:
                key = self.decoded(&keys[n], True)
                raise FormatError(self.name, None, None, _EXPECTED[fault], f"another in the vector of {key!r}",
                                  self.offset + (at - begin - start))
        self.offset += at - begin - start
        return at - begin

    cdef int check(self, const unsigned char[::1] text, int64_t start, int64_t stop, float[:, ::1] values) except -1:
        if not 0 <= start <= stop <= text.shape[0]:
            raise ValueError(f"expected a part of {text.shape[0]} bytes, got {start} to {stop}")
        if values.shape[1] != self.vector_size:
            raise ValueError(f"expected rows of {self.vector_size} numbers, got {values.shape[1]}")
        return 0

    cdef int append_keys(self, Key* keys, int64_t n, bint is_raw) except -1:
        cdef int64_t i
        for i in range(n):
            self.keys.append(self.decoded(&keys[i], is_raw))
        return 0

    cdef str decoded(self, Key* key, bint is_raw):
        cdef Py_ssize_t size = key.stop - key.start
        try:
            if self.encoding == b"utf-8":
                return PyUnicode_DecodeUTF8(key.start, size, self.errors)
            return PyUnicode_Decode(key.start, size, self.encoding, self.errors)
        except UnicodeDecodeError as error:
            place = f"byte {self.offset + key.place}" if is_raw else f"line {key.place}"
            error.reason += (f" (the key at {place} of {self.name}: give its encoding, "
                             f"or unicode_errors='replace' or 'ignore')")
            raise

    cdef int refuse(self, Fault fault, const char* line, const char* at) except -1:
        expected = _EXPECTED[fault].format(self.vector_size)
        found = word_at(at)
        found = repr(found) if found else "the end of the line"
        raise FormatError(self.name, self.line, at - line + 1, expected, found)


cdef str word_at(const char* at):
    cdef Py_ssize_t size = 0
    while size < 40 and not is_blank(at[size]) and not is_end(&at[size]):
        size += 1
    return at[:size].decode("utf-8", "backslashreplace")


def format_lines(list names, const float[:, ::1] values):
    """Lines of a name and numbers, which are the shortest decimals that give the same float32.

    Parameters
    ----------
    names : list of bytes, n_rows
    values : ndarray of float32, shape (n_rows, n)
        C-contiguous.

    Returns
    -------
    bytearray
    """
    cdef int64_t n = values.shape[1], row, i
    cdef bytes name
    cdef char* at
    if len(names) != values.shape[0]:
        raise ValueError(f"expected a name for each of {values.shape[0]} rows, got {len(names)}")
    text = bytearray(sum(map(len, names)) + values.shape[0] * (n * (WYRM_DECIMAL_SIZE + 1) + 1))
    cdef char* begin = text
    at = begin
    for row in range(values.shape[0]):
        name = names[row]
        memcpy(at, <const char*> name, len(name))
        at += len(name)
        with nogil:
            for i in range(n):
                at[0] = c" "
                at = wyrm_write_float(at + 1, values[row, i])
            at[0] = c"\n"
            at += 1
    del text[at - begin:]
    return text
