"""`python -m alpha.metrics.exporter`: /metrics of the platform as a whole."""

from __future__ import annotations

import sys

import structlog

from alpha.config import Registry, Settings
from alpha.metrics.catalogue import Process
from alpha.metrics.platform import PlatformCollector
from alpha.metrics.registry import MetricSet
from alpha.service.health import HealthServer
from alpha.service.listed_symbols import ListingWatch, listed_or_recorded
from alpha.service.process import run_service
from alpha.service.shutdown import StopSignal

log = structlog.get_logger(__name__)


def run(settings: Settings, registry: Registry) -> None:
    """Serves until SIGTERM or SIGINT. It is healthy as long as it answers: what it cannot reach is a metric."""
    stop = StopSignal().install()
    metrics = MetricSet(Process.EXPORTER)
    registry = listed_or_recorded(settings, registry)
    ListingWatch(settings, registry, stop).start()
    metrics.registry.register(PlatformCollector(settings, registry, metrics))
    server = HealthServer(settings.exporter_port, lambda: {"ok": True}, metrics.registry, host=settings.health_host)
    server.start()
    log.info("exporter_serving", port=server.port)
    stop.wait()
    server.stop()


if __name__ == "__main__":
    sys.exit(run_service("exporter", run))
