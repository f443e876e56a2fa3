"""`alpha drill`: a drill at a terminal or in a pipeline."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from alpha.config.settings import Settings
from alpha.local.drill.options import DrillOptions
from alpha.local.drill.report import DrillReport
from alpha.local.drill.run import Drill, Progress, Show
from alpha.local.drill.stage import Stage
from alpha.local.errors import LocalError, StartInterrupted
from alpha.local.exchange_admin import AdminUnreachable
from alpha.service.logging import configure_logging
from alpha.service.shutdown import StopSignal

CANNOT_START, INTERRUPTED = 3, 130

_LINE_EVERY_S = 10.0


def run_drill(options: DrillOptions, *, keep: bool = False, as_json: bool = False) -> int:
    """Runs a drill and answers the exit code: 0 equal, 1 a difference, 2 a fault hit nothing, 3 cannot run, 130
    interrupted. With `as_json` the last line on stdout is the report."""
    stop = StopSignal().install()
    console = Console(stderr=as_json)
    try:
        report = drill(options, stop, console, keep=keep)
    except StartInterrupted:
        console.print("Interrupted before the verdict; everything that was started is stopped.")
        return INTERRUPTED
    except (LocalError, AdminUnreachable) as error:
        Console(stderr=True).print(f"alpha: {error}", markup=False, soft_wrap=True)
        return CANNOT_START
    report.print(console)
    if as_json:
        print(json.dumps(report.to_json()))
    return report.exit_code


def drill(options: DrillOptions, stop: StopSignal, console: Console, *, keep: bool = False) -> DrillReport:
    """One drill, shown on the console. Raises StartInterrupted, or StartFailed when it cannot be run."""
    console.print(f"Seed {options.seed}: {options.fills} fills on {options.accounts} accounts.", highlight=False)
    stage = Stage(
        accounts=options.accounts,
        seed=options.seed,
        listeners=options.listeners,
        listener_command=options.listener_command,
        prepare=options.prepare,
        interrupted=stop.is_set,
        on_progress=lambda words: console.print(words, style="dim"),
    )
    try:
        with _logged_to(stage.log), stage, _shown(console) as show, Drill(stage, options, stop, show) as playing:
            return playing.run()
    finally:
        if keep:
            console.print(f"Logs, journal and data are kept in {stage.home}.", soft_wrap=True, highlight=False)
        else:
            stage.remove()


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """What the drill's own threads log goes to a file: the terminal belongs to the bar and the report."""
    with path.open("w") as file:
        configure_logging("drill", Settings(), stream=file)
        try:
            yield
        finally:
            configure_logging("drill", Settings())


@contextmanager
def _shown(console: Console) -> Iterator[Show]:
    """A bar on a terminal, elsewhere a line now and then."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (BarColumn(), TextColumn("{task.fields[executed]} fills  {task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, executed=0)
        yield lambda at: bar.update(task, completed=at.done, executed=at.executed, description=at.doing)


def _lines(console: Console) -> Show:
    next_s = time.monotonic()

    def show(at: Progress) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _LINE_EVERY_S
            console.print(f"{at.done:4.0%}  {at.executed} fills  {at.doing}", highlight=False, soft_wrap=True)

    return show
