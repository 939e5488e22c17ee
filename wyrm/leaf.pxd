from wyrm.gradient cimport gradient_t, index_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.node cimport ConstantNode, Node
from wyrm.parameter cimport HogwildParameter

cdef class InputNode(ConstantNode):
    pass

cdef class IndexInputNode(Node):
    cdef index_t list
    cdef row_t* row_buffer
    cdef row_t* offset_buffer
    cdef dim_t row_capacity, offset_capacity

    cdef int put(self, object indices) except -1
    cdef bint put_array(self, object array) except -1
    cdef int put_one(self, object row) except -1
    cdef int room(self, dim_t n, dim_t bags) except -1

cdef class ParameterNode(Node):
    cdef readonly HogwildParameter parameter
    cdef gradient_t own_gradient
