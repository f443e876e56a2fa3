"""`make bench`: starts servers of its own, measures, prints each figure beside the floor it is compared with."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from benchmarks import publishing, recording
from database.migrate import migrate


def main() -> None:
    console = Console()
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    home = Path(tempfile.mkdtemp(prefix="alpha-bench-"))
    postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
    try:
        with console.status("starting PostgreSQL and Valkey"):
            postgres.start()
            valkey.start()
            migrate(postgres.dsn())
        measures: dict[str, Callable[[], list[tuple[str, float, float]]]] = {
            "Ledger, fsync on": lambda: recording.measure(postgres),
            "Live state": lambda: publishing.measure(valkey),
        }
        for title, measure in measures.items():
            with console.status(f"measuring: {title}"):
                rows = measure()
            table = Table("what", "fills/s", "x floor", title=title, title_justify="left")
            for what, rate, ratio in rows:
                table.add_row(what, f"{rate:,.0f}", f"{ratio:.1f}")
            console.print(table)
    finally:
        valkey.stop()
        postgres.remove()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
