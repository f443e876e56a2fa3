"""Parts of the way alone, without a socket: the recorder, and the publishing of committed fills."""

from __future__ import annotations

from benchmarks import publishing, recording
from benchmarks.figures import Figure, Section, Unit
from benchmarks.servers import Servers


def ledger(servers: Servers) -> Section:
    how = "The recorder in this process, against one INSERT and one commit for each fill. Commits wait for the disk."
    return Section("ledger", "The recorder alone", how, _figures(recording.measure(servers.postgres)))


def live(servers: Servers) -> Section:
    how = "Committed fills into a bot's stream, against one plain XADD for each."
    return Section("live", "The publishing alone", how, _figures(publishing.measure(servers.valkey)))


def _figures(rows: list[tuple[str, float, float]]) -> tuple[Figure, ...]:
    """Each a rate and its ratio to the floor, which is the first of them."""
    figures = []
    for what, rate, ratio in rows:
        figures.append(Figure(what, rate, Unit.FILLS_PER_S))
        if ratio != 1:
            figures.append(Figure(f"{what}, to the floor", ratio, Unit.TIMES))
    return tuple(figures)
