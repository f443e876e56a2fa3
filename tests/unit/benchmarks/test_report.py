from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.figures import Figure, Section, Unit, at_least
from benchmarks.machine import Machine
from benchmarks.report import Report, as_json, as_page

MACHINE = Machine(
    processor="Some Processor",
    cores=2,
    memory_gb=24,
    system="Linux x86_64",
    python="3.11.7",
    compiled=90,
    postgres="18.4",
    commit_ms=0.5,
    load=0.1,
)
SECTION = Section(
    "throughput",
    "Socket to durable commit",
    "How it was measured.",
    (Figure("simple listener", 1000, Unit.FILLS_PER_S), Figure("to the simple listener", 7.5, Unit.TIMES, at_least(7))),
)


def a_report(*, quick: bool = False) -> Report:
    return Report(at=datetime(2026, 1, 5, tzinfo=UTC), machine=MACHINE, quick=quick, sections=[SECTION])


STATE = (
    "Some Processor, 2 cores, 24 GB, Linux x86_64; Python 3.11.7, 90 modules compiled; "
    "PostgreSQL 18.4 (fsync and synchronous_commit on); "
    "a single-row commit takes 0.50 ms; load before the run 0.1."
)


def test_a_section_puts_each_figure_beside_its_target_and_names_the_machine():
    lines = as_page(a_report()).splitlines()
    assert "## Socket to durable commit" in lines
    assert "| simple listener | 1,000 fills/s |  |  |" in lines
    assert "| to the simple listener | 7.50 x | at least 7.00 x | met |" in lines
    assert lines[-1] == f"2026-01-05; {STATE}"


def test_the_page_says_when_less_was_measured_than_usual():
    assert f"2026-01-05, with --quick: fewer than usual; {STATE}" in as_page(a_report(quick=True)).splitlines()


def test_what_is_not_measured_anew_stays_as_it_is():
    other = Section("engine", "The engine alone", "Otherwise.", (Figure("floor", 5, Unit.ORDERS_PER_S),))
    both = as_page(replace(a_report(), sections=[SECTION, other]))
    later = replace(a_report(quick=True), at=datetime(2026, 2, 1, tzinfo=UTC), sections=[SECTION])
    mixed = as_page(later, both)
    assert [line for line in mixed.splitlines() if line.startswith("## ")] == [
        "## Socket to durable commit",
        "## The engine alone",
    ]
    assert mixed.count("2026-02-01, with --quick") == 1
    assert mixed.endswith(both[both.index("## The engine alone") :])
    assert as_page(replace(later, sections=[]), mixed) == mixed


def test_json_has_the_figures_as_numbers():
    said = as_json(a_report())
    assert said["machine"]["commit_ms"] == 0.5
    assert said["measures"]["throughput"][1] == {
        "what": "to the simple listener",
        "value": 7.5,
        "unit": "x",
        "target": 7,
        "at_least": True,
        "verdict": "met",
    }
