"""A feed over arrays in memory: dense rows, row numbers, ragged lists, CSR matrices.

Single examples are not copied: the leaves of the replica point into the arrays. While one is computed, the indices of a
later one and the table rows of the next are on their way into the cache.
"""

import numpy as np

from libc.string cimport memcpy, memset
from wyrm.detours cimport Detours, lead
from wyrm.feeds.base cimport address, slide, slide_t
from wyrm.feeds.lookups cimport check_rows
from wyrm.gradient cimport lay_rows
from wyrm.instructions.lookup cimport fetch_rows
from wyrm.instructions.program cimport instruction_t
from wyrm.kernels.dispatch cimport kernels
from wyrm.leaf cimport IndexInputNode, InputNode
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_prefetch
from wyrm.replica cimport Replica
from wyrm.tape cimport input_t
from wyrm.errors import describe
from wyrm.feeds.prepare import dense_column, index_column, one_length, refuse_changes, without_fields

cdef enum:
    AHEAD = 4                    # examples between fetching indices and using them
    # Bytes. Tables that are smaller than this together stay in the caches of a core by themselves, ...
    WORTH_FETCHING = 1 << 20
    # ... and so does one of this size beside larger ones, ...
    LEAST = 256 << 10
    # ... and for one up to this it isn't worth it where the rows of an example would push out what is at work.
    WORTH_FETCHING_MANY = 8 << 20
    MANY = 16 << 10


cdef inline dim_t bytes_of(const storage_t* table) noexcept nogil:
    return table.rows * table.stride * sizeof(float)


cdef inline void extent(dim_t* begin, dim_t* end, const column_t* column, dim_t example) noexcept nogil:
    """Which indices of the column are the example's."""
    if column.kind == FIXED:
        begin[0] = example * column.width
        end[0] = begin[0] + column.width
    else:
        begin[0], end[0] = column.starts[example], column.starts[example + 1]


cdef class ArrayFeed(Feed):
    """Examples in arrays.

    Parameters
    ----------
    data : dict
        For each input node of the graph its values, the same number of examples n for all:

        - InputNode: array (n, cols), or (n,) where it has one column;
        - IndexInputNode: integer array (n,) or (n, k), a list of n lists, or (indices, offsets) with n + 1 offsets;
        - (IndexInputNode, InputNode): a CSR matrix with n rows, its columns as indices and its values as weights; or
          (indices, values, offsets), in the order they are in;
        - (IndexInputNode, IndexInputNode, InputNode), for indices that belong to fields: (indices, fields, values,
          offsets), the first four of what :func:`wyrm.io.read_libffm` gives; or the same without values.

    Raises
    ------
    TypeError
        If a key is no input node, or the values have the wrong dtype.
    ValueError
        If shapes don't fit, lengths differ or values are not finite.
    IndexError
        If an index is negative or too large for any table.
    """

    def __cinit__(self, data):
        cdef dim_t i
        if not isinstance(data, dict) or not data:
            raise TypeError(f"feed: expected a dict of input node to array, got "
                            f"{'an empty one' if isinstance(data, dict) else type(data).__name__}")
        data = without_fields(data)
        self.random_access = self.takes_shares = True
        self.keys = []
        self.kept = []
        self.looked_into = []
        self.n_columns = len(data)
        self.columns = <column_t*> wyrm_alloc(self.n_columns * sizeof(column_t))
        if self.columns == NULL:
            raise MemoryError("no memory for a feed")
        memset(self.columns, 0, self.n_columns * sizeof(column_t))
        lengths = []
        dense_first = sorted(data.items(), key=lambda item: not isinstance(item[0], InputNode))
        for i, (key, values) in enumerate(dense_first):
            lengths.append(self._column(&self.columns[i], key, values))
            self.n_dense += self.columns[i].kind == DENSE
        self.n_examples = one_length([index if index is not None else values for index, values in self.keys], lengths)

    def __dealloc__(self):
        wyrm_free(self.columns)

    def _refuse_changes(self):
        for index, rows, high, starts in self.looked_into:
            refuse_changes(f"feed: {describe(index)}", rows, high, starts)

    def inputs(self):
        """set of Node: the input nodes it fills."""
        return {node for pair in self.keys for node in pair if node is not None}

    cdef dim_t _column(self, column_t* column, object key, object values) except -1:
        """Describe the data of one key; its number of examples."""
        cdef row_t low
        cdef bint rising
        index, weights = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if isinstance(key, IndexInputNode):
            index = key
        if index is None:
            if not isinstance(key, InputNode):
                raise TypeError(f"feed: expected an InputNode, an IndexInputNode or a pair of both as key, "
                                f"got {type(key).__name__}")
            array = dense_column(key, values)
            self.kept.append(array)
            self.keys.append((None, key))
            column.kind = DENSE
            column.values = <const float*> address(array)
            column.width = array.shape[1]
            return array.shape[0]
        if not isinstance(index, IndexInputNode) or not (weights is None or isinstance(weights, InputNode)):
            raise TypeError(f"feed: expected (IndexInputNode, InputNode) as key of a CSR matrix, "
                            f"got ({type(index).__name__}, {type(weights).__name__})")
        rows, starts, factors, width = index_column(index, weights, values)
        self.kept.extend((rows, starts, factors))
        self.keys.append((index, weights))
        column.rows = <const row_t*> address(rows)
        column.values = NULL if factors is None else <const float*> address(factors)
        column.width = width
        column.kind = FIXED if starts is None else RAGGED
        column.starts = NULL if starts is None else <const int64_t*> address(starts)
        kernels.describe_rows(&low, &column.high, &rising, column.rows, len(rows))
        self.looked_into.append((index, rows, column.high, starts))
        return len(rows) // width if starts is None else len(starts) - 1

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef ArrayCursor cursor = ArrayCursor.__new__(ArrayCursor)
        cdef target_t* target
        cdef dim_t i
        cursor.feed = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        cursor.columns = self.columns
        cursor.n_columns = self.n_columns
        cursor.n_dense = self.n_dense
        cursor.targets = <target_t*> wyrm_alloc(self.n_columns * sizeof(target_t))
        cursor.lookups = <lookup_t*> wyrm_alloc(replica.tape.n_code * sizeof(lookup_t))
        if cursor.targets == NULL or cursor.lookups == NULL:
            raise MemoryError("no memory for a cursor")
        memset(cursor.targets, 0, self.n_columns * sizeof(target_t))
        if batch_size == 1:
            self.look_for_repeats()
        for i, (index, values) in enumerate(self.keys):
            target = cursor.targets + i
            target.offsets = <row_t*> wyrm_alloc((batch_size + 1) * sizeof(row_t))
            if target.offsets == NULL:
                raise MemoryError("no memory for a cursor")
            if index is not None and index in leaves:
                target.index = replica.indices + <dim_t> leaves[index]
            if values is not None and values in leaves:
                target.input = replica.inputs + <dim_t> leaves[values]
            if target.index != NULL:
                cursor.note_lookups(i, index)
        cursor.note_slides()
        return cursor

    cdef bint is_worth_fetching(self, const column_t* column, const storage_t* storage, dim_t tables) noexcept:
        """Whether the rows of the next example are better fetched ahead, where all tables take so many bytes."""
        cdef dim_t row = storage.stride * sizeof(float), table = bytes_of(storage)
        cdef dim_t rows = self.n_examples * column.width if column.kind == FIXED else column.starts[self.n_examples]
        if rows * row > MANY * self.n_examples:
            return table >= WORTH_FETCHING_MANY
        return tables >= WORTH_FETCHING and table >= LEAST

    cdef int look_for_repeats(self) except -1:
        """Find out, where that isn't known yet, which examples hold an index more than once."""
        cdef column_t* column
        cdef dim_t i
        for i in range(self.n_columns):
            column = self.columns + i
            if column.kind == DENSE or column.examined or not self.n_examples:
                continue
            repeats = np.zeros(self.n_examples, dtype=np.uint8)
            if self.find_repeats(column, <uint8_t*> address(repeats), self.n_examples):
                column.repeats = <const uint8_t*> address(repeats)
                self.kept.append(repeats)
            column.examined = True
        return 0

    cdef int find_repeats(self, column_t* column, uint8_t* repeats, dim_t n) except -1:
        """Mark the examples that hold an index more than once; whether there are any."""
        cdef dim_t i, begin, end, longest = 0, n_buckets = 16
        cdef row_t low, high
        cdef bint rising, found = False
        cdef row_t* unique
        for i in range(n):
            extent(&begin, &end, column, i)
            longest = max(longest, end - begin)
        while n_buckets < 2 * longest:
            n_buckets *= 2
        unique = <row_t*> wyrm_alloc((2 * longest + n_buckets) * sizeof(row_t))
        if unique == NULL:
            raise MemoryError("no memory for a feed")
        with nogil:
            for i in range(n):
                extent(&begin, &end, column, i)
                # Rising indices, as in CSR matrices, are distinct; others are counted.
                kernels.describe_rows(&low, &high, &rising, column.rows + begin, end - begin)
                if not rising and kernels.unique_rows(unique, unique + longest, unique + 2 * longest, n_buckets,
                                                      column.rows + begin, end - begin) < end - begin:
                    repeats[i] = 1
                    found = True
        wyrm_free(unique)
        return found


cdef void point_at_indices(target_t* target, const column_t* column, dim_t example) noexcept nogil:
    """Point an index leaf and its weights at one example."""
    cdef dim_t begin, end
    cdef input_t* input = target.input
    extent(&begin, &end, column, example)
    if target.index != NULL:
        target.offsets[0], target.offsets[1] = 0, <row_t> (end - begin)
        lay_rows(target.index, column.rows + begin, target.offsets, end - begin, 1, column.high,
                 column.examined and (column.repeats == NULL or not column.repeats[example]))
    if input != NULL:
        input.value = <float*> column.values + begin
        input.rows = end - begin
        input.version += 1


cdef inline void point(ArrayCursor self, dim_t example) noexcept nogil:
    """Point the leaves at one example."""
    cdef dim_t i
    cdef input_t* input
    for i in range(self.n_dense):
        input = self.targets[i].input
        if input != NULL:
            input.value = <float*> self.columns[i].values + example * self.columns[i].width
            input.rows = 1
            input.version += 1
    for i in range(self.n_dense, self.n_columns):
        point_at_indices(self.targets + i, self.columns + i, example)


cdef class ArrayCursor(Cursor):
    """One thread's way through an ArrayFeed."""

    def __dealloc__(self):
        cdef dim_t i
        if self.targets != NULL:
            for i in range(self.n_columns):
                wyrm_free(self.targets[i].values)
                wyrm_free(self.targets[i].rows)
                wyrm_free(self.targets[i].offsets)
        wyrm_free(self.targets)
        wyrm_free(self.lookups)
        wyrm_free(self.slides)

    cdef int note_lookups(self, dim_t i, object index) except -1:
        """Check the indices of a column against the tables they reach, and note what is worth fetching ahead."""
        cdef dim_t k, tables = 0
        cdef instruction_t* code
        cdef lookup_t* lookup
        for k in range(self.replica.tape.n_code):
            code = self.replica.tape.code + k
            if code.storage != NULL:
                tables += bytes_of(code.storage)
        for k in range(self.replica.tape.n_code):
            code = self.replica.tape.code + k
            check_rows(code, self.targets[i].index, index, self.columns[i].high)
            if (code.storage == NULL or code.index != self.targets[i].index
                    or not (<ArrayFeed> self.feed).is_worth_fetching(self.columns + i, code.storage, tables)):
                continue
            self.looks_ahead = True
            lookup = self.lookups + self.n_lookups
            lookup.column = self.columns + i
            lookup.storage = code.storage
            lookup.leaf = code.index
            lookup.detour = NULL
            self.n_lookups += 1
        return 0

    cdef int note_slides(self) except -1:
        """Find out how to get from an example to the next where they come singly, in their own order."""
        cdef dim_t i
        cdef size_t width
        cdef column_t* column
        cdef target_t* target
        self.slidable = self.batch_size == 1
        self.slides = <slide_t*> wyrm_alloc(2 * self.n_columns * sizeof(slide_t))
        if self.slides == NULL:
            raise MemoryError("no memory for a cursor")
        for i in range(self.n_columns):
            column, target = self.columns + i, self.targets + i
            if column.kind == RAGGED or column.repeats != NULL:
                self.slidable = False
            width = column.width * sizeof(float)
            if target.index != NULL:
                self.slides[self.n_slides] = slide_t(<const char**> &target.index.rows, &target.index.version,
                                                     <const char*> column.rows, width)
                self.n_slides += 1
            if target.input != NULL:
                self.slides[self.n_slides] = slide_t(<const char**> &target.input.value, &target.input.version,
                                                     <const char*> column.values, width)
                self.n_slides += 1
        return 0

    cdef dim_t next(self) noexcept nogil:
        cdef dim_t n
        self.slides_on = False
        if self.at >= self.end:
            self.order = (<ArrayFeed> self.feed).order
            if not self.take():
                return 0
            self.laid = False
        if self.batch_size == 1:
            if self.order != NULL:
                self.fetch_examples(self.at)
            if self.looks_ahead:
                self.fetch_tables(self.at + 1)
            self.first = self.at
            self.at += 1
            if self.laid:
                slide(self.slides, self.n_slides, self.first)
            else:
                point(self, self.example(self.first))
                self.laid = self.slidable and self.order == NULL
            self.slides_on = self.laid and not self.looks_ahead
            return 1
        self.first = self.at
        n = self.end - self.at
        if n > self.batch_size:
            n = self.batch_size
        self.at += n
        return n if self.gather(self.first, n) == 0 else -1

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        self.order = (<ArrayFeed> self.feed).order
        self.first = first
        self.laid = False
        if n == 1:
            point(self, self.example(first))
            return 1
        return n if self.gather(first, n) == 0 else -1

    cdef void fetch_examples(self, dim_t place) noexcept nogil:
        """Start fetching examples that come later: where their indices are, then the indices themselves.

        In their own order, the processor fetches them by itself.
        """
        cdef dim_t i, begin, end, example
        cdef column_t* column
        if place + 3 * AHEAD < self.end:
            example = self.example(place + 3 * AHEAD)
            for i in range(self.n_columns):
                column = self.columns + i
                if column.kind == RAGGED:
                    wyrm_prefetch(column.starts + example, sizeof(int64_t))
                elif column.kind == DENSE:
                    wyrm_prefetch(column.values + example * column.width, column.width * sizeof(float))
        if place + 2 * AHEAD < self.end:
            example = self.example(place + 2 * AHEAD)
            for i in range(self.n_columns):
                column = self.columns + i
                if column.kind != DENSE:
                    extent(&begin, &end, column, example)
                    wyrm_prefetch(column.rows + begin, (end - begin) * sizeof(row_t))
                    if column.values != NULL:
                        wyrm_prefetch(column.values + begin, (end - begin) * sizeof(float))

    cdef void fetch_tables(self, dim_t place) noexcept nogil:
        """Start fetching the rows of tables that the example at a place needs."""
        cdef dim_t i, begin, end, example
        cdef lookup_t* lookup
        cdef const row_t* rows
        cdef const row_t* map
        if place >= self.end:
            return
        example = self.example(place)
        for i in range(self.n_lookups):
            lookup = self.lookups + i
            extent(&begin, &end, lookup.column, example)
            rows, map = lookup.column.rows + begin, lookup.storage.map
            if map != NULL and lookup.detour != NULL:
                rows, map = lead(lookup.detour, rows, end - begin, True), NULL
                if rows == NULL:
                    continue
            fetch_rows(lookup.storage, rows, map, end - begin, self.replica.trains)

    cdef void take_detours(self, Detours detours) noexcept:
        cdef dim_t i, k
        for i in range(self.n_lookups):
            for k in range(detours.n):
                if (detours.detours[k].storage == self.lookups[i].storage
                        and detours.detours[k].leaf == self.lookups[i].leaf):
                    self.lookups[i].detour = detours.detours + k

    cdef inline dim_t example(self, dim_t place) noexcept nogil:
        return place if self.order == NULL else self.order[place]

    cdef int gather(self, dim_t first, dim_t n) noexcept nogil:
        """Copy n examples of the order, from `first` on, into the buffers; -1 when memory ran out."""
        cdef dim_t i
        for i in range(self.n_columns):
            if self.columns[i].kind == DENSE:
                if self.gather_dense(self.columns + i, self.targets + i, first, n) < 0:
                    return -1
            elif self.gather_indices(self.columns + i, self.targets + i, first, n) < 0:
                return -1
        return 0

    cdef int gather_dense(self, column_t* column, target_t* target, dim_t first, dim_t n) noexcept nogil:
        cdef dim_t j
        if target.input == NULL:
            return 0
        target.input.rows = n
        target.input.version += 1
        if self.order == NULL:
            target.input.value = <float*> column.values + first * column.width
            return 0
        if reserve(<void**> &target.values, &target.value_capacity, n * column.width) < 0:
            return -1
        for j in range(n):
            memcpy(target.values + j * column.width, column.values + self.order[first + j] * column.width,
                   column.width * sizeof(float))
        target.input.value = target.values
        return 0

    cdef int gather_indices(self, column_t* column, target_t* target, dim_t first, dim_t n) noexcept nogil:
        cdef dim_t j, begin, end, total = 0
        cdef const float* values = column.values
        if self.order == NULL:                   # the examples lie one behind the other
            extent(&begin, &end, column, first)
            target.offsets[0] = 0
            for j in range(n):
                extent(&end, &total, column, first + j)
                target.offsets[j + 1] = <row_t> (total - begin)
            if values != NULL:
                values += begin
            self.lay_batch(column, target, column.rows + begin, values, n)
            return 0
        for j in range(n):
            extent(&begin, &end, column, self.example(first + j))
            total += end - begin
        if (reserve(<void**> &target.rows, &target.row_capacity, total) < 0
                or (column.values != NULL
                    and reserve(<void**> &target.values, &target.value_capacity, total) < 0)):
            return -1
        total = 0
        for j in range(n):
            extent(&begin, &end, column, self.example(first + j))
            target.offsets[j] = <row_t> total
            memcpy(target.rows + total, column.rows + begin, (end - begin) * sizeof(row_t))
            if column.values != NULL:
                memcpy(target.values + total, column.values + begin, (end - begin) * sizeof(float))
            total += end - begin
        target.offsets[n] = <row_t> total
        self.lay_batch(column, target, target.rows, target.values, n)
        return 0

    cdef void lay_batch(self, const column_t* column, target_t* target, const row_t* rows, const float* values,
                        dim_t n) noexcept nogil:
        """Point the leaves at n examples."""
        if target.index != NULL:
            lay_rows(target.index, rows, target.offsets, target.offsets[n], n, column.high, False)
        if target.input != NULL:
            target.input.value = <float*> values
            target.input.rows = target.offsets[n]
            target.input.version += 1


cdef int reserve(void** buffer, dim_t* capacity, dim_t n) noexcept nogil:
    """Room for n floats or row numbers (both four bytes), content undefined."""
    if n <= capacity[0]:
        return 0
    wyrm_free(buffer[0])
    capacity[0] = 0
    buffer[0] = wyrm_alloc(2 * n * sizeof(float))
    if buffer[0] == NULL:
        return -1
    capacity[0] = 2 * n
    return 0
