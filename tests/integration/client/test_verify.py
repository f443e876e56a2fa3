"""`verify_account` and the command against a real ledger and an exchange that answers what the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpha.config import AccountConfig, BotConfig, ConfigError, Registry, Settings
from alpha.domain.clock import to_ms
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.reason import Reason
from alpha.exchange.parse import parse_fill
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.coverage import CoverageKind, add_interval
from alpha.ledger.fill_rows import FillSource, HeardFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.verify import VerifyReport, run_verify, verify_account
from tests.integration.client.conftest import ACCOUNT
from tests.integration.client.execution_list import START, Executions, rows
from tests.integration.client.stub_exchange import Received, Reply, StubExchange, ok, refusal
from tests.support import Database
from tests.unit.exchange.wire import position

BOT = BotId("canary_001")
BTCUSDT = Symbol("BTCUSDT")
NOW = START + timedelta(hours=1)


@dataclass
class Venue:
    """The exchange's side and the ledger's side, to be filled by a test."""

    stub: StubExchange
    client: ExchangeClient
    ledger: Connection
    reader: Connection
    epoch: int
    executions: Executions = field(default_factory=lambda: Executions([]))
    positions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = {"X-Alpha-Market-Time": str(to_ms(NOW))}
        self.stub.rest["/v5/market/time"] = lambda _: ok({}, **clock)
        self.stub.rest["/v5/execution/list"] = lambda request: self.executions(request)
        self.stub.rest["/v5/position/list"] = lambda _: ok({"list": self.positions, "nextPageCursor": ""})

    def record(self, executions: list[dict[str, Any]], bot: BotId | None = BOT) -> None:
        """The listener's work: these executions are in the ledger."""
        method = AttributionMethod.NONE if bot is None else AttributionMethod.TAG
        attribution = Attribution(bot=bot, reason=Reason.ENTRY, method=method)
        FillRecorder(self.ledger, {ACCOUNT: self.epoch}).record(
            [
                HeardFill(
                    fill=parse_fill(row, ACCOUNT), attribution=attribution, source=FillSource.STREAM, received_at=NOW
                )
                for row in executions
            ]
        )

    def verify(self, **options: Any) -> VerifyReport:
        chosen: dict[str, Any] = {"symbols": [BTCUSDT], "settle_s": 0.0} | options
        return verify_account(self.client, self.reader, **chosen)


@pytest.fixture
def venue(stub: StubExchange, client: ExchangeClient, database: Database) -> Iterator[Venue]:
    ledger = connect(database.dsn("ledger_writer"), "tests")
    reader = connect(database.dsn("reader"), "tests")
    sync_registry(
        ledger,
        [RegisteredAccount(account=ACCOUNT, kind=AccountKind.PAPER)],
        [
            RegisteredBot(
                bot=BOT,
                code="cn1",
                account=ACCOUNT,
                strategy="strategies.canary:Canary",
                category="linear",
                symbols=(BTCUSDT,),
                redis_db=3,
                capital_usdt=None,
                params={},
            )
        ],
    )
    epoch = take_account(ledger, ACCOUNT, "tests")
    add_interval(ledger, ACCOUNT, CoverageKind.PROVEN, START, START, detail="first contact")
    yield Venue(stub, client, ledger, reader, epoch)
    ledger.close()
    reader.close()


HELD = position(size="0.030", entryPrice="100000.1")  # 10 x 0.003


def test_a_ledger_that_equals_the_exchange_passes(venue: Venue) -> None:
    made = rows(10)
    venue.executions = Executions(made)
    venue.positions = [HELD]
    venue.record(made)
    report = venue.verify()
    assert report.passed
    assert (report.fills.exchange_fills, report.fills.ledger_fills, report.positions.checked) == (10, 10, 1)
    assert (report.since, report.until) == (START, NOW)
    # 10 x 0.16500017
    assert report.to_json()["fees"] == {"USDT": {"exchange": "1.65000170", "ledger": "1.65000170"}}


def test_missing_fills_and_the_position_without_them_are_told(venue: Venue) -> None:
    made = rows(10)
    venue.executions = Executions(made)
    venue.positions = [HELD]
    venue.record(made[:7])
    report = venue.verify()
    assert not report.passed
    assert [fill.exec_id for fill in report.fills.missing] == ["e00007", "e00008", "e00009"]
    (found,) = report.positions.differing
    assert (found.exchange, found.ledger) == (Decimal("0.030"), Decimal("0.021"))
    assert json.loads(json.dumps(report.to_json()))["missing"] == ["e00007", "e00008", "e00009"]


def test_a_fill_unknown_to_the_exchange_is_told(venue: Venue) -> None:
    made = rows(3)
    venue.executions = Executions(made[:2])
    venue.record(made)
    venue.positions = [position(size="0.009")]
    report = venue.verify()
    assert [fill.exec_id for fill in report.fills.extra] == ["e00002"]
    assert not report.passed


def test_a_field_that_differs_is_named_with_both_values(venue: Venue) -> None:
    made = rows(2)
    venue.executions = Executions([made[0], made[1] | {"execFee": "0.2"}])
    venue.record(made)
    venue.positions = [position(size="0.006")]
    report = venue.verify()
    (found,) = report.fills.differing
    assert (found.exec_id, found.field) == ("e00001", "fee")
    assert (found.exchange, found.ledger) == ("0.2", "0.16500017")
    assert report.fills.fees["USDT"].exchange - report.fills.fees["USDT"].ledger == Decimal("0.03499983")


def test_the_same_execution_at_two_times_is_told(venue: Venue) -> None:
    (one,) = rows(1)
    venue.executions = Executions([one | {"execTime": str(int(one["execTime"]) + 1)}])
    venue.record([one])
    venue.positions = [position(size="0.003")]
    (found,) = venue.verify().fills.differing
    assert found.field == "exec_time"


def test_a_fill_on_its_way_into_the_ledger_is_not_missing(venue: Venue) -> None:
    # given an exchange that lists 10 fills and a position of them, of which the ledger has 7
    made = rows(10)
    venue.positions = [HELD]
    venue.record(made[:7])
    venue.executions = Executions(made)
    asked: list[Received] = []

    def committed_meanwhile(request: Received) -> Reply:
        # when the last three are committed after the exchange was read
        asked.append(request)
        if len(asked) == 2:
            venue.record(made[7:])
        return venue.executions(request)

    venue.stub.rest["/v5/execution/list"] = committed_meanwhile
    report = venue.verify(settle_s=3.0)
    # then nothing is missing
    assert report.passed
    assert report.fills.ledger_fills == 10
    # and the second look began at the first that was missing
    assert int(asked[1].query["startTime"]) == int(made[7]["execTime"])


def test_an_exchange_whose_list_lags_behind_its_stream(venue: Venue) -> None:
    made = rows(5)
    venue.record(made)
    venue.positions = [position(size="0.015")]
    answers = iter([Executions(made[:4]), Executions(made)])
    venue.stub.rest["/v5/execution/list"] = lambda request: next(answers)(request)
    assert venue.verify(settle_s=3.0).passed


def test_a_position_that_moves_is_compared_at_rest(venue: Venue) -> None:
    made = rows(1)
    venue.executions = Executions(made)
    venue.record(made)
    answers = iter([[position(size="0.005")], [position(size="0.003")]])
    venue.stub.rest["/v5/position/list"] = lambda _: ok({"list": next(answers), "nextPageCursor": ""})
    report = venue.verify(settle_s=3.0)
    assert report.passed
    assert report.positions.checked == 1


def test_a_position_that_only_the_ledger_holds_is_told(venue: Venue) -> None:
    made = rows(1)
    venue.executions = Executions(made)
    venue.record(made)
    (found,) = venue.verify().positions.differing
    assert (found.exchange, found.ledger) == (Decimal(0), Decimal("0.003"))


def test_symbols_that_no_bot_trades_are_named_and_not_compared(venue: Venue) -> None:
    venue.positions = [position(symbol="XRPUSDT", size="5")]
    report = venue.verify()
    assert report.passed
    assert report.positions.not_ours == ("XRPUSDT",)


def test_unattributed_fills_are_counted_and_are_in_the_ledger(venue: Venue) -> None:
    made = rows(2)
    venue.executions = Executions(made)
    venue.record(made, bot=None)
    report = venue.verify()
    assert report.fills.equal
    assert report.fills.unattributed == 2
    assert report.positions.differing == ()


def test_the_interval_has_both_ends_included(venue: Venue) -> None:
    made = rows(5)
    venue.executions = Executions(made)
    venue.record(made)
    venue.positions = [position(size="0.015")]
    report = venue.verify(since=START + timedelta(seconds=1), until=START + timedelta(seconds=3))
    assert report.passed
    assert (report.fills.exchange_fills, report.fills.ledger_fills) == (3, 3)


def test_nothing_before_the_first_contact_is_compared(venue: Venue) -> None:
    before = rows(1)[0] | {"execId": "early", "execTime": str(to_ms(START - timedelta(days=1)))}
    venue.executions = Executions([before])
    report = venue.verify(since=START - timedelta(days=3))
    assert report.passed
    assert report.since == START
    assert "first contact" in report.notes[0]


def test_an_interval_that_ends_before_it_begins_is_refused(venue: Venue) -> None:
    with pytest.raises(ConfigError, match="is after the end"):
        venue.verify(since=NOW + timedelta(days=1))


@dataclass
class Command:
    """`alpha verify` on two accounts that share the stub as their exchange."""

    settings: Settings
    registry: Registry
    environ: dict[str, str]

    def run(self, *, as_json: bool = True, account: str | None = ACCOUNT) -> int:
        return run_verify(
            self.settings, self.registry, self.environ, account=account, since=None, until=None, as_json=as_json
        )


@pytest.fixture
def command(venue: Venue, database: Database, tmp_path: Path) -> Command:
    dsn = database.dsn("reader")
    settings = Settings(
        postgres_host=dsn.host,
        postgres_port=dsn.port,
        postgres_db=dsn.dbname,
        postgres_user=dsn.user,
        postgres_password=dsn.password,
        alpha_paper_url=venue.stub.endpoints.rest_url,
    )
    accounts = {
        name: AccountConfig(name=name, key_env="A_KEY", secret_env="A_SECRET", rest_url=url)
        for name, url in ((ACCOUNT, None), (AccountName("closed"), "http://127.0.0.1:9"))
    }
    bot = BotConfig(
        id=BOT,
        code="cn1",
        account=ACCOUNT,
        strategy="strategies.canary:Canary",
        params={},
        redis_db=3,
        symbols=(BTCUSDT,),
    )
    registry = Registry(path=tmp_path / "bots.yaml", accounts=accounts, bots={BOT: bot})
    return Command(settings, registry, {"A_KEY": "testkey", "A_SECRET": "testsecret"})


def test_the_command_prints_json_and_passes(venue: Venue, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    made = rows(4)
    venue.executions = Executions(made)
    venue.record(made)
    venue.positions = [position(size="0.012")]
    assert command.run() == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is True
    (account,) = report["accounts"]
    assert (account["account"], account["exchange_fills"], account["missing"]) == ("canary", 4, [])


def test_the_command_lists_what_is_missing_and_fails(
    venue: Venue, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    venue.executions = Executions(rows(30))
    assert command.run(as_json=False) == 1
    text = capsys.readouterr().out
    assert "canary (paper): DIFFERENT" in text
    assert "missing in the ledger: 30" in text
    assert "e00000 2025-03-01T00:00:00.000+00:00 BTCUSDT Buy 0.003 at 100000.1, fee 0.16500017" in text
    assert "and 10 more; --json lists all" in text


def test_an_account_that_cannot_be_reached_does_not_hide_the_others(
    venue: Venue, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(account=None) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    equal, closed = report["accounts"]
    assert equal["passed"] is True
    assert closed["passed"] is False
    assert "cannot be reached" in closed["error"]
    assert venue.stub.received


def test_a_wrong_key_says_which_account_and_environment(
    venue: Venue, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    venue.stub.rest["/v5/execution/list"] = lambda _: refusal(10003, "API key is invalid.")
    assert command.run(as_json=False) == 1
    assert "account canary, environment paper: the key is wrong" in capsys.readouterr().out
