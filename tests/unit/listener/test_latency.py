from __future__ import annotations

import pytest

from websocket_listener.latency import LatencyWindow, percentile


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 201)], 99, 198.0),
    ],
)
def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed(
    samples: list[float], percent: float, expected: float | None
) -> None:
    assert percentile(samples, percent) == expected


def test_a_window_keeps_the_newest_and_counts_all() -> None:
    window = LatencyWindow(size=3)
    for sample in (100.0, 1.0, 2.0, 3.0):
        window.add([sample])
    assert window.summary().as_json() == {"p50": 2.0, "p99": 3.0, "n": 4}


def test_nothing_measured_is_not_zero() -> None:
    assert LatencyWindow().summary().as_json() == {"p50": None, "p99": None, "n": 0}
