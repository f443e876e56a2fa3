from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from alpha.metrics.catalogue import Kind, Process
from alpha.metrics.registry import MetricSet
from websocket_listener.latency_histogram import LatencyHistogram


class ListenerMetrics:
    """What Prometheus reads of the listener, in a registry of its own."""

    def __init__(self) -> None:
        self._set = MetricSet(Process.LISTENER)
        self.registry = self._set.registry
        self.fills = self._set.counter("listener_fills_recorded")
        self.duplicates = self._set.counter("listener_duplicates")
        self.conflicts = self._set.counter("listener_conflicts")
        self.refolded = self._set.counter("listener_books_refolded")
        self.raw_events = self._set.counter("listener_raw_events")
        self.connections = self._counted_elsewhere("listener_connections")
        self.recoveries = self._counted_elsewhere("listener_recoveries")
        self.live = self._set.gauge("listener_account_live")
        self.leader = self._set.gauge("listener_account_leader")
        self.stream_age = self._set.gauge("listener_stream_age_seconds")
        self.backlog = self._set.gauge("listener_backlog_fills")
        self.dropped = self._set.gauge("listener_dropped_fills")
        self.fill_to_commit = self._latency("listener_fill_to_commit_ms")
        self.fill_to_redis = self._latency("listener_fill_to_redis_ms")

    def _counted_elsewhere(self, name: str) -> CountedElsewhere:
        counter = CountedElsewhere(lambda: self._set.counter_family(name))
        self.registry.register(counter)
        return counter

    def _latency(self, name: str) -> LatencyHistogram:
        metric = self._set.metric(name, Kind.HISTOGRAM)
        histogram = LatencyHistogram(metric.name, metric.text, metric.buckets)
        self.registry.register(histogram)
        return histogram


class CountedElsewhere(Collector):
    """A counter per account that is read, when Prometheus asks, from what counts it in any case."""

    def __init__(self, family: Callable[[], CounterMetricFamily]) -> None:
        self._family = family
        self._counts: dict[str, Callable[[], int]] = {}

    def set_function(self, account: str, count: Callable[[], int]) -> None:
        self._counts[account] = count

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = self._family()
        for account, count in self._counts.items():
            family.add_metric([account], count())
        yield family
