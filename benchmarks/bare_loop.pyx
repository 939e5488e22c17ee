# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The loop one would write by hand in C over a graph's program: the next example, forward, backward, step.

What a trainer takes beyond this is its overhead. Compiled by compiled.py against the .pxd files of the package.
"""

import numpy as np

from wyrm.gradient cimport clear_gradient, index_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.node cimport OperatorNode, tape_of
from wyrm.optim.update cimport Optimizer, Plan, hogwild_apply
from wyrm.replica cimport Replica
from wyrm.tape cimport input_t, tape_backward, tape_forward

from wyrm import IndexInputNode
from wyrm.feeds import ArrayFeed
from wyrm.trainer import leaves_of

cdef enum:
    MAX_LEAVES = 8


ctypedef struct leaf_t:
    # Where the examples of one input are: `width` values or rows for each.
    input_t* input
    index_t* index
    const float* values
    const row_t* rows
    dim_t width
    row_t offsets[2]


cdef class BareLoop:
    """BareLoop(loss, optimizer, arrays): over float32 and int32 arrays with a row per example, by input node.

    The indices of an example must be distinct. With None as optimizer, gradients are cleared instead.
    """

    cdef Replica replica
    cdef Plan plan
    cdef Optimizer optimizer
    cdef object arrays
    cdef leaf_t leaves[MAX_LEAVES]
    cdef dim_t n_leaves
    cdef readonly dim_t n_examples

    def __init__(self, OperatorNode loss, Optimizer optimizer, dict arrays):
        cdef dim_t i
        cdef leaf_t* leaf
        if len(arrays) > MAX_LEAVES:
            raise ValueError("BareLoop: too many inputs")
        self.arrays = {node: np.atleast_2d(array.T).T for node, array in arrays.items()}
        self.n_examples = min([len(array) for array in arrays.values()], default=1 << 62)
        self.optimizer = optimizer
        parameters = [node.parameter for node in loss.parameters()]
        if optimizer is not None:
            self.plan = optimizer.make_plan(parameters)      # may move the parameters: before the replica looks
        self.replica = Replica(loss)
        self.replica.refresh_storages(tape_of(loss))
        if optimizer is not None:
            for i in range(self.plan.plan.n):
                self.plan.plan.targets[i].gradient = self.replica.gradients + i
                self.plan.plan.targets[i].storage = self.replica.storages + i
            self.plan.plan.settings = &optimizer.settings
        numbers = leaves_of(loss, ArrayFeed(arrays)) if arrays else {}
        for node, array in self.arrays.items():
            leaf = &self.leaves[self.n_leaves]
            self.n_leaves += 1
            leaf.width = array.shape[1]
            leaf.input, leaf.index = NULL, NULL
            if not array.flags.c_contiguous:
                raise ValueError("BareLoop: expected contiguous arrays")
            if isinstance(node, IndexInputNode):
                if array.dtype != np.int32 or (leaf.width > 1 and np.diff(np.sort(array)).min() == 0):
                    raise ValueError("BareLoop: expected distinct int32 indices")
                leaf.index = self.replica.indices + <dim_t> numbers[node]
                leaf.rows = <const row_t*> <size_t> array.ctypes.data
                leaf.offsets[0], leaf.offsets[1] = 0, <row_t> leaf.width
                leaf.index.offsets = leaf.offsets
                leaf.index.n = leaf.width
                leaf.index.bags = 1
                leaf.index.high = array.max()
                leaf.index.distinct = True
            else:
                if array.dtype != np.float32:
                    raise ValueError("BareLoop: expected float32 values")
                leaf.input = self.replica.inputs + <dim_t> numbers[node]
                leaf.values = <const float*> <size_t> array.ctypes.data
                leaf.input.rows = 1

    def run(self, dim_t n):
        """Train on the first n examples; the sum of their losses (of the first entry, where a loss has several)."""
        cdef double total = 0
        cdef int status
        if n > self.n_examples:
            raise ValueError(f"BareLoop: there are {self.n_examples} examples")
        with nogil:
            status = self.work(n, &total)
        if status:
            raise RuntimeError(f"BareLoop: status {status}")
        return total

    cdef int work(self, dim_t n, double* total) noexcept nogil:
        cdef dim_t i, k
        cdef int status
        cdef leaf_t* leaf
        for i in range(n):
            for k in range(self.n_leaves):
                leaf = &self.leaves[k]
                if leaf.index != NULL:
                    leaf.index.rows = leaf.rows + i * leaf.width
                    leaf.index.version += 1
                else:
                    leaf.input.value = <float*> leaf.values + i * leaf.width
                    leaf.input.version += 1
            status = tape_forward(&self.replica.tape)
            if status == 0:
                total[0] += self.replica.tape.root.value[0]
                status = tape_backward(&self.replica.tape, 1.0)
            if status:
                return status
            if self.plan is not None:
                hogwild_apply(&self.plan.plan)
            else:
                for k in range(self.replica.tape.n_parameters):
                    clear_gradient(self.replica.gradients + k)
        return 0
