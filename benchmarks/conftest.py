"""What the benchmarks share."""

import sys
from pathlib import Path

import pytest

# They import helpers from their own folder, as the scripts in it do.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from timing import control_ns

ROUNDS = 9


def takes_times(config):
    return config.getoption("benchmark_enable") or not config.getoption("benchmark_disable")


def pytest_collection_modifyitems(config, items):
    """Where no times are taken, the small sizes tell whether results are right."""
    if takes_times(config):
        return
    larger = {item for item in items if {"regular", "large"} & set(item.name.rstrip("]").replace("[", "-").split("-"))}
    config.hook.pytest_deselected(items=list(larger))
    items[:] = [item for item in items if item not in larger]


@pytest.fixture(scope="session")
def measuring(request):
    """Whether times are taken; if not, each benchmark only checks its result, on a few examples."""
    return takes_times(request.config)


@pytest.fixture
def steps_of(measuring):
    """steps_of(n): n where times are taken, else a few."""
    return lambda n: n if measuring else min(n, 64)


def compiled_or_skip(name):
    import compiled

    try:
        return compiled.load(name)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def bare_loop():
    """The class BareLoop: a C loop over a graph with nothing around it."""
    return compiled_or_skip("bare_loop").BareLoop


@pytest.fixture(scope="session")
def loops():
    """The module kernel_loops: kernels called many times from C."""
    return compiled_or_skip("kernel_loops")


@pytest.fixture
def measure(benchmark, measuring):
    """measure(call, n, ...): time call(n), which does n steps, and note what a step takes.

    The control is timed before and after; `ns / control` is what to compare between two runs on one machine.
    """

    def run(call, n, *, bytes=None, flops=None, reach=None, rounds=ROUNDS):
        info = benchmark.extra_info
        before = control_ns() if measuring else None
        benchmark.pedantic(call, args=(n,), rounds=rounds, warmup_rounds=1)
        for name, value in (("steps", n), ("bytes/step", bytes), ("flops/step", flops), ("reach ns", reach)):
            if value is not None:
                info[name] = value
        if benchmark.stats is None or not measuring:
            return
        ns = benchmark.stats.stats.min / n * 1e9
        control = min(before, control_ns())
        info["ns/step"] = round(ns, 1)
        info["control ns"] = round(control, 1)
        info["ns / control"] = round(ns / control, 3)
        if bytes:
            info["GB/s"] = round(bytes / ns, 3)
        if flops:
            info["Gflop/s"] = round(flops / ns, 3)

    return run
