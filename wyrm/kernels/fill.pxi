# All kernels, and the struct that holds them: included by each instruction set's module after real_t is known.

from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint32_t, uintptr_t

include "simd.pxi"
include "elementwise.pxi"
include "reduce.pxi"
include "narrow.pxi"
include "product.pxi"
include "pairs.pxi"
include "lookup.pxi"
include "factorisation.pxi"
include "field_aware.pxi"
include "loss.pxi"
include "index.pxi"
include "merge.pxi"
include "update.pxi"
include "products.pxi"
include "descent.pxi"
include "catch_up.pxi"

cdef kernels_t kernels


cdef void fill_unary(kernels_t* k, int code, unary_fn f, unary_back_fn back, unary_fn fast) noexcept:
    k.unary[code] = f
    k.unary_back[code] = back
    k.unary_fast[code] = fast


cdef void fill_binary(kernels_t* k, int code, binary_fn f, binary_back_fn back_a, binary_back_fn back_b) noexcept:
    k.binary[code] = f
    k.binary_back_a[code] = back_a
    k.binary_back_b[code] = back_b


cdef void fill(kernels_t* k) noexcept:
    fill_unary(k, NEGATE, negate, negate_back, negate)
    fill_unary(k, SQUARE, square, square_back, square)
    fill_unary(k, SQRT, square_root, square_root_back, square_root)
    fill_unary(k, EXP, exponential, exponential_back, fast_exponential)
    fill_unary(k, LOG, logarithm, logarithm_back, fast_logarithm)
    fill_unary(k, TANH, hyperbolic_tangent, hyperbolic_tangent_back, fast_hyperbolic_tangent)
    fill_unary(k, SIGMOID, sigmoid, sigmoid_back, fast_sigmoid)
    fill_unary(k, RELU, relu, relu_back, relu)
    fill_unary(k, SOFTPLUS, softplus, softplus_back, softplus)
    fill_unary(k, CLIP, clip, clip_back, clip)
    fill_binary(k, ADD, add_elements, pass_back, pass_back)
    fill_binary(k, SUBTRACT, subtract_elements, pass_back, subtract_back_b)
    fill_binary(k, MULTIPLY, multiply_elements, multiply_back_a, multiply_back_b)
    fill_binary(k, DIVIDE, divide_elements, divide_back_a, divide_back_b)
    k.scale, k.scale_rows = scale, scale_rows
    k.total, k.dot, k.row_dots = total, dot, row_dots
    k.sum_rows, k.sum_cols = sum_rows, sum_cols
    k.softmax, k.softmax_back = softmax, softmax_back
    k.log_softmax, k.log_softmax_back = log_softmax, log_softmax_back
    k.product = product
    k.pair_dots, k.pair_dots_back = pair_dots, pair_dots_back
    k.gather, k.scatter = gather, scatter
    k.bag, k.bag_back, k.bag_weights_back = bag, bag_back, bag_weights_back
    k.fm, k.fm_back, k.fm_weights_back = fm, fm_back, fm_weights_back
    k.field_aware, k.field_aware_back = field_aware, field_aware_back
    k.field_aware_weights_back = field_aware_weights_back
    k.prefetch = prefetch
    k.loss[<int>SQUARED_ERROR] = squared_error
    k.loss[<int>LOGISTIC] = logistic
    k.loss[<int>HINGE] = hinge
    k.merge_rows, k.merge_sums = merge_rows, merge_sums
    k.describe_rows, k.unique_rows = describe_rows, unique_rows
    k.sgd_rows, k.adagrad_rows, k.adam_rows, k.ftrl_rows = sgd_rows, adagrad_rows, adam_rows, ftrl_rows
    k.sgd_products, k.adagrad_products = sgd_products, adagrad_products
    k.sgd_pairs, k.sgd_dots = sgd_pairs, sgd_dots
    k.catch_up_decay, k.catch_up_moments = catch_up_decay, catch_up_moments


fill(&kernels)
table = PyCapsule_New(&kernels, "wyrm.kernels.kernels_t", NULL)


def addresses() -> dict[str, int]:
    """The address of every kernel by name, such as "dot" or "unary.exp", for calls through ctypes.

    Returns
    -------
    dict of str to int
    """
    unary = {NEGATE: "negate", SQUARE: "square", SQRT: "sqrt", EXP: "exp", LOG: "log", TANH: "tanh",
             SIGMOID: "sigmoid", RELU: "relu", SOFTPLUS: "softplus", CLIP: "clip"}
    binary = {ADD: "add", SUBTRACT: "subtract", MULTIPLY: "multiply", DIVIDE: "divide"}
    loss = {SQUARED_ERROR: "squared_error", LOGISTIC: "logistic", HINGE: "hinge"}
    cdef kernels_t* k = &kernels
    found = {}
    for code, name in unary.items():
        found[f"unary.{name}"] = <uintptr_t>k.unary[<int>code]
        found[f"unary_back.{name}"] = <uintptr_t>k.unary_back[<int>code]
        found[f"unary_fast.{name}"] = <uintptr_t>k.unary_fast[<int>code]
    for code, name in binary.items():
        found[f"binary.{name}"] = <uintptr_t>k.binary[<int>code]
        found[f"binary_back_a.{name}"] = <uintptr_t>k.binary_back_a[<int>code]
        found[f"binary_back_b.{name}"] = <uintptr_t>k.binary_back_b[<int>code]
    for code, name in loss.items():
        found[f"loss.{name}"] = <uintptr_t>k.loss[<int>code]
    return found | {
        "scale": <uintptr_t>k.scale, "scale_rows": <uintptr_t>k.scale_rows,
        "total": <uintptr_t>k.total, "dot": <uintptr_t>k.dot, "row_dots": <uintptr_t>k.row_dots,
        "sum_rows": <uintptr_t>k.sum_rows, "sum_cols": <uintptr_t>k.sum_cols,
        "softmax": <uintptr_t>k.softmax, "softmax_back": <uintptr_t>k.softmax_back,
        "log_softmax": <uintptr_t>k.log_softmax, "log_softmax_back": <uintptr_t>k.log_softmax_back,
        "product": <uintptr_t>k.product,
        "pair_dots": <uintptr_t>k.pair_dots, "pair_dots_back": <uintptr_t>k.pair_dots_back,
        "gather": <uintptr_t>k.gather, "scatter": <uintptr_t>k.scatter,
        "bag": <uintptr_t>k.bag, "bag_back": <uintptr_t>k.bag_back,
        "bag_weights_back": <uintptr_t>k.bag_weights_back,
        "fm": <uintptr_t>k.fm, "fm_back": <uintptr_t>k.fm_back, "fm_weights_back": <uintptr_t>k.fm_weights_back,
        "field_aware": <uintptr_t>k.field_aware, "field_aware_back": <uintptr_t>k.field_aware_back,
        "field_aware_weights_back": <uintptr_t>k.field_aware_weights_back,
        "prefetch": <uintptr_t>k.prefetch,
        "sgd_rows": <uintptr_t>k.sgd_rows, "adagrad_rows": <uintptr_t>k.adagrad_rows,
        "sgd_products": <uintptr_t>k.sgd_products, "adagrad_products": <uintptr_t>k.adagrad_products,
        "sgd_pairs": <uintptr_t>k.sgd_pairs, "sgd_dots": <uintptr_t>k.sgd_dots,
        "adam_rows": <uintptr_t>k.adam_rows, "ftrl_rows": <uintptr_t>k.ftrl_rows,
        "catch_up_decay": <uintptr_t>k.catch_up_decay, "catch_up_moments": <uintptr_t>k.catch_up_moments,
        "merge_rows": <uintptr_t>k.merge_rows, "merge_sums": <uintptr_t>k.merge_sums,
        "describe_rows": <uintptr_t>k.describe_rows, "unique_rows": <uintptr_t>k.unique_rows,
    }
