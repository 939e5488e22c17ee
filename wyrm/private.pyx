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
  1 / (2 T |rho|) leaves s T q at 1.5 in the first case and 0.5 in the second; both converge. One merge tells little, so
  the share falls at once and grows slowly, and for the rows merged most often it starts at 1 / T.

Most rows of a larger copy are touched seldom, about the same number of times between two merges of the last tier. That
is then one pass over the whole copy, and some rows, taken evenly from it, stand for the others in the sums above.

Tables too large to be copied may have hot rows as well: the frequent categories of many, or every row of a field-aware
machine, which is many cache lines. Of those the most touched rows are copied, as far as they fit, and detours lead to
them.
"""

import mmap

from libc.math cimport fmaxf, fminf
from libc.stdint cimport intptr_t
from libc.string cimport memcpy, memset
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport merge_t
from wyrm.memory cimport wyrm_alloc, wyrm_free


cdef enum:
    # Steps of each thread before it makes its copies. Under Adagrad those of many examples count for more, but for MANY
    # at most: it takes a few steps until they have become smaller.
    COUNTED = 512
    MANY = 8

    # Steps of all threads between two merges of the first tier, once they have grown so far: from FIRST steps of this
    # thread on, a merge comes after 1 / GROWTH of the steps so far.
    UPDATES = 128
    FIRST = 8
    GROWTH = 64

    # Tables of more rows are not copied in part: a map of them takes memory.
    MAPPED = 1 << 18

    # Of so many counted steps, how many must have touched a row to make it worth a detour: one where it has many cache
    # lines, from WIDE columns on. Under SGD, whose steps don't become smaller, only the hottest rows learn as much in
    # copies as by racing: so many times the number of threads, for a step of one example; fewer for larger steps.
    WIDE = 64
    OFTEN = 4
    OFTEN_BY_SGD = 32

    # Fewer rows are not worth it, or less than 1 / SOME of all touches; and how many rows away from a table their
    # copies may lie.
    LEAST = 64
    SOME = 8
    FARTHEST = 1 << 30

    # Rows of a copy that are merged one by one, at most, where others can be merged in one pass; and how many of those
    # stand for them.
    LISTED = 1 << 14
    SAMPLED = 256

    # Steps of a thread between two passes over all rows of a copy, once it has taken so many, and before the first.
    # With more threads there are not more of them: a pass costs the same however little was changed.
    PASS = 1 << 14
    FIRST_PASS = 1 << 12

    # Each tier is touched this many times more rarely than the one before, and merged as much more rarely.
    TIER = 2

    # Tiers whose rows every step touches, or every second or fourth: each thread may take them to their optimum alone.
    HOTTEST = 2

# Decay, from merge to merge, of the sums that tell how far threads undo what the merge before did.
cdef float MEMORY = 0.75

# Growth of the share, from merge to merge.
cdef float SLOWLY = 1.02


cdef inline dim_t stride_of(const copy_t* copy) noexcept nogil:
    return copy.shared.cols + copy.width


cdef inline dim_t place_of(const copy_t* copy, dim_t k) noexcept nogil:
    """The place of row order[k] in the copy."""
    return copy.order[k] if copy.map == NULL else k


cdef inline size_t size_of(const copy_t* copy) noexcept nogil:
    """Bytes of a copy, but for a map."""
    return (2 * copy.n * stride_of(copy) * sizeof(float)
            + copy.listed * (copy.shared.cols * sizeof(float) + sizeof(row_t)))


cdef float* in_step(float* block, const copy_t* copy) noexcept:
    """The first place in the block that is a whole number of rows away from the table; NULL where that is too far."""
    cdef dim_t stride = copy.shared.stride, past, rows
    if block == NULL:
        return NULL
    past = (<intptr_t> block - <intptr_t> copy.shared.value) // <intptr_t> sizeof(float) % stride
    block += stride - past if past > 0 else -past
    rows = (<intptr_t> block - <intptr_t> copy.shared.value) // <intptr_t> sizeof(float) // stride
    return block if -FARTHEST < rows < FARTHEST else NULL


cdef void merge_tier(copy_t* copy, dim_t tier, float share) noexcept nogil:
    """Merge the rows of a tier, and count what they undo."""
    cdef merge_t merge
    cdef dim_t first = copy.tiers[tier], at = 0 if copy.map == NULL else first * stride_of(copy)
    merge.value, merge.state = copy.shared.value, copy.shared.state
    merge.stride, merge.state_stride = copy.shared.stride, copy.shared.state_stride
    merge.mine, merge.base, merge.last = copy.mine.value + at, copy.base + at, copy.last + first * copy.shared.cols
    merge.rows, merge.n = copy.order + first, copy.tiers[tier + 1] - first
    merge.packed = copy.map != NULL
    merge.cols, merge.width = copy.shared.cols, copy.width
    kernels.merge_rows(copy.sums[tier], &merge, share)


cdef void merge_all(copy_t* copy, float share) noexcept nogil:
    """Merge every row of a flat copy; those merged before have nothing left to add."""
    cdef dim_t r, at, stride = stride_of(copy)
    if share == 1:
        kernels.merge_sums(copy.shared.value, copy.mine.value, copy.base, copy.n * stride, 1)
        return
    for r in range(copy.n):
        at = r * stride
        kernels.merge_sums(copy.shared.value + at, copy.mine.value + at, copy.base + at, copy.shared.cols, share)
        at += copy.shared.cols
        kernels.merge_sums(copy.shared.value + at, copy.mine.value + at, copy.base + at, copy.width, 1)


cdef inline dim_t tier_of(uint32_t touches, const uint32_t* least) noexcept nogil:
    """The first tier for rows of so many touches; N_TIERS where they are too few for any."""
    cdef dim_t tier = N_TIERS - 1
    if touches < least[tier]:
        return N_TIERS
    while tier > 0 and touches >= least[tier - 1]:
        tier -= 1
    return tier


cdef class PrivateCopies:
    """The copies of one thread."""

    def __dealloc__(self):
        cdef dim_t i
        for i in range(self.n):
            wyrm_free(self.copies[i].block)
            wyrm_free(self.copies[i].map)
            wyrm_free(self.copies[i].base)
            wyrm_free(self.copies[i].last)
            wyrm_free(self.copies[i].order)
        wyrm_free(self.copies)

    cdef int take(self, Replica replica, size_t budget, dim_t n_threads, dim_t batch_size) except -1:
        """Give the replica copies of its smallest parameters, as much as fits into `budget` bytes."""
        cdef dim_t i, best, count = replica.tape.n_parameters, width
        cdef storage_t* storage
        cdef copy_t* copy
        self.copies = <copy_t*> wyrm_alloc(count * sizeof(copy_t))
        if self.copies == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        memset(self.copies, 0, count * sizeof(copy_t))
        self.n_threads = n_threads
        self.often = <uint32_t> (OFTEN_BY_SGD * n_threads // min(batch_size, MANY))
        self.counted = COUNTED
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
            if width:
                self.counted = COUNTED // min(batch_size, MANY)
            copy = self.copies + self.n
            copy.shared = storage[0]
            copy.width = width
            copy.used = storage
            copy.gradient = replica.gradients + best
            if not self.copy_whole(copy, budget):
                self.copy_some(copy, self.bytes + (budget - self.bytes) // (count - len(taken) + 1))

    cdef bint copy_whole(self, copy_t* copy, size_t budget) except -1:
        """Make a copy of every row; whether it fits into the budget."""
        copy.n = copy.listed = copy.shared.rows
        copy.flat = copy.n > LISTED and copy.shared.stride == stride_of(copy)
        if copy.flat:
            copy.listed = LISTED
        if self.bytes + size_of(copy) > budget:
            return False
        self.reserve(copy)
        copy.block = <float*> wyrm_alloc(copy.n * stride_of(copy) * sizeof(float))
        if copy.block == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        copy.touches = <uint32_t*> copy.base     # which is not needed before they have been counted
        self.use(copy, copy.block)
        return True

    cdef int copy_some(self, copy_t* copy, size_t budget) except -1:
        """Make room for some rows of a wide table and detours to them, where that is possible."""
        cdef dim_t stride = copy.shared.stride
        cdef size_t a_row = (2 * stride + copy.shared.cols) * sizeof(float) + sizeof(row_t)
        cdef size_t map_size = copy.shared.rows * sizeof(row_t)
        cdef size_t size
        cdef float* place
        cdef char[::1] view
        copy.flat = False
        if (copy.shared.rows > MAPPED or stride != stride_of(copy) or copy.gradient.dense != NULL
                or self.bytes + map_size + LEAST * a_row > budget):
            return 0
        copy.n = copy.listed = min((budget - self.bytes - map_size) // a_row, copy.shared.rows, LISTED)
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
        copy.map = <row_t*> wyrm_alloc(map_size)
        if copy.map == NULL:
            raise MemoryError("no memory for a thread's copies of parameters")
        self.bytes += map_size
        copy.touches = <uint32_t*> copy.map      # as above
        self.use(copy, place)
        self.detours.add(copy.used)
        return 0

    cdef int reserve(self, copy_t* copy) except -1:
        """Allocate what a copy needs beside its rows; it is freed from here on."""
        self.n += 1
        self.bytes += size_of(copy)
        copy.base = <float*> wyrm_alloc(copy.n * stride_of(copy) * sizeof(float))
        copy.last = <float*> wyrm_alloc(copy.listed * copy.shared.cols * sizeof(float))
        copy.order = <row_t*> wyrm_alloc(copy.listed * sizeof(row_t))
        if NULL in (copy.base, copy.last, copy.order):
            raise MemoryError("no memory for a thread's copies of parameters")
        return 0

    cdef void use(self, copy_t* copy, float* place) noexcept:
        copy.mine = copy.shared
        copy.mine.value = place
        copy.mine.stride = stride_of(copy)
        copy.mine.state = NULL if copy.width == 0 else place + copy.shared.cols
        copy.mine.state_stride = 0 if copy.width == 0 else stride_of(copy)

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
            self.hogwild_merge(N_TIERS, True)
        self.detours.close()

    cdef void pull(self) noexcept nogil:
        """Go on with copies of the shared values."""
        cdef dim_t i, k, at
        cdef row_t r
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            memset(copy.sums, 0, sizeof(copy.sums))
            for k in range(N_TIERS):
                copy.share[k] = <float> 1 / self.n_threads if k < HOTTEST else 1
            memset(copy.last, 0, copy.tiers[N_TIERS] * copy.shared.cols * sizeof(float))
            if copy.flat:
                memcpy(copy.mine.value, copy.shared.value, copy.n * stride_of(copy) * sizeof(float))
                memcpy(copy.base, copy.mine.value, copy.n * stride_of(copy) * sizeof(float))
                copy.used[0] = copy.mine
                continue
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
            elif copy.tiers[N_TIERS]:
                for k in range(copy.shared.rows):
                    copy.map[k] = <row_t> k
                at = (copy.mine.value - copy.shared.value) / copy.shared.stride
                for k in range(copy.tiers[N_TIERS]):
                    copy.map[copy.order[k]] = <row_t> (at + k)
                copy.used.map = copy.map
                self.detours.open(copy.used, copy.map)

    cdef void hogwild_step(self) noexcept nogil:
        """Count what the step touched, or merge what is due."""
        cdef dim_t tiers = 1, merge, i
        cdef bint all_rows
        if self.counting:
            self.count()
            if self.steps == self.counted:
                for i in range(self.n):
                    self.rank(self.copies + i)
                self.pull()
                self.counting = False
                self.due = self.steps + FIRST
                self.next_pass = self.steps + FIRST_PASS
            return
        self.due += min(self.interval, max(FIRST, self.steps // GROWTH))
        # The first tier every time, the second every other time, the third every fourth, ...
        self.merges += 1
        merge = self.merges
        while tiers < N_TIERS and merge % TIER == 0:
            merge //= TIER
            tiers += 1
        all_rows = self.steps >= self.next_pass
        if all_rows:
            self.next_pass = self.steps + min(self.steps, PASS)
        self.hogwild_merge(tiers, all_rows)

    cdef void count(self) noexcept nogil:
        cdef dim_t i, s
        cdef row_t row
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            if copy.gradient.dense_touched:
                for s in range(copy.shared.rows):
                    copy.touches[s] += 1
            for s in range(copy.gradient.n):
                copy.touches[copy.gradient.touched[s]] += 1
            for s in range(copy.gradient.products.n):           # which may repeat
                row = copy.gradient.products.rows[s]
                copy.touches[row] = min(copy.touches[row] + 1, <uint32_t> self.steps)

    cdef void rank(self, copy_t* copy) noexcept nogil:
        """Sort rows into tiers by their touches so far: all of them, or those that are merged one by one."""
        cdef dim_t k, r, tier, room = copy.listed, every = 1, listed = 0, total = 0
        cdef uint32_t least[N_TIERS]
        cdef dim_t ends[N_TIERS]
        for k in range(N_TIERS):
            least[k] = <uint32_t> max(1, self.steps >> (k + 1))
            ends[k] = 0
        least[N_TIERS - 1] = 0
        if copy.map != NULL:
            least[N_TIERS - 1] = self.often if copy.width == 0 else 1 if copy.shared.cols >= WIDE else OFTEN
            least[N_TIERS - 1] = <uint32_t> max(1, least[N_TIERS - 1] * self.steps // COUNTED)
        for r in range(copy.shared.rows):
            total += copy.touches[r]
            tier = tier_of(copy.touches[r], least)
            if tier < N_TIERS:
                ends[tier] += 1
                listed += copy.touches[r]
        if copy.flat:
            every = max(1, ends[N_TIERS - 1] // SAMPLED)
            ends[N_TIERS - 1] = (ends[N_TIERS - 1] + every - 1) // every
            room -= min(ends[N_TIERS - 1], 2 * SAMPLED)
        elif copy.map != NULL and listed * SOME < total:
            room = 0
        copy.tiers[0] = 0
        for k in range(N_TIERS):
            if copy.flat and k == N_TIERS - 1:
                room = copy.listed
            copy.tiers[k + 1] = min(copy.tiers[k] + ends[k], room)
            ends[k] = copy.tiers[k]
        listed = 0
        for r in range(copy.shared.rows):
            tier = tier_of(copy.touches[r], least)
            if tier == N_TIERS - 1 and every > 1:
                listed += 1
                if listed % every != 1:
                    continue
            if tier < N_TIERS and ends[tier] < copy.tiers[tier + 1]:
                copy.order[ends[tier]] = <row_t> r
                ends[tier] += 1

    cdef void hogwild_merge(self, dim_t tiers, bint all_rows) noexcept nogil:
        """Add this thread's changes in the first tiers to the shared values and take over those of others.

        With `all_rows`, those of every row of flat copies as well, which stand in the place of their last tier.

        Races with the merges of other threads by design.
        """
        cdef dim_t i, t, n
        cdef float share = 1
        cdef copy_t* copy
        for i in range(self.n):
            copy = self.copies + i
            n = tiers
            if copy.flat:
                n = N_TIERS if all_rows else min(tiers, N_TIERS - 1)
            for t in range(n):
                share = self.share_of(copy, t)
                copy.sums[t][0] *= MEMORY
                copy.sums[t][1] *= MEMORY
                merge_tier(copy, t, share)
            if copy.flat and all_rows:
                merge_all(copy, share)

    cdef float share_of(self, copy_t* copy, dim_t tier) noexcept nogil:
        """How much of its changes to the rows of a tier the thread hands on, from 1 / n_threads to 1.

        Less at once when that is called for, more only by and by: one merge tells little.
        """
        cdef float undone = -2 * self.n_threads * copy.sums[tier][0], share = 1
        if undone > copy.sums[tier][1]:
            share = fmaxf(copy.sums[tier][1] / undone, <float> 1 / self.n_threads)
        copy.share[tier] = fminf(share, copy.share[tier] * SLOWLY)
        return copy.share[tier]
