"""The kernels for x86-64-v3 (AVX2, FMA)."""

from wyrm.kernels.table cimport *

include "fill.pxi"
