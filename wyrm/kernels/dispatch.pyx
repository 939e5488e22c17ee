"""The choice of an instruction set, once, at import.

The kernels are compiled once per instruction set, each into a module of its own that holds a table of function
pointers.  The best one this processor runs is imported, or the one the environment variable ``WYRM_ISA`` names
(``baseline``, ``v3`` or ``v4``); the others stay unloaded.
"""

import importlib
import os
from importlib.util import find_spec

from cpython.pycapsule cimport PyCapsule_GetPointer
from wyrm.kernels.table cimport N_UNARY, kernels_t

cdef extern from "cpu.h":
    int wyrm_cpu_level() nogil

# From the least capable to the most, with the x86-64 level each asks for.
cdef dict _LEVELS = {"baseline": 1, "v3": 3, "v4": 4}
cdef const kernels_t* _chosen            # as its module fills it
cdef kernels_t _active                   # a copy, which set_fast_math() edits
cdef bint _fast = False
cdef str _name


def available_instruction_sets():
    """The instruction sets that this build has and this processor runs.

    Returns
    -------
    tuple of str
        From the least capable, ``"baseline"``, to the most.

    Examples
    --------
    >>> from wyrm.kernels.dispatch import available_instruction_sets
    >>> "baseline" in available_instruction_sets()
    True
    """
    cdef int level = wyrm_cpu_level()
    return tuple(name for name, needed in _LEVELS.items()
                 if needed <= level and find_spec(f"wyrm.kernels._{name}") is not None)


def instruction_set():
    """The instruction set in use.

    Returns
    -------
    str
        ``"baseline"``, ``"v3"`` (AVX2 and FMA) or ``"v4"`` (AVX-512).

    Examples
    --------
    >>> from wyrm.kernels.dispatch import available_instruction_sets, instruction_set
    >>> instruction_set() in available_instruction_sets()
    True
    """
    return _name


def set_fast_math(enabled):
    """Switch exp, log, tanh and sigmoid to approximations that are about twice as fast, or back.

    Holds for the whole process, and for graphs that exist already; switch it while none of them runs.  Losses,
    softmax and the gradients of softplus stay exact.

    Parameters
    ----------
    enabled : bool
        True for the approximations.

    Notes
    -----
    Relative error of the approximations: exp, tanh and sigmoid below 1e-4; log below 1e-4 times max(abs(log x), 0.01).
    exp overflows from 88.37 on and is 0 below -87.68, log takes numbers below 1.2e-38 for about 1e-38 (0 and negative
    numbers still give -infinity and NaN).  The default functions are within 4 ulp for every float32.

    Examples
    --------
    >>> from wyrm.kernels.dispatch import fast_math, set_fast_math
    >>> set_fast_math(True)
    >>> fast_math()
    True
    >>> set_fast_math(False)
    """
    global _fast
    cdef int code
    cdef bint chosen = bool(enabled)
    for code in range(<int>N_UNARY):
        _active.unary[code] = _chosen.unary_fast[code] if chosen else _chosen.unary[code]
    _fast = chosen


def fast_math():
    """Whether exp, log, tanh and sigmoid are approximations at present.

    Returns
    -------
    bool

    Examples
    --------
    >>> from wyrm.kernels.dispatch import fast_math
    >>> fast_math()
    False
    """
    return _fast


def _choose():
    available = available_instruction_sets()
    name = os.environ.get("WYRM_ISA", "")
    if not name:
        return available[-1]
    if name not in _LEVELS:
        raise RuntimeError(f"WYRM_ISA={name!r} is no instruction set; choose one of {', '.join(_LEVELS)}, or unset it.")
    if name not in available:
        raise RuntimeError(f"WYRM_ISA={name!r} can't run here: this build on this processor has "
                           f"{', '.join(available)}.")
    return name


_name = _choose()
_chosen = <const kernels_t*>PyCapsule_GetPointer(importlib.import_module(f"wyrm.kernels._{_name}").table,
                                                 "wyrm.kernels.kernels_t")
_active = _chosen[0]
kernels = &_active
