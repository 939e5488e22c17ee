"""A copy of a tape for one thread: the same program over the same parameters, with everything it writes its own.

What a replica adds in memory follows the graph and the batch; of a table it holds only the rows a step touched.
"""

from libc.string cimport memcpy, memset
from wyrm.gradient cimport free_gradient, free_index, use_dense
from wyrm.instructions.program cimport OP_EMBEDDING, OP_EMBEDDING_BAG, OP_MATMUL, OP_VECTOR_DOT, instruction_t, slot_t
from wyrm.instructions.table cimport find_op
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.node cimport OperatorNode, tape_of
from wyrm.tape cimport index_leaf_t, input_leaf_t, parameter_leaf_t


cdef inline void* moved(void* pointer, void* old, void* new) noexcept:
    return NULL if pointer == NULL else <char*> new + (<char*> pointer - <char*> old)


cdef struct reader_t:
    # Of a slot: how often it is read, and the embedding that computes it, or NULL.
    dim_t n
    instruction_t* embedding
    instruction_t* bag           # the sum over bags, without weights, or NULL
    bint parameter               # it is one, used whole


cdef class Replica:
    """Replica(root): the program of ``root.forward()`` and ``root.backward()``.

    Its inputs start as those of the graph are; whoever runs it points them somewhere else, constants apart.
    """

    def __cinit__(self, OperatorNode root not None):
        cdef Tape original = tape_of(root)
        cdef tape_t* tape = &self.tape
        cdef dim_t i
        cdef instruction_t* code
        cdef void* old = original.tape.slots
        cdef void* new = wyrm_alloc(original.bytes)
        cdef size_t leaves = (original.tape.n_inputs * sizeof(input_t) + original.tape.n_indices * sizeof(index_t)
                              + original.tape.n_parameters * (sizeof(gradient_t) + sizeof(storage_t)))
        cdef char* at
        self.root = root
        if new == NULL:
            raise MemoryError("no memory for a replica of the graph")
        memcpy(new, old, original.bytes)
        memcpy(tape, &original.tape, sizeof(tape_t))
        tape.slots = <slot_t*> new
        tape.arena = NULL
        tape.arena_size = 0
        tape.shaped = tape.ran = False
        tape.code = <instruction_t*> moved(tape.code, old, new)
        tape.inputs = <input_leaf_t*> moved(tape.inputs, old, new)
        tape.indices = <index_leaf_t*> moved(tape.indices, old, new)
        tape.parameters = <parameter_leaf_t*> moved(tape.parameters, old, new)
        tape.whole = <parameter_leaf_t**> moved(tape.whole, old, new)
        for i in range(tape.n_whole):
            tape.whole[i] = <parameter_leaf_t*> moved(tape.whole[i], old, new)
        tape.root = <slot_t*> moved(tape.root, old, new)

        at = <char*> wyrm_alloc(leaves)
        if at == NULL:
            raise MemoryError("no memory for a replica of the graph")
        memset(at, 0, leaves)
        self.inputs = <input_t*> at
        at += tape.n_inputs * sizeof(input_t)
        self.indices = <index_t*> at
        at += tape.n_indices * sizeof(index_t)
        self.gradients = <gradient_t*> at
        at += tape.n_parameters * sizeof(gradient_t)
        self.storages = <storage_t*> at
        self.refresh_storages(original)

        for i in range(tape.n_inputs):
            tape.inputs[i].source = self.inputs + i
            tape.inputs[i].slot = <slot_t*> moved(tape.inputs[i].slot, old, new)
            self.inputs[i] = original.tape.inputs[i].source[0]
            self.inputs[i].busy = 0
        for i in range(tape.n_indices):
            tape.indices[i].source = self.indices + i
            tape.indices[i].n = tape.indices[i].bags = -1
        for i in range(tape.n_parameters):
            self.gradients[i].rows = self.storages[i].rows
            self.gradients[i].cols = self.storages[i].cols
            tape.parameters[i].storage = self.storages + i
            tape.parameters[i].gradient = self.gradients + i
            tape.parameters[i].slot = <slot_t*> moved(tape.parameters[i].slot, old, new)
            if tape.parameters[i].slot != NULL:
                if use_dense(self.gradients + i) < 0:
                    raise MemoryError("no memory for a replica's dense gradient")
                tape.parameters[i].slot.grad = self.gradients[i].dense
                tape.parameters[i].first_add = <bint*> moved(tape.parameters[i].first_add, old, new)
        for i in range(tape.n_code):
            code = tape.code + i
            code.out = <slot_t*> moved(code.out, old, new)
            code.a = <slot_t*> moved(code.a, old, new)
            code.b = <slot_t*> moved(code.b, old, new)
            code.c = <slot_t*> moved(code.c, old, new)
            code.previous = <instruction_t*> moved(code.previous, old, new)
            self.move_leaves(code, original)
        self.read_in_place()

    cdef void move_leaves(self, instruction_t* code, Tape original) noexcept:
        """Point a lookup at the replica's own table, gradient and index."""
        cdef dim_t i
        for i in range(self.tape.n_parameters):
            if code.gradient == original.tape.parameters[i].gradient:
                code.gradient = self.gradients + i
                code.storage = self.storages + i
                break
        for i in range(self.tape.n_indices):
            if code.index == original.tape.indices[i].source:
                code.index = self.indices + i
                break
        for i in range(self.tape.n_indices):
            if code.fields == original.tape.indices[i].source:
                code.fields = self.indices + i
                break

    cdef int read_in_place(self) except -1:
        """Let products read the rows of embeddings that nobody else reads in the table.

        Only here: nobody asks a replica for the values of its nodes, nor changes a table between its forward and its
        backward, but for other threads.
        """
        cdef dim_t i
        cdef instruction_t* code
        cdef reader_t* a
        cdef reader_t* b
        cdef reader_t* readers = <reader_t*> wyrm_alloc(self.tape.n_slots * sizeof(reader_t))
        if readers == NULL:
            raise MemoryError("no memory for a replica of the graph")
        memset(readers, 0, self.tape.n_slots * sizeof(reader_t))
        for i in range(self.tape.n_code):
            code = self.tape.code + i
            if code.a != NULL:
                readers[code.a - self.tape.slots].n += 1
            if code.b != NULL:
                readers[code.b - self.tape.slots].n += 1
            if code.c != NULL:
                readers[code.c - self.tape.slots].n += 1
            if code.op == find_op(OP_EMBEDDING):
                readers[code.out - self.tape.slots].embedding = code
            elif code.op == find_op(OP_EMBEDDING_BAG) and code.a == NULL:
                readers[code.out - self.tape.slots].bag = code
        for i in range(self.tape.n_whole):
            readers[self.tape.whole[i].slot - self.tape.slots].parameter = True
        for i in range(self.tape.n_code):
            code = self.tape.code + i
            if code.op != find_op(OP_VECTOR_DOT) and (code.op != find_op(OP_MATMUL) or code.n[0] or not code.n[1]):
                continue
            if code.a.grad == NULL or code.b.grad == NULL:
                continue
            a, b = readers + (code.a - self.tape.slots), readers + (code.b - self.tape.slots)
            code.lookup_a = a.embedding if a.n == 1 else NULL
            code.lookup_b = b.embedding if b.n == 1 else NULL
            if code.lookup_a != NULL and code.lookup_b != NULL and code.lookup_a.gradient == code.lookup_b.gradient:
                code.lookup_a = NULL                 # one at a time: gradients move as they grow
            code.bag_a = a.bag if a.n == 1 else NULL
            code.n[3] = code.lookup_b != NULL and code.lookup_a == NULL and not a.parameter
        wyrm_free(readers)
        return 0

    cdef int refresh_storages(self, Tape original) noexcept:
        """Look again at where the parameters are, after an optimiser laid them out."""
        cdef dim_t i
        for i in range(self.tape.n_parameters):
            self.storages[i] = original.tape.parameters[i].storage[0]
        return 0

    def __dealloc__(self):
        cdef dim_t i
        if self.inputs != NULL or self.indices != NULL or self.gradients != NULL:
            for i in range(self.tape.n_indices):
                free_index(self.indices + i)
            for i in range(self.tape.n_parameters):
                free_gradient(self.gradients + i)
        wyrm_free(self.inputs)
        wyrm_free(self.tape.slots)
        wyrm_free(self.tape.arena)
