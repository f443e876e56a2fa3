"""The keys of a bot's own database. They carry the bot's id, so that an access rule can name them."""

from __future__ import annotations

from alpha.domain.ids import BotId, Symbol


def epoch_key(bot: BotId) -> str:
    """The epoch of the listener that writes this database."""
    return f"{bot}:epoch"


def rebuild_key(bot: BotId) -> str:
    """A wish, set by a person, that the listener writes everything anew."""
    return f"{bot}:rebuild"


def fills_key(bot: BotId) -> str:
    return f"{bot}:fills"


def orders_key(bot: BotId) -> str:
    return f"{bot}:orders"


def reports_key(bot: BotId) -> str:
    """Who told the last order report, and the how manieth of his it was: `teller:number`."""
    return f"{bot}:reports"


def open_orders_key(bot: BotId) -> str:
    return f"{bot}:open_orders"


def position_key(bot: BotId, symbol: Symbol, position_idx: int = 0) -> str:
    return f"{bot}:position:{symbol}" + (f":{position_idx}" if position_idx else "")
