"""Every command there is, in the order of the help. Telegram, its buttons and `alpha c2` know no others."""

from __future__ import annotations

from telegram_manager.actor import Role
from telegram_manager.command import Argument, Command, Group, Takes
from telegram_manager.commanding import commands as commanding
from telegram_manager.notifier import commands as notifying
from telegram_manager.seeing.about import logs, version_page
from telegram_manager.seeing.backup import backup
from telegram_manager.seeing.help import help_page
from telegram_manager.seeing.results import analytics, daily
from telegram_manager.seeing.status import health, status
from telegram_manager.seeing.trading import balance, fills, orders, positions, trades
from telegram_manager.seeing.trust import alerts, drift, proof

_BOT = Argument(Takes.BOT)
_COUNT = Argument(Takes.COUNT)

_SEEING: tuple[Command, ...] = (
    Command(
        name="status",
        group=Group.SEEING,
        role=Role.VIEWER,
        arguments=(_BOT,),
        help="Every bot and the platform, or one bot in detail.",
        run=status,
        examples=(
            "/status",
            "/status canary_001",
        ),
    ),
    Command(
        name="positions",
        group=Group.SEEING,
        role=Role.VIEWER,
        help="What is open, marked to market.",
        run=positions,
    ),
    Command(
        name="orders",
        group=Group.SEEING,
        role=Role.VIEWER,
        help="Orders that may still fill.",
        run=orders,
    ),
    Command(
        name="fills",
        group=Group.SEEING,
        role=Role.VIEWER,
        arguments=(
            _BOT,
            _COUNT,
        ),
        help="The last executions.",
        run=fills,
        examples=("/fills canary_001 20",),
    ),
    Command(
        name="trades",
        group=Group.SEEING,
        role=Role.VIEWER,
        arguments=(
            _BOT,
            _COUNT,
        ),
        help="The last round trips and what each made.",
        run=trades,
        examples=("/trades canary_001 20",),
    ),
    Command(
        name="balance",
        group=Group.SEEING,
        role=Role.VIEWER,
        help="What each account holds.",
        run=balance,
    ),
    Command(
        name="daily",
        group=Group.RESULTS,
        role=Role.VIEWER,
        arguments=(
            _BOT,
            _COUNT,
        ),
        help="Results day by day.",
        run=daily,
        examples=("/daily canary_001 30",),
    ),
    Command(
        name="analytics",
        group=Group.RESULTS,
        role=Role.VIEWER,
        arguments=(
            Argument(Takes.BOT_OR_ALL),
            Argument(Takes.DAYS),
        ),
        help="Net, fees, funding, win rate, drawdown, by symbol and exit reason, with a chart.",
        run=analytics,
        examples=(
            "/analytics all 7",
            "/analytics canary_001 90",
        ),
    ),
    Command(
        name="proof",
        group=Group.TRUST,
        role=Role.VIEWER,
        arguments=(Argument(Takes.DAYS),),
        help="Which days are proven against the exchange.",
        run=proof,
    ),
    Command(
        name="drift",
        group=Group.TRUST,
        role=Role.VIEWER,
        help="Where ledger and exchange disagree.",
        run=drift,
    ),
    Command(
        name="alerts",
        group=Group.TRUST,
        role=Role.VIEWER,
        arguments=(
            _BOT,
            _COUNT,
        ),
        help="The last alerts.",
        run=alerts,
    ),
    Command(
        name="health",
        group=Group.TRUST,
        role=Role.VIEWER,
        help="What is not as it should be, and every service.",
        run=health,
    ),
    Command(
        name="logs",
        group=Group.TRUST,
        role=Role.VIEWER,
        arguments=(
            Argument(Takes.BOT, required=True),
            _COUNT,
        ),
        help="The last lines of a bot's log.",
        run=logs,
        examples=("/logs canary_001 50",),
    ),
)

_ABOUT: tuple[Command, ...] = (
    Command(
        name="version",
        group=Group.ABOUT,
        role=Role.VIEWER,
        help="What runs here.",
        run=version_page,
    ),
    Command(
        name="help",
        group=Group.ABOUT,
        role=Role.VIEWER,
        help="This page.",
        run=help_page,
    ),
)

_KEEPING: tuple[Command, ...] = (
    Command(
        name="backup",
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        help="Takes a backup now and verifies it.",
        run=backup,
    ),
)

COMMANDS: tuple[Command, ...] = (*_SEEING, *notifying.COMMANDS, *commanding.COMMANDS, *_KEEPING, *_ABOUT)
