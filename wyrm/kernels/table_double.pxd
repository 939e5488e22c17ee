ctypedef double real_t
include "table.pxi"
