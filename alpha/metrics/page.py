"""Writes docs/operations/metrics.md from the catalogue: `python -m alpha.metrics.page > docs/operations/metrics.md`."""

from __future__ import annotations

from alpha.metrics.catalogue import CATALOGUE, Metric, Process

_HEAD = """# Metrics

Written by `python -m alpha.metrics.page` from `alpha/metrics/catalogue.yaml`; a test keeps the two equal.

Each process serves its own on `/metrics` beside `/healthz`; the exporter asks ledger, Redis and PgBouncer for what no
single process knows. Counters are queried with `_total` behind their name, histograms with `_bucket`, `_sum` and
`_count`. A name ends with its unit where it has one; ages are wall clock, and what is a time of the market says so.
"""

_TABLE = ("| metric | kind | labels | what |", "|---|---|---|---|")
_TITLES = {
    Process.LISTENER: "Listener",
    Process.BOT: "Bots",
    Process.SYNC: "Trade sync",
    Process.EXPORTER: "Platform (exporter)",
}


def page() -> str:
    parts = [_HEAD]
    for process, title in _TITLES.items():
        rows = [_row(metric) for metric in CATALOGUE if metric.process is process]
        parts.append(
            "\n".join((f"## {title}", "", "| metric | kind | labels | what |", "|---|---|---|---|", *rows, ""))
        )
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.text} |"


if __name__ == "__main__":
    print(page(), end="")
