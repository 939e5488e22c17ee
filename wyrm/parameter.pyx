"""Shared storage of parameters: the values, and the optimiser's state beside them."""

import sys
import time

import numpy as np

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.sync cimport wyrm_lock, wyrm_unlock
from wyrm.errors import named, refuse_not_finite

cdef dim_t MAX_ROWS = 2**31 - 1


cdef bint all_finite(const float* values, dim_t n) noexcept nogil:
    # An exponent of all ones is infinity or NaN; integer arithmetic lets the loop vectorise.
    cdef uint32_t bits, found = 0
    cdef dim_t i
    for i in range(n):
        memcpy(&bits, values + i, sizeof(float))
        found |= (bits & 0x7f800000) == 0x7f800000
    return found == 0


cdef object as_matrix(object array, object what):
    """A two-dimensional float array of real, finite-dtype numbers with at least one entry, not yet cast or checked."""
    try:
        values = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"{named(what)}: expected a two-dimensional array of numbers, got a ragged one") from error
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"{named(what)}: expected real numbers, got dtype {values.dtype} from {type(array).__name__}; "
            f"convert with numpy.asarray(x, dtype=numpy.float32)"
        )
    if values.ndim != 2:
        raise ValueError(
            f"{named(what)}: expected a two-dimensional array, got {values.ndim} dimension(s), shape {values.shape}; "
            f"use x.reshape(-1, 1) for one value per row, x.reshape(1, -1) for one row"
        )
    if values.size == 0:
        raise ValueError(f"{named(what)}: expected at least one row and one column, got shape {values.shape}")
    return values


cdef class HogwildParameter:
    """Values shared by the threads that train on them, without a lock.

    A :class:`~wyrm.ParameterNode` makes one for itself. Make one by hand to give each thread of your own a graph over
    the same values: ``wyrm.ParameterNode.shared(parameter)`` in each. Threads then race on rows they update at the
    same time, which sparse models bear well (Niu et al., "HOGWILD!", NeurIPS 2011).

    Parameters
    ----------
    value : array_like, shape (rows, cols)
        Initial values, finite real numbers; copied, as float32. At most 2**31 - 1 rows.
    copy : bool, default True
        False takes the values where they are, such as in a file that is mapped into memory: an array of float32 whose
        rows lie one after the other. The parameter is then read-only, to predict with; that the values are finite is
        not checked.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If they are not two-dimensional, empty, or not finite in float32; if they can't be taken where they are.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> shared = wyrm.HogwildParameter(np.zeros((1000, 8)))
    >>> table = wyrm.ParameterNode.shared(shared)
    >>> shared.value.shape
    (1000, 8)
    """

    def __cinit__(self, value, copy=True):
        cdef const float[:, ::1] view
        cdef object values = as_matrix(value, "HogwildParameter")
        cdef dim_t rows = values.shape[0], cols = values.shape[1]
        if rows > MAX_ROWS:
            raise ValueError(f"HogwildParameter: expected at most {MAX_ROWS} rows, got {rows}")
        if values.size > sys.maxsize // 4:
            raise MemoryError(f"HogwildParameter: no memory for {rows} x {cols} float32 values")
        self.optimizers = []
        if not copy:
            if values.dtype != np.float32 or not (values.flags.c_contiguous and values.flags.aligned):
                raise ValueError(f"HogwildParameter: expected contiguous float32 values to take them where they are, "
                                 f"got dtype {values.dtype}, strides {values.strides} for shape {values.shape}")
            view = self.borrowed = values
            self.storage.value = <float*> &view[0, 0]
            self.storage.rows = rows
            self.storage.cols = cols
            self.storage.stride = cols
            self._describe_buffer()
            return
        self.block = <float*> wyrm_alloc(rows * cols * sizeof(float))
        if self.block == NULL:
            raise MemoryError(f"HogwildParameter: no memory for {rows} x {cols} float32 values")
        self.storage.value = self.block
        self.storage.rows = rows
        self.storage.cols = cols
        self.storage.stride = cols
        self._describe_buffer()
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(np.asarray(self), values, casting="unsafe")
        if not all_finite(self.block, rows * cols):
            refuse_not_finite(values, "HogwildParameter")

    def __dealloc__(self):
        wyrm_free(self.block)
        wyrm_free(self.state_block)

    def _describe_buffer(self):
        self.buffer_shape[0] = self.storage.rows
        self.buffer_shape[1] = self.storage.cols
        self.buffer_strides[0] = self.storage.stride * sizeof(float)
        self.buffer_strides[1] = sizeof(float)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if not flags & PyBUF_STRIDES and self.storage.stride != self.storage.cols:
            raise BufferError("a parameter's values lie beside its optimiser's state: ask for a strided buffer")
        if flags & PyBUF_WRITABLE and self.borrowed is not None:
            raise BufferError("a parameter that was made with copy=False is read-only")
        wyrm_lock(&self.mutex)
        self.exports += 1
        wyrm_unlock(&self.mutex)
        buffer.buf = self.storage.value
        buffer.obj = self
        buffer.len = self.storage.rows * self.storage.cols * sizeof(float)
        buffer.itemsize = sizeof(float)
        buffer.readonly = self.borrowed is not None
        buffer.ndim = 2
        buffer.format = NULL
        if flags & PyBUF_FORMAT:
            buffer.format = b"f"
        buffer.shape = self.buffer_shape
        buffer.strides = self.buffer_strides
        buffer.suboffsets = NULL
        buffer.internal = NULL

    def __releasebuffer__(self, Py_buffer* buffer):
        wyrm_lock(&self.mutex)
        self.exports -= 1
        wyrm_unlock(&self.mutex)

    @property
    def value(self):
        """ndarray of float32, shape (rows, cols): a view of the live storage; writing to it changes the parameter."""
        self.make_current()
        return np.asarray(self)

    @value.setter
    def value(self, values):
        cdef object matrix = as_matrix(values, "HogwildParameter.value")
        self.refuse_training()
        if matrix.shape != self.shape:
            raise ValueError(f"HogwildParameter.value: expected shape {self.shape}, got {matrix.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        if not np.isfinite(matrix).all():
            refuse_not_finite(matrix, "HogwildParameter.value")
        self.make_current()
        np.asarray(self)[...] = matrix

    @property
    def gradient_factors(self):
        """ndarray of float32, shape (rows,), or None: what the gradient of each row is multiplied by before a step.

        None, the default, is all ones. Rows with a factor of 0 keep their values bit for bit while others learn, as
        vectors do that come from elsewhere; under SGD it is a factor of the learning rate. SGD and Adagrad without l1
        and l2 heed it, and the others refuse such a parameter. What is set is copied; threads must not be training.
        """
        return None if self.storage.factors == NULL else np.array(self.factors)

    @gradient_factors.setter
    def gradient_factors(self, factors):
        cdef float[::1] view
        cdef bint busy
        if factors is not None:
            array = np.array(factors, dtype=np.float32)
            if array.shape != (self.storage.rows,) or not np.isfinite(array).all() or (array < 0).any():
                raise ValueError(f"HogwildParameter.gradient_factors: expected None or {self.storage.rows} finite "
                                 f"numbers >= 0, one for each row, got {array.dtype} of shape {array.shape}")
            view = array
        elif self.storage.factors == NULL:
            return
        self.refuse_training()
        wyrm_lock(&self.mutex)
        busy = self.running > 0
        if not busy:
            self.factors = view if factors is not None else None
            self.storage.factors = &view[0] if factors is not None else NULL
        wyrm_unlock(&self.mutex)
        if busy:
            raise RuntimeError(f"{self!r}: its gradient_factors can't change while threads train")

    @property
    def shape(self):
        """tuple of int: (rows, cols)."""
        return self.storage.rows, self.storage.cols

    def __repr__(self):
        state = f", state={self.state_kind!r}" if self.state_kind is not None else ""
        return f"HogwildParameter(shape={self.shape}{state})"

    def __reduce__(self):
        made = HogwildParameter, (np.array(self.value),)
        return made if self.storage.factors == NULL else (*made, (None, {"gradient_factors": self.gradient_factors}))

    def grown(self, new_rows, optimizer=None):
        """A parameter with more rows: a copy of this one, and new rows below.

        For tables whose ids become known while training goes on. Graphs and trainers keep using the parameter they
        were built on: build them again on the new one, with ``ParameterNode.shared(parameter)``.

        Parameters
        ----------
        new_rows : array_like, shape (n, cols)
            Initial values of the new rows.
        optimizer : Optimizer, optional
            One that trains this parameter. The new one then starts from a copy of the state it keeps beside the rows;
            the state of the new rows is zero.

        Returns
        -------
        HogwildParameter

        Examples
        --------
        >>> import numpy as np, wyrm
        >>> wyrm.HogwildParameter(np.zeros((3, 2))).grown(np.ones((1, 2))).shape
        (4, 2)
        """
        cdef HogwildParameter larger
        values = as_matrix(new_rows, "HogwildParameter.grown")
        if values.shape[1] != self.storage.cols:
            raise ValueError(f"HogwildParameter.grown: expected rows of {self.storage.cols} columns, got "
                             f"{values.shape[1]}")
        larger = HogwildParameter(np.concatenate([self.value, values]))
        larger.looked_up = self.looked_up
        if self.storage.factors != NULL:
            larger.gradient_factors = np.concatenate([self.factors, np.ones(len(values), dtype=np.float32)])
        if optimizer is not None:
            state = optimizer.get_state([self])
            for saved in state["parameters"]:
                if saved is not None:
                    for name, slot in saved["slots"].items():
                        saved["slots"][name] = np.concatenate([slot, np.zeros(values.shape, dtype=np.float32)])
            optimizer.set_state(state, [larger])
        return larger

    cdef int refuse_training(self) except -1:
        """Raise if the values must not change."""
        if self.borrowed is not None:
            raise ValueError(f"{self!r} was made with copy=False, so it is read-only: to train, make one of a copy, "
                             f"HogwildParameter(parameter.value)")
        return 0

    cdef int make_current(self) except -1:
        """Make up what all rows have missed under a lazy optimiser."""
        if self.storage.catch_up != NULL:
            self.enter()
            with nogil:
                self.storage.catch_up(&self.storage, NULL, 0)
            self.leave()
        return 0

    cdef bint is_finite(self) except -1:
        """Whether all values are, as far as rows are current."""
        cdef dim_t r
        cdef bint finite = True
        self.enter()
        with nogil:
            for r in range(self.storage.rows):
                finite = finite and all_finite(self.storage.value + r * self.storage.stride, self.storage.cols)
        self.leave()
        return finite

    cdef int enter(self) except -1:
        """Before a call without the GIL: the storage stays where it is until leave()."""
        while True:
            wyrm_lock(&self.mutex)
            if not self.moving:
                self.running += 1
                wyrm_unlock(&self.mutex)
                return 0
            wyrm_unlock(&self.mutex)
            time.sleep(0)

    cdef void leave(self) noexcept:
        wyrm_lock(&self.mutex)
        self.running -= 1
        wyrm_unlock(&self.mutex)

    cdef int set_state(self, object kind, dim_t width, catch_up_fn catch_up, void* context) except -1:
        """Give every row `width` floats of zeroed optimiser state, meaning `kind`, and the way it catches up.

        Waits for running calls to leave; what rows missed under the old state is made up first.
        The state goes beside the values, unless a live view holds the values in place or no graph looks rows up.
        """
        cdef bint waiting = True
        self.refuse_training()
        wyrm_lock(&self.mutex)
        while self.moving:          # another thread is at it
            wyrm_unlock(&self.mutex)
            time.sleep(0)
            wyrm_lock(&self.mutex)
        self.moving = 1
        wyrm_unlock(&self.mutex)
        try:
            while waiting:
                wyrm_lock(&self.mutex)
                waiting = self.running > 0
                wyrm_unlock(&self.mutex)
                if waiting:
                    time.sleep(0)
            wyrm_lock(&self.mutex)
            try:
                if self.storage.catch_up != NULL:
                    self.storage.catch_up(&self.storage, NULL, 0)
                self._lay_out(width)
                self.storage.catch_up = catch_up
                self.storage.catch_up_context = context
                self.state_kind = kind
            finally:
                wyrm_unlock(&self.mutex)
        finally:
            self.moving = 0
        return 0

    def _lay_out(self, dim_t width):
        cdef storage_t* s = &self.storage
        cdef dim_t r, stride = s.cols + width
        cdef bint interleave = self.looked_up and width > 0
        cdef float* block = NULL
        cdef float* state = NULL
        if self.exports == 0:
            if not interleave:
                stride = s.cols
            if stride != s.stride:
                block = <float*> wyrm_alloc(s.rows * stride * sizeof(float))
                if block == NULL:
                    raise MemoryError(f"{self!r}: no memory for {width} floats of optimiser state per row")
        else:
            interleave = False
        if width > 0 and not interleave:
            state = <float*> wyrm_alloc(s.rows * width * sizeof(float))
            if state == NULL:
                wyrm_free(block)
                raise MemoryError(f"{self!r}: no memory for {width} floats of optimiser state per row")
            memset(state, 0, s.rows * width * sizeof(float))
        if block != NULL:
            for r in range(s.rows):
                memcpy(block + r * stride, s.value + r * s.stride, s.cols * sizeof(float))
            wyrm_free(self.block)
            self.block = block
            s.value = block
            s.stride = stride
        wyrm_free(self.state_block)
        self.state_block = state
        s.state = state
        s.state_stride = width
        if interleave:
            s.state = s.value + s.cols
            s.state_stride = s.stride
            for r in range(s.rows):
                memset(s.state + r * s.stride, 0, width * sizeof(float))
        self._describe_buffer()
