"""Private copies of small parameters, merged into the shared ones now and then.

When threads keep writing the same few rows (a bias, the categories of a census), each write first takes the cache
line away from another core, and two threads are slower than one. So every thread trains a copy of its own, and from
time to time adds what it changed to the shared values, and takes over what others did: w += mine - base; mine = base
= w. The state of SGD and Adagrad consists of sums, for which the same rule is right.

How often? Between two merges the threads all start from the same place and their steps add up, so a row that is
updated too often in between overshoots: with two threads it may be moved twice as far as it should, with four it may
swing ever wider. Three things keep that in bounds, without merging so often that it costs more than it saves.

- The first steps, the largest under Adagrad, race on the shared rows, as Hogwild does. Meanwhile touches are counted.
- Rows are merged in tiers, by how often those first steps touched them: the often touched ones often, each tier about
  as many updates apart, and all of them more often at first.
- Where changes undo what the merge before moved, threads hand on only a part of them. Let each thread close the part q
  of a row's distance to its optimum between two merges, and hand on the share s of that: T threads move it by s T q of
  the distance, and after that the next change is rho = q (1 - s T q) / (s T q) of the move. Overshooting shows as a
  negative rho, and at rest, where the moves are noise, rho is -q, for noise is what a thread then undoes. A share of
  1 / (2 T |rho|) leaves s T q at 1.5 in the first case and 0.5 in the second; both converge.

A wide table of few rows, such as that of a field-aware machine, is too large to be copied whole and too hot to race on:
each row is many cache lines. Of it the most touched rows are copied, as far as they fit, and detours lead to them.
"""

import mmap

from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset
from wyrm.kernels.dispatch cimport kernels
from wyrm.memory cimport wyrm_alloc, wyrm_free


cdef enum:
    # Steps of each thread before it makes its copies.
    COUNTED = 512

    # Steps of all threads between two merges of the first tier, once they have grown so far: from FIRST steps of this
    # thread on, a merge comes after 1 / GROWTH of the steps so far.
    UPDATES = 128
    FIRST = 8
    GROWTH = 64

    # Tables that may be copied in part: narrower rows are raced on at less than a detour costs, and a map of more rows
    # takes memory.
    WIDE = 64
    MAPPED = 1 << 16

    # Fewer of its rows are not worth it; and how many rows away from it a copy may lie.
    LEAST = 64
    FARTHEST = 1 << 30

    # Each tier is touched this many times more rarely than the one before, and merged as much more rarely.
    TIER = 2

# Decay, from merge to merge, of the sums that tell how far threads undo what the merge before did.
cdef float MEMORY = 0.75


cdef inline dim_t stride_of(const copy_t* copy) noexcept nogil:
    return copy.shared.cols + copy.width


cdef inline dim_t place_of(const copy_t* copy, dim_t k) noexcept nogil:
    """The place of row order[k] in the copy."""
    return copy.order[k] if copy.map == NULL else k


cdef inline size_t size_of(const copy_t* copy) noexcept nogil:
    return (copy.n * (2 * stride_of(copy) + copy.shared.cols) * sizeof(float)
            + copy.shared.rows * (sizeof(uint32_t) + 2 * sizeof(row_t)))


cdef float* in_step(float* block, const copy_t* copy) noexcept:
    """The first place in the block that is a whole number of rows away from the table; NULL where that is too far."""
    cdef dim_t stride = copy.shared.stride, past, rows
    if block == NULL:
        return NULL
    past = (<intptr_t> block - <intptr_t> copy.shared.value) // <intptr_t> sizeof(float) % stride
    block += stride - past if past > 0 else -past
    rows = (<intptr_t> block - <intptr_t> copy.shared.value) // <intptr_t> sizeof(float) // stride
    return block if -FARTHEST < rows < FARTHEST else NULL


cdef void merge_sums(float* shared, float* mine, float* base, dim_t n) noexcept nogil:
    cdef dim_t i
    for i in range(n):
        shared[i] += mine[i] - base[i]
        mine[i] = base[i] = shared[i]


cdef class PrivateCopies:
    """The copies of one thread."""

    def __dealloc__(self):
        cdef dim_t i
        for i in range(self.n):
            wyrm_free(self.copies[i].block)
            wyrm_free(self.copies[i].map)
            wyrm_free(self.copies[i].base)
            wyrm_free(self.copies[i].last)
            wyrm_free(self.copies[i].touches)
            wyrm_free(self.copies[i].order)
        wyrm_free(self.copies)

    cdef int take(self, Replica replica, size_t budget, dim_t n_threads) except -1:
        """Give the replica copies of its smallest parameters, as much as fits into `budget` bytes."""
        cdef dim_t i, best, count = replica.tape.n_parameters, width
        cdef storage_t* storage
        cdef copy_t* copy
        self.copies = <copy_t*> wyrm_alloc(count * sizeof(copy_t))
        if self.copies == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        memset(self.copies, 0, count * sizeof(copy_t))
        self.n_threads = n_threads
        self.interval = max(UPDATES // n_threads, FIRST)
        self.detours = Detours(replica)
        self.mapped = []
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
            copy = self.copies + self.n
            copy.shared = storage[0]
            copy.width = width
            copy.used = storage
            copy.gradient = replica.gradients + best
            if not self.copy_whole(copy, budget):
                self.copy_some(copy, budget)

    cdef bint copy_whole(self, copy_t* copy, size_t budget) except -1:
        """Make a copy of every row; whether it fits into the budget."""
        copy.n = copy.shared.rows
        if self.bytes + size_of(copy) > budget:
            return False
        self.reserve(copy)
        copy.block = <float*> wyrm_alloc(copy.n * stride_of(copy) * sizeof(float))
        if copy.block == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        self.use(copy, copy.block)
        return True

    cdef int copy_some(self, copy_t* copy, size_t budget) except -1:
        """Make room for some rows of a wide table and detours to them, where that is possible."""
        cdef dim_t stride = copy.shared.stride
        cdef size_t a_row = (2 * stride + copy.shared.cols) * sizeof(float)
        cdef size_t size
        cdef float* place
        cdef char[::1] view
        copy.n = 0
        if (copy.shared.cols < WIDE or copy.shared.rows > MAPPED or stride != stride_of(copy)
                or copy.gradient.dense != NULL or self.bytes + size_of(copy) + LEAST * a_row > budget):
            return 0
        copy.n = min((budget - self.bytes - size_of(copy)) // a_row, copy.shared.rows)
        size = (copy.n + 1) * stride * sizeof(float)
        copy.block = <float*> wyrm_alloc(size)
        place = in_step(copy.block, copy)
        if place == NULL:                # a heap may be far from what the system maps, where large tables lie
            wyrm_free(copy.block)
            copy.block = NULL
            view = mmap.mmap(-1, size)   # which the view keeps
            place = in_step(<float*> &view[0], copy)
            if place == NULL:
                return 0
            self.mapped.append(view)
        self.reserve(copy)
        copy.map = <row_t*> wyrm_alloc(copy.shared.rows * sizeof(row_t))
        if copy.map == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        self.use(copy, place)
        self.detours.add(copy.used)
        return 0

    cdef int reserve(self, copy_t* copy) except -1:
        """Allocate what a copy needs beside its rows; it is freed from here on."""
        self.n += 1
        self.bytes += size_of(copy)
        copy.base = <float*> wyrm_alloc(copy.n * stride_of(copy) * sizeof(float))
        copy.last = <float*> wyrm_alloc(copy.n * copy.shared.cols * sizeof(float))
        copy.touches = <uint32_t*> wyrm_alloc(copy.shared.rows * sizeof(uint32_t))
        copy.order = <row_t*> wyrm_alloc(copy.shared.rows * sizeof(row_t))
        if NULL in (copy.base, copy.last, copy.touches, copy.order):
            raise MemoryError("no memory for a thread's copies of parameters")
        return 0

    cdef void use(self, copy_t* copy, float* place) noexcept:
        copy.mine = copy.shared
        copy.mine.value = place
        copy.mine.stride = stride_of(copy)
        copy.mine.state = NULL if copy.width == 0 else place + copy.shared.cols
        copy.mine.state_stride = 0 if copy.width == 0 else stride_of(copy)

    cdef int follow(self) noexcept nogil:
        """Before a step: lead what the leaves hold to the copies; a status."""
        return self.detours.translate()

    cdef void start(self) noexcept nogil:
        """Race on the shared rows, and count who touches them."""
        cdef dim_t i
        cdef copy_t* copy
        self.steps = self.merges = self.due = 0
        self.counting = True
        self.detours.close()
        for i in range(self.n):
            copy = self.copies + i
            copy.used[0] = copy.shared
            memset(copy.touches, 0, copy.shared.rows * sizeof(uint32_t))

    cdef void finish(self) noexcept nogil:
        if not self.counting:
            self.hogwild_merge(N_TIERS)
        self.detours.close()

    cdef void pull(self) noexcept nogil:
        """Go on with copies of the shared values."""
        cdef dim_t i, k, at
        cdef row_t r
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            memset(copy.sums, 0, sizeof(copy.sums))
            memset(copy.last, 0, copy.n * copy.shared.cols * sizeof(float))
            for k in range(copy.tiers[N_TIERS]):
                r = copy.order[k]
                at = place_of(copy, k) * stride_of(copy)
                memcpy(copy.mine.value + at, copy.shared.value + r * copy.shared.stride,
                       copy.shared.cols * sizeof(float))
                if copy.width:
                    memcpy(copy.mine.state + at, copy.shared.state + r * copy.shared.state_stride,
                           copy.width * sizeof(float))
            memcpy(copy.base, copy.mine.value, copy.tiers[N_TIERS] * stride_of(copy) * sizeof(float))
            if copy.map == NULL:
                copy.used[0] = copy.mine
                continue
            for k in range(copy.shared.rows):
                copy.map[k] = <row_t> k
            at = (copy.mine.value - copy.shared.value) / copy.shared.stride
            for k in range(copy.tiers[N_TIERS]):
                copy.map[copy.order[k]] = <row_t> (at + k)
            self.detours.open(copy.used, copy.map)

    cdef void hogwild_step(self) noexcept nogil:
        """After a step: count what it touched, or merge what is due."""
        cdef dim_t tiers = 1, merge
        self.steps += 1
        if self.counting:
            self.count()
            if self.steps == COUNTED:
                self.rank()
                self.pull()
                self.counting = False
                self.due = self.steps + FIRST
            return
        if self.steps < self.due:
            return
        self.due += min(self.interval, max(FIRST, self.steps // GROWTH))
        # The first tier every time, the second every other time, the third every fourth, ...
        self.merges += 1
        merge = self.merges
        while tiers < N_TIERS and merge % TIER == 0:
            merge //= TIER
            tiers += 1
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
                    least = 0 if copy.map == NULL else 1
                for r in range(copy.shared.rows):
                    if least <= copy.touches[r] < most:
                        copy.order[at] = <row_t> r
                        at += 1
                most = least
                least //= TIER
            copy.tiers[N_TIERS] = at
            for k in range(N_TIERS + 1):
                copy.tiers[k] = min(copy.tiers[k], copy.n)

    cdef void hogwild_merge(self, dim_t tiers) noexcept nogil:
        """Add this thread's changes in the first tiers to the shared values and take over those of others.

        Races with the merges of other threads by design.
        """
        cdef dim_t i, k, t, at, place
        cdef row_t r
        cdef float share
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            for t in range(tiers):
                share = self.share_of(copy, t)
                copy.sums[t][0] *= MEMORY
                copy.sums[t][1] *= MEMORY
                for k in range(copy.tiers[t], copy.tiers[t + 1]):
                    r = copy.order[k]
                    place = place_of(copy, k)
                    at = place * stride_of(copy)
                    kernels.merge_row(copy.shared.value + r * copy.shared.stride, copy.mine.value + at,
                                      copy.base + at, copy.last + place * copy.shared.cols, copy.sums[t],
                                      copy.shared.cols, share)
                    if copy.width:
                        merge_sums(copy.shared.state + r * copy.shared.state_stride, copy.mine.state + at,
                                   copy.base + at + copy.shared.cols, copy.width)

    cdef float share_of(self, const copy_t* copy, dim_t tier) noexcept nogil:
        """How much of its changes to the rows of a tier the thread hands on, from 1 / n_threads to 1."""
        cdef float undone = -2 * self.n_threads * copy.sums[tier][0]
        if undone <= copy.sums[tier][1]:
            return 1
        return max(copy.sums[tier][1] / undone, <float> 1 / self.n_threads)
