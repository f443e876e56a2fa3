"""Dumps encrypted for public keys, in the age format (https://age-encryption.org/v1): `age -d` opens them anywhere.

The platform holds public keys only; whoever takes the machine cannot read the backups that lie on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyrage

from database.backup.errors import BackupFailed, BackupMisconfigured


def check_recipients(recipients: Sequence[str]) -> None:
    """Raises BackupMisconfigured for what is no public key (`age1...`)."""
    for number, recipient in enumerate(recipients, 1):
        try:
            pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError:
            # Not repeated: somebody may have pasted the secret key.
            raise BackupMisconfigured(
                f"BACKUP_RECIPIENTS: key {number} is no public key of age (age1...): make a pair with "
                "`alpha backup --new-key FILE`"
            ) from None


def encrypt(plain: Path, sealed: Path, recipients: Sequence[str]) -> None:
    """Raises BackupFailed, for example when the disk is full."""
    keys = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    try:
        pyrage.encrypt_file(str(plain), str(sealed), keys)
    except (pyrage.EncryptError, OSError) as error:
        raise BackupFailed(f"cannot encrypt into {sealed}: {error}") from error


def decrypt(sealed: Path, plain: Path, identity_file: Path) -> None:
    """`identity_file` holds secret keys as `alpha backup --new-key` and age-keygen write them. Raises BackupFailed."""
    try:
        lines = identity_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupFailed(f"the secret key in {identity_file} cannot be read: {error}") from error
    try:
        keys = [
            pyrage.x25519.Identity.from_str(line.strip()) for line in lines if line.strip() and not line.startswith("#")
        ]
    except pyrage.IdentityError as error:
        raise BackupFailed(f"{identity_file} holds a line that is no secret key of age") from error
    descriptor = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(descriptor)
    try:
        pyrage.decrypt_file(str(sealed), str(plain), keys)
    except (pyrage.DecryptError, OSError) as error:
        raise BackupFailed(f"{sealed} cannot be decrypted with the keys of {identity_file}: {error}") from error


def new_identity(file: Path) -> str:
    """Writes a new secret key for its owner alone and returns the public one. Raises BackupFailed if there is one."""
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupFailed(f"cannot write the secret key to {file}: {error}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as secret:
        secret.write(f"# public key: {public}\n{identity}\n")
    return public
