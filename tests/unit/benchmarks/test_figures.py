from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Section, Unit, Verdict, at_least, at_most, percentile


def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed():
    # nearest rank of 1..200: p50 is number 100, p99 number 198, p100 the last
    samples = [float(n) for n in range(200, 0, -1)]
    assert [percentile(samples, percent) for percent in (50, 99, 100)] == [100, 198, 200]


def test_the_percentile_of_one_sample_is_that_sample():
    assert percentile([3.5], 1) == percentile([3.5], 99) == 3.5


def test_without_samples_there_is_no_percentile():
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        (7.0, at_least(7), Verdict.MET),
        (6.99, at_least(7), Verdict.MISSED),
        (1.7, at_most(1.7), Verdict.MET),
        (1.71, at_most(1.7), Verdict.MISSED),
        (1.0, None, Verdict.NONE),
    ],
)
def test_a_figure_at_its_bound_meets_the_target(value, target, verdict):
    assert Figure("ratio", value, Unit.TIMES, target).verdict is verdict


def test_a_figure_reads_with_its_unit_its_target_and_its_verdict():
    assert Figure("rate", 4567.8, Unit.FILLS_PER_S, at_least(5000)).cells() == (
        "rate",
        "4,568 fills/s",
        "at least 5,000 fills/s",
        "missed",
    )
    assert Figure("latency", 0.834, Unit.MS, at_most(1)).cells() == ("latency", "0.83 ms", "at most 1.00 ms", "met")


def test_a_section_knows_which_targets_were_missed():
    met, missed = Figure("a", 1, Unit.S, at_most(1)), Figure("b", 2, Unit.S, at_most(1))
    assert Section("healing", "After a fault", "", (met, missed, Figure("c", 3, Unit.S))).missed == [missed]
