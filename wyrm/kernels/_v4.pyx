"""The kernels for x86-64-v4 (AVX-512)."""

from wyrm.kernels.table cimport *

include "fill.pxi"
