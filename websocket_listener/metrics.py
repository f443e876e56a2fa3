from __future__ import annotations

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
        self.connections = self._set.counter("listener_connections")
        self.live = self._set.gauge("listener_account_live")
        self.leader = self._set.gauge("listener_account_leader")
        self.stream_age = self._set.gauge("listener_stream_age_seconds")
        self.backlog = self._set.gauge("listener_backlog_fills")
        self.dropped = self._set.gauge("listener_dropped_fills")
        self.fill_to_commit = self._latency("listener_fill_to_commit_ms")
        self.fill_to_redis = self._latency("listener_fill_to_redis_ms")

    def _latency(self, name: str) -> LatencyHistogram:
        metric = self._set.metric(name, Kind.HISTOGRAM)
        histogram = LatencyHistogram(metric.name, metric.text, metric.buckets)
        self.registry.register(histogram)
        return histogram
