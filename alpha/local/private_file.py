"""Files that hold secrets."""

from __future__ import annotations

import os
from pathlib import Path

from alpha.local.service_user import ServiceUser


def write_private(path: Path, text: str, user: ServiceUser | None = None) -> None:
    """Replaces a file in one step by one that only its owner (`user`, else ourselves) can read."""
    making = path.with_name(f".{path.name}.new")
    making.unlink(missing_ok=True)
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if user is not None:
        user.own(making)
    making.replace(path)
