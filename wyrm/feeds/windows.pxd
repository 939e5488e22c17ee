from wyrm.feeds.base cimport Feed
from wyrm.feeds.sampling cimport Sampler
from wyrm.feeds.tokens cimport TokenStream
from wyrm.feeds.window_cursor cimport choices_t
from wyrm.kernels.table cimport dim_t, row_t

cdef class WindowFeed(Feed):
    cdef object context, output, target, path, turn    # the nodes; None where there is none
    cdef list kept               # what the pointers of `choices` point into
    cdef TokenStream tokens
    cdef object keep             # ndarray of uint32: see chunk_t
    cdef row_t n_tokens, high_path
    cdef Sampler sampler
    cdef choices_t choices
    cdef list cursors
    cdef readonly dim_t n_pairs

    cdef int read_counts(self, object counts, double sample) except -1
    cdef int read_outputs(self, object counts, object n_negatives, double power) except -1
    cdef int read_reuse(self, object counts, dim_t reuse) except -1
    cdef object ones_first(self, dim_t rows)
    cdef int read_paths(self, object paths) except -1
