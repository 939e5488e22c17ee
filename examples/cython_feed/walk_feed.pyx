"""A feed written in Cython: pairs of nodes that random walks over a graph bring together.

Nothing is stored but the graph: each example is walked when a thread asks for it. Compare "DeepWalk: Online learning of
social representations" (Perozzi, Al-Rfou and Skiena, KDD 2014), which writes the walks down first.
"""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t
from wyrm.feeds.base cimport Cursor, Feed, address, example_at
from wyrm.feeds.lookups cimport Lookups, lay_bags, lookups_of
from wyrm.feeds.sampling cimport below, random_at
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.replica cimport Replica


cdef class WalkFeed(Feed):
    """Nodes, others that a short random walk from them ends at, and others drawn at random.

    Parameters
    ----------
    graph : scipy.sparse.csr_matrix, shape (n_nodes, n_nodes)
        An entry for each edge.
    start, near, other : IndexInputNode
        The nodes that take where walks start, where they end, and a node drawn from all.
    length : int
        Steps of a walk at most.
    walks : int
        From each node in an epoch.
    """

    cdef object start, near, other
    cdef list kept                     # the arrays that the pointers point into
    cdef const int64_t* edges          # neighbours[edges[i]:edges[i + 1]] are those of node i
    cdef const row_t* neighbours
    cdef dim_t n_nodes
    cdef uint32_t length

    def __cinit__(self, graph, *, start, near, other, length=4, walks=10):
        self.start, self.near, self.other = start, near, other
        edges = np.ascontiguousarray(graph.indptr, dtype=np.int64)
        neighbours = np.ascontiguousarray(graph.indices, dtype=np.int32)
        # Everything that could lead to a bad address is checked here, for nothing is in the loop.
        if graph.shape[0] != graph.shape[1] or not len(neighbours) or not (0 <= neighbours.min()):
            raise ValueError("WalkFeed: expected a square matrix with at least one edge")
        if neighbours.max() >= graph.shape[0] or (np.diff(edges) < 0).any() or edges[0] or edges[-1] != len(neighbours):
            raise ValueError("WalkFeed: expected a CSR matrix with valid indices")
        if length < 1 or walks < 1:
            raise ValueError("WalkFeed: expected length and walks to be at least 1")
        self.kept = [edges, neighbours]
        self.edges, self.neighbours = <const int64_t*> address(edges), <const row_t*> address(neighbours)
        self.n_nodes = graph.shape[0]
        self.length = length
        self.n_examples = self.n_nodes * walks
        self.random_access = True      # lay() can be asked for any examples

    def inputs(self):
        """set of Node: the input nodes it fills."""
        return {self.start, self.near, self.other}

    cdef Cursor cursor(self, Replica replica, dict leaves, dim_t batch_size):
        cdef WalkCursor cursor = WalkCursor.__new__(WalkCursor)
        cursor.feed = cursor.walks = self
        cursor.replica = replica
        cursor.batch_size = batch_size
        # lookups_of() refuses tables that are too small for the rows that will come.
        cursor.start = lookups_of(replica, leaves, self.start, self.n_nodes - 1)
        cursor.near = lookups_of(replica, leaves, self.near, self.n_nodes - 1)
        cursor.other = lookups_of(replica, leaves, self.other, self.n_nodes - 1)
        cursor.reserve()
        return cursor


cdef class WalkCursor(Cursor):
    """One thread's way through a WalkFeed; it has its own buffers and writes to nothing else."""

    cdef WalkFeed walks
    cdef Lookups start, near, other
    cdef row_t* rows                   # [3, batch_size] starts, ends and others of a batch
    cdef row_t* bags                   # [batch_size + 1] offsets of bags of one

    def __dealloc__(self):
        wyrm_free(self.rows)
        wyrm_free(self.bags)

    cdef int reserve(self) except -1:
        cdef dim_t j
        self.rows = <row_t*> wyrm_alloc(3 * self.batch_size * sizeof(row_t))
        self.bags = <row_t*> wyrm_alloc((self.batch_size + 1) * sizeof(row_t))
        if self.rows == NULL or self.bags == NULL:
            raise MemoryError("no memory for a cursor")
        for j in range(self.batch_size + 1):
            self.bags[j] = <row_t> j
        return 0

    cdef dim_t lay(self, dim_t first, dim_t n) noexcept nogil:
        """Lay n examples of the epoch's order, from place `first` on, into the leaves."""
        cdef row_t* starts = self.rows
        cdef row_t* ends = self.rows + self.batch_size
        cdef row_t* others = self.rows + 2 * self.batch_size
        cdef dim_t j, example
        cdef uint64_t state
        for j in range(n):
            example = example_at(self.walks, first + j)
            # A random state for each example: the same walk whichever thread takes it.
            state = random_at(self.walks.stream, example)
            starts[j] = <row_t> (example % self.walks.n_nodes)
            ends[j] = self.walk(starts[j], &state)
            others[j] = <row_t> below(<uint32_t> self.walks.n_nodes, &state)
        lay_bags(self.start, starts, self.bags, n, n, n == 1)
        lay_bags(self.near, ends, self.bags, n, n, n == 1)
        lay_bags(self.other, others, self.bags, n, n, n == 1)
        return n

    cdef row_t walk(self, row_t node, uint64_t* state) noexcept nogil:
        """The node after 1 to `length` random steps; a walk ends where there is no way on."""
        cdef uint32_t steps = 1 + below(self.walks.length, state), degree
        while steps:
            steps -= 1
            degree = <uint32_t> (self.walks.edges[node + 1] - self.walks.edges[node])
            if degree == 0:
                break
            node = self.walks.neighbours[self.walks.edges[node] + below(degree, state)]
        return node
