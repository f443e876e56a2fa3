"""`/backup`: has the backup service take one now."""

from __future__ import annotations

import time

from alpha.ledger.backups import BackupRow, backup_request, newest_verified, request_backup
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import Answer, saying

_WAIT_S, _LOOK_EVERY_S = 60.0, 0.5


def backup(context: Context, arguments: Arguments, *, wait_s: float = _WAIT_S) -> Answer:  # noqa: ARG001
    """Waits for the answer for a minute; a larger database takes longer, and the alert says when it is done."""
    with context.writing() as ledger:
        number = request_backup(ledger, context.actor.name)
        context.progress("asked for a backup; it is verified by restoring it")
        give_up = time.monotonic() + wait_s
        while True:
            request = backup_request(ledger, number)
            if request is not None and request.ok is not None:
                break
            if time.monotonic() >= give_up:
                return saying(
                    f"request {number} is not answered yet: the backup service answers it when it runs, and /status "
                    "shows the backup once it is verified; without that service `alpha backup` takes one",
                    ok=False,
                )
            time.sleep(_LOOK_EVERY_S)
        if not request.ok:
            return saying(f"the backup failed: {request.detail}", ok=False)
        made = newest_verified(ledger)
    return saying("backed up" if made is None else _made(made))


def _made(row: BackupRow) -> str:
    size = "" if row.size is None else f", {amounts.size(row.size)}"
    return f"backed up and verified: {row.file}{size}, {row.seconds:.0f} s"
