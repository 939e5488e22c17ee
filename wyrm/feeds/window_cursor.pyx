"""How a thread goes through a WindowFeed: chunks of the stream, windows cut out of them, and negatives.

A step is prepared while the one before it is trained on, and the rows it will look up are fetched.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset
from wyrm.feeds.lookups cimport are_distinct, fetch, lay_bags
from wyrm.feeds.sampling cimport draw, fetch_draws, next_drawable, next_random, random_at
from wyrm.feeds.tokens cimport CHUNK
from wyrm.memory cimport wyrm_alloc, wyrm_free

cdef enum:
    GOLDEN = 0x9E3779B9          # 2^32 over the golden ratio: its multiples lie evenly (Weyl's sequence)
    DRAWS = -1                   # the place whose random number starts those of recent draws
    DRAWN_AHEAD = 16             # draws whose buckets are fetched
    TRIES = 64                   # draws for a negative other than the centre, before the next larger one is taken


cdef class WindowCursor(Cursor):
    """One thread's way through a WindowFeed."""

    def __dealloc__(self):
        cdef int i
        for i in range(2):
            wyrm_free(self.steps[i].context)
            wyrm_free(self.steps[i].bags)
            wyrm_free(self.steps[i].output)
        wyrm_free(self.recent.rows)
        wyrm_free(self.chunk.kept)
        wyrm_free(self.chunk.offsets)
        wyrm_free(self.chunk.ends)

    cdef int reserve(self) except -1:
        cdef int i
        cdef windows_t* step
        cdef dim_t n = self.choices.batch_size, window = self.choices.window, each = 1 + self.choices.n_negatives
        cdef bint enough = True
        for i in range(2):
            step = self.steps + i
            # Windows are copied whole, their neighbours by pair repeated.
            step.context = <row_t*> wyrm_alloc(2 * window * (n + each) * sizeof(row_t))
            step.bags = <row_t*> wyrm_alloc((n + 1) * sizeof(row_t))
            step.output = <row_t*> wyrm_alloc((2 * window if self.choices.by_pair else n) * each * sizeof(row_t))
            enough = enough and step.context != NULL and step.bags != NULL and step.output != NULL
        self.chunk.window = window
        self.chunk.kept = <row_t*> wyrm_alloc((2 * window + CHUNK) * sizeof(row_t))
        self.chunk.offsets = <int32_t*> wyrm_alloc(CHUNK * sizeof(int32_t))
        self.chunk.ends = <dim_t*> wyrm_alloc((CHUNK + 1) * sizeof(dim_t))
        if not enough or self.chunk.kept == NULL or self.chunk.offsets == NULL or self.chunk.ends == NULL:
            raise MemoryError("no memory for a cursor")
        if self.choices.n_recent:
            self.recent.rows = <row_t*> wyrm_alloc(self.choices.n_recent * sizeof(row_t))
            self.recent.stream = random_at(self.feed.stream, DRAWS)
            if self.recent.rows == NULL:
                raise MemoryError("no memory for a cursor")
        memset(self.chunk.kept, 0, (2 * window + CHUNK) * sizeof(row_t))
        return 0

    # --- Steps ---------------------------------------------------------------------------------------------------

    cdef dim_t next(self) noexcept nogil:
        cdef windows_t* step
        cdef uint64_t state
        cdef dim_t n
        if not self.ready and not self.prepare(self.steps + 1 - self.current):
            self.beside = self.passed
            self.passed = 0
            return self.status
        self.current = 1 - self.current
        step = self.steps + self.current
        n = step.n
        self.first = step.place
        self.beside = step.passed - n
        self.lay_step(step)
        self.n_pairs += step.n_pairs
        step = self.steps + 1 - self.current
        self.ready = self.prepare(step)
        if self.ready and self.choices.has_output and self.choices.n_recent == 0:
            fetch(self.output, step.output, step.n_output, self.replica.trains)
            if self.centre < self.chunk.n_centres:
                state = random_at(self.feed.stream, self.chunk.begin + self.chunk.offsets[self.centre])
                fetch_draws(self.choices.sampler, state, self.choices.n_negatives)
        return n

    cdef void lay_step(self, windows_t* step) noexcept nogil:
        """Point the leaves at a step."""
        cdef dim_t first, n
        cdef row_t* rows
        lay_bags(self.context, step.context, step.bags, step.n_context, step.n,
                 are_distinct(step.context, step.n_context))
        if self.choices.has_output:
            self.bags[0][1] = <row_t> step.n_output
            lay_bags(self.output, step.output, self.bags[0], step.n_output, 1,
                     are_distinct(step.output, step.n_output))
            if self.target != NULL:
                self.target.value = <float*> self.choices.ones_first
                self.target.rows = step.n_targets
                self.target.version += 1
        if self.choices.paths.starts != NULL:
            first = self.choices.paths.starts[step.centre]
            n = self.choices.paths.starts[step.centre + 1] - first
            rows = <row_t*> self.choices.paths.rows + first
            self.bags[1][1] = <row_t> n
            lay_bags(self.path, rows, self.bags[1], n, 1, are_distinct(rows, n))
            if self.turn != NULL:
                self.turn.value = <float*> self.choices.paths.turns + first
                self.turn.rows = n
                self.turn.version += 1

    cdef bint prepare(self, windows_t* step) noexcept nogil:
        """Find the windows of the next step; false when there is none."""
        cdef dim_t place
        step.n = step.n_context = step.n_output = step.n_targets = step.n_pairs = 0
        step.bags[0] = 0
        while True:
            while self.centre < self.chunk.n_centres:
                place = self.chunk.begin + self.chunk.offsets[self.centre]
                self.passed += place - self.last
                self.last = place
                self.centre += 1
                if not self.cut(step, self.chunk.window + self.centre - 1):
                    continue
                if step.n == 1:
                    step.place = place
                if step.n == self.choices.batch_size:
                    step.passed = self.passed
                    self.passed = 0
                    return True
            if self.chunk.end:
                self.passed += self.chunk.end - 1 - self.last
            self.chunk.end = self.chunk.n_centres = self.centre = 0
            if (self.at >= self.end and not self.take()) or not self.read_chunk():
                break
        if step.n == 0:
            return False
        step.passed = self.passed
        self.passed = 0
        return True

    cdef bint cut(self, windows_t* step, dim_t at) noexcept nogil:
        """Add the window of the token at `at` of the chunk to a step; false where there is none."""
        cdef chunk_t* chunk = &self.chunk
        cdef dim_t place = chunk.begin + chunk.offsets[at - chunk.window]
        cdef uint64_t state
        cdef dim_t reach = chunk.window, begin, end, m, i, j, each
        cdef row_t centre = chunk.kept[at]
        cdef row_t* context = step.context + step.n_context
        cdef const int64_t* paths = self.choices.paths.starts
        while chunk.ends[self.sentence] <= at:
            self.sentence_begin = chunk.ends[self.sentence]
            self.sentence += 1
        if self.choices.shrink_windows:
            # All sizes in turn, an epoch each, from one by chance: to draw anew would leave some out.
            reach = 1 + (((random_at(chunk.stream, place) >> 32) * reach >> 32) + self.feed.epoch) % reach
        begin = max(at - reach, self.sentence_begin)
        end = min(at + reach + 1, chunk.ends[self.sentence])
        m = end - begin - 1
        if m == 0 or (paths != NULL and paths[centre] == paths[centre + 1]):
            return False
        # Whole windows, which costs less than lengths nobody can predict; the right half overwrites what is too much.
        memcpy(context, chunk.kept + begin, chunk.window * sizeof(row_t))
        memcpy(context + at - begin, chunk.kept + at + 1, chunk.window * sizeof(row_t))
        # A neighbour is new when the windows reach it; the others have been looked up before.
        i = min(at + chunk.window + 1, chunk.n_kept)
        if i > self.fetched:
            fetch(self.context, chunk.kept + self.fetched, i - self.fetched, self.replica.trains)
            self.fetched = i
        step.centre = centre
        step.n_context += m
        step.n_pairs += m
        step.n += 1
        step.bags[step.n] = <row_t> step.n_context
        if not self.choices.has_output:
            return True
        each = 1 + self.choices.n_negatives
        state = random_at(self.feed.stream, place)
        if self.choices.by_pair:
            for i in range(m - 1, -1, -1):
                for j in range(each):
                    context[i * each + j] = context[i]
                self.draw_negatives(step.output + i * each, centre, each, &state)
            step.n_context = step.n_output = step.n_targets = m * each
            step.bags[1] = <row_t> step.n_context
        else:
            if self.choices.n_recent:
                self.choose_negatives(step.output + step.n_output, centre, each, place, state)
            else:
                self.draw_negatives(step.output + step.n_output, centre, each, &state)
            step.n_output += each
            step.n_targets = step.n if self.choices.cbow else m
        return True

    cdef void draw_negatives(self, row_t* output, row_t centre, dim_t n, uint64_t* state) noexcept nogil:
        """The centre, then tokens other than it, n together."""
        cdef dim_t i
        output[0] = centre
        for i in range(1, n):
            output[i] = draw(self.choices.sampler, state)
            if output[i] == centre:
                output[i] = self.draw_other(centre, state)

    cdef void choose_negatives(self, row_t* output, row_t centre, dim_t n, dim_t place,
                               uint64_t state) noexcept nogil:
        """The same among the draws that are recent at a place, no draw twice."""
        cdef uint64_t at = next_random(&state), step = at >> 32 | 1        # odd: it comes by all of them
        cdef uint64_t last = <uint64_t> (self.choices.n_recent - 1)
        cdef const row_t* recent = self.recent.rows
        cdef row_t row
        cdef dim_t i, end = <dim_t> (place * self.choices.pace) + self.choices.n_recent
        if self.recent.n != end:
            self.draw_until(end)
        fetch(self.output, &centre, 1, self.replica.trains)
        output[0] = centre
        for i in range(1, n):
            row = recent[at & last]
            if row == centre:
                row = self.draw_other(centre, &state)
            output[i] = row
            at += step

    cdef row_t draw_other(self, row_t centre, uint64_t* state) noexcept nogil:
        """A token other than the centre."""
        cdef const sampler_t* sampler = self.choices.sampler
        cdef row_t token = centre
        cdef dim_t tries = 1
        while token == centre:
            tries += 1
            token = draw(sampler, state) if tries <= TRIES else next_drawable(sampler, centre)
        return token

    cdef void draw_until(self, dim_t end) noexcept nogil:
        """Bring the recent draws to number `end`; draw number k is the same whoever comes to it."""
        cdef recent_t* recent = &self.recent
        cdef dim_t size = self.choices.n_recent
        cdef uint64_t state
        cdef row_t* row
        if not end - size <= recent.n <= end:
            recent.n = end - size
        while recent.n < end:
            fetch_draws(self.choices.sampler, random_at(recent.stream, recent.n + DRAWN_AHEAD), 1)
            state = random_at(recent.stream, recent.n)
            row = recent.rows + (recent.n & (size - 1))
            row[0] = draw(self.choices.sampler, &state)
            fetch(self.output, row, 1, self.replica.trains)
            recent.n += 1

    # --- The stream ----------------------------------------------------------------------------------------------

    cdef bint read_chunk(self) noexcept nogil:
        """Read the next places of the share."""
        self.chunk.stream = self.feed.lasting
        self.chunk.turn = self.feed.epoch * <uint32_t> GOLDEN
        self.status = self.reader.read(&self.chunk, self.at, self.end)
        if self.status < 0:
            return False
        self.at = self.chunk.end
        self.last = self.chunk.begin - 1
        self.centre = self.sentence = 0
        self.sentence_begin = self.chunk.sentence_begin
        self.fetched = self.chunk.window
        return True
