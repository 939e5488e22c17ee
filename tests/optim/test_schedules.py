import math
import pickle

import pytest

from wyrm.optim import ExponentialDecay, LinearDecay, PowerDecay, Warmup

SCHEDULES = [
    (LinearDecay(0.05, 0.001), lambda p: 0.05 + (0.001 - 0.05) * p),
    (ExponentialDecay(0.05, 0.001), lambda p: 0.05 * (0.001 / 0.05) ** p),
    (PowerDecay(0.05), lambda p: 0.05 / math.sqrt(1 + 10 * p)),
    (PowerDecay(0.05, factor=3, power=1), lambda p: 0.05 / (1 + 3 * p)),
    (Warmup(0.05), lambda p: 0.05 * min(1, 10 * p)),
    (Warmup(LinearDecay(0.1, 0.0), fraction=0.5, start=0.5), lambda p: 0.1 * (1 - p) * min(1, 0.5 + p)),
]


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES, ids=[repr(s) for s, _ in SCHEDULES])
def test_formula(schedule, formula):
    for progress in (0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0):
        assert schedule(progress) == pytest.approx(formula(progress), rel=1e-12)


def test_ends_are_exact():
    for start, end in ((0.05, 0.0001), (0.3, 0.7)):
        assert LinearDecay(start, end)(0.0) == start
        assert LinearDecay(start, end)(1.0) == end
        assert ExponentialDecay(start, end)(0.0) == pytest.approx(start, rel=1e-15)
        assert ExponentialDecay(start, end)(1.0) == pytest.approx(end, rel=1e-15)


@pytest.mark.parametrize("schedule", [s for s, _ in SCHEDULES], ids=repr)
def test_schedules_are_values(schedule):
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert eval(repr(schedule)) == schedule
    with pytest.raises(AttributeError):
        schedule.start = 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinearDecay(-0.1, 0.1),
        lambda: LinearDecay(0.1, float("nan")),
        lambda: LinearDecay(float("inf"), 0.1),
        lambda: ExponentialDecay(0.1, 0.0),
        lambda: ExponentialDecay(0.0, 0.1),
        lambda: PowerDecay(0.1, factor=-1),
        lambda: PowerDecay(0.1, power=float("inf")),
        lambda: Warmup(-0.1),
        lambda: Warmup(0.1, fraction=0.0),
        lambda: Warmup(0.1, fraction=1.5),
        lambda: Warmup(0.1, start=1.5),
    ],
)
def test_out_of_range(make):
    with pytest.raises(ValueError, match="expected a finite number"):
        make()


@pytest.mark.parametrize(
    "make", [lambda: LinearDecay("a", 0.1), lambda: PowerDecay(None), lambda: Warmup(0.1, fraction=[1])]
)
def test_wrong_type(make):
    with pytest.raises(TypeError, match="expected a finite number"):
        make()
