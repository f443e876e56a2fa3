from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector


class LatencyHistogram(Collector):
    """A histogram that takes a batch of samples at once: Prometheus's own costs several microseconds a sample, which is
    a part of what a fill may cost in all. One thread adds, any may collect."""

    def __init__(self, name: str, documentation: str, upper_bounds: Sequence[float]) -> None:
        self._name, self._documentation, self._bounds = name, documentation, tuple(upper_bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, samples: Sequence[float]) -> None:
        ascending = sorted(samples)
        below = 0
        for number, bound in enumerate(self._bounds):
            until = bisect_right(ascending, bound, below)
            self._counts[number] += until - below
            below = until
        self._counts[-1] += len(ascending) - below
        self._sum += sum(ascending)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(float, self._bounds), None), list(self._counts), strict=True):
            total += count
            buckets.append(("+Inf" if bound is None else str(bound), total))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
