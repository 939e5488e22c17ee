from wyrm.kernels.table cimport dim_t
from wyrm.optim.state cimport RowState, settings_t, step_fn, target_t
from wyrm.parameter cimport HogwildParameter

ctypedef struct plan_t:
    # A whole optimiser step as data: `step` for each target.
    target_t* targets
    dim_t n
    step_fn step
    const settings_t* settings   # of the optimiser, which must outlive the plan

cdef class Plan:
    cdef plan_t plan
    cdef tuple nodes             # the ParameterNodes the targets came from, or None
    cdef bint factors            # a parameter has gradient_factors
    cdef list parameters, states     # the HogwildParameter and the RowState, or None, of each target

cdef class Optimizer:
    cdef settings_t settings
    cdef step_fn step_fn
    cdef dict _settings          # the others, by name
    cdef str rule
    cdef object rate             # a float or a schedule
    cdef double progress_
    cdef tuple bound             # the ParameterNodes it was made with, or None
    cdef Plan last               # of the last step
    cdef dict plans              # further ones, by their nodes
    cdef object __weakref__

    cdef str kind(self)
    cdef RowState claim(self, HogwildParameter parameter)
    cdef Plan make_plan(self, list parameters)
    cdef Plan plan_of(self, object nodes)
    cdef int heed_factors(self, Plan plan, bint factors) except -1
    cdef int run(self, Plan plan) except -1

cdef void hogwild_apply(const plan_t* plan) noexcept nogil
