"""The kernels in double precision, for the gradient checks of the tests."""

from wyrm.kernels.table_double cimport (
    ADD, CLIP, DIVIDE, EXP, HINGE, LOG, LOGISTIC, MULTIPLY, NEGATE, RELU, SIGMOID, SOFTPLUS, SQRT, SQUARE,
    SQUARED_ERROR, SUBTRACT, TANH, bags_t, binary_back_fn, binary_fn, decay_clock_t, dim_t, hyper_t, kernels_t,
    moment_clock_t, product_t, rate_t, real_t, row_t, slots_t, unary_back_fn, unary_fn, update_t,
)

include "fill.pxi"
