from libc.stdint cimport int64_t
from wyrm.gradient cimport gradient_t
from wyrm.kernels.table cimport decay_clock_t, dim_t, hyper_t, moment_clock_t, products_fn, row_t, update_fn
from wyrm.parameter cimport HogwildParameter, storage_t

ctypedef struct settings_t:
    # What one optimiser does at a step; its threads share it.
    hyper_t hyper                # as the kernels want it
    double learning_rate, l2, l1
    double keep                  # 1 - learning_rate l2, at least 0
    double step_decay            # -log(keep), at most 690
    double step_shrinkage        # learning_rate l1

ctypedef struct clock_t:
    # How far optimisation of one parameter has come; which of the two depends on the rule.
    decay_clock_t decay
    moment_clock_t moments
    dim_t hand                   # the row that the next change of Adam's rate brings up to date

ctypedef struct target_t:
    # One parameter and one gradient of it.
    storage_t* storage
    gradient_t* gradient
    clock_t* clock               # NULL: rows never miss anything
    update_fn update
    products_fn update_products

ctypedef void (*step_fn)(const target_t* target, const settings_t* settings) noexcept nogil

cdef void set_learning_rate(settings_t* settings, double rate) noexcept nogil

cdef class RowState:
    cdef readonly str kind
    cdef readonly tuple slots    # names of the slots of a row
    cdef dim_t cols, width       # columns of the parameter; floats of state per row
    cdef clock_t clock
    cdef bint lazy, has_moments

    cdef dict get(self, HogwildParameter parameter, object into)
    cdef bint is_zero(self, HogwildParameter parameter, dim_t slot) noexcept
    cdef int set(self, HogwildParameter parameter, object saved) except -1
    cdef int install(self, HogwildParameter parameter) except -1
    cdef void add_stamps(self, dim_t n) noexcept
    cdef int make_tables(self, dim_t rows, double beta1, double beta2, double eps) except -1

cdef void hogwild_step(const target_t* target, const settings_t* settings) noexcept nogil
cdef void hogwild_step_factors(const target_t* target, const settings_t* settings) noexcept nogil
cdef void hogwild_step_adagrad(const target_t* target, const settings_t* settings) noexcept nogil
cdef void hogwild_step_plain(const target_t* target, const settings_t* settings) noexcept nogil
cdef void hogwild_step_decay(const target_t* target, const settings_t* settings) noexcept nogil
cdef void hogwild_step_moments(const target_t* target, const settings_t* settings) noexcept nogil
