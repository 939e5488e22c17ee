"""The tape: a graph as a flat program.

Nodes emit their instructions in topological order (wyrm/node.pyx); forward runs them first to last, backward last to
first, each as one loop in C. Values, gradients and scratch live in one arena, laid out anew when a shape changes and
reused otherwise, so a steady loop allocates nothing.

Which gradient is wanted, and which instruction writes it first (and so may overwrite instead of add), is settled once,
when the tape is finished. Gradients of inputs, which nobody reads, are never computed.
"""

from libc.string cimport memset
from wyrm.gradient cimport open_dense, use_dense
from wyrm.instructions.program cimport OK, OUT_OF_MEMORY, size
from wyrm.kernels.dispatch cimport kernels
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.sync cimport WYRM_FREE_THREADED, wyrm_drop, wyrm_next, wyrm_take

cdef enum:
    # Multiply-adds from which a run is worth giving up the GIL: taking it back costs about a microsecond when nobody
    # else wants it, and up to the switch interval when somebody does.
    WORTH_RELEASING = 20_000

    LINE = 16                    # floats to a cache line: no two buffers share one

cdef uint64_t last_stamp = 0


# --- Running, without the GIL ------------------------------------------------------------------------------------

cdef inline dim_t padded(dim_t floats) noexcept nogil:
    return (floats + LINE - 1) // LINE * LINE


cdef int lay_out(tape_t* tape) noexcept nogil:
    """Resolve every shape, and give every computed value, gradient and scratch its place in the arena."""
    cdef dim_t i, wanted = 0
    cdef int status
    cdef instruction_t* code
    cdef slot_t* out
    cdef float* at
    tape.shaped = False
    tape.ran = False
    tape.work = 0
    for i in range(tape.n_code):
        code = tape.code + i
        status = code.op.shape(code)
        if status != OK:
            tape.failed = i
            return status
        code.out.ld = code.out.cols
        tape.work += code.work
    for i in range(tape.n_code):
        code = tape.code + i
        if code.previous == NULL:          # the pieces of a concatenation share their slot
            wanted += (1 + (code.out.grad != NULL)) * padded(size(code.out))
        wanted += padded(code.scratch_size)
    if wanted > tape.arena_size:
        wyrm_free(tape.arena)
        tape.arena_size = 0
        wanted += wanted // 2
        tape.arena = <float*> wyrm_alloc(wanted * sizeof(float))
        if tape.arena == NULL:
            tape.failed = 0
            return OUT_OF_MEMORY
        tape.arena_size = wanted
    at = tape.arena
    for i in range(tape.n_code):
        code = tape.code + i
        out = code.out
        if code.previous == NULL:
            out.value = at
            at += padded(size(out))
            if out.grad != NULL:
                out.grad = at
                at += padded(size(out))
        code.scratch = at
        at += padded(code.scratch_size)
    tape.shaped = True
    return OK


cdef inline int bind(tape_t* tape) noexcept nogil:
    """Look at the leaves: where their values are now, and whether shapes changed."""
    cdef dim_t i
    cdef input_leaf_t* input
    cdef index_leaf_t* index
    cdef parameter_leaf_t* parameter
    for i in range(tape.n_inputs):
        input = tape.inputs + i
        input.seen = input.source.version
        input.slot.value = input.source.value
        if input.slot.rows != input.source.rows:
            input.slot.rows = input.source.rows
            if input.shapes:
                tape.shaped = False
    for i in range(tape.n_indices):
        index = tape.indices + i
        index.seen = index.source.version
        # Stored only where they differ: compilers would load the two at once, which a processor can't forward from
        # the two stores a feed has just made.
        if index.bags != index.source.bags:
            index.bags = index.source.bags
            tape.shaped = False
        if index.n != index.source.n:
            index.n = index.source.n
            if index.shapes_by_n:
                tape.shaped = False
    for i in range(tape.n_whole):
        parameter = tape.whole[i]
        parameter.slot.value = parameter.storage.value
        if parameter.slot.ld != parameter.storage.stride:
            parameter.slot.ld = parameter.storage.stride
            tape.shaped = False
        if parameter.storage.catch_up != NULL:
            parameter.storage.catch_up(parameter.storage, NULL, 0)
    if not tape.shaped:
        return lay_out(tape)
    return OK


cdef int tape_forward(tape_t* tape) noexcept nogil:
    """Compute every value. A status; tape.failed names the instruction where it isn't OK."""
    cdef instruction_t* code = tape.code
    cdef instruction_t* end = tape.code + tape.n_code
    cdef int status = bind(tape)
    tape.ran = False
    if status != OK:
        return status
    while code != end:
        status = code.forward(code)
        if status != OK:
            tape.failed = code - tape.code
            return status
        code += 1
    tape.ran = True
    return OK


cdef double tape_loss(const tape_t* tape) noexcept nogil:
    """The sum of the root's entries."""
    cdef const slot_t* root = tape.root
    cdef dim_t r
    cdef double loss = 0
    for r in range(root.rows):
        loss += kernels.total(root.value + r * root.cols, root.cols)
    return loss


cdef int tape_backward(tape_t* tape, float weight) noexcept nogil:
    """Add the gradient of weight * sum(root) to the parameters' gradients. Needs a forward before it."""
    cdef instruction_t* code = tape.code + tape.n_code
    cdef slot_t* root = tape.root
    cdef dim_t i
    cdef int status
    if root.grad == NULL:
        return OK
    root.grad[0] = weight
    for i in range(1, size(root)):
        root.grad[i] = weight
    for i in range(tape.n_whole):
        begin_dense(tape.whole[i])
    while code != tape.code:
        code -= 1
        if code.out.grad == NULL:          # depends on no parameter
            continue
        status = code.backward(code)
        if status != OK:
            tape.failed = code - tape.code
            drop_dense(tape)
            return status
    return OK


cdef inline void begin_dense(parameter_leaf_t* parameter) noexcept nogil:
    """Before a backward: a dense gradient that holds nothing is overwritten by its first writer, or else cleared."""
    cdef gradient_t* gradient = parameter.gradient
    parameter.first_add[0] = gradient.dense_touched
    if parameter.looked_up:
        open_dense(gradient)
        parameter.first_add[0] = True
    gradient.dense_touched = True


cdef void drop_dense(tape_t* tape) noexcept nogil:
    """After a backward that failed: what its first writers may not have written holds nothing."""
    cdef dim_t i
    for i in range(tape.n_whole):
        if not tape.whole[i].first_add[0]:
            tape.whole[i].gradient.dense_touched = False


cdef bint tape_is_current(const tape_t* tape) noexcept nogil:
    """Whether no input has changed since the last forward."""
    cdef dim_t i
    for i in range(tape.n_inputs):
        if tape.inputs[i].seen != tape.inputs[i].source.version:
            return False
    for i in range(tape.n_indices):
        if tape.indices[i].seen != tape.indices[i].source.version:
            return False
    return True


cdef bint note_use(slot_t* slot) noexcept nogil:
    """Note in `ld` that the operand is used; whether it was before."""
    cdef bint used = slot != NULL and slot.ld > 0
    if slot != NULL:
        slot.ld = 1
    return used


# --- The Python side ---------------------------------------------------------------------------------------------

cdef class Tape:
    """A program over leaves that somebody else keeps alive (the root of the graph, or the owner of a replica)."""

    def __cinit__(self):
        self.storages = []

    def __dealloc__(self):
        wyrm_free(self.tape.slots)           # one block holds the slots, the code and the leaves
        wyrm_free(self.tape.arena)

    cdef int reserve(self, dim_t slots, dim_t code, dim_t inputs, dim_t indices, dim_t parameters) except -1:
        """Zeroed room for the program, in one block."""
        cdef tape_t* tape = &self.tape
        cdef size_t bytes = (slots * sizeof(slot_t) + code * sizeof(instruction_t) + inputs * sizeof(input_leaf_t)
                             + indices * sizeof(index_leaf_t)
                             + parameters * (sizeof(parameter_leaf_t) + sizeof(parameter_leaf_t*)))
        cdef char* at = <char*> wyrm_alloc(bytes)
        if at == NULL:
            raise MemoryError(f"no memory for a graph of {code} operations")
        memset(at, 0, bytes)
        self.bytes = bytes
        tape.slots = <slot_t*> at
        at += slots * sizeof(slot_t)
        tape.code = <instruction_t*> at
        at += code * sizeof(instruction_t)
        tape.inputs = <input_leaf_t*> at
        at += inputs * sizeof(input_leaf_t)
        tape.indices = <index_leaf_t*> at
        at += indices * sizeof(index_leaf_t)
        tape.parameters = <parameter_leaf_t*> at
        at += parameters * sizeof(parameter_leaf_t)
        tape.whole = <parameter_leaf_t**> at
        tape.n_slots, tape.n_code = slots, code
        tape.n_inputs, tape.n_indices, tape.n_parameters = inputs, indices, parameters
        return 0

    cdef int finish(self, slot_t* root) except -1:
        """Settle which gradients are wanted and who writes them first."""
        cdef tape_t* tape = &self.tape
        cdef dim_t i, k
        cdef int status
        cdef instruction_t* code
        cdef parameter_leaf_t* parameter
        # A gradient that is wanted is marked by any address until lay_out() gives it its own.
        cdef float* wanted = <float*> tape.slots
        for i in range(tape.n_parameters):
            parameter = tape.parameters + i
            if parameter.slot != NULL:
                if not wyrm_take(&parameter.gradient.busy):
                    raise RuntimeError("another thread is running a graph on a parameter node that this one uses "
                                       "whole; give each thread a graph of its own over "
                                       "ParameterNode.shared(parameter)")
                status = use_dense(parameter.gradient)
                wyrm_drop(&parameter.gradient.busy)
                if status < 0:
                    raise MemoryError(f"no memory for the dense gradient of {self.storages[i]!r}, which is used whole")
                parameter.slot.grad = parameter.gradient.dense
                tape.whole[tape.n_whole] = parameter
                tape.n_whole += 1
        for i in range(tape.n_code):
            code = tape.code + i
            if (code.gradient != NULL
                    or (code.a != NULL and code.a.grad != NULL) or (code.b != NULL and code.b.grad != NULL)
                    or (code.c != NULL and code.c.grad != NULL)):
                code.out.grad = wanted
            code.forward = code.op.forward
            code.backward = code.op.backward
        # Rows of an input that only weighs lookups shape nothing; `ld` notes the other uses.
        for i in range(tape.n_slots):
            tape.slots[i].ld = 0
        for i in range(tape.n_code):
            code = tape.code + i
            if code.storage == NULL:
                note_use(code.a)
                note_use(code.b)
                note_use(code.c)
        for i in range(tape.n_inputs):
            tape.inputs[i].shapes = tape.inputs[i].slot.ld > 0
        for i in range(tape.n_slots):
            tape.slots[i].ld = 0
        # Backward, the first writer of a gradient overwrites and the others add; `ld` notes that there was one. What
        # the first writer of a parameter's gradient does depends on whether that holds something yet.
        for i in range(tape.n_whole):
            tape.whole[i].slot.ld = -1 - i
        i = tape.n_code
        while i > 0:
            i -= 1
            code = tape.code + i
            self.note_writer(code.a, &code.add_a)
            self.note_writer(code.b, &code.add_b)
            self.note_writer(code.c, &code.add_c)
            for k in range(tape.n_whole):
                if code.gradient == tape.whole[k].gradient:
                    tape.whole[k].looked_up = True
        for i in range(tape.n_inputs):
            tape.inputs[i].slot.ld = tape.inputs[i].slot.cols
        for i in range(tape.n_parameters):
            if tape.parameters[i].slot != NULL:
                tape.parameters[i].slot.ld = tape.parameters[i].storage.stride
        tape.root = root
        return 0

    cdef void note_writer(self, slot_t* slot, bint* add) noexcept:
        if slot == NULL:
            return
        add[0] = slot.ld > 0
        if slot.ld < 0:
            self.tape.whole[-1 - slot.ld].first_add = add
        slot.ld = 1

    cdef int begin(self, bint release) except -1:
        """Take the tape and its leaves for one run; refuse when another thread has them."""
        cdef tape_t* tape = &self.tape
        cdef dim_t i, taken = 0
        cdef bint free = True
        if not (release or WYRM_FREE_THREADED):
            # The GIL keeps others out; only what was taken before a release matters.
            free = not self.busy
            for i in range(tape.n_inputs):
                free = free and not tape.inputs[i].source.busy
            for i in range(tape.n_indices):
                free = free and not tape.indices[i].source.busy
            for i in range(tape.n_parameters):
                free = free and not tape.parameters[i].gradient.busy
        elif wyrm_take(&self.busy):
            while free and taken < tape.n_inputs + tape.n_indices + tape.n_parameters:
                free = wyrm_take(self.flag(taken))
                taken += free
            if free:
                self.enter_storages()
            else:
                self.give_back(taken)
        else:
            free = False
        if not free:
            raise RuntimeError(
                "another thread is running this graph, or one that shares an input or a parameter node with it; "
                "give each thread a graph of its own over ParameterNode.shared(parameter)"
            )
        return 0

    cdef int enter_storages(self) except -1:
        cdef dim_t entered = 0, i
        try:
            for entered in range(len(self.storages)):
                (<HogwildParameter> self.storages[entered]).enter()
        except BaseException:                   # Ctrl-C while waiting for a storage that moves
            for i in range(entered):
                (<HogwildParameter> self.storages[i]).leave()
            self.give_back(self.tape.n_inputs + self.tape.n_indices + self.tape.n_parameters)
            raise
        return 0

    cdef int* flag(self, dim_t leaf) noexcept:
        cdef tape_t* tape = &self.tape
        if leaf < tape.n_inputs:
            return &tape.inputs[leaf].source.busy
        leaf -= tape.n_inputs
        if leaf < tape.n_indices:
            return &tape.indices[leaf].source.busy
        return &tape.parameters[leaf - tape.n_indices].gradient.busy

    cdef void give_back(self, dim_t taken) noexcept:
        cdef dim_t i
        for i in range(taken):
            wyrm_drop(self.flag(i))
        wyrm_drop(&self.busy)

    cdef void end(self, bint release) noexcept:
        if release or WYRM_FREE_THREADED:
            for storage in self.storages:
                (<HogwildParameter> storage).leave()
            self.give_back(self.tape.n_inputs + self.tape.n_indices + self.tape.n_parameters)

    cdef int forward(self) except -1:
        """tape_forward; its status."""
        cdef int status
        # The work of the last shapes stands in for that of the coming ones, which only bind() will tell.
        cdef bint release = self.tape.work > WORTH_RELEASING or not self.tape.shaped and self.tape.n_code > 1000
        self.begin(release)
        if release:
            with nogil:
                status = tape_forward(&self.tape)
        else:
            status = tape_forward(&self.tape)
        self.end(release)
        self.stamp = wyrm_next(&last_stamp)
        return status

    cdef int backward(self, float weight) except -1:
        """tape_backward; its status."""
        cdef int status
        cdef bint release = self.tape.work > WORTH_RELEASING
        self.begin(release)
        if release:
            with nogil:
                status = tape_backward(&self.tape, weight)
        else:
            status = tape_backward(&self.tape, weight)
        self.end(release)
        return status

    cdef int resolve(self) except -1:
        """The shapes for what the inputs hold now, without computing anything; a status."""
        cdef int status
        cdef bint current = tape_is_current(&self.tape)
        cdef dim_t i
        self.begin(False)
        status = bind(&self.tape)
        if not current:                         # nothing was computed from what bind() has just seen
            for i in range(self.tape.n_inputs):
                self.tape.inputs[i].seen = 0
            for i in range(self.tape.n_indices):
                self.tape.indices[i].seen = 0
        self.end(False)
        return status
