"""`make bench`: starts servers of its own, measures, and prints every figure beside its target and the machine."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    backtest,
    engine,
    growth,
    healing,
    http_orders,
    many_accounts,
    missed,
    pacing,
    parts,
    telegram,
    throughput,
)
from benchmarks.figures import Section
from benchmarks.machine import Machine, this_machine
from benchmarks.report import Report, as_json, as_page, show
from benchmarks.scene import BenchmarkFailed
from benchmarks.servers import Servers

Measure = Callable[[Servers, Machine, bool], Section]

MEASURES: dict[str, Measure] = {
    "throughput": lambda servers, machine, quick: throughput.measure(servers, machine, quick=quick),
    "pacing": lambda servers, machine, quick: pacing.measure(servers, machine, quick=quick),
    "accounts": lambda servers, _, quick: many_accounts.measure(servers, quick=quick),
    "recovery": lambda servers, _, quick: missed.measure(servers, quick=quick),
    "healing": lambda servers, _, quick: healing.measure(servers, quick=quick),
    "ledger": lambda servers, *_: parts.ledger(servers),
    "live": lambda servers, *_: parts.live(servers),
    "backtest": lambda *arguments: backtest.measure(quick=arguments[-1]),
    "engine": lambda *arguments: engine.measure(quick=arguments[-1]),
    "telegram": lambda servers, _, quick: telegram.measure(servers, quick=quick),
    "growth": lambda servers, _, quick: growth.measure(servers, quick=quick),
    "http-orders": lambda *arguments: http_orders.measure(quick=arguments[-1]),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="Measure this; may be given repeatedly.")
@click.option("--quick", is_flag=True, help="Fewer fills: minutes become seconds, and figures less steady.")
@click.option(
    "--fills", type=click.IntRange(min=100_000), help="Size of the ledger of `growth`.  [default: 10 million]"
)
@click.option(
    "--keep-in",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder in which the ledger of `growth` is kept, so that the next run need not generate it again.",
)
@click.option("--prepare", is_flag=True, help="Generate what --keep-in keeps, unless it is there, and measure nothing.")
@click.option("--json", "as_json_to", metavar="FILE", help="Write the figures as JSON; - for standard output.")
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures into a page; what it has of others stays.",
)
def main(
    only: tuple[str, ...],
    quick: bool,
    fills: int | None,
    keep_in: Path | None,
    prepare: bool,
    as_json_to: str | None,
    write: Path | None,
) -> None:
    """Measures the listener against its targets.

    The exit code is 1 when something could not be measured. A missed target is told and not judged: the machine has its
    part in it.
    """
    # Told to end, everything that was started is ended and removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(stderr=as_json_to == "-")
    if prepare:
        if keep_in is None:
            raise click.UsageError("--prepare generates what --keep-in keeps: name its folder")
        try:
            growth.keep(keep_in, quick=quick, fills=fills, progress=console.log)
        except BenchmarkFailed as error:
            raise click.ClickException(str(error)) from error
        return
    sections: list[Section] = []
    failed = False
    with console.status("starting PostgreSQL and Valkey") as status, Servers() as servers:

        def progress(step: str) -> None:
            status.update(f"measuring: growth: {step}")
            if not console.is_terminal:
                console.log(step)

        def of_growth(servers: Servers, _: Machine, quick: bool) -> Section:
            return growth.measure(servers, quick=quick, fills=fills, keep_in=keep_in, progress=progress)

        measures = MEASURES | {"growth": of_growth}
        machine = this_machine(servers)
        for line in machine.lines():
            console.print(line)
        for name in only or MEASURES:
            status.update(f"measuring: {name}")
            try:
                section = measures[name](servers, machine, quick)
            except BenchmarkFailed as error:
                failed = True
                console.print(f"{name} could not be measured: {error}", markup=False)
                continue
            show(console, section)
            sections.append(section)
    report = Report(at=datetime.now(UTC), machine=machine, quick=quick, sections=sections)
    if as_json_to is not None:
        text = json.dumps(as_json(report), indent=2)
        sys.stdout.write(text + "\n") if as_json_to == "-" else Path(as_json_to).write_text(text + "\n")
    if write is not None:
        write.write_text(as_page(report, write.read_text() if write.exists() else ""))
        console.print(f"wrote {write}")
    console.print("every target met" if not report.missed else f"{report.missed} targets missed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
