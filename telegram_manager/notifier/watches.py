"""What nobody else alerts because nobody else sees it: dead bots, positions without a stop, margin, liquidation,
foreign orders, failed syncs, expiring keys, the disk. Pure: from a view of the platform to concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.config.registry import BotConfig, Registry
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.order import Order, OrderStatus
from alpha.ledger.alerts import Severity
from alpha.ledger.controls import PLATFORM, Control, DesiredState, account_scope, bot_scope
from alpha.ledger.foreign_orders import ForeignOrder
from alpha.ledger.sync_status import SyncStatus
from alpha.live.glance import BotGlance, Glance
from alpha.live.positions import LivePosition

BOT_SILENT_FOR = timedelta(seconds=20)
LEAST_MARGIN = Decimal("0.10")
"""Available of equity."""
LIQUIDATION_WITHIN = Decimal("0.10")
"""Of the mark price."""
SYNC_LATE_AFTER = timedelta(hours=2)
KEY_EXPIRES_WITHIN, KEY_EXPIRES_SOON = timedelta(days=14), timedelta(days=3)
LEAST_DISK, CRITICAL_DISK = 0.10, 0.03
"""Free of all."""

_PASSING_S = 10.0
"""What a bot or a stream does while it starts or reconnects is over within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something wrong now. `kind` and `subject` tell it from others. It is told once it has lasted `after_s`."""

    kind: str
    subject: str
    severity: Severity
    text: str
    account: AccountName | None = None
    bot: BotId | None = None
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the watches look at; a part that could not be read is None, and finds and ends nothing."""

    at: datetime
    registry: Registry
    glance: Glance | None = None
    controls: Mapping[str, Control] | None = None
    foreign: Sequence[ForeignOrder] | None = None
    syncs: Sequence[SyncStatus] | None = None
    keys: Mapping[AccountName, datetime | None] | None = None
    """When each account's key expires; None: never, or it is not told. Without those that have not answered yet."""
    disk: tuple[int, int] | None = None
    """Free and all bytes."""


Watch = Callable[[View], "Iterator[Concern] | None"]
"""Findings, or None where the view does not tell."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The outcome of one look: what is wrong, and of which kinds it is now known, but for the subjects of `unknown`:
    what is open of those is neither confirmed nor over."""

    concerns: tuple[Concern, ...] = ()
    kinds: frozenset[str] = field(default_factory=frozenset)
    unknown: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Kind and subject."""

    def knows(self, kind: str, subject: str) -> bool:
        return kind in self.kinds and (kind, subject) not in self.unknown


def look(view: View) -> Looked:
    """Asks every watch."""
    concerns: list[Concern] = []
    kinds: set[str] = set()
    for kind, watch in WATCHES.items():
        found = watch(view)
        if found is not None:
            kinds.add(kind)
            concerns += found
    return Looked(tuple(concerns), frozenset(kinds), frozenset(_unknown(view)))


def dead_bots(view: View) -> Iterator[Concern] | None:
    """Bots that are wanted and give no sign of life."""
    glance, controls = view.glance, view.controls
    if glance is None or controls is None:
        return None

    def found() -> Iterator[Concern]:
        for bot in view.registry.bots.values():
            beat = glance.bots.get(bot.id, BotGlance()).heartbeat
            if not is_wanted(bot, controls) or (beat is not None and view.at - beat.updated_at < BOT_SILENT_FOR):
                continue
            since = "none was ever seen" if beat is None else f"the last was at {beat.updated_at:%H:%M:%S} UTC"
            yield Concern(
                kind="bot_dead",
                subject=bot.id,
                severity=Severity.CRITICAL,
                text=f"{bot.id} shall run and gives no sign of life: {since}. Its positions stay under their stops",
                account=bot.account,
                bot=bot.id,
                after_s=_PASSING_S,
            )

    return found()


def unprotected_positions(view: View) -> Iterator[Concern] | None:
    """Open positions without a stop at the exchange: neither on the position, nor as an order that only closes."""
    glance = view.glance
    if glance is None:
        return None

    def found() -> Iterator[Concern]:
        for bot_id, bot in glance.bots.items():
            for (symbol, index), held in bot.positions.items():
                if held is None or held.position.is_flat or any(_guards(order, held) for order in bot.orders):
                    continue
                if held.stop_loss is None and held.trailing_stop is None:
                    yield Concern(
                        kind="position_without_stop",
                        subject=_slot(bot_id, symbol, index),
                        severity=Severity.CRITICAL,
                        text=f"{bot_id} holds {held.position.quantity.normalize():f} {symbol} without a stop at the "
                        "exchange",
                        bot=bot_id,
                        after_s=_PASSING_S,
                    )

    return found()


def near_liquidations(view: View) -> Iterator[Concern] | None:
    """Positions whose liquidation price is close to the mark."""
    glance = view.glance
    if glance is None:
        return None

    def found() -> Iterator[Concern]:
        for bot_id, bot in glance.bots.items():
            for (symbol, index), held in bot.positions.items():
                if held is None or held.position.is_flat or not held.mark_price or not held.liq_price:
                    continue
                distance = abs(held.mark_price - held.liq_price) / held.mark_price
                if distance < LIQUIDATION_WITHIN:
                    yield Concern(
                        kind="liquidation_near",
                        subject=_slot(bot_id, symbol, index),
                        severity=Severity.CRITICAL,
                        text=f"{bot_id} {symbol} is liquidated at {held.liq_price.normalize():f}, {distance:.1%} from "
                        f"the mark price {held.mark_price.normalize():f}",
                        bot=bot_id,
                    )

    return found()


def low_margins(view: View) -> Iterator[Concern] | None:
    """Accounts that have little left to trade with."""
    glance = view.glance
    if glance is None:
        return None

    def found() -> Iterator[Concern]:
        for account, wallet in glance.wallets.items():
            if wallet is None or wallet.equity <= 0 or wallet.available / wallet.equity >= LEAST_MARGIN:
                continue
            yield Concern(
                kind="margin_low",
                subject=account,
                severity=Severity.ERROR,
                text=f"account {account} has {wallet.available:,.2f} USDT available of {wallet.equity:,.2f} equity",
                account=account,
                after_s=_PASSING_S,
            )

    return found()


def orders_of_others(view: View) -> Iterator[Concern] | None:
    """Entries under our tags that no bot here sent."""
    foreign = view.foreign
    if foreign is None:
        return None
    return (
        Concern(
            kind="foreign_order",
            subject=f"{order.account} {order.order_id}",
            severity=Severity.CRITICAL,
            text=f"order {order.order_link_id} ({order.side} {order.quantity.normalize():f} {order.symbol}) carries "
            f"the tag of {order.bot} and no bot here sent it: another copy runs, or somebody has the key",
            account=order.account,
            bot=order.bot,
        )
        for order in foreign
    )


def failed_syncs(view: View) -> Iterator[Concern] | None:
    """Comparisons with the exchange whose last run failed. That it fails again and again is told by the service."""
    if view.syncs is None:
        return None
    return (
        _of_sync("sync_failed", Severity.WARNING, status, f"failed: {status.detail}")
        for status in _newest_syncs(view)
        if not status.ok
    )


def late_syncs(view: View) -> Iterator[Concern] | None:
    """Those that have not run for long: nobody else tells that the service does nothing."""
    if view.syncs is None:
        return None
    return (
        _of_sync("sync_overdue", Severity.ERROR, status, f"has not run since {status.ran_at:%Y-%m-%d %H:%M} UTC")
        for status in _newest_syncs(view)
        if view.at - status.ran_at > SYNC_LATE_AFTER
    )


def expiring_keys(view: View) -> Iterator[Concern] | None:
    """API keys that end within two weeks. Bybit ends a key that is bound to no address after three months."""
    return _of_keys("key_expiring", Severity.WARNING, KEY_EXPIRES_WITHIN, view)


def ending_keys(view: View) -> Iterator[Concern] | None:
    """Those that end within days."""
    return _of_keys("key_ending", Severity.CRITICAL, KEY_EXPIRES_SOON, view)


def low_disks(view: View) -> Iterator[Concern] | None:
    """The disk that the platform writes to."""
    return _of_disk("disk_low", Severity.ERROR, LEAST_DISK, view)


def full_disks(view: View) -> Iterator[Concern] | None:
    """The same, when hardly anything is left."""
    return _of_disk("disk_nearly_full", Severity.CRITICAL, CRITICAL_DISK, view)


WATCHES: Mapping[str, Watch] = {
    "bot_dead": dead_bots,
    "position_without_stop": unprotected_positions,
    "liquidation_near": near_liquidations,
    "margin_low": low_margins,
    "foreign_order": orders_of_others,
    "sync_failed": failed_syncs,
    "sync_overdue": late_syncs,
    "key_expiring": expiring_keys,
    "key_ending": ending_keys,
    "disk_low": low_disks,
    "disk_nearly_full": full_disks,
}
"""Kind -> who finds it. A concern is told once, so what grows graver is another kind when it does."""


def _unknown(view: View) -> Iterator[tuple[str, str]]:
    """Kind and subject of what a part of the view that could be read does not tell: live state that is being rebuilt,
    an account that does not answer, a sync that does not run and so has not become well."""
    if view.glance is not None:
        for bot_id, bot in view.glance.bots.items():
            for (symbol, index), held in bot.positions.items():
                if held is None:
                    yield "position_without_stop", _slot(bot_id, symbol, index)
                    yield "liquidation_near", _slot(bot_id, symbol, index)
        for account, wallet in view.glance.wallets.items():
            if wallet is None:
                yield "margin_low", account
    for account in view.registry.accounts.keys() - (view.keys or {}).keys():
        yield "key_expiring", account
        yield "key_ending", account
    for concern in late_syncs(view) or ():
        yield "sync_failed", concern.subject


def _slot(bot: BotId, symbol: Symbol, index: int) -> str:
    return f"{bot} {symbol} {index}"


def _newest_syncs(view: View) -> list[SyncStatus]:
    """The last run of each task of each account that is registered."""
    newest: dict[tuple[AccountName, str], SyncStatus] = {}
    for status in view.syncs or ():
        key = (status.account, status.task.value)
        if key not in newest or newest[key].ran_at < status.ran_at:
            newest[key] = status
    return [status for (account, _), status in newest.items() if account in view.registry.accounts]


def _of_sync(kind: str, severity: Severity, status: SyncStatus, words: str) -> Concern:
    account, task = status.account, status.task.value
    return Concern(
        kind=kind,
        subject=f"{account} {task}",
        severity=severity,
        text=f"the sync of {account} ({task}) {words}",
        account=account,
    )


def _of_keys(kind: str, severity: Severity, within: timedelta, view: View) -> Iterator[Concern] | None:
    keys = view.keys
    if keys is None:
        return None
    return (
        Concern(
            kind=kind,
            subject=account,
            severity=severity,
            text=f"the API key of account {account} ends on {expires_at:%Y-%m-%d %H:%M} UTC: renew it at the exchange "
            "before",
            account=account,
        )
        for account, expires_at in keys.items()
        if expires_at is not None and expires_at - view.at <= within
    )


def _of_disk(kind: str, severity: Severity, least: float, view: View) -> Iterator[Concern] | None:
    if view.disk is None:
        return None
    free, total = view.disk
    part = free / total if total else 1.0
    if part >= least:
        return iter(())
    text = f"the disk has {free / 2**30:,.1f} GiB left ({part:.0%}): free or add space"
    return iter((Concern(kind=kind, subject="disk", severity=severity, text=text),))


def _guards(order: Order, held: LivePosition) -> bool:
    """Whether the order closes the position where it loses: a take profit, or what belongs to the other side of a
    hedged symbol, guards nothing."""
    direction = held.position.direction
    if direction is None or (order.symbol, order.position_idx) != (held.symbol, held.position_idx):
        return False
    if not order.reduce_only or order.side is direction.entry_side or order.status is not OrderStatus.UNTRIGGERED:
        return False
    price = held.mark_price or held.position.entry_price
    return order.trigger_price is not None and (price - order.trigger_price) * direction.sign > 0


def is_wanted(bot: BotConfig, controls: Mapping[str, Control]) -> bool:
    """Whether nobody wants the bot stopped."""
    scopes = (PLATFORM, account_scope(bot.account), bot_scope(bot.id))
    found = (controls.get(scope) for scope in scopes)
    return all(control is None or control.desired_state is DesiredState.RUNNING for control in found)
