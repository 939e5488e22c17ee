from libc.stdint cimport uint64_t
from wyrm.gradient cimport gradient_t, index_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.parameter cimport HogwildParameter
from wyrm.tape cimport Tape, input_t

cdef class Node:
    cdef readonly object name    # str or None
    cdef dim_t rows, cols        # when it was built; the rows may change with the inputs
    cdef bint learns             # depends on a parameter
    cdef bint varies             # depends on an input, so its rows may change
    # What a leaf brings (NULL and None elsewhere); they belong to the leaf.
    cdef input_t* input
    cdef index_t* index
    cdef gradient_t* accumulator
    cdef HogwildParameter storage
    # Scratch of the walk that compiles a graph.
    cdef uint64_t mark
    cdef dim_t slot

    cdef Tape newest(self, dim_t* slot)

cdef class OperatorNode(Node):
    cdef int op
    cdef Node a, b, c            # operands, None where there are fewer
    cdef readonly Node table     # of a lookup
    cdef readonly Node rows_of   # the index of a lookup; the targets of a cross-entropy
    cdef readonly Node fields_of    # of a field-aware lookup: the index of fields, or …
    cdef const row_t* row_fields    # … the field of each row of the table
    cdef object row_fields_kept
    cdef tuple pieces            # of a concatenation
    cdef float attr[2]
    cdef dim_t n[4]
    cdef Tape own                # the tape that ends here
    cdef tuple own_parameters
    cdef Tape tape               # a tape that computes this node, in slot tape_slot …
    cdef dim_t tape_slot
    cdef list others             # … and (tape, slot) of further ones

cdef class ConstantNode(Node):
    cdef input_t data
    cdef dim_t capacity

    cdef int room(self, dim_t rows) except -1
    cdef int put(self, object array) except -1
    cdef int put_scalar(self, double value) except -1

cdef OperatorNode make(int op, Node a, Node b, Node c, Node table=*, Node rows_of=*,
                       float attr0=*, float attr1=*, dim_t n0=*, dim_t n1=*, dim_t n2=*, dim_t n3=*,
                       Node fields_of=*, object row_fields=*)
cdef Node as_node(object operand)
cdef double as_number(object value, str what) except? -1
cdef Tape tape_of(OperatorNode root)
cdef list walk(Node root)
cdef int refuse_status(OperatorNode root, dim_t at, int status) except -1
