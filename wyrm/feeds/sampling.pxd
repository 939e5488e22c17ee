"""Random numbers for feeds, and draws in proportion to weights.

A feed draws for each place of an epoch from a state of its own, `random_at(stream, place)`: what it draws depends on
the seed, the epoch and the place alone, not on the thread that asks or on what was asked before.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.memory cimport wyrm_prefetch

cdef enum:
    WORTH_FETCHING = 1 << 12     # buckets; fewer stay in the first cache by themselves

ctypedef struct alias_t:
    # A bucket of an alias table: its own row for a random number below `keep` (of 2^32), else `other`.
    uint32_t keep
    row_t other

ctypedef struct sampler_t:
    const alias_t* buckets       # [n], or NULL: every row is as likely as any other
    const uint8_t* drawable      # [n] whether the weight is above 0, or NULL: all are
    uint32_t n

cdef class Sampler:
    cdef sampler_t sampler
    cdef readonly dim_t n_drawable     # rows that can be drawn

    cdef int build(self, double[::1] weights, row_t likeliest) except -1
    cdef int note_drawable(self, const uint8_t[::1] seen) except -1

cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    """SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)."""
    cdef uint64_t z
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)

cdef inline uint64_t random_at(uint64_t stream, uint64_t place) noexcept nogil:
    """Number `place` of the sequence that starts at `stream`; itself a state to draw from."""
    cdef uint64_t state = stream + place * <uint64_t> 0x9E3779B97F4A7C15
    return next_random(&state)

cdef inline uint32_t below(uint32_t n, uint64_t* state) noexcept nogil:
    """Uniform in [0, n), n >= 1, without bias (Lemire, "Fast random integer generation in an interval", 2019)."""
    cdef uint64_t product = (next_random(state) >> 32) * n
    if <uint32_t> product < n:
        while <uint32_t> product < (<uint32_t> 0 - n) % n:
            product = (next_random(state) >> 32) * n
    return <uint32_t> (product >> 32)

cdef inline row_t draw(const sampler_t* sampler, uint64_t* state) noexcept nogil:
    """A row, with a probability in proportion to its weight."""
    cdef uint64_t random = next_random(state)
    cdef uint64_t product = (random >> 32) * sampler.n
    cdef row_t row, other
    if <uint32_t> product < sampler.n:
        while <uint32_t> product < (<uint32_t> 0 - sampler.n) % sampler.n:
            random = next_random(state)
            product = (random >> 32) * sampler.n
    row = <row_t> (product >> 32)
    if sampler.buckets == NULL:
        return row
    # Without a branch, which could not be predicted.
    other = sampler.buckets[row].other
    return other ^ ((row ^ other) & -<row_t> (<uint32_t> random < sampler.buckets[row].keep))

cdef inline void fetch_draws(const sampler_t* sampler, uint64_t state, dim_t n) noexcept nogil:
    """Start fetching what the next n draws from this state will look at."""
    if sampler.buckets == NULL or sampler.n < WORTH_FETCHING:
        return
    while n > 0:
        n -= 1
        wyrm_prefetch(sampler.buckets + (((next_random(&state) >> 32) * sampler.n) >> 32), sizeof(alias_t))

cdef inline row_t next_drawable(const sampler_t* sampler, row_t row) noexcept nogil:
    """The next larger row that can be drawn; after the last, the first."""
    while True:
        row += 1
        if <uint32_t> row >= sampler.n:
            row = 0
        if sampler.drawable == NULL or sampler.drawable[row]:
            return row
