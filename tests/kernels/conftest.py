"""Fixtures: the kernels of every instruction set this machine runs, and those in double precision."""

import pytest
from kernels.calls import INSTRUCTION_SETS, KERNELS


@pytest.fixture(scope="session", params=INSTRUCTION_SETS)
def k(request):
    """The kernels of each instruction set in turn, then those in double precision."""
    return KERNELS[request.param]


@pytest.fixture(scope="session", params=[name for name in INSTRUCTION_SETS if name != "double"])
def k32(request):
    """The single-precision kernels of each instruction set in turn."""
    return KERNELS[request.param]


@pytest.fixture(scope="session")
def k64():
    """The kernels in double precision."""
    return KERNELS["double"]
