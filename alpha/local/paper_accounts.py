"""The accounts of the local paper exchange: one per account of bots.yaml, with keys of their own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

from alpha.config.registry import Registry
from alpha.local.private_file import write_private

_FIRST_UID = 100_001


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccount:
    """One account as the paper exchange reads it."""

    name: str
    uid: int
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    balance_usdt: str
    position_mode: str


def paper_accounts(file: Path, registry: Registry, balance_usdt: Decimal) -> Mapping[str, PaperAccount]:
    """Makes `file` hold an account for each of the registry; those it holds already keep UID, keys and balance."""
    known: dict[str, PaperAccount] = {}
    if file.exists():
        known = {entry["name"]: PaperAccount(**entry) for entry in json.loads(file.read_text())}
    next_uid = max((account.uid for account in known.values()), default=_FIRST_UID - 1) + 1
    for name, config in registry.accounts.items():
        if name not in known:
            known[name] = PaperAccount(
                name=name,
                uid=next_uid,
                api_key=secrets.token_hex(9),
                api_secret=secrets.token_hex(18),
                balance_usdt=str(balance_usdt),
                position_mode=config.position_mode,
            )
            next_uid += 1
    write_private(file, json.dumps([asdict(account) for account in known.values()], indent=2) + "\n")
    return known
