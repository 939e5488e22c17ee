"""Nodes: what a user builds a graph of.

A node knows its operands and its shape, and computes nothing by itself: the first forward() compiles the graph below
it into a tape (wyrm/tape.pyx), later ones reuse that. Each node that is asked to run has a tape of its own; a node that several of
them compute shows the value of the newest run. Nodes own their operands and tapes own no node, so a graph is
free of reference cycles, and is taken apart without recursion however deep it is.
"""

import numbers

import numpy as np

cimport cython
from libc.string cimport memcpy, memset
from wyrm.instructions.program cimport (
    COLS_DIFFER, INNER_DIFFERS, NO_ROWS, OK, OUT_OF_MEMORY, ROWS_DIFFER, ROW_OUT_OF_RANGE, SLICE_OUT_OF_RANGE,
    TARGETS_DIFFER, WEIGHTS_DIFFER,
    OP_ADD, OP_CLIP, OP_CONCATENATE, OP_CROSSENTROPY, OP_DIVIDE, OP_EMBEDDING, OP_EXP, OP_LOG, OP_LOG_SOFTMAX, OP_MATMUL, OP_MEAN, OP_MULTIPLY,
    OP_NEGATE, OP_RELU, OP_SIGMOID, OP_SLICE, OP_SOFTMAX, OP_SOFTPLUS, OP_SQRT, OP_SQUARE, OP_SUBTRACT, OP_SUM,
    OP_TANH, OP_TRANSPOSE, instruction_t, slot_t,
)
from wyrm.instructions.table cimport find_op
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.parameter cimport all_finite, as_matrix
from wyrm.sync cimport wyrm_drop, wyrm_load, wyrm_lock, wyrm_mutex, wyrm_take, wyrm_unlock
from wyrm.tape cimport tape_is_current
from wyrm.errors import describe, refuse_not_finite, refuse_shapes

# What wyrm.errors calls each status.
cdef dict REASONS = {
    ROWS_DIFFER: "rows differ", COLS_DIFFER: "columns differ", INNER_DIFFERS: "inner sizes differ",
    SLICE_OUT_OF_RANGE: "slice out of range", ROW_OUT_OF_RANGE: "row out of range", WEIGHTS_DIFFER: "weights differ",
    TARGETS_DIFFER: "targets differ", NO_ROWS: "no rows", OUT_OF_MEMORY: "out of memory",
}

cdef wyrm_mutex compiling        # over the marks of nodes, which a walk leaves in them
cdef uint64_t visits = 0


# --- Building ----------------------------------------------------------------------------------------------------

cdef inline void fill_slot(slot_t* slot, Node node) noexcept:
    slot.rows = node.rows
    slot.cols = slot.ld = node.cols


cdef int try_shape(OperatorNode node) noexcept:
    """Set the shape of a new node from its operands; a status."""
    cdef instruction_t code
    cdef slot_t out, a, b, c
    cdef int status
    memset(&code, 0, sizeof(code))
    code.op = find_op(node.op)
    code.out = &out
    if node.a is not None:
        code.a = &a
        fill_slot(&a, node.a)
    if node.b is not None:
        code.b = &b
        fill_slot(&b, node.b)
    if node.c is not None:
        code.c = &c
        fill_slot(&c, node.c)
    if node.table is not None:
        code.storage = &node.table.storage.storage
    if node.rows_of is not None:
        code.index = node.rows_of.index
    memcpy(code.attr, node.attr, sizeof(code.attr))
    memcpy(code.n, node.n, sizeof(code.n))
    status = code.op.shape(&code)
    if status == OK:
        node.rows = out.rows
        node.cols = out.cols
    return status


cdef int refresh(Node node) except -1:
    """Take over the rows an operand would have now, for inputs that were set since it was built."""
    if isinstance(node, OperatorNode) and node.varies:
        tape = tape_of(<OperatorNode> node)
        if (<Tape> tape).resolve() == OK:
            node.rows = (<Tape> tape).tape.root.rows
    elif node is not None and node.input != NULL:
        node.rows = node.input.rows
    return 0


cdef inline bint is_built(Node node) noexcept:
    # Python code can call Node.__new__ and skip the rest.
    return node is None or node.cols > 0 or node.index != NULL


cdef OperatorNode make(int op, Node a, Node b, Node c, Node table=None, Node rows_of=None,
                       float attr0=0, float attr1=0, dim_t n0=0, dim_t n1=0, dim_t n2=0, dim_t n3=0):
    """A new node; raises when the shapes of its operands don't fit."""
    cdef OperatorNode node = OperatorNode.__new__(OperatorNode)
    cdef int status
    if not (is_built(a) and is_built(b) and is_built(c)):
        raise TypeError("expected a node of a graph, got one that was never initialised")
    node.op = op
    node.a, node.b, node.c, node.table, node.rows_of = a, b, c, table, rows_of
    node.attr[0], node.attr[1] = attr0, attr1
    node.n[0], node.n[1], node.n[2], node.n[3] = n0, n1, n2, n3
    node.learns = (table is not None or (a is not None and a.learns) or (b is not None and b.learns)
                   or (c is not None and c.learns))
    node.varies = (rows_of is not None or (a is not None and a.varies) or (b is not None and b.varies)
                   or (c is not None and c.varies))
    status = try_shape(node)
    if status != OK and node.varies:
        for operand in (a, b, c):
            refresh(operand)
        status = try_shape(node)
    if status != OK:
        refuse_shapes(REASONS[status], node)
    return node


cdef Node as_node(object operand):
    """The operand itself, or a constant of it; None when it is no operand."""
    if isinstance(operand, Node):
        if not is_built(<Node> operand):
            raise TypeError("expected a node of a graph, got one that was never initialised")
        return <Node> operand
    if isinstance(operand, numbers.Real) or isinstance(operand, np.ndarray):
        return ConstantNode(operand)
    return None


cdef double as_number(object value, str what) except? -1:
    """A real number, or an array of no dimensions that holds one."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
        raise TypeError(f"{what}: expected a real number, got dtype {value.dtype}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{what}: expected a number that is finite in float32, got a larger one") from error


cdef object binary(int op, object left, object right):
    cdef Node a = as_node(left), b = as_node(right)
    if a is None or b is None:
        return NotImplemented
    if a.index != NULL or b.index != NULL:
        raise TypeError(f"{describe(a if a.index != NULL else b)} holds row numbers, not values: look rows up with "
                        f"wyrm.embedding(table, index)")
    return make(op, a, b, None)


cdef object unary(int op, Node a, float attr0=0, float attr1=0):
    if a.index != NULL:
        raise TypeError(f"{describe(a)} holds row numbers, not values: look rows up with wyrm.embedding(table, index)")
    return make(op, a, None, None, None, None, attr0, attr1)


cdef object bounds(Node node, object item, int axis, dim_t length):
    """(start, end) of one part of a subscript; an end of -1 leaves it to the number of rows at run time."""
    cdef bint varies = node.varies and axis == 0
    what = "row" if axis == 0 else "column"
    if isinstance(item, slice):
        if item.step not in (None, 1):
            raise IndexError(f"{describe(node)}: expected a slice with step 1, got step {item.step}")
        start, stop = item.start, item.stop
        for bound in (start, stop):
            if bound is not None and not isinstance(bound, numbers.Integral):
                raise TypeError(f"{describe(node)}: expected integer slice bounds, got {type(bound).__name__}")
        if not varies:
            start, stop, _ = item.indices(length)
        elif (start or 0) < 0 or (stop is not None and stop < 0):
            raise IndexError(f"{describe(node)}: its number of rows follows the input, so row bounds count from the "
                             f"start: expected them not negative, got {item}")
        start = start or 0
        if stop is not None and stop <= start:
            raise IndexError(f"{describe(node)}: expected at least one {what}, got the empty slice {item}")
        return start, -1 if stop is None else stop
    if isinstance(item, numbers.Integral):
        at = int(item)
        if at < 0 and not varies:
            at += length
        if at < 0 or (at >= length and not varies):
            raise IndexError(f"{describe(node)}: expected a {what} below {length}, got {item}")
        return at, at + 1
    raise TypeError(f"{describe(node)}: expected an integer or a slice as {what}, got {type(item).__name__}")


cdef int reduced_axis(object axis) except -2:
    if axis is None:
        return -1
    if isinstance(axis, numbers.Integral) and axis in (0, 1):
        return axis
    raise ValueError(f"axis: expected 0 (sum the rows), 1 (sum the columns) or None (both), got {axis!r}")


# --- Compiling ---------------------------------------------------------------------------------------------------

cdef list walk(Node root):
    """Every node below and including `root`, operands first, without recursion."""
    global visits
    cdef list order = [], stack = [root]
    cdef Node node, operand
    cdef OperatorNode inner
    cdef uint64_t entered, done
    visits += 1
    entered, done = 2 * visits, 2 * visits + 1
    while stack:
        node = <Node> stack[len(stack) - 1]
        if node.mark == done:
            stack.pop()
        elif node.mark == entered or not isinstance(node, OperatorNode):
            node.mark = done
            order.append(node)
            stack.pop()
        else:
            node.mark = entered
            inner = <OperatorNode> node
            if inner.pieces is not None:
                for operand in reversed(inner.pieces):
                    if operand.mark != done:
                        stack.append(operand)
                continue
            if inner.c is not None and inner.c.mark != done:
                stack.append(inner.c)
            if inner.b is not None and inner.b.mark != done:
                stack.append(inner.b)
            if inner.a is not None and inner.a.mark != done:
                stack.append(inner.a)
            if inner.rows_of is not None and inner.rows_of.mark != done:
                stack.append(inner.rows_of)
            if inner.table is not None and inner.table.mark != done:
                stack.append(inner.table)
    return order


cdef inline void need_slot(Node node) noexcept:
    if node is not None:
        node.slot = 0


cdef inline slot_t* slot_of(Tape tape, Node node) noexcept:
    return NULL if node is None else tape.tape.slots + node.slot


cdef Tape compile_graph(OperatorNode root):
    """Flatten the graph below `root` into a new tape."""
    cdef list order = walk(root), parameters = []
    cdef Tape tape = Tape.__new__(Tape)
    cdef Node node, piece
    cdef OperatorNode inner
    cdef slot_t* slot
    cdef instruction_t* code
    cdef instruction_t* previous
    cdef dim_t slots = 0, codes = 0, inputs = 0, indices = 0
    # Count. A parameter needs a slot only where it is used whole, an index never.
    for node in order:
        node.slot = -1
    for node in order:
        if isinstance(node, OperatorNode):
            inner = <OperatorNode> node
            need_slot(inner.a)
            need_slot(inner.b)
            need_slot(inner.c)
            codes += 1
            if inner.pieces is not None:
                codes += len(inner.pieces) - 1
                for piece in inner.pieces:
                    need_slot(piece)
            if inner.table is not None:
                inner.table.storage.looked_up = True
            inner.slot = 0
    for node in order:
        if node.accumulator != NULL:
            parameters.append(node)
        elif node.input != NULL:
            inputs += 1
        elif node.index != NULL:
            indices += 1
        slots += node.slot == 0
    tape.reserve(slots, codes, inputs, indices, len(parameters))
    # Lay down slots and leaves, then instructions.
    slots = inputs = indices = 0
    code = tape.tape.code
    parameters.clear()
    for node in order:
        slot = NULL
        if node.slot == 0:
            slot = tape.tape.slots + slots
            node.slot = slots
            slots += 1
            slot.rows, slot.cols = node.rows, node.cols
        if node.accumulator != NULL:
            tape.tape.parameters[len(parameters)].storage = &node.storage.storage
            tape.tape.parameters[len(parameters)].gradient = node.accumulator
            tape.tape.parameters[len(parameters)].slot = slot
            tape.storages.append(node.storage)
            parameters.append(node)
        elif node.input != NULL:
            tape.tape.inputs[inputs].source = node.input
            tape.tape.inputs[inputs].slot = slot
            inputs += 1
        elif node.index != NULL:
            tape.tape.indices[indices].source = node.index
            tape.tape.indices[indices].n = tape.tape.indices[indices].bags = -1
            node.slot = indices              # of the leaf: an index has no slot
            indices += 1
        else:
            inner = <OperatorNode> node
            if inner.pieces is None:
                emit(code, tape, inner)
                code.a = slot_of(tape, inner.a)
                code += 1
                if inner.op == OP_EMBEDDING or inner.op == OP_CROSSENTROPY:
                    tape.tape.indices[inner.rows_of.slot].shapes_by_n = True
            else:
                previous = NULL
                for piece in inner.pieces:
                    emit(code, tape, inner)
                    code.a = slot_of(tape, piece)
                    code.previous = previous
                    previous = code
                    code += 1
            remember(inner, tape)
    tape.finish(tape.tape.slots + root.slot)
    tape.alive = True
    root.own_parameters = tuple(parameters)
    return tape


cdef void emit(instruction_t* code, Tape tape, OperatorNode node) noexcept:
    code.op = find_op(node.op)
    code.out = slot_of(tape, node)
    code.b = slot_of(tape, node.b)
    code.c = slot_of(tape, node.c)
    if node.table is not None:
        code.storage = &node.table.storage.storage
        code.gradient = node.table.accumulator
    if node.rows_of is not None:
        code.index = node.rows_of.index
    memcpy(code.attr, node.attr, sizeof(code.attr))
    memcpy(code.n, node.n, sizeof(code.n))


cdef int remember(OperatorNode node, Tape tape) except -1:
    """Let the node find its value in the tape."""
    if node.tape is None or not node.tape.alive:
        node.tape = tape
        node.tape_slot = node.slot
        return 0
    if node.others is None:
        node.others = []
    else:
        node.others = [other for other in node.others if (<Tape> other[0]).alive]
    node.others.append((tape, node.slot))
    return 0


cdef Tape tape_of(OperatorNode root):
    if root.own is None:
        if not is_built(root):
            raise TypeError("expected a node of a graph, got one that was never initialised")
        wyrm_lock(&compiling)
        try:
            root.own = compile_graph(root)
        finally:
            wyrm_unlock(&compiling)
    return root.own


cdef int refuse_status(OperatorNode root, dim_t at, int status) except -1:
    """Raise what stopped a tape of `root` at its instruction `at`, naming the node."""
    cdef OperatorNode inner
    wyrm_lock(&compiling)
    try:
        order = walk(root)
    finally:
        wyrm_unlock(&compiling)
    for node in order:
        if isinstance(node, OperatorNode):
            inner = <OperatorNode> node
            at -= 1 if inner.pieces is None else len(inner.pieces)
            if at < 0:
                for operand in (inner.pieces or (inner.a, inner.b, inner.c)):
                    refresh(operand)
                refuse_shapes(REASONS[status], inner)
    raise SystemError(f"{describe(root)}: status {status} at no known node")


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


cdef Node valued(Node node):
    if node.index != NULL:
        raise TypeError(f"{describe(node)} holds row numbers, not values: look rows up with "
                        f"wyrm.embedding(table, index)")
    return node


cdef object matmul(object left, object right):
    cdef Node a = as_node(left), b = as_node(right)
    cdef bint transpose_a = False, transpose_b = False
    if a is None or b is None:
        return NotImplemented
    valued(a)
    valued(b)
    # A transposed operand is read in place.
    if isinstance(a, OperatorNode) and (<OperatorNode> a).op == OP_TRANSPOSE:
        a, transpose_a = (<OperatorNode> a).a, True
    if isinstance(b, OperatorNode) and (<OperatorNode> b).op == OP_TRANSPOSE:
        b, transpose_b = (<OperatorNode> b).a, True
    return make(OP_MATMUL, a, b, None, None, None, 0, 0, transpose_a, transpose_b)


cdef inline bint is_running(Tape tape) noexcept:
    return tape is not None and wyrm_load(&tape.busy) != 0


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
        return tuple(n for n in (self.table, self.rows_of, self.a, self.b, self.c) if n is not None)

    cdef Tape newest(self, dim_t* slot):
        cdef Tape best = self.tape
        slot[0] = self.tape_slot
        if self.others is not None:
            for tape, at in self.others:
                if not best.tape.ran or ((<Tape> tape).tape.ran and (<Tape> tape).stamp > best.stamp):
                    best, slot[0] = tape, at
        return best if best is not None and best.tape.ran else None

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
        what = describe(self)
        values = as_matrix(array, what)
        if self.data.cols < 0:
            self.data.cols = values.shape[1]
        elif values.shape[1] != self.data.cols:
            raise ValueError(f"{what}: expected {self.data.cols} column(s), got an array of shape {values.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            single = np.ascontiguousarray(values, dtype=np.float32)
        cdef const float[:, ::1] source = single
        if not all_finite(&source[0, 0], source.shape[0] * source.shape[1]):
            refuse_not_finite(values, what)
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
