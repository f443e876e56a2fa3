"""An account that trades on the paper exchange, its fills in a ledger, and the proof of both."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from alpha.config.credentials import Credentials
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.reason import Reason
from alpha.exchange.endpoints import Endpoints
from alpha.exchange.executions import walk_executions
from alpha.exchange.parse import parse_closed_pnl, parse_log_entry
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.account_log import add_log_entries
from alpha.ledger.completed_trades import save_completed_trades
from alpha.ledger.connection import Connection, connect
from alpha.ledger.coverage import CoverageKind, add_interval
from alpha.ledger.fill_rows import FillSource, HeardFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.proof.gathering import prove_account
from alpha.proof.verdict import AccountProof
from tests.exchange_process import ExchangeProcess
from tests.support import Database

ACCOUNT = AccountName("canary")
BTC, ETH = Symbol("BTCUSDT"), Symbol("ETHUSDT")
OWNERS = {BTC: BotId("canary_001"), ETH: BotId("canary_002")}


class Venue:
    """An exchange with one account, whose market moves when it is told to. Use as a context."""

    def __init__(self, folder: Path) -> None:
        self.exchange = ExchangeProcess(folder, symbols=(BTC, ETH), accounts=(ACCOUNT,))
        self._numbers = itertools.count(1)

    def __enter__(self) -> Venue:
        self.exchange.start()
        with closing(self.client()) as client:
            self.began = client.market_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exchange.__exit__(kind, error, trace)

    def client(self) -> ExchangeClient:
        key = self.exchange.accounts[ACCOUNT]
        endpoints = Endpoints(
            environment="paper",
            rest_url=self.exchange.rest_url,
            private_url=self.exchange.private_url,
            public_url=self.exchange.public_url,
        )
        return ExchangeClient(ACCOUNT, endpoints, Credentials(key=key.api_key, secret=key.api_secret))

    def trade(self, *orders: tuple[Symbol, str, str]) -> None:
        """Market orders (symbol, Buy or Sell, quantity), executed at once."""
        answer = self.exchange.admin.trade(
            [
                {
                    "account": ACCOUNT,
                    "symbol": symbol,
                    "side": side,
                    "qty": quantity,
                    "order_link_id": f"cn1-en-{next(self._numbers):020}",
                }
                for symbol, side, quantity in orders
            ]
        )
        assert not answer["refused"], answer

    def run(self, bars: int) -> None:
        self.exchange.admin.run(bars)


class Scene:
    """A venue and a ledger of its account, which two bots share. Use as a context."""

    def __init__(self, venue: Venue, database: Database) -> None:
        self.venue, self.database, self.began = venue, database, venue.began
        self._ending = ExitStack()

    def __enter__(self) -> Scene:
        self.client = self._ending.enter_context(closing(self.venue.client()))
        self.ledger: Connection = self._ending.enter_context(
            closing(connect(self.database.dsn("ledger_writer"), "tests"))
        )
        self.sync: Connection = self._ending.enter_context(closing(connect(self.database.dsn("sync_writer"), "tests")))
        sync_registry(
            self.ledger,
            [RegisteredAccount(account=ACCOUNT, kind=AccountKind.PAPER)],
            [
                RegisteredBot(
                    bot=bot,
                    code=f"cn{number}",
                    account=ACCOUNT,
                    strategy="strategies.canary:Canary",
                    category="linear",
                    symbols=(symbol,),
                    redis_db=2 + number,
                    capital_usdt=None,
                    params={},
                )
                for number, (symbol, bot) in enumerate(OWNERS.items(), start=1)
            ],
        )
        self._recorder = FillRecorder(self.ledger, {ACCOUNT: take_account(self.ledger, ACCOUNT, "tests")})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def record(self, *, nobodys: Collection[Symbol] = ()) -> None:
        """The listener's work: everything that the exchange lists is in the ledger, and proven. `nobodys` are symbols
        whose fills no bot owns."""
        now = self.client.market_time()
        fills = [fill for window in walk_executions(self.client, self.began, now) for fill in window]
        self._recorder.record(
            [
                HeardFill(
                    fill=fill,
                    attribution=Attribution(
                        bot=None if fill.symbol in nobodys else OWNERS[fill.symbol],
                        reason=Reason.ENTRY,
                        method=AttributionMethod.NONE if fill.symbol in nobodys else AttributionMethod.TAG,
                    ),
                    source=FillSource.RECOVERY,
                    received_at=now,
                )
                for fill in fills
            ]
        )
        add_interval(self.ledger, ACCOUNT, CoverageKind.PROVEN, self.began, now)

    def refresh(self, until: datetime) -> None:
        """The sync service's work: log and closed P&L as the exchange lists them."""
        log = [row for page in self.client.account_log_pages(self.began, until) for row in page]
        add_log_entries(self.sync, [parse_log_entry(row, ACCOUNT) for row in reversed(log)])
        closed = [row for page in self.client.closed_pnl_pages(self.began, until) for row in page]
        save_completed_trades(self.sync, [parse_closed_pnl(row, ACCOUNT, "linear") for row in closed])

    def prove(self, **options: Any) -> AccountProof:
        chosen: dict[str, Any] = {"symbols": OWNERS, "settle_s": 0.0, "covered_within_s": 0.0} | options
        return prove_account(self.client, self.sync, self.refresh, **chosen)

    def prove_stored(self) -> AccountProof:
        """The proof by the log as it is stored, without asking for it again."""
        return prove_account(self.client, self.sync, lambda _: None, symbols=OWNERS, settle_s=0.0, covered_within_s=0.0)

    def as_owner(self, *statements: str) -> None:
        """What only somebody with the owner's rights and intent can do: changes facts."""
        with closing(connect(self.database.owner, "tests")) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()


def findings(proof: AccountProof, check: str | None = None) -> list[tuple[str, str]]:
    """(check, subject) of each finding."""
    return [(found.check.value, found.subject) for found in proof.findings if check in (None, found.check)]
