# The node of row numbers.  Included by leaf.pyx.

@cython.trashcan(True)
cdef class IndexInputNode(Node):
    """Row numbers for lookups, cut into bags, set anew for each step.

    Parameters
    ----------
    indices : int, sequence of int, array of int of shape (bags, k), or (indices, offsets)
        As in :meth:`set_value`.
    name : str, optional
        For messages and drawings.

    Raises
    ------
    TypeError
        If the indices are not integers.
    IndexError
        If one is negative, or too large for any table.
    ValueError
        If they are no such list, or offsets don't cut them into bags.

    Examples
    --------
    >>> import wyrm
    >>> index = wyrm.IndexInputNode([4, 2, 4])
    >>> index.set_value(([7, 8, 9], [0, 2, 3]))      # two bags: 7, 8 and 9
    >>> index.bags
    2
    """

    def __cinit__(self, indices, name=None):
        self.name = checked_name(name)
        self.index = &self.list
        self.varies = True
        self.room(0, 0)
        self.put(indices)

    def __init__(self, indices, name=None):
        pass

    def __dealloc__(self):
        free_index(&self.list)
        wyrm_free(self.row_buffer)
        wyrm_free(self.offset_buffer)

    @property
    def shape(self):
        """tuple of int: (number of indices, 1)."""
        return self.list.n, 1

    @property
    def bags(self):
        """int: the number of bags."""
        return self.list.bags

    @property
    def value(self):
        """ndarray of int32, shape (n,): a copy of the indices."""
        cdef row_t[::1] copy
        result = np.empty(self.list.n, dtype=np.int32)
        if self.list.n:
            copy = result
            memcpy(&copy[0], self.list.rows, self.list.n * sizeof(row_t))
        return result

    @property
    def offsets(self):
        """ndarray of int32, shape (bags + 1,): bag j holds the indices offsets[j] to offsets[j + 1]; a copy."""
        cdef row_t[::1] copy
        result = np.empty(self.list.bags + 1, dtype=np.int32)
        copy = result
        memcpy(&copy[0], self.list.offsets, (self.list.bags + 1) * sizeof(row_t))
        return result

    def set_value(self, indices):
        """Take over new indices, by copy.

        Parameters
        ----------
        indices : int, sequence of int, array of int of shape (bags, k), or (indices, offsets)
            One index; one bag of them, which may be empty; bags of k each; or, for bags of any size, all indices in one
            sequence and where each bag starts, with the end of the last: offsets as a CSR matrix's indptr.

        Raises
        ------
        TypeError
            If the indices are not integers.
        IndexError
            If one is negative, or too large for any table.
        ValueError
            If they are no such list, or offsets don't cut them into bags.
        RuntimeError
            If another thread is running a graph on this node.
        """
        if isinstance(indices, int) and not isinstance(indices, bool):
            self.put_one(indices)
        else:
            self.put(indices)

    def parameters(self):
        """tuple: empty, an index depends on no parameter."""
        return ()

    def backward(self, weight=1.0):
        """Inputs have no gradient.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{describe(self)}.backward: it depends on no parameter, so there is nothing to learn")

    cdef int room(self, dim_t n, dim_t bags) except -1:
        """Buffers for n indices in `bags` bags."""
        cdef row_t* rows = self.row_buffer
        cdef row_t* offsets = self.offset_buffer
        if self.list.busy:
            raise RuntimeError(f"{describe(self)}: another thread is running a graph on it")
        if n > self.row_capacity or rows == NULL:
            rows = <row_t*> wyrm_alloc(2 * (n + 8) * sizeof(row_t))
        if bags + 1 > self.offset_capacity:
            offsets = <row_t*> wyrm_alloc(2 * (bags + 8) * sizeof(row_t))
        if rows == NULL or offsets == NULL:
            if rows != self.row_buffer:
                wyrm_free(rows)
            if offsets != self.offset_buffer:
                wyrm_free(offsets)
            raise MemoryError(f"{describe(self)}: no memory for {n} indices in {bags} bags")
        if rows != self.row_buffer:
            wyrm_free(self.row_buffer)
            self.row_buffer = rows
            self.row_capacity = 2 * (n + 8)
        if offsets != self.offset_buffer:
            wyrm_free(self.offset_buffer)
            self.offset_buffer = offsets
            self.offset_capacity = 2 * (bags + 8)
        self.list.rows = rows
        self.list.offsets = offsets
        self.list.version = wyrm_next(&last_version)
        return 0

    cdef int put_one(self, object row) except -1:
        cdef long long number
        try:
            number = row
        except OverflowError:
            number = -1
        if not 0 <= number <= LARGEST:
            refuse_row_number(row, 0, describe(self))
        self.room(1, 1)
        self.row_buffer[0] = <row_t> number
        self.offset_buffer[0] = 0
        self.offset_buffer[1] = 1
        self.list.n = self.list.bags = 1
        self.list.high = self.row_buffer[0]
        self.list.distinct = True
        return 0

    cdef int put(self, object indices) except -1:
        cdef dim_t n, bags
        cdef row_t low = 0
        cdef const row_t[::1] rows
        cdef const row_t[::1] starts
        cdef bint cut = False                    # into bags by offsets
        if type(indices) is np.ndarray and indices.ndim == 1 and self.put_array(indices):
            return 0
        if isinstance(indices, tuple) and len(indices) == 2 and not isinstance(indices[0], numbers.Number):
            indices, offsets = indices
            cut = True
        array = as_rows(indices, self)
        if array.ndim == 0:
            array = array.reshape(1)
        if array.ndim == 2:
            if cut:
                raise ValueError(f"{describe(self)}: expected a flat sequence of indices beside offsets, "
                                 f"got shape {array.shape}")
            cut = True
            offsets = np.arange(0, array.size + 1, array.shape[1]) if array.size else np.zeros(len(array) + 1, int)
            array = array.reshape(-1)
        elif array.ndim != 1:
            raise ValueError(f"{describe(self)}: expected a sequence of indices or an array (bags, k), "
                             f"got shape {array.shape}")
        rows = array
        n = rows.shape[0]
        if cut:
            starts = as_offsets(offsets, n, self)
            bags = starts.shape[0] - 1
        else:
            bags = 1
        self.room(n, bags)
        if n:
            memcpy(self.row_buffer, &rows[0], n * sizeof(row_t))
        if cut:
            memcpy(self.offset_buffer, &starts[0], (bags + 1) * sizeof(row_t))
        else:
            self.offset_buffer[0] = 0
            self.offset_buffer[1] = <row_t> n
        self.list.n = n
        self.list.bags = bags
        kernels.describe_rows(&low, &self.list.high, &self.list.distinct, self.row_buffer, n)
        return 0

    cdef bint put_array(self, object array) except -1:
        """put() of a flat array of the usual kinds, without a detour; false where put() has to look at it."""
        cdef const int64_t[::1] wide
        cdef const row_t[::1] rows
        cdef dim_t i, n = array.shape[0]
        cdef row_t low = 0, high = 0
        cdef bint distinct, fits = True
        if n == 0 or not array.flags.c_contiguous:
            return False
        if array.dtype == INT32:
            rows = array
            kernels.describe_rows(&low, &high, &distinct, &rows[0], n)
            if low < 0:
                return False
            self.room(n, 1)
            memcpy(self.row_buffer, &rows[0], n * sizeof(row_t))
        elif array.dtype == INT64:
            wide = array
            for i in range(n):
                fits = fits and 0 <= wide[i] <= LARGEST
            if not fits:
                return False
            self.room(n, 1)
            for i in range(n):
                self.row_buffer[i] = <row_t> wide[i]
            kernels.describe_rows(&low, &high, &distinct, self.row_buffer, n)
        else:
            return False
        self.offset_buffer[0] = 0
        self.offset_buffer[1] = <row_t> n
        self.list.n = n
        self.list.bags = 1
        self.list.high = high
        self.list.distinct = distinct
        return True
