"""Training whose result depends on the seed and the batch size, not on the number of threads.

Each batch is cut into N_SHARDS parts. Threads take parts by number and compute their gradients, each part with a
replica of its own; they meet; then each row is updated by the thread that owns it, from the parts' gradients summed
in the parts' order. They meet again, and go on. Nothing depends on who was faster.

Optimisers that make up what rows missed (weight decay, Adam) change rows when they are read, which only one thread may
do at a time: with those the trainer uses one thread here.
"""

from libc.string cimport memset
from wyrm.gradient cimport add_row, clear_gradient, free_gradient
from wyrm.instructions.program cimport OK, OUT_OF_MEMORY
from wyrm.kernels.table cimport row_t
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.optim.update cimport Optimizer, hogwild_apply
from wyrm.replica cimport Replica
from wyrm.sync cimport wyrm_load, wyrm_meet, wyrm_store
from wyrm.worker cimport gradients_of


cdef class Shards:
    """Shards(workers, control, n_threads, n_examples, batch_size)."""

    def __cinit__(self, list workers, Control control, dim_t n_threads, dim_t n_examples, dim_t batch_size):
        cdef dim_t s
        self.workers = workers
        for s in range(N_SHARDS):
            self.worker[s] = <void*> workers[s]
        self.control = control
        self.n_threads = n_threads
        self.n_examples = n_examples
        self.batch_size = batch_size


cdef list reducers_of(list workers, Control control, dim_t n_threads, dim_t n_examples, dim_t batch_size,
                      Optimizer optimizer):
    """The threads of a run over these workers, one for each part of a batch."""
    cdef Replica replica = (<Worker> workers[0]).replica
    cdef dim_t i
    n_threads = min(n_threads, N_SHARDS)
    for i in range(replica.tape.n_parameters):
        if replica.storages[i].catch_up != NULL:
            n_threads = 1
    shards = Shards(workers, control, n_threads, n_examples, batch_size)
    parameters = (<Worker> workers[0]).plan.parameters
    return [Reducer(shards, i, optimizer.make_plan(parameters)) for i in range(n_threads)]


cdef class Reducer:
    """Reducer(shards, thread, plan): one thread; run() it beside the others."""

    def __cinit__(self, Shards shards, dim_t thread, Plan plan):
        cdef dim_t i
        cdef Worker worker = shards.workers[0]
        self.shards = shards
        self.thread = thread
        self.plan = plan
        self.n_parameters = plan.plan.n
        self.gradients = <gradient_t*> wyrm_alloc(self.n_parameters * sizeof(gradient_t))
        if self.gradients == NULL:
            raise MemoryError("no memory for a thread's gradients")
        memset(self.gradients, 0, self.n_parameters * sizeof(gradient_t))
        for i in range(self.n_parameters):
            self.gradients[i].rows = worker.replica.gradients[i].rows
            self.gradients[i].cols = worker.replica.gradients[i].cols
            plan.plan.targets[i].gradient = self.gradients + i
            plan.plan.targets[i].storage = worker.replica.storages + i
        plan.plan.settings = &worker.settings

    def __dealloc__(self):
        cdef dim_t i
        if self.gradients != NULL:
            for i in range(self.n_parameters):
                free_gradient(self.gradients + i)
        wyrm_free(self.gradients)

    def run(self, dim_t most=0):
        """Work until the epoch is over or somebody says stop; without the GIL.

        With `most` it pauses after about so many examples, and returns True if there may be more: run it again.
        """
        cdef bint pauses
        with nogil:
            pauses = self.work(most)
        return pauses

    cdef bint work(self, dim_t most) noexcept nogil:
        cdef dim_t first = self.first, n, s
        cdef int status
        while first < self.shards.n_examples:
            if most and first >= self.first + most:
                self.first = first
                return True
            n = min(self.shards.batch_size, self.shards.n_examples - first)
            if self.thread == 0:
                self.shards.leaving = wyrm_load(&self.shards.control.control.stop)
                if self.shards.control.control.rates != NULL:
                    (<Worker> self.shards.worker[0]).set_rate()
            wyrm_meet(&self.shards.barrier, self.shards.n_threads)
            if self.shards.leaving:
                return False
            status = self.forward_backward(first, n)
            if status != OK:
                wyrm_store(&self.shards.status, status)
            wyrm_meet(&self.shards.barrier, self.shards.n_threads)
            if self.shards.status != OK:
                return False
            status = self.reduce()
            if status != OK:
                wyrm_store(&self.shards.status, status)
            else:
                hogwild_apply(&self.plan.plan)
            wyrm_meet(&self.shards.barrier, self.shards.n_threads)
            # Nobody reads the parts' gradients from here to the next meeting.
            s = self.thread
            while s < N_SHARDS:
                self.clear(s)
                s += self.shards.n_threads
            if self.shards.status != OK:
                return False
            first += n
            if self.thread == 0:
                (<Worker> self.shards.worker[0]).sync(n)
        return False

    cdef void clear(self, dim_t s) noexcept nogil:
        cdef dim_t i
        for i in range(self.n_parameters):
            clear_gradient((<Worker> self.shards.worker[s]).replica.gradients + i)

    cdef int forward_backward(self, dim_t first, dim_t n) noexcept nogil:
        """This thread's parts of a batch; a status."""
        cdef dim_t s = self.thread, begin, end
        cdef int status
        while s < N_SHARDS:
            begin = first + n * s // N_SHARDS
            end = first + n * (s + 1) // N_SHARDS
            if begin < end:
                if (<Worker> self.shards.worker[s]).cursor.lay(begin, end - begin) < 0:
                    return OUT_OF_MEMORY
                status = gradients_of(<Worker> self.shards.worker[s], end - begin, n)
                if status != OK:
                    (<Worker> self.shards.worker[s]).status = status
                    return status
            s += self.shards.n_threads
        return OK

    cdef int reduce(self) noexcept nogil:
        """Sum the parts' gradients of the rows this thread owns, in the order of the parts; a status."""
        cdef dim_t s, i
        cdef gradient_t* part
        for i in range(self.n_parameters):
            for s in range(N_SHARDS):
                part = (<Worker> self.shards.worker[s]).replica.gradients + i
                if part.dense_touched:
                    if self.reduce_dense(self.gradients + i, part) != OK:
                        return OUT_OF_MEMORY
                elif self.reduce_rows(self.gradients + i, part) != OK:
                    return OUT_OF_MEMORY
        return OK

    cdef int reduce_rows(self, gradient_t* into, gradient_t* part) noexcept nogil:
        cdef dim_t k
        for k in range(part.n):
            if part.touched[k] % self.shards.n_threads == self.thread:
                if add_row(into, part.touched[k], part.values + k * part.cols) < 0:
                    return OUT_OF_MEMORY
        return OK

    cdef int reduce_dense(self, gradient_t* into, gradient_t* part) noexcept nogil:
        cdef dim_t r = self.thread
        while r < part.rows:
            if add_row(into, <row_t> r, part.dense + r * part.cols) < 0:
                return OUT_OF_MEMORY
            r += self.shards.n_threads
        return OK
