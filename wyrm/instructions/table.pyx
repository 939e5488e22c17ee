"""Every operation of the engine, by opcode."""

from wyrm.instructions.elementwise cimport fill_elementwise
from wyrm.instructions.lookup cimport fill_lookup
from wyrm.instructions.loss cimport fill_loss
from wyrm.instructions.matrix cimport fill_matrix
from wyrm.instructions.program cimport N_OPS, op_t
from wyrm.instructions.reduce cimport fill_reduce

cdef op_t OPS[N_OPS]

fill_elementwise(OPS)
fill_reduce(OPS)
fill_matrix(OPS)
fill_lookup(OPS)
fill_loss(OPS)


cdef const op_t* find_op(int code) noexcept:
    return &OPS[code]
