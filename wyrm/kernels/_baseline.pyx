"""The kernels for any processor of the architecture."""

from wyrm.kernels.table cimport *

include "fill.pxi"
