"""What the tests of the engine share."""

import ctypes
import os
import sys

import numpy as np

import wyrm
import wyrm.optim
from wyrm import _build

LAYOUTS = ["contiguous", "strided"]
SHAPES = [(1, 1), (1, 7), (7, 1), (5, 3), (40, 33)]


def parameter(values, layout="contiguous", name=None):
    """A parameter; "strided" has an optimiser's state between the rows of its values."""
    node = wyrm.ParameterNode(values, name=name)
    if layout == "strided":
        rows = node.embedding(wyrm.IndexInputNode([0])).sum()
        rows.forward()
        rows.backward()
        wyrm.optim.Adagrad(learning_rate=0.1).step([node])
        node.value = values
        assert node.value.strides[0] > node.value.shape[1] * node.value.itemsize
    return node


def away_from(rng, shape, points=(0.0,), gap=0.05, low=-2.0, high=2.0):
    """Random values at least `gap` from some points, where a function has its kinks."""
    values = rng.uniform(low, high, size=shape)
    for point in points:
        near = np.abs(values - point) < gap
        values = np.where(near, point + np.where(values < point, -2 * gap, 2 * gap), values)
    return values


def weighted(node, rng):
    """The sum of a node's entries, each with a weight of its own, so that no two have the same gradient."""
    return (node * wyrm.InputNode(rng.uniform(0.5, 1.5, size=node.shape))).sum()


def assert_value(node, expected, rtol=2e-6, atol=1e-6):
    node.forward()
    value = node.value
    assert value.dtype == np.float32
    assert value.shape == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=atol)


def assert_gradients(node, rng, tolerance=1e-3):
    assert wyrm.check_gradients(weighted(node, rng), tolerance=tolerance) <= tolerance


def densified(parameter):
    """The sparse gradient, laid out in the shape of the parameter."""
    sparse = parameter.sparse_gradient
    dense = np.zeros(parameter.shape, dtype=np.float32)
    dense[sparse.indices] = sparse.values
    return dense


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def _glibc():
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo2
    return library


def sanitized():
    return bool(_build.sanitizers)


def counts_allocations():
    """Whether allocated_bytes() works here: with glibc (2.33 or newer), and its own malloc."""
    return _glibc() is not None and not sanitized()


def allocated_bytes():
    """Bytes that malloc has handed out and not got back, those of its own mappings included."""
    found = _glibc().mallinfo2()
    return found.uordblks + found.hblkhd


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
