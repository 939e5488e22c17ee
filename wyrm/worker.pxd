cimport cython
from wyrm.feeds.base cimport Cursor
from wyrm.gradient cimport takes_t
from wyrm.instructions.program cimport OK, slot_t
from wyrm.kernels.table cimport dim_t
from wyrm.memory cimport APART
from wyrm.optim.state cimport settings_t
from wyrm.optim.update cimport Optimizer, Plan
from wyrm.private cimport PrivateCopies
from wyrm.replica cimport Replica
from wyrm.tape cimport tape_backward, tape_forward, tape_loss, tape_t

cdef enum work_kind:
    TRAIN = 0
    EVALUATE = 1
    PREDICT = 2

cdef enum:
    # Beside the status codes of instructions.
    NOT_FINITE = 100             # a batch had a loss that is NaN or infinite
    NOT_BY_EXAMPLE = 101         # a prediction has no row per example

ctypedef struct control_t:
    # What the threads of a run share.
    int stop                     # leave before the next batch
    dim_t done                   # examples finished in this epoch
    # The learning rate by progress: rates[k] at k / (n_rates - 1) of all `total` examples, straight lines between.
    const double* rates
    dim_t n_rates
    double total
    double before                # examples finished in earlier epochs

cdef class Control:
    cdef char apart[APART]
    cdef control_t control
    cdef object rates            # ndarray of float64


@cython.final                      # its methods are called directly, or inlined
cdef class Worker:
    # What one thread runs: a replica, its place in the feed and its optimiser step.
    cdef char apart[APART]
    cdef Control control
    cdef Replica replica
    cdef Cursor cursor
    cdef Plan plan
    cdef PrivateCopies copies    # None: it works on the shared parameters alone
    cdef settings_t settings     # the optimiser's, with this thread's learning rate
    cdef work_kind kind
    cdef bint summed             # the losses of a batch are added up, not averaged
    cdef bint sums               # somebody sums its gradients with those of others before the step
    cdef float[:, ::1] output    # of PREDICT
    cdef readonly double loss    # sum over examples
    cdef readonly dim_t examples
    cdef dim_t since             # of a run that pauses: examples after the last report
    cdef int status
    cdef public object error     # an exception that stopped it, or None

    cdef int use(self, Optimizer optimizer, Plan plan) except -1
    cdef takes_t takes(self, Plan plan, dim_t i) noexcept
    cdef bint work(self, dim_t most) noexcept nogil
    cdef int slide_on(self, dim_t n) noexcept nogil
    cdef void sync(self, dim_t n) noexcept nogil
    cdef void set_rate(self) noexcept nogil
    cdef int predict(self, dim_t n) noexcept nogil


cdef inline bint is_number(const slot_t* slot) noexcept nogil:
    return slot.rows == 1 and slot.cols == 1


cdef inline int gradients_of(Worker self, dim_t n, dim_t batch) noexcept nogil:
    """Loss of n examples and, to train, their gradients, as a part of a batch; a status."""
    cdef tape_t* tape = &self.replica.tape
    cdef slot_t* root = tape.root
    cdef double loss
    cdef float weight = 1
    cdef int status = tape_forward(tape)
    if status != OK:
        return status
    if batch == 1 and is_number(root):             # the shortest steps
        loss = root.value[0]
    else:
        loss = tape_loss(tape)
        # A root with a row per example is averaged over the batch; one that reduces the batch says itself how,
        # and counts by its share.
        if root.rows == n:
            weight = 1.0 if self.summed else 1.0 / batch
        else:
            weight = <float> n / batch
            loss *= n
    if loss - loss != 0:
        return NOT_FINITE
    self.loss += loss
    self.examples += n
    return tape_backward(tape, weight) if self.kind == TRAIN else OK
