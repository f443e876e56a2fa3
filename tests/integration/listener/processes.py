"""The listener and the feed as processes of their own, and somebody who trades."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from alpha.config.credentials import Credentials
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.order import OrderType
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.new_order import NewOrder
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Dsn
from alpha.live.connection import RedisAddress
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess, TestAccount
from tests.support import eventually, free_port

BTCUSDT, ETHUSDT = Symbol("BTCUSDT"), Symbol("ETHUSDT")
SHORTSELLER, CANARY = AccountName("shortseller"), AccountName("canary")
SS, CN1, CN2 = BotId("shortseller_001"), BotId("canary_001"), BotId("canary_002")
CODES = {SS: "ss", CN1: "cn1", CN2: "cn2"}
DATABASES = {SS: 0, CN1: 3, CN2: 4}
SMALLEST = {BTCUSDT: Decimal("0.001"), ETHUSDT: Decimal("0.01")}


def write_registry(
    path: Path, *, private_url: str | None = None, accounts: Sequence[AccountName] = (SHORTSELLER, CANARY)
) -> Path:
    """bots.yaml with one bot on an account of its own and two on a shared one."""
    bots = {
        SHORTSELLER: [(SS, ["BTCUSDT", "ETHUSDT"])],
        CANARY: [(CN1, ["BTCUSDT"]), (CN2, ["ETHUSDT"])],
    }
    content = {
        "accounts": {
            name: {"key_env": f"{name.upper()}_BYBIT_API_KEY", "secret_env": f"{name.upper()}_BYBIT_API_SECRET"}
            | ({} if private_url is None else {"private_url": private_url})
            for name in accounts
        },
        "bots": [
            {
                "id": bot,
                "code": CODES[bot],
                "account": name,
                "strategy": "strategies.canary:Canary",
                "redis_db": DATABASES[bot],
                "symbols": symbols,
                "capital_usdt": "1000",
            }
            for name in accounts
            for bot, symbols in bots[name]
        ],
    }
    path.write_text(json.dumps(content))  # JSON is YAML
    return path


class ServiceProcess:
    """`alpha listener` or `alpha feed`."""

    def __init__(self, name: str, log: Path, env: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        self.port = free_port()
        self.env = dict(env) | {f"{name.upper()}_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begins, and does not wait."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alpha.cli", self.name],
                cwd=PROJECT_ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def freeze(self) -> None:
        """SIGSTOP: it does nothing any more, and its sockets stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, and does not know that time has passed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def heard(self, account: AccountName) -> int:
        """How many executions of the account its stream has told since it is its."""
        return int(self.health().get("accounts", {}).get(account, {}).get("executions_heard", 0))

    def ended(self) -> int:
        """Waits until it ends by itself; answers the exit code."""
        assert self._process is not None
        return self._process.wait(20)

    def health(self) -> dict[str, Any]:
        """The body of /healthz, empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {}

    def until_ok(self, within_s: float = 60.0) -> dict[str, Any]:
        def ok() -> dict[str, Any] | None:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()[-4000:]
            found = self.health()
            return found if found.get("ok") else None

        return eventually(ok, within_s, f"{self.name} to be well: {self.log}")

    def account(self, name: AccountName = SHORTSELLER) -> dict[str, Any]:
        """What it says of an account."""
        return dict(self.health().get("accounts", {}).get(name, {}))

    def __enter__(self) -> ServiceProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def environment_of(
    exchange: ExchangeProcess,
    dsn: Dsn,
    redis: RedisAddress,
    registry: Path,
    keys: Mapping[str, TestAccount] | None = None,
) -> dict[str, str]:
    """What a service is given."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ALPHA_", "BYBIT_", "POSTGRES_"))}
    for name, account in (exchange.accounts if keys is None else keys).items():
        env[f"{name.upper()}_BYBIT_API_KEY"] = account.api_key
        env[f"{name.upper()}_BYBIT_API_SECRET"] = account.api_secret
    return env | {
        "ALPHA_ENV_FILE": "",
        "ALPHA_MODE": "paper",
        "ALPHA_BOTS_FILE": str(registry),
        "ALPHA_PAPER_URL": exchange.rest_url,
        "POSTGRES_HOST": dsn.host,
        "POSTGRES_PORT": str(dsn.port),
        "POSTGRES_DB": dsn.dbname,
        "POSTGRES_USER": dsn.user,
        "POSTGRES_PASSWORD": dsn.password,
        "REDIS_HOST": redis.host,
        "REDIS_PORT": str(redis.port),
        "REDIS_PASSWORD": redis.password,
        "LOG_FORMAT": "json",
    }


class Trader:
    """Places orders over REST as the bots do, and moves the market so that they are filled."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._exchange = exchange
        where = paper_endpoints(exchange.rest_url)
        self.clients = {
            AccountName(name): ExchangeClient(
                AccountName(name), where, Credentials(key=account.api_key, secret=account.api_secret)
            )
            for name, account in exchange.accounts.items()
        }
        self._decision = datetime(2026, 1, 1, tzinfo=UTC)

    def trade(self, bot: BotId, *sides: Side, symbol: Symbol = BTCUSDT, tagged: bool = True) -> None:
        """One smallest market order a bar."""
        for side in sides:
            self.place(bot, side, symbol=symbol, tagged=tagged)
            self._exchange.admin.run(1)

    def round_trips(self, bot: BotId, count: int, symbol: Symbol = BTCUSDT) -> None:
        """Buys and sells as often; two fills each."""
        self.trade(bot, *(Side.BUY, Side.SELL) * count, symbol=symbol)

    def place(self, bot: BotId, side: Side, *, symbol: Symbol = BTCUSDT, tagged: bool = True) -> None:
        self._decision += timedelta(minutes=5)
        link_id = OrderLinkId.for_decision(
            code=CODES[bot] if tagged else "zz",
            bot=bot,
            run="tests",
            symbol=symbol,
            bar=self._decision,
            reason=Reason.ENTRY,
        )
        self.clients[SHORTSELLER if bot == SS else CANARY].place_order(
            NewOrder(
                symbol=symbol,
                side=side,
                order_type=OrderType.MARKET,
                quantity=SMALLEST[symbol],
                order_link_id=str(link_id),
            )
        )

    def executed(self, account: AccountName | None = None) -> list[str]:
        """The ids of what the exchange executed, from its own journal."""
        return [
            execution["exec_id"]
            for execution in self._exchange.executions()
            if account is None or execution["account"] == account
        ]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
