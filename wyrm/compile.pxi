# From a graph to a tape.  Included by node.pyx.

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
            if inner.fields_of is not None and inner.fields_of.mark != done:
                stack.append(inner.fields_of)
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
                if inner.op == OP_EMBEDDING or inner.op == OP_FIELD_AWARE or inner.op == OP_CROSSENTROPY:
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
    if node.fields_of is not None:
        code.fields = node.fields_of.index
    code.row_fields = node.row_fields
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
    elif len(node.others) & (len(node.others) - 1) == 0:     # now and then, so that many living roots cost no more
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
