from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from websocket_listener.latency_histogram import LatencyHistogram

_BUCKETS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 30_000)


class ListenerMetrics:
    """What Prometheus reads of the listener, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.fills = Counter(
            "listener_fills_recorded", "Fills recorded", ["account", "source", "method"], registry=self.registry
        )
        self.duplicates = Counter(
            "listener_duplicates", "Reports of fills that were recorded already", registry=self.registry
        )
        self.conflicts = Counter(
            "listener_conflicts", "Second reports of a fill with other content", ["account"], registry=self.registry
        )
        self.refolded = Counter("listener_books_refolded", "Books refolded for a late fill", registry=self.registry)
        self.raw_events = Counter(
            "listener_raw_events", "Messages that could not be read, stored raw", ["account"], registry=self.registry
        )
        self.connections = Counter(
            "listener_connections", "Private streams subscribed", ["account"], registry=self.registry
        )
        self.live = Gauge(
            "listener_account_live", "1 while the account's stream is live", ["account"], registry=self.registry
        )
        self.leader = Gauge(
            "listener_account_leader",
            "1 while this process records the account, 0 while another one does",
            ["account"],
            registry=self.registry,
        )
        self.backlog = Gauge("listener_backlog_fills", "Fills not committed yet", registry=self.registry)
        self.dropped = Gauge(
            "listener_dropped_fills", "Fills let go at the queue's bound, to be recovered", registry=self.registry
        )
        self.fill_to_commit = LatencyHistogram(
            "listener_fill_to_commit_ms", "From the frame's creation to the commit", _BUCKETS
        )
        self.fill_to_redis = LatencyHistogram(
            "listener_fill_to_redis_ms", "From the frame's creation to Redis", _BUCKETS
        )
        self.registry.register(self.fill_to_commit)
        self.registry.register(self.fill_to_redis)
