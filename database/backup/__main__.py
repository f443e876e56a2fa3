"""`python -m database.backup`: the daily backup of the database that the environment names; with --now, one at once."""

from __future__ import annotations

import sys

from alpha.config import load_settings
from alpha.config.backups import load_backup_settings
from alpha.config.settings import environment
from alpha.domain.errors import AlphaError
from alpha.service.logging import configure_logging
from database.backup.service import run, run_once


def main(arguments: list[str]) -> None:
    """Ends with code 1 when no backup was made or the settings are wrong."""
    if arguments not in ([], ["--now"]):
        sys.exit("usage: python -m database.backup [--now]")
    try:
        settings = load_settings()
        configure_logging("backup", settings)
        (run_once if arguments else run)(settings, load_backup_settings(environment()))
    except AlphaError as error:
        sys.exit(f"backup: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
