"""Prometheus objects of one process, made from the catalogue."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from alpha.domain.errors import InvariantViolated
from alpha.metrics.catalogue import BY_NAME, Kind, Metric, Process


class MetricSet:
    """The metrics of a process. Raises InvariantViolated for one that the catalogue does not give to it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.registry = CollectorRegistry()

    def counter(self, name: str) -> Counter:
        metric = self.metric(name, Kind.COUNTER)
        return Counter(metric.name, metric.text, metric.labels, registry=self.registry)

    def gauge(self, name: str) -> Gauge:
        metric = self.metric(name, Kind.GAUGE)
        return Gauge(metric.name, metric.text, metric.labels, registry=self.registry)

    def histogram(self, name: str) -> Histogram:
        metric = self.metric(name, Kind.HISTOGRAM)
        return Histogram(metric.name, metric.text, metric.labels, buckets=metric.buckets, registry=self.registry)

    def family(self, name: str) -> GaugeMetricFamily:
        """For a collector that reads its values when it is asked."""
        metric = self.metric(name, Kind.GAUGE)
        return GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)

    def counter_family(self, name: str) -> CounterMetricFamily:
        """For a collector that reads what somebody else counts."""
        metric = self.metric(name, Kind.COUNTER)
        return CounterMetricFamily(metric.name, metric.text, labels=metric.labels)

    def metric(self, name: str, kind: Kind) -> Metric:
        metric = BY_NAME.get(name)
        if metric is None or metric.kind is not kind or metric.process is not self.process:
            raise InvariantViolated(f"the catalogue has no {kind.value} {name} of {self.process.value}")
        return metric
