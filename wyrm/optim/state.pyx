"""The optimiser's state beside a parameter's rows, its clock, and one step.

A step updates the rows that have a gradient. Under weight decay, l1 shrinkage or Adam every step changes every row,
though; for the others the clock only notes what they miss, and they make it up when they are next read: a forward pass
calls `storage.catch_up` with the rows it is about to read. Every row carries a stamp, what the clock showed when the
row was last current; the arithmetic is in wyrm/kernels/catch_up.pxi.

Threads of a Hogwild run race on rows and stamps; the clocks themselves are advanced atomically, so no step is lost.
"""

import numpy as np

from libc.math cimport INFINITY, ceil, expm1, fmax, log, log1p, pow, sqrt, sqrtf
from libc.string cimport memcpy, memset
from wyrm.gradient cimport clear_gradient
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport rate_t, update_t
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.parameter cimport catch_up_fn

cdef extern from "optim/clock.h" nogil:
    int64_t clock_advance(int64_t* counter, int64_t n)
    int64_t clock_read(const int64_t* at)
    double clock_map(double* x, double keep, double add, double* after)

cdef enum:
    STAMP = sizeof(double) // sizeof(float)      # floats of a stamp


cdef void set_learning_rate(settings_t* settings, double rate) noexcept nogil:
    """Change the rate, and what follows from it, in settings that have l2 and l1."""
    cdef double decay = rate * settings.l2
    settings.learning_rate = rate
    settings.hyper.learning_rate = <float> rate
    settings.keep = 1 - decay if decay < 1 else 0
    settings.step_decay = -log1p(-decay) if settings.keep > 0 else 690
    settings.step_shrinkage = rate * settings.l1


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


cdef void hogwild_step_factors(const target_t* target, const settings_t* settings) noexcept nogil:
    """The same, where gradients of rows may count by factors."""
    cdef gradient_t* gradient = target.gradient
    cdef const float* factors = target.storage.factors
    cdef float* row
    cdef dim_t D = gradient.cols, r
    if factors != NULL:
        for r in range(gradient.n):
            row = gradient.values + r * D
            kernels.scale(row, row, factors[gradient.touched[r]], D, False)
        if gradient.dense_touched:
            kernels.scale_rows(gradient.dense, gradient.dense, factors, D, gradient.rows, D, False)
    hogwild_step(target, settings)


cdef inline void hogwild_step_products(const target_t* target, const settings_t* settings) noexcept nogil:
    """hogwild_step without clip, l1 or l2, where gradients may have been left as products."""
    cdef gradient_t* gradient = target.gradient
    if gradient.products.n:
        target.update_products(target.storage.value, target.storage.stride, target.storage.cols, &gradient.products,
                               &settings.hyper)
        gradient.products.n = 0
    if gradient.n or gradient.dense_touched:
        hogwild_step(target, settings)


cdef inline bint is_number(const gradient_t* gradient) noexcept nogil:
    """Whether it is that of a single number, such as a bias, used whole."""
    return gradient.dense_touched and gradient.rows * gradient.cols == 1 and gradient.n == 0


cdef void hogwild_step_adagrad(const target_t* target, const settings_t* settings) noexcept nogil:
    """The same of Adagrad; a single number is updated on the spot."""
    cdef gradient_t* gradient = target.gradient
    cdef float* value = target.storage.value
    cdef float* accum = target.storage.state
    cdef float g
    if is_number(gradient):
        g = gradient.dense[0]
        accum[0] += g * g
        value[0] -= settings.hyper.learning_rate * g / (sqrtf(accum[0]) + settings.hyper.eps)
        gradient.dense_touched = False
        return
    hogwild_step_products(target, settings)


cdef void step_together(gradient_t* gradient, float rate) noexcept nogil:
    """Update the rows of two parameters that met in dot products, or those of one, before the other has its step."""
    cdef gradient_t* partner = gradient.partner
    if gradient.into == NULL and partner.into == NULL:
        kernels.sgd_pairs(&gradient.pairs, gradient.products.weights, rate, gradient.distinct)
        gradient.products.n = partner.products.n = 0
        return
    if gradient.into == NULL:
        gradient, partner = partner, gradient
    kernels.sgd_dots(gradient.into, &gradient.pairs, gradient.products.weights, rate)
    gradient.products.n = 0
    partner.partner = NULL


cdef void hogwild_step_plain(const target_t* target, const settings_t* settings) noexcept nogil:
    """The same of SGD."""
    cdef gradient_t* gradient = target.gradient
    if is_number(gradient):
        target.storage.value[0] -= settings.hyper.learning_rate * gradient.dense[0]
        gradient.dense_touched = False
        return
    if gradient.products.n and gradient.partner != NULL:
        step_together(gradient, settings.hyper.learning_rate)
    hogwild_step_products(target, settings)


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

    A row's state is its slots, each as wide as the row, then its stamps.
    """

    def __cinit__(self, str kind, tuple slots, dim_t cols, bint l2, bint l1):
        self.kind = kind
        self.slots = slots
        self.cols = cols
        self.width = len(slots) * cols
        self.clock.decay.l2 = l2
        self.clock.decay.l1 = l1
        self.lazy = l2 or l1
        if self.lazy:
            self.add_stamps(l2 + l1)

    def __dealloc__(self):
        wyrm_free(self.clock.moments.rates)
        wyrm_free(<void*> self.clock.moments.powers1)
        wyrm_free(<void*> self.clock.moments.powers2)
        wyrm_free(<void*> self.clock.moments.roots2)

    def __repr__(self):
        return self.kind

    cdef void add_stamps(self, dim_t n) noexcept:
        # Aligned where the state lies beside the values: a row is then a whole number of stamps.
        self.width += (self.cols + self.width) % STAMP
        self.clock.decay.stamp = self.clock.moments.stamp = self.width
        self.width += n * STAMP

    cdef int make_tables(self, dim_t rows, double beta1, double beta2, double eps) except -1:
        """Turn the state into one of Adam: a ring of rates, and powers of the betas."""
        cdef moment_clock_t* clock = &self.clock.moments
        cdef double ratio = beta1 / sqrt(beta2) if beta2 > 0 else 1
        cdef double* powers1
        cdef double* powers2
        cdef double* roots2
        cdef dim_t j
        self.has_moments = self.lazy = True
        self.add_stamps(1)
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
        cdef catch_up_fn catch_up = NULL
        if self.has_moments:
            catch_up = hogwild_catch_up_moments
        elif self.lazy:
            catch_up = hogwild_catch_up_decay
        return parameter.set_state(self, self.width, catch_up, &self.clock)

    cdef dict get(self, HogwildParameter parameter, object into):
        """Copies of the slots, in the arrays of `into` if given, and the clock; rows are brought current first."""
        cdef storage_t* storage = &parameter.storage
        cdef moment_clock_t* moments = &self.clock.moments
        cdef rate_t* rate
        cdef float[:, ::1] copy
        cdef dim_t r, k
        saved = {"kind": self.kind, "slots": {}, "clock": {}}
        parameter.make_current()
        parameter.enter()
        try:
            for k, name in enumerate(self.slots):
                array = None if into is None else into["slots"].get(name)
                if array is None or array.shape != parameter.shape:
                    array = np.zeros((storage.rows, storage.cols), dtype=np.float32)
                    if self.is_zero(parameter, k):       # memory that is never written to costs next to nothing
                        saved["slots"][name] = array
                        continue
                saved["slots"][name] = copy = array
                for r in range(storage.rows):
                    memcpy(&copy[r, 0], storage.state + r * storage.state_stride + k * storage.cols,
                           storage.cols * sizeof(float))
            if self.has_moments:
                saved["clock"] = {"steps": moments.steps, "hand": self.clock.hand}
                if moments.n_rates > 0:
                    rate = moments.rates + ((moments.n_rates - 1) & (moments.capacity - 1))
                    saved["clock"]["rate"] = {
                        "start": rate.start, "learning_rate": rate.learning_rate, "keep": rate.keep,
                        "step_decay": rate.step_decay, "decay": rate.decay,
                    }
            elif self.lazy:
                saved["clock"] = {"decay": self.clock.decay.decay, "shrinkage": self.clock.decay.shrinkage}
        finally:
            parameter.leave()
        return saved

    cdef bint is_zero(self, HogwildParameter parameter, dim_t slot) noexcept:
        """Whether a slot is as it was made."""
        cdef storage_t* storage = &parameter.storage
        cdef const float* row
        cdef dim_t r, c
        for r in range(storage.rows):
            row = storage.state + r * storage.state_stride + slot * storage.cols
            for c in range(storage.cols):
                if row[c] != 0:
                    return False
        return True

    cdef int set(self, HogwildParameter parameter, object saved) except -1:
        """Take over what get() gave."""
        cdef storage_t* storage = &parameter.storage
        cdef moment_clock_t* moments = &self.clock.moments
        cdef decay_clock_t* decay = &self.clock.decay
        cdef const float[:, ::1] copy
        cdef rate_t rate
        cdef dim_t r, k
        shape = parameter.shape
        if saved["kind"] != self.kind:
            raise ValueError(f"optimiser state: expected that of {self.kind}, got {saved['kind']}")
        if set(saved["slots"]) != set(self.slots):
            raise ValueError(f"optimiser state: expected {', '.join(self.slots)}, got "
                             f"{', '.join(saved['slots']) or 'nothing'}")
        slots = [np.ascontiguousarray(saved["slots"][name], dtype=np.float32) for name in self.slots]
        for name, slot in zip(self.slots, slots):
            if slot.shape != shape:
                raise ValueError(f"optimiser state: expected {name} of shape {shape}, got {slot.shape}")
        clock = saved["clock"]
        memset(&rate, 0, sizeof(rate))
        if self.has_moments and "rate" in clock:
            rate.start, rate.learning_rate = clock["rate"]["start"], clock["rate"]["learning_rate"]
            rate.keep, rate.step_decay = clock["rate"]["keep"], clock["rate"]["step_decay"]
            rate.decay = clock["rate"]["decay"]
        parameter.make_current()
        parameter.enter()
        try:
            for r in range(storage.rows):
                memset(storage.state + r * storage.state_stride, 0, self.width * sizeof(float))
            for k in range(len(slots)):
                copy = slots[k]
                for r in range(storage.rows):
                    memcpy(storage.state + r * storage.state_stride + k * storage.cols, &copy[r, 0],
                           storage.cols * sizeof(float))
            if self.has_moments:
                moments.steps = moments.whole = clock["steps"]
                moments.n_rates = "rate" in clock
                moments.rates[0] = rate
                self.clock.hand = clock["hand"] if 0 <= clock["hand"] < storage.rows else 0
            elif self.lazy:
                decay.decay = decay.whole_decay = clock["decay"]
                decay.shrinkage = decay.whole_shrinkage = clock["shrinkage"]
        finally:
            parameter.leave()
        return 0
