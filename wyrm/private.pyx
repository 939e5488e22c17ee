"""Private copies of small parameters, merged into the shared ones now and then.

When threads keep writing the same few rows (a bias, the categories of a census), each write first takes the cache
line away from another core, and two threads are slower than one. So every thread trains a copy of its own, and from
time to time adds what it changed to the shared values, and takes over what others did: w += mine - base; mine = base
= w. The state of SGD and Adagrad consists of sums, for which the same rule is right.

How often? Between two merges the threads all start from the same place and their steps add up, so a row that is
updated too often in between overshoots. Merging everything often costs more than it saves, for most rows are rarely
touched. So rows are merged in tiers, by how often the first steps touched them, each about equally many updates
apart.
"""

from libc.string cimport memcpy, memset
from wyrm.memory cimport wyrm_alloc, wyrm_free


cdef enum:
    # Steps whose touches are counted, and the updates of one row, over all threads, that may lie between two merges.
    COUNTED = 512
    UPDATES = 256

    # Each tier is touched this many times more rarely than the one before, and merged as much more rarely.
    TIER = 8


cdef inline dim_t stride_of(const copy_t* copy) noexcept nogil:
    return copy.shared.cols + copy.width


cdef void merge_run(float* shared, float* mine, float* base, dim_t n) noexcept nogil:
    cdef dim_t i
    cdef float value
    for i in range(n):
        value = shared[i] + (mine[i] - base[i])
        shared[i] = value
        mine[i] = value
        base[i] = value


cdef class PrivateCopies:
    """The copies of one thread."""

    def __dealloc__(self):
        cdef dim_t i
        for i in range(self.n):
            wyrm_free(self.copies[i].mine.value)
            wyrm_free(self.copies[i].base)
            wyrm_free(self.copies[i].touches)
            wyrm_free(self.copies[i].order)
        wyrm_free(self.copies)

    cdef int take(self, Replica replica, size_t budget, dim_t n_threads) except -1:
        """Give the replica copies of its smallest parameters, as many as fit into `budget` bytes."""
        cdef dim_t i, best, count = replica.tape.n_parameters, width
        cdef size_t bytes, total
        cdef storage_t* storage
        cdef copy_t* copy
        self.copies = <copy_t*> wyrm_alloc(count * sizeof(copy_t))
        if self.copies == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        memset(self.copies, 0, count * sizeof(copy_t))
        self.interval = max(UPDATES // n_threads, 8)
        taken = set()
        while True:
            best = -1
            for i in range(count):
                # Rows that make up what they missed carry a stamp, which doesn't add up: those are raced on.
                if i not in taken and replica.storages[i].catch_up == NULL and (
                        best < 0 or replica.storages[i].rows * replica.storages[i].cols
                        < replica.storages[best].rows * replica.storages[best].cols):
                    best = i
            if best < 0:
                return 0
            taken.add(best)
            storage = replica.storages + best
            width = 0 if storage.state == NULL else storage.state_stride
            if width and storage.state == storage.value + storage.cols:
                width -= storage.cols
            bytes = storage.rows * (storage.cols + width) * sizeof(float)
            total = 2 * bytes + storage.rows * (sizeof(uint32_t) + sizeof(row_t))
            if self.bytes + total > budget:
                return 0
            copy = self.copies + self.n
            copy.shared = storage[0]
            copy.mine = storage[0]
            copy.width = width
            copy.mine.value = <float*> wyrm_alloc(bytes)
            copy.base = <float*> wyrm_alloc(bytes)
            copy.touches = <uint32_t*> wyrm_alloc(storage.rows * sizeof(uint32_t))
            copy.order = <row_t*> wyrm_alloc(storage.rows * sizeof(row_t))
            copy.gradient = replica.gradients + best
            self.n += 1
            if copy.mine.value == NULL or copy.base == NULL or copy.touches == NULL or copy.order == NULL:
                raise MemoryError("no memory for a thread's copies of parameters")
            copy.mine.stride = stride_of(copy)
            copy.mine.state = NULL if width == 0 else copy.mine.value + storage.cols
            copy.mine.state_stride = 0 if width == 0 else stride_of(copy)
            storage[0] = copy.mine
            self.bytes += total

    cdef void pull(self) noexcept nogil:
        """Start from the shared values, and count touches anew."""
        cdef dim_t i, r, at
        cdef copy_t* copy
        self.steps = 0
        self.counting = True
        for i in range(self.n):
            copy = self.copies + i
            memset(copy.touches, 0, copy.shared.rows * sizeof(uint32_t))
            copy.tiers[0] = 0
            copy.tiers[1] = copy.tiers[2] = copy.tiers[3] = copy.shared.rows
            for r in range(copy.shared.rows):
                copy.order[r] = <row_t> r
                at = r * stride_of(copy)
                memcpy(copy.mine.value + at, copy.shared.value + r * copy.shared.stride,
                       copy.shared.cols * sizeof(float))
                if copy.width:
                    memcpy(copy.mine.state + at, copy.shared.state + r * copy.shared.state_stride,
                           copy.width * sizeof(float))
            memcpy(copy.base, copy.mine.value, copy.shared.rows * stride_of(copy) * sizeof(float))

    cdef void hogwild_step(self) noexcept nogil:
        """After the gradients of a step are there: count, and merge what is due."""
        cdef dim_t tiers = 1
        if self.counting:
            self.count()
        self.steps += 1
        if self.steps % self.interval:
            return
        if self.counting:
            tiers = N_TIERS
            if self.steps >= COUNTED:
                self.rank()
        elif self.steps % (self.interval * TIER) == 0:
            tiers = 2 if self.steps % (self.interval * TIER * TIER) else 3
        self.hogwild_merge(tiers)

    cdef void count(self) noexcept nogil:
        cdef dim_t i, s
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            if copy.gradient.dense_touched:
                for s in range(copy.shared.rows):
                    copy.touches[s] += 1
            for s in range(copy.gradient.n):
                copy.touches[copy.gradient.touched[s]] += 1

    cdef void rank(self) noexcept nogil:
        """Sort the rows into tiers by their touches so far."""
        cdef dim_t i, k, r, at, least, most
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            at = 0
            most = self.steps + 1
            least = self.steps // TIER
            for k in range(N_TIERS):
                copy.tiers[k] = at
                if k == N_TIERS - 1:
                    least = 0
                for r in range(copy.shared.rows):
                    if least <= copy.touches[r] < most:
                        copy.order[at] = <row_t> r
                        at += 1
                most = least
                least //= TIER
            copy.tiers[N_TIERS] = at
        self.counting = False

    cdef void hogwild_merge(self, dim_t tiers) noexcept nogil:
        """Add this thread's changes in the first tiers to the shared values and take over those of others.

        Races with the merges of other threads by design.
        """
        cdef dim_t i, k, at
        cdef row_t r
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            for k in range(copy.tiers[tiers]):
                r = copy.order[k]
                at = r * stride_of(copy)
                if copy.shared.stride == stride_of(copy):
                    merge_run(copy.shared.value + at, copy.mine.value + at, copy.base + at, stride_of(copy))
                    continue
                merge_run(copy.shared.value + r * copy.shared.stride, copy.mine.value + at, copy.base + at,
                          copy.shared.cols)
                if copy.width:
                    merge_run(copy.shared.state + r * copy.shared.state_stride, copy.mine.state + at,
                              copy.base + at + copy.shared.cols, copy.width)
