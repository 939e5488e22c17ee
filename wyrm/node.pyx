"""Nodes: what a user builds a graph of.

A node knows its operands and its shape, and computes nothing by itself: the first forward() compiles the graph below
it into a tape (wyrm/tape.pyx), later ones reuse that. Each node that is asked to run has a tape of its own; a node
that several of them compute shows the value of the newest run. Nodes own their operands and tapes own no node, so a
graph is free of reference cycles, and is taken apart without recursion however deep it is.
"""

import numbers

import numpy as np

cimport cython
from libc.string cimport memcpy, memset
from wyrm.instructions.program cimport (
    COLS_DIFFER, FIELDS_DIFFER, FIELD_OUT_OF_RANGE, INNER_DIFFERS, NO_ROWS, OK, OUT_OF_MEMORY, ROWS_DIFFER,
    ROW_OUT_OF_RANGE, SLICE_OUT_OF_RANGE, TARGETS_DIFFER, WEIGHTS_DIFFER, OP_ADD, OP_CLIP, OP_CROSSENTROPY, OP_DIVIDE,
    OP_EMBEDDING, OP_EXP, OP_FIELD_AWARE, OP_LOG, OP_LOG_SOFTMAX, OP_MATMUL, OP_MEAN, OP_MULTIPLY, OP_NEGATE, OP_RELU,
    OP_SIGMOID, OP_SLICE, OP_SOFTMAX, OP_SOFTPLUS, OP_SQRT, OP_SQUARE, OP_SUBTRACT, OP_SUM, OP_TANH, OP_TRANSPOSE,
    instruction_t, slot_t,
)
from wyrm.instructions.table cimport find_op
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.parameter cimport all_finite, as_matrix
from wyrm.sync cimport wyrm_drop, wyrm_load, wyrm_lock, wyrm_mutex, wyrm_take, wyrm_unlock
from wyrm.tape cimport tape_is_current
from wyrm.errors import describe, refuse_not_finite, refuse_shapes

cdef object FLOAT32 = np.dtype(np.float32)

# What wyrm.errors calls each status.
cdef dict REASONS = {
    ROWS_DIFFER: "rows differ", COLS_DIFFER: "columns differ", INNER_DIFFERS: "inner sizes differ",
    SLICE_OUT_OF_RANGE: "slice out of range", ROW_OUT_OF_RANGE: "row out of range", WEIGHTS_DIFFER: "weights differ",
    FIELD_OUT_OF_RANGE: "field out of range", FIELDS_DIFFER: "fields differ", TARGETS_DIFFER: "targets differ",
    NO_ROWS: "no rows", OUT_OF_MEMORY: "out of memory",
}

cdef wyrm_mutex compiling        # over the marks of nodes, which a walk leaves in them
cdef uint64_t visits = 0

include "build.pxi"
include "compile.pxi"


# --- Nodes -------------------------------------------------------------------------------------------------------

@cython.trashcan(True)
cdef class Node:
    """A value of a graph. Built by arithmetic on nodes, by their methods and by the functions of :mod:`wyrm`."""

    # NumPy arrays on the left of an operator hand over to the node.
    __array_ufunc__ = None

    def __init__(self):
        raise TypeError(f"{type(self).__name__} is made by operations on other nodes: "
                        f"start from a ParameterNode, InputNode or IndexInputNode")

    @property
    def shape(self):
        """tuple of int: (rows, cols), of the newest value where there is one."""
        cdef dim_t slot
        cdef Tape tape = self.newest(&slot)
        if self.input != NULL:
            return self.input.rows, self.input.cols
        if tape is not None:
            return tape.tape.slots[slot].rows, tape.tape.slots[slot].cols
        return self.rows, self.cols

    @property
    def operands(self):
        """tuple of Node: what the node is computed from."""
        return ()

    cdef Tape newest(self, dim_t* slot):
        """The tape that computed this node last, and its slot there; None before the first forward."""
        return None

    def forward(self):
        """Compute the value of this node and of all it depends on. A leaf has nothing to compute."""

    def parameters(self):
        """tuple of ParameterNode: those this node depends on, each once."""
        return ()

    def zero_gradients(self):
        """Clear the gradients of :meth:`parameters`."""
        for parameter in self.parameters():
            parameter.zero_gradients()

    def __repr__(self):
        return f"<{describe(self)}>"

    def __add__(self, other):
        return binary(OP_ADD, self, other)

    def __radd__(self, other):
        return binary(OP_ADD, other, self)

    def __sub__(self, other):
        return binary(OP_SUBTRACT, self, other)

    def __rsub__(self, other):
        return binary(OP_SUBTRACT, other, self)

    def __mul__(self, other):
        return binary(OP_MULTIPLY, self, other)

    def __rmul__(self, other):
        return binary(OP_MULTIPLY, other, self)

    def __truediv__(self, other):
        return binary(OP_DIVIDE, self, other)

    def __rtruediv__(self, other):
        return binary(OP_DIVIDE, other, self)

    def __neg__(self):
        return unary(OP_NEGATE, self)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __getitem__(self, key):
        rows, cols = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        if self.index != NULL:
            raise TypeError(f"{describe(self)} holds row numbers, not values")
        refresh(self)
        row_start, row_end = bounds(self, rows, 0, self.rows)
        col_start, col_end = bounds(self, cols, 1, self.cols)
        return make(OP_SLICE, self, None, None, None, None, 0, 0, row_start, row_end, col_start, col_end)

    def __iter__(self):
        raise TypeError(f"{describe(self)} is not iterable: slice it, as in x[:, 0:10], or read x.value")

    @property
    def T(self):
        """Node: the transpose."""
        return unary(OP_TRANSPOSE, self)

    def square(self):
        """Node: the square of each entry."""
        return unary(OP_SQUARE, self)

    def sqrt(self):
        """Node: the square root of each entry; NaN below zero."""
        return unary(OP_SQRT, self)

    def exp(self):
        """Node: e to the power of each entry."""
        return unary(OP_EXP, self)

    def log(self):
        """Node: the natural logarithm of each entry; -inf at zero, NaN below."""
        return unary(OP_LOG, self)

    def tanh(self):
        """Node: the hyperbolic tangent of each entry."""
        return unary(OP_TANH, self)

    def sigmoid(self):
        """Node: 1 / (1 + exp(-x)) of each entry."""
        return unary(OP_SIGMOID, self)

    def relu(self):
        """Node: max(x, 0) of each entry, with gradient 0 at zero."""
        return unary(OP_RELU, self)

    def softplus(self):
        """Node: log(1 + exp(x)) of each entry, without overflow."""
        return unary(OP_SOFTPLUS, self)

    def clip(self, low, high):
        """Node: each entry limited to [low, high]; no gradient flows outside.

        Raises
        ------
        ValueError
            If low or high is NaN, or low > high.
        """
        low, high = float(low), float(high)
        if not low <= high:
            raise ValueError(f"clip: expected low <= high, got low={low}, high={high}")
        return unary(OP_CLIP, self, low, high)

    def softmax(self):
        """Node: exp(x) / sum(exp(x)) along each row, stable for any finite x."""
        return unary(OP_SOFTMAX, self)

    def log_softmax(self):
        """Node: log(softmax(x)) along each row, stable for any finite x."""
        return unary(OP_LOG_SOFTMAX, self)

    def sum(self, axis=None):
        """Node: the sum of the rows (axis 0, shape (1, cols)), of the columns (axis 1, shape (rows, 1)) or of all."""
        return make(OP_SUM, valued(self), None, None, None, None, 0, 0, reduced_axis(axis))

    def mean(self, axis=None):
        """Node: as :meth:`sum`, divided by the number of entries summed."""
        return make(OP_MEAN, valued(self), None, None, None, None, 0, 0, reduced_axis(axis))


cdef inline bint is_running(Tape tape) noexcept:
    return tape is not None and wyrm_load(&tape.busy) != 0


cdef inline bint has_run(Tape tape) noexcept:
    # What another thread is running is not looked at.
    return tape is not None and not is_running(tape) and tape.tape.ran


@cython.trashcan(True)
cdef class OperatorNode(Node):
    """A node that an operation computes from others."""

    def __dealloc__(self):
        if self.own is not None:
            self.own.alive = False           # nodes below that remember it needn't any longer

    @property
    def operation(self):
        """str: the name of the operation."""
        return find_op(self.op).name.decode()

    @property
    def operands(self):
        """tuple of Node: what the node is computed from."""
        if self.pieces is not None:
            return self.pieces
        return tuple(n for n in (self.table, self.rows_of, self.fields_of, self.a, self.b, self.c) if n is not None)

    @property
    def n_fields(self):
        """int or None: the number of fields of a field-aware lookup."""
        return self.n[2] if self.op == OP_FIELD_AWARE else None

    cdef Tape newest(self, dim_t* slot):
        cdef Tape best = self.tape if has_run(self.tape) else None
        slot[0] = self.tape_slot
        if self.others is not None:
            for tape, at in self.others:
                if has_run(tape) and (best is None or (<Tape> tape).stamp > best.stamp):
                    best, slot[0] = tape, at
        return best

    @property
    def value(self):
        """ndarray of float32, shape (rows, cols): a copy of the newest value.

        Raises
        ------
        RuntimeError
            If no forward() has computed it yet.
        """
        cdef dim_t at
        cdef Tape tape = self.newest(&at)
        cdef slot_t* slot
        cdef float[:, ::1] copy
        if tape is None and (is_running(self.tape) or any([is_running(other[0]) for other in self.others or ()])):
            raise RuntimeError(f"{describe(self)}: another thread is running its graph")
        if tape is None:
            raise RuntimeError(f"{describe(self)} has no value yet: call forward() on it, or on a node that uses it")
        # The leaves of a tape may be gone when its root is: leave them alone.
        if not wyrm_take(&tape.busy):
            raise RuntimeError(f"{describe(self)}: another thread is running its graph")
        try:
            slot = tape.tape.slots + at
            result = np.empty((slot.rows, slot.cols), dtype=np.float32)
            copy = result
            memcpy(&copy[0, 0], slot.value, slot.rows * slot.cols * sizeof(float))
        finally:
            wyrm_drop(&tape.busy)
        return result

    def forward(self):
        """Compute the value of this node and of all it depends on.

        Raises
        ------
        ValueError, IndexError
            If shapes don't fit or an index is not a row of its table; the message names the node.
        RuntimeError
            If another thread is running the same graph.
        """
        cdef Tape tape = self.own if self.own is not None else tape_of(self)
        cdef int status = tape.forward()
        if status != OK:
            refuse_status(self, tape.tape.failed, status)

    def backward(self, weight=1.0):
        """Add the gradients of ``weight * sum(value)`` to those of :meth:`parameters`.

        Parameters
        ----------
        weight : float, default 1.0
            Scales the gradients; finite.

        Raises
        ------
        RuntimeError
            If there is no forward() to go back from, or an input was set since.
        ValueError
            If the weight is not finite, or the node depends on no parameter.
        """
        cdef Tape tape = self.own
        cdef float scale = <float> <double> weight
        cdef int status
        if scale - scale != 0:
            raise ValueError(f"{describe(self)}.backward: expected a weight that is finite in float32, got {weight}")
        if not self.learns:
            raise ValueError(f"{describe(self)}.backward: it depends on no parameter, so there is nothing to learn")
        if is_running(tape):
            raise RuntimeError(f"{describe(self)}.backward: another thread is running its graph")
        if tape is None or not tape.tape.ran:
            raise RuntimeError(f"{describe(self)}.backward: call its forward() first")
        if not tape_is_current(&tape.tape):
            raise RuntimeError(f"{describe(self)}.backward: an input was set after the last forward(); "
                               f"call forward() again first")
        status = tape.backward(scale)
        if status != OK:
            refuse_status(self, tape.tape.failed, status)

    def parameters(self):
        """tuple of ParameterNode: those this node depends on, each once."""
        if self.own_parameters is None:
            tape_of(self)
        return self.own_parameters


@cython.trashcan(True)
cdef class ConstantNode(Node):
    """A node with a value of its own that no gradient reaches: a number or an array in an expression."""

    def __cinit__(self, value, name=None):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: expected a str, got {type(name).__name__}")
        self.name = name
        self.input = &self.data
        if isinstance(value, numbers.Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
            self.cols = self.data.cols = 1
            self.put_scalar(as_number(value, type(self).__name__))
        else:
            self.data.cols = -1
            self.put(value)
            self.cols = self.data.cols
        self.rows = self.data.rows

    def __init__(self, value, name=None):
        pass

    def __dealloc__(self):
        wyrm_free(self.data.value)

    cdef int room(self, dim_t rows) except -1:
        """A buffer for `rows` rows, content undefined."""
        cdef dim_t wanted = rows * self.data.cols
        cdef float* grown
        if self.data.busy:
            raise RuntimeError(f"{describe(self)}: another thread is running a graph on it")
        if wanted > self.capacity:
            grown = <float*> wyrm_alloc(wanted * sizeof(float))
            if grown == NULL:
                raise MemoryError(f"{describe(self)}: no memory for {wanted} values")
            wyrm_free(self.data.value)
            self.data.value = grown
            self.capacity = wanted
        self.data.rows = rows
        self.data.version += 1
        return 0

    cdef int put(self, object array) except -1:
        cdef const float[:, ::1] source
        if (isinstance(array, np.ndarray) and array.dtype is FLOAT32 and array.flags.c_contiguous and array.ndim == 2):
            source = array
            if (source.shape[1] == self.data.cols and source.shape[0]
                    and all_finite(&source[0, 0], source.shape[0] * source.shape[1])):
                self.room(source.shape[0])
                memcpy(self.data.value, &source[0, 0], source.shape[0] * source.shape[1] * sizeof(float))
                return 0
        values = as_matrix(array, self)
        if self.data.cols < 0:
            self.data.cols = values.shape[1]
        elif values.shape[1] != self.data.cols:
            raise ValueError(f"{describe(self)}: expected {self.data.cols} column(s), "
                             f"got an array of shape {values.shape}")
        if values.dtype == FLOAT32:
            single = np.ascontiguousarray(values)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                single = np.ascontiguousarray(values, dtype=np.float32)
        source = single
        if not all_finite(&source[0, 0], source.shape[0] * source.shape[1]):
            refuse_not_finite(values, self)
        self.room(source.shape[0])
        memcpy(self.data.value, &source[0, 0], source.shape[0] * source.shape[1] * sizeof(float))
        return 0

    cdef int put_scalar(self, double value) except -1:
        cdef float single = <float> value
        if self.data.cols != 1:
            raise ValueError(f"{describe(self)}: expected an array with {self.data.cols} columns, got a number")
        if single - single != 0:
            raise ValueError(f"{describe(self)}: expected a number that is finite in float32, got {value}")
        if self.data.rows == 1 and not self.data.busy:
            self.data.version += 1
        else:
            self.room(1)
        self.data.value[0] = single
        return 0

    @property
    def value(self):
        """ndarray of float32, shape (rows, cols): a copy."""
        cdef float[:, ::1] copy
        result = np.empty((self.data.rows, self.data.cols), dtype=np.float32)
        copy = result
        memcpy(&copy[0, 0], self.data.value, result.nbytes)
        return result

    def backward(self, weight=1.0):
        """Inputs have no gradient.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{describe(self)}.backward: it depends on no parameter, so there is nothing to learn")
