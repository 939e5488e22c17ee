"""The inner loop of training: feed, forward, backward, step, on one thread, without the GIL.

Every thread of a Hogwild run executes Worker.run() with a replica and a cursor of its own. They meet only in the
storage of the parameters, where they race by design, and in the counters of control_t, which are atomic.
"""

import numpy as np

from wyrm.feeds.base cimport slide, slide_t
from wyrm.gradient cimport ANY, NONE, OF_DISTINCT_ROWS, clear_gradient
from wyrm.instructions.program cimport OK, slot_t
from wyrm.optim.state cimport hogwild_step_adagrad, hogwild_step_plain, set_learning_rate
from wyrm.optim.update cimport hogwild_apply, plan_t
from wyrm.parameter cimport storage_t
from wyrm.private cimport follow, stepped
from wyrm.sync cimport wyrm_fetch_add, wyrm_load, wyrm_read, wyrm_store
from wyrm.tape cimport tape_backward, tape_forward, tape_t

cdef enum:
    # Examples between two looks at the learning rate, and two reports of progress.
    PERIOD = 256


cdef class Control:
    """What the threads of one run share."""

    def __cinit__(self, rates=None, double total=1, double before=0):
        cdef double[::1] view
        self.control.total = total
        self.control.before = before
        if rates is not None:
            self.rates = np.ascontiguousarray(rates, dtype=np.float64)
            view = self.rates
            self.control.rates = &view[0]
            self.control.n_rates = view.shape[0]

    def stop(self):
        """Let every thread leave before its next batch."""
        wyrm_store(&self.control.stop, 1)

    @property
    def done(self):
        """int: examples finished."""
        return wyrm_read(&self.control.done)


cdef double rate_at(const control_t* control, double examples) noexcept nogil:
    """The learning rate after so many examples."""
    cdef double place = examples / control.total * (control.n_rates - 1)
    cdef dim_t k
    if place >= control.n_rates - 1:
        return control.rates[control.n_rates - 1]
    k = <dim_t> place
    return control.rates[k] + (place - k) * (control.rates[k + 1] - control.rates[k])


cdef class Worker:
    """One thread's part of an epoch."""

    cdef int use(self, Optimizer optimizer, Plan plan) except -1:
        """Step by this plan of the optimiser, over the replica's own gradients and storages."""
        cdef dim_t i
        self.plan = plan
        self.settings = optimizer.settings
        for i in range(plan.plan.n):
            plan.plan.targets[i].gradient = self.replica.gradients + i
            plan.plan.targets[i].storage = self.replica.storages + i
            clear_gradient(self.replica.gradients + i)       # of what a step that failed left there
            self.replica.gradients[i].takes_products = self.takes(plan, i)
        plan.plan.settings = &self.settings
        return 0

    cdef takes_t takes(self, Plan plan, dim_t i) noexcept:
        """Which gradients of a parameter may be left as products."""
        cdef storage_t* storage = self.replica.storages + i
        cdef dim_t k, readers = 0
        if self.sums:
            return NONE
        if plan.plan.step == hogwild_step_plain:
            return ANY
        # The rule is not linear: a row must get its gradient as a whole, from one lookup, where it occurs once.
        for k in range(self.replica.tape.n_code):
            readers += self.replica.tape.code[k].gradient == self.replica.gradients + i
        if (plan.plan.step == hogwild_step_adagrad and readers == 1
                and storage.state == storage.value + storage.cols):
            return OF_DISTINCT_ROWS
        return NONE

    def run(self, dim_t most=0):
        """Work until the epoch is over or somebody says stop; without the GIL.

        With `most` it pauses after about so many examples, and returns True if there may be more: run it again.
        """
        cdef bint pauses
        if self.control is None or self.cursor is None:
            raise TypeError("Worker: made by a Trainer only")
        with nogil:
            pauses = self.work(most)
        if self.status != OK:
            self.control.stop()
        return pauses

    cdef bint work(self, dim_t most) noexcept nogil:
        cdef dim_t n, before, since = self.since, look = PERIOD
        cdef int status = OK
        cdef bint trains = self.kind == TRAIN, copies = self.copies is not None
        if 0 < most < PERIOD - since:
            look = since + most
        if self.copies is not None:
            self.copies.start()
        while not wyrm_load(&self.control.control.stop):
            n = self.cursor.next()
            since += self.cursor.beside
            if n <= 0:
                if n < 0:
                    self.status = -1
                break
            if copies:
                status = follow(self.copies)
            if status == OK:
                status = self.predict(n) if self.kind == PREDICT else gradients_of(self, n, n)
            if status == OK and trains:
                if copies:
                    stepped(self.copies)
                hogwild_apply(&self.plan.plan)
            if status == OK:
                since += n
                if trains and not copies and self.cursor.slides_on and is_number(self.replica.tape.root):
                    before = self.examples
                    status = self.slide_on(min(self.cursor.end - self.cursor.at, look - since))
                    since += self.examples - before
            if status != OK:
                self.status = status
                break
            if since >= look:
                if since >= PERIOD:
                    self.sync(since)
                    since = 0
                if most:
                    self.since = since
                    return True
        if self.copies is not None:
            self.copies.finish()
        self.sync(since)
        return False

    cdef int slide_on(self, dim_t n) noexcept nogil:
        """Train on the next n examples, one by one; a status.

        The shortest steps take 50 ns, so what needn't be done in each waits for the last: a loss that isn't finite
        leaves a sum that isn't.
        """
        cdef tape_t* tape = &self.replica.tape
        cdef slot_t* root = tape.root
        cdef plan_t* plan = &self.plan.plan
        cdef const int* stop = &self.control.control.stop
        cdef const slide_t* slides = self.cursor.slides
        cdef dim_t n_slides = self.cursor.n_slides
        cdef dim_t first = self.cursor.at, at = first
        cdef double loss = self.loss
        cdef int status = OK
        while at < first + n and not wyrm_load(stop):
            slide(slides, n_slides, at)
            at += 1
            status = tape_forward(tape)
            if status != OK:
                break
            loss += root.value[0]
            status = tape_backward(tape, 1)
            if status != OK:
                break
            hogwild_apply(plan)
        self.cursor.at, self.cursor.first = at, at - 1
        if loss - loss != 0:
            return NOT_FINITE
        self.loss = loss
        self.examples += at - first - (status != OK)
        return status

    cdef void sync(self, dim_t n) noexcept nogil:
        """Report n finished examples, and follow the schedule."""
        wyrm_fetch_add(&self.control.control.done, n)
        if self.control.control.rates != NULL and self.kind == TRAIN:
            self.set_rate()

    cdef void set_rate(self) noexcept nogil:
        cdef control_t* control = &self.control.control
        set_learning_rate(&self.settings, rate_at(control, control.before + <double> wyrm_read(&control.done)))

    cdef int predict(self, dim_t n) noexcept nogil:
        cdef slot_t* root = self.replica.tape.root
        cdef dim_t r, c
        cdef int status = tape_forward(&self.replica.tape)
        if status == OK and root.rows != n:
            return NOT_BY_EXAMPLE
        if status == OK:
            for r in range(n):
                for c in range(root.cols):
                    self.output[self.cursor.first + r, c] = root.value[r * root.cols + c]
            self.examples += n
        return status
