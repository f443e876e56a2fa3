from __future__ import annotations

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


def test_the_page_names_the_machine_and_puts_each_figure_beside_its_target():
    lines = as_page(a_report()).splitlines()
    assert "- Some Processor, 2 cores, 24 GB, Linux x86_64" in lines
    assert "- measured on 2026-01-05" in lines
    assert "## Socket to durable commit" in lines
    assert "| simple listener | 1,000 fills/s |  |  |" in lines
    assert "| to the simple listener | 7.50 x | at least 7.00 x | met |" in lines


def test_the_page_says_when_less_was_measured_than_usual():
    assert (
        "- measured on 2026-01-05, with --quick: fewer fills than usual" in as_page(a_report(quick=True)).splitlines()
    )


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
