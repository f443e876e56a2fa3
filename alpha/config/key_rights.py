"""What an API key may do, and whether it may do too much or too little for who has it."""

from __future__ import annotations

from collections.abc import Collection

from alpha.config.errors import ConfigError
from alpha.config.modes import Mode
from alpha.domain.ids import AccountName
from alpha.exchange.account_books import KeyInformation


def check_key(
    account: AccountName, key: KeyInformation, mode: Mode, withdrawal_allowed: Collection[str], *, trades: bool = False
) -> list[str]:
    """What to warn of. A key of an account that nobody trades with through it (`trades`) may be read-only.

    Raises ConfigError for a key that can withdraw, unless its account is one of `withdrawal_allowed`, and for one that
    cannot trade where it has to.
    """
    if key.may_withdraw and account not in withdrawal_allowed:
        raise ConfigError(
            f"the key of account {account} may withdraw: nothing here needs that, and a thief would. "
            f"Make a key without it, or put {account} into ALPHA_ALLOW_WITHDRAWAL_KEYS"
        )
    if trades and key.read_only:
        raise ConfigError(
            f"the key of account {account} is read-only: a bot trades with it, so it needs orders and positions. "
            "Only the listener and the sync service can do with less"
        )
    if mode is not Mode.PAPER and not key.addresses:
        return [f"the key of account {account} works from any address: bind it to that of this machine at the exchange"]
    return []
