"""Which backups were found damaged, noted beside them, so that every process that comes to the folder knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

SUFFIX = ".damaged"


def damaged_files(folder: Path) -> Mapping[str, str]:
    """Name of a dump -> what was found wrong with it. A dump that is not there any more is not among them."""
    found = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        file = path.name.removesuffix(SUFFIX)
        if (folder / file).is_file():
            found[file] = _text(path)
    return found


def mark_damaged(folder: Path, file: str, text: str) -> None:
    """A mark that cannot be written is only logged: who found the damage knows of it in any case."""
    try:
        (folder / (file + SUFFIX)).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("damage_not_noted", file=file, error=str(error))


def unmark(folder: Path, file: str) -> None:
    """For one that is whole again, or gone."""
    try:
        (folder / (file + SUFFIX)).unlink(missing_ok=True)
    except OSError as error:
        log.warning("damage_not_unnoted", file=file, error=str(error))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "found damaged before"
