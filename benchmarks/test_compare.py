"""The gate: what is slower fails, noise does not, and what can't be seen is not waved through."""

import json

import compare
import pytest

STEADY = [100.0, 100.1, 99.9]


def verdict(before, now):
    return compare.judge("fm", before, now)


def test_a_slower_result_fails():
    found = verdict({"instructions": [1_000, 1_001]}, {"instructions": [1_120, 1_121]})
    assert (found.state, found.cost) == ("slower", "instructions")
    assert found.change == pytest.approx(12, abs=0.1)


def test_noise_and_small_changes_pass():
    assert verdict({"paired times": STEADY}, {"paired times": [104.0, 97.0, 101.0]}).state == "same"
    assert verdict({"paired times": STEADY}, {"paired times": [109.0, 109.1, 108.9]}).state == "same"
    assert verdict({"paired times": STEADY}, {"paired times": [80.0, 80.1, 79.9]}).state == "faster"


def test_the_stabler_cost_decides():
    noisy, steady = [100.0, 150.0, 80.0], [1_000, 1_001]
    found = verdict(
        {"paired times": noisy, "instructions": steady}, {"paired times": noisy, "instructions": [1_200, 1_201]}
    )
    assert (found.state, found.cost) == ("slower", "instructions")
    found = verdict(
        {"paired times": STEADY, "instructions": [900, 1_100]}, {"paired times": STEADY, "instructions": steady}
    )
    assert (found.state, found.cost) == ("same", "paired times")


def test_time_that_costs_no_instructions_fails_beyond_all_doubt():
    steady = [1_000, 1_001]
    for times, state, cost in (
        ([150.0, 190.0, 160.0], "slower", "paired times"),
        ([105.0, 190.0, 160.0], "same", "instructions"),
        ([112.0, 113.0, 114.0], "slower", "paired times"),
        ([50.0, 51.0, 52.0], "same", "instructions"),
    ):
        found = verdict(
            {"paired times": STEADY, "instructions": steady}, {"paired times": times, "instructions": steady}
        )
        assert (found.state, found.cost) == (state, cost)


def test_what_varies_more_than_the_limit_is_unclear():
    assert verdict({"paired times": [100.0, 130.0, 90.0]}, {"paired times": [105.0, 140.0, 95.0]}).state == "unclear"
    # ... but not where one is beyond the other whatever the noise.
    assert verdict({"paired times": [100.0, 130.0, 90.0]}, {"paired times": [200.0, 240.0, 190.0]}).state == "slower"
    assert verdict({"paired times": [200.0, 240.0, 190.0]}, {"paired times": [100.0, 130.0, 90.0]}).state == "faster"


def test_only_what_is_in_both_is_compared():
    assert verdict({"instructions": [1]}, {"paired times": [1.0]}) is None
    assert compare.compare({"fm": {"instructions": [1]}}, {"other": {"instructions": [1]}}) == []


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """run(what, costs): the command with made-up measurements; what it printed."""

    def call(what, costs):
        monkeypatch.setattr(compare, "measure", lambda *arguments: {"fm": costs})
        monkeypatch.setattr("sys.argv", ["compare.py", what, "--baseline", str(tmp_path / "baseline.json")])
        compare.main()
        return capsys.readouterr().out

    return call


def test_the_command(run, tmp_path):
    with pytest.raises(SystemExit, match="make bench-baseline"):
        run("check", {"instructions": [100, 100]})
    run("save", {"instructions": [100, 100]})
    assert "same" in run("check", {"instructions": [105, 105]})
    with pytest.raises(SystemExit) as error:
        run("check", {"instructions": [120, 120]})
    assert error.value.code == 1
    with pytest.raises(SystemExit) as error:
        run("check", {"paired times": [1.0]})  # nothing in common
    assert error.value.code == 1

    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": "another"}))
    with pytest.raises(SystemExit, match="another machine"):
        run("check", {"instructions": [100, 100]})


def test_paired_times_are_taken():
    pytest.importorskip("Cython")
    costs = compare.measure(["logistic-regression"], 0.01, False)
    assert len(costs["logistic-regression"]["paired times"]) == compare.REPEATS["paired times"]
    assert min(costs["logistic-regression"]["paired times"]) > 0
