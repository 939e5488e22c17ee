"""The kernels in double precision, for the gradient checks of the tests."""

from wyrm.kernels.table_double cimport *

include "fill.pxi"
