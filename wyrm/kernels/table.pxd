ctypedef float real_t
include "table.pxi"
