# Making nodes: operands, shapes, subscripts.  Included by node.pyx.

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
    if node.fields_of is not None:
        code.fields = node.fields_of.index
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
                       float attr0=0, float attr1=0, dim_t n0=0, dim_t n1=0, dim_t n2=0, dim_t n3=0,
                       Node fields_of=None, object row_fields=None):
    """A new node; raises when the shapes of its operands don't fit."""
    cdef OperatorNode node = OperatorNode.__new__(OperatorNode)
    cdef const row_t[::1] view
    cdef int status
    if not (is_built(a) and is_built(b) and is_built(c)):
        raise TypeError("expected a node of a graph, got one that was never initialised")
    node.op = op
    node.a, node.b, node.c, node.table, node.rows_of = a, b, c, table, rows_of
    node.fields_of = fields_of
    if row_fields is not None:
        view = node.row_fields_kept = row_fields
        node.row_fields = &view[0]
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
