"""The choice of an instruction set, and fast math."""

import os
import subprocess
import sys

import pytest

from wyrm.kernels import dispatch


def choose(isa):
    """The instruction set and loaded kernel modules of a fresh interpreter under WYRM_ISA=isa."""
    code = (
        "import sys; from wyrm.kernels import dispatch as d;"
        "print(d.instruction_set(), *(m for m in ('baseline', 'v3', 'v4') if f'wyrm.kernels._{m}' in sys.modules))"
    )
    environment = os.environ | {"WYRM_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_baseline_is_always_there():
    available = dispatch.available_instruction_sets()
    assert available[0] == "baseline"
    assert dispatch.instruction_set() in available


@pytest.mark.parametrize("isa", dispatch.available_instruction_sets())
def test_the_environment_forces_an_instruction_set(isa):
    assert choose(isa).stdout.split() == [isa, isa]


def test_the_best_one_is_the_default():
    best = dispatch.available_instruction_sets()[-1]
    assert choose("").stdout.split() == [best, best]


def test_an_unknown_instruction_set_is_refused():
    result = choose("sse9")
    assert result.returncode != 0
    assert "WYRM_ISA='sse9' is no instruction set; choose one of baseline, v3, v4" in result.stderr


@pytest.mark.parametrize("isa", sorted({"v3", "v4"} - set(dispatch.available_instruction_sets())))
def test_an_instruction_set_the_machine_lacks_is_refused(isa):
    result = choose(isa)
    assert result.returncode != 0
    assert f"WYRM_ISA='{isa}' can't run here" in result.stderr


def test_fast_math_is_off_and_switches():
    assert dispatch.fast_math() is False
    try:
        dispatch.set_fast_math(True)
        assert dispatch.fast_math() is True
    finally:
        dispatch.set_fast_math(False)
    assert dispatch.fast_math() is False


def test_all_instruction_sets_have_all_kernels(k):
    assert all(k.addresses.values())
    assert len(set(k.addresses.values())) > 60
