"""What is live of one account, and what Redis has not been told of it yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import NamedTuple

from alpha.domain.ids import BotId
from alpha.domain.order import Order
from alpha.exchange.account_state import WalletBalance
from alpha.ledger.fill_rows import RecordedFill
from alpha.live.bot_database import ORDERS_KEPT, Report
from alpha.live.fill_json import fill_to_json
from alpha.live.order_stream import report_of
from alpha.live.wallet import LiveWallet
from websocket_listener.attribution import AccountOwners
from websocket_listener.live_positions import LivePositions, Row
from websocket_listener.order_board import OrderBoard

FILLS_KEPT_WHILE_AWAY = 5_000
REPORTS_REPEATED = 200


class FillToTell(NamedTuple):
    """A committed fill, and the JSON that goes into its bot's stream and onto the bus."""

    recorded: RecordedFill
    text: str


@dataclass(slots=True)
class BotLive:
    """One bot's database: whether it is ours to write, and what waits to be written.

    What waits is bounded however long Redis is away. Fills beyond the bound are read from the ledger when it is back;
    reports beyond the stream's own length would be trimmed at once, and the open orders are written as a whole.
    """

    bot: BotId
    rows: tuple[Row, ...]
    claimed: bool = False
    emptied: bool = False
    """Everything there is dropped with the next step."""
    open_orders: bool = True
    """The open orders are written as a whole."""
    fills: deque[FillToTell] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT_WHILE_AWAY))
    reports: deque[Report] = field(default_factory=lambda: deque(maxlen=ORDERS_KEPT))
    reports_lost: int = 0
    reports_told: int = 0
    """How many reports have been in `reports` and are not any more."""
    teller: str = field(default_factory=lambda: token_hex(8))
    """Whose reports are counted. Not the epoch: a PostgreSQL that lost its last commits may give the same one again."""

    @property
    def waits(self) -> bool:
        """Whether something is to be written, positions aside."""
        return bool(self.emptied or self.open_orders or self.fills or self.reports)

    def report(self, reports: Iterable[Report]) -> None:
        for report in reports:
            if len(self.reports) == ORDERS_KEPT:
                self.reports_lost += 1
                self.reports_told += 1
            self.reports.append(report)

    def forget_reports(self) -> None:
        """Those that wait are told."""
        self.reports_told += len(self.reports)
        self.reports.clear()


class AccountLive:
    """Everything live of one account under one epoch. The live thread owns it; it does no I/O."""

    def __init__(self, owners: AccountOwners, epoch: int) -> None:
        self.owners, self.epoch = owners, epoch
        self.positions = LivePositions(owners, epoch=epoch)
        self.board = OrderBoard(owners)
        self.wallet: LiveWallet | None = None
        self.wallet_told = True
        self.bots = {
            bot.id: BotLive(bot.id, tuple((symbol, idx) for owner, symbol, idx in owners.rows if owner == bot.id))
            for bot in owners.bots
        }
        self.bus_fills: deque[str] = deque(maxlen=FILLS_KEPT_WHILE_AWAY)
        self.bus_orders: deque[str] = deque(maxlen=FILLS_KEPT_WHILE_AWAY)
        self.bus_events: deque[str] = deque(maxlen=FILLS_KEPT_WHILE_AWAY)

    @property
    def waits(self) -> bool:
        """Whether something is to be written."""
        return bool(
            self.bus_fills
            or self.bus_orders
            or self.bus_events
            or not self.wallet_told
            or self.positions.has_changed
            or any(bot.waits for bot in self.bots.values())
        )

    def committed(self, recorded: RecordedFill) -> None:
        """A fill of the account is in the ledger."""
        fill = FillToTell(recorded, fill_to_json(recorded))
        self.bus_fills.append(fill.text)
        bot = recorded.attribution.bot
        # A bot that left the registry keeps its fills in the ledger and has no stream any more.
        if bot in self.bots:
            self.bots[bot].fills.append(fill)

    def reported(self, order: Order, bot: BotId | None) -> None:
        report = report_of(order)
        self.bus_orders.append(report.text)
        if bot in self.bots:
            self.bots[bot].report((report,))

    def heard_wallet(self, wallet: WalletBalance, at: datetime) -> None:
        self.wallet = LiveWallet(
            account=wallet.account,
            equity=wallet.equity,
            balance=wallet.balance,
            available=wallet.available,
            epoch=self.epoch,
            updated_at=at,
        )
        self.wallet_told = False

    def doubt(self) -> None:
        """Whatever was written may be gone: every database has to be claimed and written again."""
        for bot in self.bots.values():
            bot.claimed = False

    def write_again(self, bot: BotLive, *, lost: bool) -> None:
        """Everything of the bot has to be told again; when its database was `lost`, also the newest reports that it
        held: a reader may not have seen them."""
        self.positions.show_all()
        bot.open_orders = True
        if lost:
            waiting = list(bot.reports)
            bot.forget_reports()
            bot.report([report_of(order) for order in self.board.latest_of(bot.bot, REPORTS_REPEATED)])
            bot.report(waiting)
