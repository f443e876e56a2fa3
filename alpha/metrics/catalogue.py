"""Every metric of the platform, read from catalogue.yaml. Services take theirs from here, so that none is unlisted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from importlib.resources import files
from typing import Any

import yaml


@unique
class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@unique
class Process(StrEnum):
    """Who serves a metric on its /metrics."""

    LISTENER = "websocket_listener"
    BOT = "bot"
    SYNC = "trade_sync_service"
    EXPORTER = "exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`name` is without the `_total` that Prometheus puts behind counters, and ends with its unit where it has one.
    `buckets` are the upper bounds of a histogram, in that unit."""

    name: str
    kind: Kind
    process: Process
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exposed(self) -> str:
        """The name in queries: of a counter its total, of a histogram its buckets."""
        return self.name + {Kind.COUNTER: "_total", Kind.HISTOGRAM: "_bucket"}.get(self.kind, "")


def _read() -> tuple[Metric, ...]:
    said: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
        files("alpha.metrics").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    )
    return tuple(
        Metric(
            name=name,
            kind=Kind(fields["kind"]),
            process=Process(process),
            text=fields["text"],
            labels=tuple(fields.get("labels", ())),
            buckets=tuple(fields.get("buckets", ())),
        )
        for process, metrics in said.items()
        for name, fields in metrics.items()
    )


CATALOGUE = _read()
BY_NAME = {metric.name: metric for metric in CATALOGUE}
