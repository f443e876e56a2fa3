"""A second place for backups: any store that fsspec knows (another disk, SFTP, S3 with its package installed)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec

from database.backup.errors import BackupFailed
from database.backup.manifest import PARTIAL, SUFFIX, Backup


class CopyStore:
    """`url` as fsspec writes them, for example `file:///mnt/nas/alpha` or `s3://bucket/alpha`. Credentials are the
    store's own business (its environment variables or files). Raises BackupFailed for a store that is not known."""

    def __init__(self, url: str) -> None:
        self.shown = _without_credentials(url)
        """The URL without what may be a password in it."""
        try:
            self._files, self._root = _open(url)
        except (ValueError, ImportError, OSError) as error:
            raise BackupFailed(f"BACKUP_COPY_TO: the store {self.shown} cannot be used: {error}") from error

    def add(self, folder: Path, backup: Backup) -> None:
        """Copies dump, then manifest, each under a passing name first. Raises BackupFailed."""
        try:
            self._files.makedirs(self._root, exist_ok=True)
            for name in (backup.file, backup.name + SUFFIX):
                partial, target = f"{self._root}/{name}{PARTIAL}", f"{self._root}/{name}"
                self._files.put_file(str(folder / name), partial)
                if self._files.exists(target):
                    self._files.rm_file(target)
                self._files.mv(partial, target)
                if self._files.info(target)["size"] != (folder / name).stat().st_size:
                    raise BackupFailed(f"the copy of {name} is not as long as the original")
        except BackupFailed:
            raise
        except Exception as error:  # every store raises errors of its own library; all mean the same here
            raise BackupFailed(f"cannot copy {backup.file} to {self.shown}: {error}") from error

    def remove(self, backups: Iterable[Backup]) -> None:
        """Deletes copies, the manifest first. Raises BackupFailed."""
        try:
            for backup in backups:
                for name in (backup.name + SUFFIX, backup.file):
                    if self._files.exists(f"{self._root}/{name}"):
                        self._files.rm_file(f"{self._root}/{name}")
        except Exception as error:
            raise BackupFailed(f"cannot thin out {self.shown}: {error}") from error


def _open(url: str) -> tuple[Any, str]:
    files, root = fsspec.core.url_to_fs(url)
    return files, str(root).rstrip("/")


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
