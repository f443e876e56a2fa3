from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from websocket_listener.latency_histogram import LatencyHistogram

BOUNDS = (0.5, 1, 20)
SAMPLES = [0.25, 0.5, 0.75, 1.0, 19.0, 20.5, 500.0]


def test_it_shows_what_prometheus_itself_would() -> None:
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("fill_ms", "How long", registry=theirs, buckets=BOUNDS)
    for sample in SAMPLES:
        histogram.observe(sample)
    batched = LatencyHistogram("fill_ms", "How long", BOUNDS)
    ours.register(batched)
    batched.observe(SAMPLES[:3])
    batched.observe(SAMPLES[3:])
    batched.observe([])
    shown = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert generate_latest(ours).decode().splitlines() == shown
