"""How soon a kill sends its first cancel: pressed in Telegram, executed by the command centre, seen by the exchange."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from statistics import median

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from alpha.exchange.new_order import NewOrder
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import connect
from alpha.local.children import Child
from alpha.local.environments import connection_environment, inherited_environment
from alpha.local.loopback_http import status_of
from alpha.local.ports import free_port
from benchmarks.cast import SYMBOLS, Role, cast, exchange_accounts, keys, write_bots_file
from benchmarks.figures import Figure, Unit, at_most
from benchmarks.relay import Relay
from benchmarks.scene import BenchmarkFailed
from benchmarks.servers import Servers
from database.roles import ensure_login
from telegram_manager.commanding.exchange_pool import client_factory
from tests.bot_api import Account, BotApi, Heard, Person
from tests.support import NotInTime, eventually

_ACCOUNTS = 5
_ORDERS_OF_SYMBOL = 4
_ADMIN = 1001
_START_S, _PROVEN_S = 60.0, 60.0
_ROOT = Path(__file__).parent.parent
HOW = (
    f"Kills: {{kills}} of everything on {_ACCOUNTS} accounts of the paper exchange, each with {len(SYMBOLS)} open "
    f"positions in both directions and {len(SYMBOLS) * _ORDERS_OF_SYMBOL} resting orders; from the press of the "
    "confirmation, given to a local server that speaks the Bot API, to the request to cancel that the exchange has "
    "read. Command centre and exchange are processes of their own; the first kill of the process is among them, and "
    "one more is given while nothing answers for PostgreSQL and Redis."
)


def figures(servers: Servers, *, kills: int) -> list[Figure]:
    """Of so many kills and the one without servers. Raises BenchmarkFailed."""
    try:
        with _stage(servers) as stage:
            done = [stage.kill() for _ in range(kills)]
            # The last one: without the ledger no kill is lifted.
            alone = stage.kill(alone=True)
    except NotInTime as error:
        raise BenchmarkFailed(f"a kill: {error}") from error
    first, last = [each.first_cancel for each in done], [each.last_first_cancel for each in done]
    soon = at_most(200)
    return [
        Figure("/kill all, its first cancel", median(first), Unit.MS, soon),
        Figure("/kill all, its first cancel, the slowest", max(first), Unit.MS, soon),
        Figure("/kill all, its first cancel, PostgreSQL and Redis away", alone.first_cancel, Unit.MS, soon),
        Figure("/kill all, the first cancel of the last account", median(last), Unit.MS),
        Figure("/kill all, the first cancel of the last account, the slowest", max(last), Unit.MS),
        Figure("/kill all, told to be flat and proven", median(each.flat for each in done), Unit.MS),
    ]


@contextmanager
def _stage(servers: Servers) -> Iterator[_Stage]:
    roles = cast(_ACCOUNTS)
    owner, _ = servers.fresh()
    folder = servers.home / owner.dbname
    folder.mkdir()
    with ExitStack() as stack:
        exchange = _Exchange(folder, roles)
        stack.callback(exchange.process.kill)
        exchange.start()
        with closing(connect(owner, "bench")) as connection:
            login = (f"{owner.dbname}_commander", secrets.token_urlsafe(16))
            ensure_login(connection, *login, "commander")
        bots_file = folder / "bots.yaml"
        write_bots_file(
            bots_file, roles, rest_url=exchange.url, private_url=f"ws://127.0.0.1:{exchange.port}/v5/private"
        )
        ledger, live = replace(owner, user=login[0], password=login[1]), servers.valkey.address()
        wires = [stack.enter_context(Relay(server.port)) for server in (ledger, live)]
        api = stack.enter_context(BotApi())
        bot, person = api.bot(), api.person(_ADMIN)
        environment = {
            "ALPHA_ENV_FILE": "",
            "ALPHA_BOTS_FILE": str(bots_file),
            "ALPHA_HOME": str(folder),
            "C2_TELEGRAM_BOT_TOKEN": bot.token,
            "C2_TELEGRAM_ADMIN_IDS": str(_ADMIN),
            "C2_TELEGRAM_API_URL": api.url,
            **connection_environment(replace(ledger, port=wires[0].port), replace(live, port=wires[1].port)),
            **keys(roles),
        }
        centre = _child("telegram", folder, ["-m", "alpha.cli", "telegram"], environment)
        stack.callback(centre.stop)
        centre.start()
        client_of = client_factory(Settings(alpha_home=folder), load_registry(bots_file), keys(roles))
        clients = [stack.enter_context(closing(client_of(role.account))) for role in roles]
        eventually(lambda: bot.poller is not None and not bot.poller.done(), _START_S, "the command centre")
        yield _Stage(exchange, bot, person, clients=clients, wires=wires)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kill:
    """What happened how long after the press, in ms: the first cancel arrived, that of the last account did, and the
    answer came that all is flat."""

    first_cancel: float
    last_first_cancel: float
    flat: float


class _Exchange:
    """The paper exchange, which matches at once and notes the requests to cancel."""

    def __init__(self, folder: Path, roles: tuple[Role, ...]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._notes = folder / "cancels"
        accounts = folder / "accounts.json"
        accounts.write_text(
            json.dumps(
                [
                    {
                        "name": each.name,
                        "uid": each.uid,
                        "api_key": each.api_key,
                        "api_secret": each.api_secret,
                        "balance_usdt": str(each.balance),
                    }
                    for each in exchange_accounts(roles).all
                ]
            )
        )
        arguments = ["--port", str(self.port), "--accounts", str(accounts), "--symbols", ",".join(SYMBOLS)]
        arguments += ["--journal", str(folder / "journal.jsonl"), "--speed", "1", "--match", "at-once"]
        program = ["-m", "benchmarks.noting_exchange", str(self._notes), *arguments, "--lockstep", "off"]
        self.process = _child("exchange", folder, program, {"ALPHA_ENV_FILE": ""})

    def start(self) -> None:
        self.process.start()
        eventually(lambda: status_of(f"{self.url}/healthz"), _START_S, "the paper exchange")

    def first_cancels_ns(self, since_ns: int) -> dict[str, int]:
        """API key -> when the first request to cancel of its account arrived after a moment of the monotonic clock."""
        found: dict[str, int] = {}
        for line in self._notes.read_text().splitlines():
            at, key = line.split()
            if int(at) >= since_ns:
                found.setdefault(key, int(at))
        return found


class _Stage:
    """Kills everything again and again, each time with everything open anew."""

    def __init__(
        self,
        exchange: _Exchange,
        bot: Account,
        person: Person,
        *,
        clients: Sequence[ExchangeClient],
        wires: Sequence[Relay],
    ) -> None:
        """`wires` lead from the command centre to its servers."""
        self._exchange, self._bot, self._person = exchange, bot, person
        self._clients, self._wires = clients, wires

    def kill(self, *, alone: bool = False) -> _Kill:
        """`alone`: with PostgreSQL and Redis away, and without lifting it. Raises NotInTime, BenchmarkFailed."""
        for number, client in enumerate(self._clients):
            _open(client, is_long=number % 2 == 0)
        if alone:
            for wire in self._wires:
                wire.cut()
        question = self._asks("/kill all", "works for")
        pressed_ns = time.monotonic_ns()
        self._person.presses(self._bot, question, "Yes, kill")
        told = self._person.hears("flat, proven after", after=question, within_s=_PROVEN_S)
        flat_ns = time.monotonic_ns()
        arrived = self._exchange.first_cancels_ns(pressed_ns)
        if len(arrived) != len(self._clients):
            raise BenchmarkFailed(f"a kill cancelled on {len(arrived)} of {len(self._clients)} accounts")
        if not alone:
            self._lift(told)
        first, last, flat = ((at - pressed_ns) / 1e6 for at in (min(arrived.values()), max(arrived.values()), flat_ns))
        return _Kill(first_cancel=first, last_first_cancel=last, flat=flat)

    def _lift(self, told: Heard) -> None:
        once = self._asks("/unkill all", "works for", after=told)
        self._person.presses(self._bot, once, "Yes, unkill")
        again = self._person.hears("Once more", after=once)
        self._person.presses(self._bot, again, "Yes, unkill")
        self._person.hears("lifted", after=again)

    def _asks(self, text: str, answer: str, *, after: Heard | None = None) -> Heard:
        newest = after or max((each.message_id for each in self._person.received), default=0)
        self._person.says(self._bot, text)
        return self._person.hears(answer, after=newest)


def _open(client: ExchangeClient, *, is_long: bool) -> None:
    """A position in every symbol, in either direction, and orders at rest far from the market."""
    instruments = client.instruments(SYMBOLS)
    for number, symbol in enumerate(SYMBOLS):
        instrument, price = instruments[symbol], client.ticker(symbol).last_price
        if price is None:
            raise BenchmarkFailed(f"{symbol} has no price")
        side = Side.BUY if is_long == (number % 2 == 0) else Side.SELL
        quantity = 10 * instrument.min_quantity
        client.place_order(_order(symbol, side, quantity))
        for step in range(1, _ORDERS_OF_SYMBOL + 1):
            away = price * (1 - Decimal("0.02") * step)
            client.place_order(_order(symbol, Side.BUY, quantity, instrument.round_price(away)))


def _order(symbol: Symbol, side: Side, quantity: Decimal, price: Decimal | None = None) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=quantity,
        order_link_id=f"bench-{secrets.token_hex(6)}",
        price=price,
    )


def _child(name: str, folder: Path, arguments: list[str], environment: dict[str, str]) -> Child:
    nobody = Registry(path=Path(), accounts={}, bots={})
    return Child(
        name,
        [sys.executable, *arguments],
        env={**inherited_environment(nobody), **environment},
        log=folder / f"{name}.log",
        cwd=_ROOT,
    )
