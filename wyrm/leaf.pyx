"""The leaves of a graph: inputs, row numbers, parameters."""

import numbers

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from wyrm.gradient cimport clear_gradient, free_gradient, free_index, open_dense, use_dense
from wyrm.instructions.program cimport OP_EMBEDDING, OP_EMBEDDING_BAG, OP_FIELD_AWARE, OP_FM_INTERACTION
from wyrm.kernels.dispatch cimport kernels
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.node cimport as_node, as_number, make
from wyrm.sync cimport wyrm_next
from wyrm.errors import describe
from wyrm.indices import MAX_ROW as _MAX_ROW
from wyrm.indices import as_offsets, as_rows, fields_by_row, refuse_row_number


# Gradients remember an index list by its address and version, so no two lists may share a version: a new node can lie
# where a dead one lay.
cdef uint64_t last_version = 0


cdef long long LARGEST = _MAX_ROW
cdef object INT32 = np.dtype(np.int32)
cdef object INT64 = np.dtype(np.int64)


cdef object checked_name(object name):
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {type(name).__name__}")
    return name


# --- Inputs ------------------------------------------------------------------------------------------------------

@cython.trashcan(True)
cdef class InputNode(ConstantNode):
    """Dense values that are set anew for each step.

    Parameters
    ----------
    value : array_like, shape (rows, cols), or float
        First value; finite real numbers, kept as float32. It fixes the number of columns; the number of rows may
        change with every :meth:`set_value`.
    name : str, optional
        For messages and drawings.

    Raises
    ------
    TypeError
        If the value is not made of real numbers.
    ValueError
        If it is not two-dimensional, empty, or not finite in float32.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> x = wyrm.InputNode(np.zeros((1, 2)), name="x")
    >>> x.set_value([[1, 2], [3, 4], [5, 6]])
    >>> x.shape
    (3, 2)
    """

    def __init__(self, value, name=None):
        self.varies = True

    def set_value(self, value):
        """Take over a new value, by copy.

        Parameters
        ----------
        value : array_like, shape (rows, cols), or float for one row of one column
            Finite real numbers, with as many columns as the node has and any number of rows from 1.

        Raises
        ------
        TypeError, ValueError
            If the value doesn't fit; the node then keeps the one it had.
        RuntimeError
            If another thread is running a graph on this node.
        """
        if isinstance(value, np.ndarray) and value.ndim == 2:
            self.put(value)
        elif isinstance(value, float):
            self.put_scalar(value)
        elif isinstance(value, numbers.Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
            self.put_scalar(as_number(value, describe(self)))
        else:
            self.put(value)


include "index_input.pxi"


cdef Node index_of(object index):
    if not isinstance(index, IndexInputNode):
        raise TypeError(f"index: expected an IndexInputNode, got {type(index).__name__}")
    return index


cdef Node weights_of(object weights):
    cdef Node node = None if weights is None else as_node(weights)
    if weights is not None and (node is None or node.index != NULL):
        raise TypeError(f"weights: expected a node of values, an array or None, got {type(weights).__name__}")
    return node


# --- Parameters --------------------------------------------------------------------------------------------------

class SparseGradient:
    """The rows of a gradient that a step touched.

    Attributes
    ----------
    indices : ndarray of int64, shape (n,)
        Table rows, sorted and distinct.
    values : ndarray of float32, shape (n, cols)
        Their gradients.
    """

    __slots__ = ("indices", "values")

    def __init__(self, indices, values):
        self.indices = indices
        self.values = values

    def __repr__(self):
        return f"SparseGradient({len(self.indices)} rows, indices={self.indices})"


@cython.trashcan(True)
cdef class ParameterNode(Node):
    """Values to learn.

    Parameters
    ----------
    value : array_like, shape (rows, cols)
        Initial values, finite real numbers; copied, as float32.
    name : str, optional
        For messages and drawings.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If they are not two-dimensional, empty, or not finite in float32.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode(np.ones((5, 2)))
    >>> loss = table.embedding(wyrm.IndexInputNode([3, 1, 3])).sum()
    >>> loss.forward()
    >>> loss.backward()
    >>> table.sparse_gradient.indices
    array([1, 3])
    >>> table.sparse_gradient.values
    array([[1., 1.],
           [2., 2.]], dtype=float32)
    """

    def __cinit__(self, value, name=None):
        self.name = checked_name(name)
        self.parameter = value if isinstance(value, HogwildParameter) else HogwildParameter(value)
        self.storage = self.parameter
        self.accumulator = &self.own_gradient
        self.rows = self.own_gradient.rows = self.parameter.storage.rows
        self.cols = self.own_gradient.cols = self.parameter.storage.cols
        self.learns = True

    def __init__(self, value, name=None):
        pass

    def __dealloc__(self):
        free_gradient(&self.own_gradient)

    @classmethod
    def shared(cls, parameter, name=None):
        """A node over storage that other nodes, in graphs of other threads, may share.

        Parameters
        ----------
        parameter : HogwildParameter
        name : str, optional

        Returns
        -------
        ParameterNode

        Raises
        ------
        TypeError
            If `parameter` is not a HogwildParameter.
        """
        if not isinstance(parameter, HogwildParameter):
            raise TypeError(f"ParameterNode.shared: expected a HogwildParameter, got {type(parameter).__name__}")
        return cls(parameter, name)

    @property
    def value(self):
        """ndarray of float32, shape (rows, cols): a view of the live storage; writing to it changes the parameter."""
        return self.parameter.value

    @value.setter
    def value(self, value):
        self.parameter.value = value

    def embedding(self, index):
        """Node: see :func:`wyrm.embedding`."""
        return make(OP_EMBEDDING, None, None, None, self, index_of(index))

    def embedding_bag(self, index, weights=None, mode="sum", *, backward=None):
        """Node: see :func:`wyrm.embedding_bag`."""
        for name, given in (("mode", mode), ("backward", mode if backward is None else backward)):
            if given not in ("sum", "mean"):
                raise ValueError(f"embedding_bag: expected {name} 'sum' or 'mean', got {given!r}")
        return make(OP_EMBEDDING_BAG, weights_of(weights), None, None, self, index_of(index), 0, 0, mode == "mean", 0,
                    (backward or mode) == "mean")

    def fm_interaction(self, index, weights=None):
        """Node: see :func:`wyrm.fm_interaction`."""
        return make(OP_FM_INTERACTION, weights_of(weights), None, None, self, index_of(index))

    def field_aware_interaction(self, index, fields, weights=None, *, n_fields):
        """Node: see :func:`wyrm.field_aware_interaction`."""
        cdef Node fields_of = None
        if isinstance(n_fields, bool) or not isinstance(n_fields, numbers.Integral):
            raise TypeError(f"field_aware_interaction: expected an integer as n_fields, got {n_fields!r}")
        if n_fields < 1 or self.cols % n_fields:
            raise ValueError(f"field_aware_interaction: expected as many columns for each of the {n_fields} fields, "
                             f"got {self.cols} in {describe(self)}")
        if isinstance(fields, IndexInputNode):
            fields_of, fields = fields, None
        else:
            fields = fields_by_row(fields, self.rows, n_fields, self)
        return make(OP_FIELD_AWARE, weights_of(weights), None, None, self, index_of(index), 0, 0, 0, 0, n_fields, 0,
                    fields_of, fields)

    def parameters(self):
        """tuple of ParameterNode: this one."""
        return (self,)

    def zero_gradients(self):
        """Clear the gradient.

        Raises
        ------
        RuntimeError
            If another thread is running a graph on this node.
        """
        self._idle()
        clear_gradient(&self.own_gradient)

    def backward(self, weight=1.0):
        """Add `weight` to every entry of the gradient: that of ``weight * sum(value)``."""
        cdef dim_t i
        cdef float scale = <float> <double> weight
        if scale - scale != 0:
            raise ValueError(f"{describe(self)}.backward: expected a weight that is finite in float32, got {weight}")
        self._idle()
        if use_dense(&self.own_gradient) < 0:
            raise MemoryError(f"{describe(self)}: no memory for its dense gradient")
        open_dense(&self.own_gradient)
        for i in range(self.rows * self.cols):
            self.own_gradient.dense[i] += scale

    @property
    def gradient(self):
        """ndarray of float32, shape (rows, cols): a dense copy of the gradient."""
        self._idle()
        cdef float[:, ::1] copy
        dense = np.zeros((self.rows, self.cols), dtype=np.float32)
        if self.own_gradient.dense_touched:
            copy = dense
            memcpy(&copy[0, 0], self.own_gradient.dense, self.rows * self.cols * sizeof(float))
        elif self.own_gradient.n:
            indices, values = self._touched()
            dense[indices] = values
        return dense

    @property
    def sparse_gradient(self):
        """SparseGradient: the touched rows, sorted and distinct, and their gradients; copies.

        Of a parameter that a graph uses whole, every row is touched.
        """
        self._idle()
        if self.own_gradient.dense != NULL:
            rows = self.rows if self.own_gradient.dense_touched else 0
            return SparseGradient(np.arange(rows), self._dense_rows(rows))
        indices, values = self._touched()
        order = np.argsort(indices)
        return SparseGradient(indices[order], values[order])

    def _dense_rows(self, dim_t rows):
        cdef float[:, ::1] copy
        values = np.empty((rows, self.cols), dtype=np.float32)
        if rows:
            copy = values
            memcpy(&copy[0, 0], self.own_gradient.dense, rows * self.cols * sizeof(float))
        return values

    def _touched(self):
        """Touched rows in order of first touch, and their gradients."""
        cdef dim_t n = self.own_gradient.n
        cdef row_t[::1] rows
        cdef float[:, ::1] copy
        indices = np.empty(n, dtype=np.int32)
        values = np.empty((n, self.cols), dtype=np.float32)
        if n:
            rows = indices
            copy = values
            memcpy(&rows[0], self.own_gradient.touched, n * sizeof(row_t))
            memcpy(&copy[0, 0], self.own_gradient.values, n * self.cols * sizeof(float))
        return indices.astype(np.int64), values

    def _idle(self):
        if self.own_gradient.busy:
            raise RuntimeError(f"{describe(self)}: another thread is running a graph on it; "
                               f"give each thread a node of its own with ParameterNode.shared(parameter)")
