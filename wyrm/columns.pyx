"""Passes over the entries of sparse matrices and arrays that know what column an entry is in.

What would take NumPy several passes and copies as large as the data takes one here, and no copy. Without the GIL.
"""

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t

cdef object INT32 = np.dtype(np.int32)
cdef object INT64 = np.dtype(np.int64)
cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT64 = np.dtype(np.float64)

cdef double FLOAT32_MAX = np.finfo(np.float32).max

ctypedef fused index_t:
    int32_t
    int64_t

ctypedef fused real_t:
    float
    double

cdef enum:
    # Entries that are looked at before it is asked whether there is any need to go on.
    BLOCK = 4096


cdef object as_indices(object array):
    """Column numbers as an array of int32 or int64 that buffers can be taken of."""
    array = np.asarray(array)
    if (array.dtype is INT32 or array.dtype is INT64) and array.flags.c_contiguous:
        return array
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected integer indices, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.int32 if array.dtype == INT32 else np.int64)


cdef object as_reals(object array):
    array = np.asarray(array)
    if (array.dtype is FLOAT32 or array.dtype is FLOAT64) and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, dtype=np.float32 if array.dtype == FLOAT32 else np.float64)


cdef inline void extremes(int64_t* low, int64_t* high, const index_t* x, Py_ssize_t n) noexcept nogil:
    cdef index_t smallest = x[0], largest = x[0]
    cdef Py_ssize_t i
    for i in range(1, n):
        smallest = x[i] if x[i] < smallest else smallest
        largest = x[i] if x[i] > largest else largest
    low[0], high[0] = smallest, largest


cdef inline bint are_ones(const real_t* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t begin = 0, end, i
    cdef int others = 0
    while begin < n:
        end = min(n, begin + BLOCK)
        for i in range(begin, end):
            others |= x[i] != 1
        if others:
            return False
        begin = end
    return True


cdef inline bint fit_float32(const real_t* x, Py_ssize_t n) noexcept nogil:
    cdef int wrong = 0
    cdef Py_ssize_t i
    for i in range(n):
        wrong |= not fabs(x[i]) <= FLOAT32_MAX           # NaN is not
    return wrong == 0


def index_range(indices not None):
    """The smallest and the largest of some column numbers.

    Parameters
    ----------
    indices : ndarray of int32 or int64, shape (n,), n > 0

    Returns
    -------
    low, high : int
    """
    cdef const int32_t[::1] narrow
    cdef const int64_t[::1] wide
    cdef int64_t low = 0, high = -1
    indices = as_indices(indices)
    if not len(indices):
        raise ValueError("index_range: expected at least one index")
    if indices.dtype == INT32:
        narrow = indices
        with nogil:
            extremes(&low, &high, &narrow[0], narrow.shape[0])
    else:
        wide = indices
        with nogil:
            extremes(&low, &high, &wide[0], wide.shape[0])
    return low, high


def value_kinds(data not None):
    """Whether all values are 1, and whether all are finite in float32.

    Parameters
    ----------
    data : ndarray of float32 or float64, shape (n,)

    Returns
    -------
    ones, finite : bool
    """
    cdef const float[::1] single
    cdef const double[::1] double_
    cdef bint ones = True, finite = True
    data = as_reals(data)
    if not len(data):
        return True, True
    if data.dtype == FLOAT32:
        single = data
        with nogil:
            ones = are_ones(&single[0], single.shape[0])
            finite = ones or fit_float32(&single[0], single.shape[0])
    else:
        double_ = data
        with nogil:
            ones = are_ones(&double_[0], double_.shape[0])
            finite = ones or fit_float32(&double_[0], double_.shape[0])
    return ones, finite


cdef inline Py_ssize_t add_to_sums(double* count, double* squares, Py_ssize_t n_columns, const index_t* columns,
                                   const real_t* data, Py_ssize_t n) noexcept nogil:
    # The place of a column that there isn't, or n.
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= columns[i] < n_columns:
            return i
        count[columns[i]] += data[i] != 0
        squares[columns[i]] += <double> data[i] * data[i]
    return n


def add_squares(double[::1] count not None, double[::1] squares not None, indices not None, data not None):
    """Add the values that are not 0 to the count of their columns, and their squares to the sums of these.

    Parameters
    ----------
    count, squares : ndarray of float64, shape (n_columns,)
        Added to.
    indices : ndarray of int32 or int64, shape (n,)
    data : ndarray of float32 or float64, shape (n,)

    Raises
    ------
    IndexError
        If a column is none of those that count and squares have.
    """
    cdef const int32_t[::1] narrow
    cdef const int64_t[::1] wide
    cdef const float[::1] single
    cdef const double[::1] double_
    cdef Py_ssize_t n, done = 0, n_columns = count.shape[0]
    indices, data = as_indices(indices), as_reals(data)
    n = len(indices)
    if len(data) != n or squares.shape[0] != n_columns:
        raise ValueError(f"add_squares: expected a value for each index, got {n} and {len(data)}, "
                         f"and as many sums as counts, got {squares.shape[0]} and {n_columns}")
    if not n:
        return
    if not n_columns:
        raise IndexError("add_squares: there are no columns")
    if indices.dtype == INT32:
        narrow = indices
        if data.dtype == FLOAT32:
            single = data
            with nogil:
                done = add_to_sums(&count[0], &squares[0], n_columns, &narrow[0], &single[0], n)
        else:
            double_ = data
            with nogil:
                done = add_to_sums(&count[0], &squares[0], n_columns, &narrow[0], &double_[0], n)
    else:
        wide = indices
        if data.dtype == FLOAT32:
            single = data
            with nogil:
                done = add_to_sums(&count[0], &squares[0], n_columns, &wide[0], &single[0], n)
        else:
            double_ = data
            with nogil:
                done = add_to_sums(&count[0], &squares[0], n_columns, &wide[0], &double_[0], n)
    if done < n:
        raise IndexError(f"add_squares: column {indices[done]} is out of range; expected 0 to {n_columns - 1}")


cdef inline Py_ssize_t multiply(float* out, const index_t* columns, const real_t* data, const double* factors,
                                Py_ssize_t n_columns, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= columns[i] < n_columns:
            return i
        out[i] = <float> (data[i] * factors[columns[i]])
    return n


cdef Py_ssize_t multiply_all(float* out, const index_t* columns, const real_t* data, const double* factors,
                             Py_ssize_t n_columns, Py_ssize_t n):
    """multiply(), without the GIL where that pays."""
    cdef Py_ssize_t done
    if n < BLOCK:
        return multiply(out, columns, data, factors, n_columns, n)
    with nogil:
        done = multiply(out, columns, data, factors, n_columns, n)
    return done


cdef inline void take_off(float* out, const real_t* x, Py_ssize_t row_step, Py_ssize_t step, const double* center,
                          const double* factors, Py_ssize_t n_rows, Py_ssize_t n_columns) noexcept nogil:
    cdef Py_ssize_t _row, c
    for _row in range(n_rows):
        for c in range(n_columns):
            out[c] = <float> ((x[c * step] - center[c]) * factors[c])
        out += n_columns
        x += row_step


cdef class Factors:
    """What is taken off each column, and what it is then multiplied by.

    Parameters
    ----------
    factors : ndarray of float64, shape (n_columns,)
    center : ndarray of float64, shape (n_columns,), optional
    """

    cdef const double[::1] factors
    cdef const double[::1] center
    cdef readonly bint ones      # all factors are 1

    def __cinit__(self, factors not None, center=None):
        self.factors = factors
        self.center = np.zeros(len(factors)) if center is None else center
        if self.center.shape[0] != self.factors.shape[0]:
            raise ValueError(f"Factors: expected a center for each of {self.factors.shape[0]} factors, "
                             f"got {self.center.shape[0]}")
        self.ones = not len(factors) or are_ones(&self.factors[0], self.factors.shape[0])

    def __reduce__(self):
        return Factors, (np.array(self.factors), np.array(self.center))

    def of_entries(self, indices not None, data not None):
        """Values, each multiplied by the factor of its column; nothing is taken off.

        Parameters
        ----------
        indices : array of int, shape (n,)
        data : array of float, shape (n,)

        Returns
        -------
        ndarray of float32, shape (n, 1)

        Raises
        ------
        IndexError
            If a column has no factor.
        ValueError
            If there isn't a value for each index.
        """
        cdef const int32_t[::1] narrow
        cdef const int64_t[::1] wide
        cdef const float[::1] single
        cdef const double[::1] double_
        cdef float[:, ::1] out
        cdef Py_ssize_t n, done = 0, n_columns = self.factors.shape[0]
        indices, data = as_indices(indices), as_reals(data)
        if indices.ndim != 1 or data.shape != indices.shape:
            raise ValueError(f"expected a value for each column, shape {indices.shape}, got shape {data.shape}")
        n = len(indices)
        result = np.empty((n, 1), FLOAT32)
        if not n:
            return result
        if not n_columns:
            raise IndexError(f"column {indices[0]} is out of range: there are none")
        out = result
        if indices.dtype == INT32:
            narrow = indices
            if data.dtype == FLOAT32:
                single = data
                done = multiply_all(&out[0, 0], &narrow[0], &single[0], &self.factors[0], n_columns, n)
            else:
                double_ = data
                done = multiply_all(&out[0, 0], &narrow[0], &double_[0], &self.factors[0], n_columns, n)
        else:
            wide = indices
            if data.dtype == FLOAT32:
                single = data
                done = multiply_all(&out[0, 0], &wide[0], &single[0], &self.factors[0], n_columns, n)
            else:
                double_ = data
                done = multiply_all(&out[0, 0], &wide[0], &double_[0], &self.factors[0], n_columns, n)
        if done < n:
            raise IndexError(f"column {indices[done]} at position {done} is out of range; "
                             f"expected 0 to {n_columns - 1}")
        return result

    def of_rows(self, array not None):
        """The rows of an array, the center of each column taken off and multiplied by its factor.

        Parameters
        ----------
        array : ndarray of float32 or float64, shape (n_rows, n_columns)

        Returns
        -------
        ndarray of float32, shape (n_rows, n_columns)
        """
        cdef const float[:, :] single
        cdef const double[:, :] double_
        cdef float[:, ::1] out
        cdef Py_ssize_t n_rows, n_columns = self.factors.shape[0]
        shape = array.shape
        if len(shape) != 2 or shape[1] != n_columns:
            raise ValueError(f"expected an array of {n_columns} columns, got shape {shape}")
        n_rows = shape[0]
        result = np.empty(shape, FLOAT32)
        if not n_rows or not n_columns:
            return result
        out = result
        if array.dtype == FLOAT32:
            single = array
            with nogil:
                take_off(&out[0, 0], &single[0, 0], single.strides[0] // <Py_ssize_t> sizeof(float),
                         single.strides[1] // <Py_ssize_t> sizeof(float), &self.center[0], &self.factors[0], n_rows,
                         n_columns)
        else:
            double_ = array
            with nogil:
                take_off(&out[0, 0], &double_[0, 0], double_.strides[0] // <Py_ssize_t> sizeof(double),
                         double_.strides[1] // <Py_ssize_t> sizeof(double), &self.center[0], &self.factors[0], n_rows,
                         n_columns)
        return result

    def of_row(self, row not None):
        """One row, the center of each column taken off and multiplied by its factor.

        Parameters
        ----------
        row : array_like of float, shape (n_columns,)

        Returns
        -------
        ndarray of float32, shape (1, n_columns)

        Raises
        ------
        ValueError
            If there isn't a number for each column.
        """
        cdef const float[::1] single
        cdef const double[::1] double_
        cdef float[:, ::1] out
        cdef Py_ssize_t n_columns = self.factors.shape[0]
        row = as_reals(row)
        if row.shape != (n_columns,):
            raise ValueError(f"expected a row of shape ({n_columns},), got shape {row.shape}")
        result = np.empty((1, n_columns), FLOAT32)
        if not n_columns:
            return result
        out = result
        if row.dtype == FLOAT32:
            single = row
            take_off(&out[0, 0], &single[0], 0, 1, &self.center[0], &self.factors[0], 1, n_columns)
        else:
            double_ = row
            take_off(&out[0, 0], &double_[0], 0, 1, &self.center[0], &self.factors[0], 1, n_columns)
        return result
