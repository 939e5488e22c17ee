"""The optimiser's state beside a parameter's rows, its clock, and one step.

A step updates the rows that have a gradient. Under weight decay, l1 shrinkage or Adam every step changes every row,
though; for the others the clock only notes what they miss, and they make it up when they are next read: a forward pass
calls `storage.catch_up` with the rows it is about to read. Every row carries a stamp, what the clock showed when the
row was last current; the arithmetic is in wyrm/kernels/catch_up.pxi.

Threads of a Hogwild run race on rows and stamps; the clocks themselves are advanced atomically, so no step is lost.
"""

from libc.math cimport INFINITY, ceil, exp, expm1, fmax, log, pow, sqrt
from libc.string cimport memcpy, memset
from wyrm.gradient cimport clear_gradient
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport rate_t, update_t
from wyrm.memory cimport wyrm_alloc, wyrm_free

cdef extern from "optim/clock.h" nogil:
    int64_t clock_advance(int64_t* counter, int64_t n)
    int64_t clock_read(const int64_t* at)
    double clock_map(double* x, double keep, double add, double* after)

cdef enum:
    STAMP = sizeof(double) // sizeof(float)      # floats of a stamp


cdef inline void all_rows(update_t* u, const storage_t* storage) noexcept nogil:
    u.value = storage.value
    u.state = storage.state
    u.stride = storage.stride
    u.state_stride = storage.state_stride
    u.rows = NULL
    u.grad = NULL
    u.n = storage.rows
    u.D = storage.cols


cdef inline void touched_rows(update_t* u, const gradient_t* gradient) noexcept nogil:
    u.rows = gradient.touched
    u.grad = gradient.values
    u.n = gradient.n


cdef inline void dense_rows(update_t* u, const gradient_t* gradient) noexcept nogil:
    u.rows = NULL
    u.grad = gradient.dense
    u.n = gradient.rows


# --- Rows never miss anything --------------------------------------------------------------------------------------

cdef void hogwild_step(const target_t* target, const settings_t* settings) noexcept nogil:
    """Update the rows that have a gradient, and clear it."""
    cdef gradient_t* gradient = target.gradient
    cdef update_t u
    all_rows(&u, target.storage)
    if gradient.n:
        touched_rows(&u, gradient)
        target.update(&u, &settings.hyper)
    if gradient.dense_touched:
        dense_rows(&u, gradient)
        target.update(&u, &settings.hyper)
    clear_gradient(gradient)


# --- Decay and shrinkage: SGD, Adagrad -----------------------------------------------------------------------------

cdef inline bint whole_is_current(const decay_clock_t* clock, double decay, double shrinkage) noexcept nogil:
    return clock.whole_decay == decay and clock.whole_shrinkage == shrinkage


cdef void hogwild_catch_up_decay(storage_t* storage, const row_t* rows, dim_t n) noexcept nogil:
    """A catch_up_fn."""
    cdef decay_clock_t* clock = &(<clock_t*> storage.catch_up_context).decay
    cdef double decay = clock.decay, shrinkage = clock.shrinkage
    cdef update_t u
    all_rows(&u, storage)
    if rows != NULL:
        u.rows = rows
        u.n = n
        kernels.catch_up_decay(&u, clock, decay, shrinkage)
    elif not whole_is_current(clock, decay, shrinkage):
        kernels.catch_up_decay(&u, clock, decay, shrinkage)
        clock.whole_decay = decay
        clock.whole_shrinkage = shrinkage


cdef void hogwild_step_decay(const target_t* target, const settings_t* settings) noexcept nogil:
    """As hogwild_step, for rows that have been brought current, and advance the clock."""
    cdef gradient_t* gradient = target.gradient
    cdef decay_clock_t* clock = &target.clock.decay
    cdef double decay = 0, shrinkage = 0, decay_now = 0, shrinkage_now = 0
    cdef dim_t i
    cdef float* stamp
    cdef update_t u
    all_rows(&u, target.storage)
    if clock.l2:
        decay = clock_map(&clock.decay, 1, settings.step_decay, &decay_now)
    if clock.l1:
        shrinkage = clock_map(&clock.shrinkage, settings.keep, settings.step_shrinkage, &shrinkage_now)
    if gradient.n:
        touched_rows(&u, gradient)
        kernels.catch_up_decay(&u, clock, decay, shrinkage)
        target.update(&u, &settings.hyper)
        for i in range(u.n):
            stamp = u.state + <dim_t> u.rows[i] * u.state_stride + clock.stamp
            if clock.l2:
                memcpy(stamp, &decay_now, sizeof(double))
                stamp += STAMP
            if clock.l1:
                memcpy(stamp, &shrinkage_now, sizeof(double))
    if gradient.dense_touched:
        dense_rows(&u, gradient)
        if not whole_is_current(clock, decay, shrinkage):
            kernels.catch_up_decay(&u, clock, decay, shrinkage)
        target.update(&u, &settings.hyper)
        clock.whole_decay = decay_now
        clock.whole_shrinkage = shrinkage_now
    clear_gradient(gradient)


# --- Moments: Adam -------------------------------------------------------------------------------------------------

cdef void hogwild_catch_up_moments(storage_t* storage, const row_t* rows, dim_t n) noexcept nogil:
    """A catch_up_fn."""
    cdef moment_clock_t* clock = &(<clock_t*> storage.catch_up_context).moments
    cdef int64_t now = clock_read(&clock.steps)
    cdef update_t u
    all_rows(&u, storage)
    if rows != NULL:
        u.rows = rows
        u.n = n
        kernels.catch_up_moments(&u, clock, now)
    elif clock.whole < now:
        kernels.catch_up_moments(&u, clock, now)
        clock.whole = now


cdef void hogwild_note_rate(const target_t* target, const settings_t* settings, int64_t step) noexcept nogil:
    """Enter the rate of `step` into the ring when it is a new one, and bring the next few rows current.

    The ring holds so many changes of rate that every row has its turn before what it needs is overwritten.
    """
    cdef moment_clock_t* clock = &target.clock.moments
    cdef storage_t* storage = target.storage
    cdef int64_t n = clock.n_rates
    cdef rate_t* last = clock.rates + ((n - 1) & (clock.capacity - 1))
    cdef rate_t* rate = clock.rates + (n & (clock.capacity - 1))
    cdef dim_t hand = target.clock.hand
    cdef update_t u
    if n > 0 and last.learning_rate == settings.learning_rate and last.keep == settings.keep:
        return
    rate.start = step
    rate.learning_rate = settings.learning_rate
    rate.keep = settings.keep
    rate.step_decay = settings.step_decay
    rate.decay = last.decay + last.step_decay * <double> (step - last.start) if n > 0 else 0
    clock.n_rates = n + 1
    all_rows(&u, storage)
    u.n = 2 * storage.rows // clock.capacity + 1
    if hand >= storage.rows:
        hand = 0
    if u.n > storage.rows - hand:
        u.n = storage.rows - hand
    u.value += hand * u.stride
    u.state += hand * u.state_stride
    kernels.catch_up_moments(&u, clock, step - 1)
    target.clock.hand = hand + u.n


cdef void hogwild_step_moments(const target_t* target, const settings_t* settings) noexcept nogil:
    """As hogwild_step, for rows that have been brought current, and advance the clock."""
    cdef gradient_t* gradient = target.gradient
    cdef moment_clock_t* clock = &target.clock.moments
    cdef int64_t step = clock_advance(&clock.steps, 1) + 1
    cdef double correction1 = 1, correction2 = 1
    cdef hyper_t hyper = settings.hyper
    cdef dim_t i
    cdef update_t u
    hogwild_note_rate(target, settings, step)
    if step < clock.unbiased:
        correction1 = -expm1(<double> step * clock.log_beta1)
        correction2 = sqrt(-expm1(<double> step * clock.log_beta2))
    hyper.adam_rate = <float> (settings.learning_rate * correction2 / correction1)
    hyper.adam_eps = <float> (clock.eps * correction2)
    all_rows(&u, target.storage)
    if gradient.n:
        touched_rows(&u, gradient)
        kernels.catch_up_moments(&u, clock, step - 1)
        target.update(&u, &hyper)
        for i in range(u.n):
            memcpy(u.state + <dim_t> u.rows[i] * u.state_stride + clock.stamp, &step, sizeof(int64_t))
    if gradient.dense_touched:
        dense_rows(&u, gradient)
        if clock.whole < step - 1:
            kernels.catch_up_moments(&u, clock, step - 1)
        target.update(&u, &hyper)
        clock.whole = step
    clear_gradient(gradient)


# --- The state of a parameter --------------------------------------------------------------------------------------

cdef int64_t power_of_two(int64_t at_least) noexcept:
    cdef int64_t size = 1
    while size < at_least:
        size *= 2
    return size


cdef class RowState:
    """What the state beside a parameter's rows means, and its clock. It lives as the parameter's `state_kind`.

    A row's state is its slots, each as wide as the row, then its stamp.
    """

    def __cinit__(self, str kind, tuple slots, dim_t cols, bint l2, bint l1):
        self.kind = kind
        self.slots = slots
        self.cols = cols
        self.width = len(slots) * cols
        self.clock.decay.stamp = self.clock.moments.stamp = self.width
        self.clock.decay.l2 = l2
        self.clock.decay.l1 = l1
        self.lazy = l2 or l1
        if self.lazy:
            self.width += (l2 + l1) * STAMP

    def __dealloc__(self):
        wyrm_free(self.clock.moments.rates)
        wyrm_free(<void*> self.clock.moments.powers1)
        wyrm_free(<void*> self.clock.moments.powers2)
        wyrm_free(<void*> self.clock.moments.roots2)

    def __repr__(self):
        return self.kind

    cdef int make_tables(self, dim_t rows, double beta1, double beta2, double eps) except -1:
        """Turn the state into one of Adam: a ring of rates, and powers of the betas."""
        cdef moment_clock_t* clock = &self.clock.moments
        cdef double ratio = beta1 / sqrt(beta2) if beta2 > 0 else 1
        cdef double* powers1
        cdef double* powers2
        cdef double* roots2
        cdef dim_t j
        self.has_moments = self.lazy = True
        self.width = len(self.slots) * self.cols + STAMP
        clock.beta1, clock.beta2, clock.eps = beta1, beta2, eps
        clock.log_beta1 = log(beta1) if beta1 > 0 else -INFINITY
        clock.log_beta2 = log(beta2) if beta2 > 0 else -INFINITY
        # 1e-9 of a bias correction is lost in rounding.
        clock.unbiased = 1 + <int64_t> ceil(log(1e-9) / fmax(clock.log_beta1, clock.log_beta2))
        # A missed step moves a row by (beta1 / sqrt(beta2))^j of the first one's, or at most beta1^j / eps.
        if ratio < 0.9995:
            clock.horizon = 1 + <dim_t> (ceil(log(1e-8) / log(ratio)) if ratio > 0 else 0)
        else:
            clock.horizon = 1 + <dim_t> ceil(log(1e-20) / clock.log_beta1)
        clock.capacity = power_of_two(min(max(1024, rows // 2), 1 << 20))
        clock.rates = <rate_t*> wyrm_alloc(clock.capacity * sizeof(rate_t))
        clock.powers1 = powers1 = <double*> wyrm_alloc((clock.horizon + 1) * sizeof(double))
        clock.powers2 = powers2 = <double*> wyrm_alloc((clock.horizon + 1) * sizeof(double))
        clock.roots2 = roots2 = <double*> wyrm_alloc((clock.horizon + 1) * sizeof(double))
        if clock.rates == NULL or powers1 == NULL or powers2 == NULL or roots2 == NULL:
            raise MemoryError("no memory for the clock of Adam")
        for j in range(clock.horizon + 1):
            powers1[j] = pow(beta1, <double> j)
            powers2[j] = pow(beta2, <double> j)
            roots2[j] = pow(beta2, -0.5 * <double> j)
        return 0

    cdef int install(self, HogwildParameter parameter) except -1:
        """Replace the parameter's state by this one, zeroed; what rows missed under the old one is made up first."""
        parameter.make_current()
        parameter.storage.catch_up = NULL
        parameter.set_state(self, self.width)
        parameter.storage.catch_up_context = &self.clock
        if self.has_moments:
            parameter.storage.catch_up = hogwild_catch_up_moments
        elif self.lazy:
            parameter.storage.catch_up = hogwild_catch_up_decay
        return 0
