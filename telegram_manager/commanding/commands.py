"""The commands that change something: thin doors to the functions beside."""

from __future__ import annotations

from collections.abc import Iterable

from alpha.domain.errors import AlphaError, InvalidValue, Misconfigured
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.controls import ALL
from telegram_manager.actor import Role
from telegram_manager.asking import NotAllowed
from telegram_manager.command import Argument, Arguments, Command, Danger, Group, Takes
from telegram_manager.commanding import killing, pages, pausing, rehearsal, starting, stopping, syncing
from telegram_manager.commanding.desk import Desk, Progress
from telegram_manager.commanding.reach import Reach, reaches, scope_of
from telegram_manager.context import Context
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import Answer, Button, Text, Tone, answer_of

_WHY = "no reason given"


class NoDesk(Misconfigured):
    """Only looking is possible here: nothing to command with was given."""


def start(context: Context, arguments: Arguments) -> Answer:
    """Without a bot it greets: it is the first thing that Telegram has everybody say."""
    if arguments.bot is None:
        return _greeting(context)
    if context.actor.role < Role.OPERATOR:
        raise NotAllowed(f"/start {arguments.bot} needs the role {Role.OPERATOR.word}")
    report = starting.start_bot(
        _desk(context), arguments.bot, by=context.actor.name, why=_why(arguments), progress=_once_told(context)
    )
    return pages.start_page(report)


def restart(context: Context, arguments: Arguments) -> Answer:
    report = starting.restart_bot(
        _desk(context), _bot(arguments), by=context.actor.name, why=_why(arguments), progress=_once_told(context)
    )
    return pages.start_page(report)


def stop(context: Context, arguments: Arguments) -> Answer:
    report = stopping.stop_bot(
        _desk(context), _bot(arguments), by=context.actor.name, why=_why(arguments), progress=context.progress
    )
    return pages.stop_page(report)


def pause(context: Context, arguments: Arguments) -> Answer:
    return pages.pause_page(pausing.pause(_desk(context), arguments.bot, by=context.actor.name, why=_why(arguments)))


def resume(context: Context, arguments: Arguments) -> Answer:
    return pages.pause_page(pausing.resume(_desk(context), arguments.bot, by=context.actor.name, why=_why(arguments)))


def flatten(context: Context, arguments: Arguments) -> Answer:
    report = killing.flatten(
        _desk(context),
        _bot(arguments),
        arguments.symbol,
        by=context.actor.name,
        why=_why(arguments),
        progress=context.progress,
    )
    return pages.kill_page(report)


def kill(context: Context, arguments: Arguments) -> Answer:
    report = killing.kill(
        _desk(context), _target(arguments), by=context.actor.name, why=_why(arguments), progress=context.progress
    )
    return pages.kill_page(report)


def unkill(context: Context, arguments: Arguments) -> Answer:
    report = killing.unkill(_desk(context), _target(arguments), by=context.actor.name, why=_why(arguments))
    return pages.unkill_page(report)


def rehearse(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    return pages.rehearsal_page(rehearsal.rehearse(_desk(context), by=context.actor.name, progress=context.progress))


def sync(context: Context, arguments: Arguments) -> Answer:
    account = context.registry.bot(_bot(arguments)).account
    report = syncing.sync_account(
        _desk(context), account, by=context.actor.name, why=_why(arguments), progress=context.progress
    )
    return pages.sync_page(report)


def kill_question(context: Context, arguments: Arguments) -> str:
    """What would be cancelled and closed now."""
    target = _target(arguments)
    desk = _desk(context)
    found = _found(desk, reaches(desk.registry, scope_of(desk.registry, target)))
    return f"Kill {target}: {found}. Nothing of it runs or trades until it is lifted."


def flatten_question(context: Context, arguments: Arguments) -> str:
    desk, bot = _desk(context), _bot(arguments)
    symbols = None if arguments.symbol is None else (arguments.symbol,)
    found = _found(desk, reaches(desk.registry, scope_of(desk.registry, bot), symbols))
    return f"Flatten {bot}{'' if symbols is None else f' in {symbols[0]}'}: {found}."


def unkill_question(context: Context, arguments: Arguments) -> str:  # noqa: ARG001
    return f"Lift the kill of {_target(arguments)}: its bots may run and trade as before."


def _found(desk: Desk, within: Iterable[Reach]) -> str:
    parts = []
    for reach in within:
        try:
            with desk.exchange.client(reach.account) as client:
                orders = [o for o in client.open_orders(reach.symbols) if reach.covers(o.symbol, o.position_idx)]
                held = stopping.open_positions(client, reach)
        except AlphaError as error:
            parts.append(f"{reach.account}: not known ({error})")
            continue
        positions = ", ".join(f"{amounts.position(each.quantity)} {each.symbol}" for each in held) or "no position"
        parts.append(f"{reach.account}: {amounts.count(len(orders), 'order')}, {positions}")
    return "; ".join(parts)


def _once_told(context: Context) -> Progress:
    """The first line comes when the bot has been told to run. What follows only waits for its heartbeat, and a pause
    that is given meanwhile shall not wait with it."""

    def progress(text: str) -> None:
        context.in_effect()
        context.progress(text)

    return progress


def _greeting(context: Context) -> Answer:
    blocks = [
        Text("Alpha: every bot seen and commanded from here.", Tone.HEADING),
        Text(f"You are {context.actor.name}, {context.actor.role.word}. Bots: {', '.join(context.registry.bots)}"),
        Text("/start BOT starts one. /help shows everything that you may do."),
    ]
    return answer_of(blocks, buttons=[[Button("Status", "/status"), Button("Help", "/help")]])


def _desk(context: Context) -> Desk:
    if context.desk is None:
        raise NoDesk("nothing can be commanded from here: keys or logins of the platform are missing")
    return context.desk


def _bot(arguments: Arguments) -> BotId:
    if arguments.bot is None:
        raise InvalidValue("a bot must be named")
    return arguments.bot


def _target(arguments: Arguments) -> str:
    named: BotId | AccountName | None = arguments.bot or arguments.account
    return ALL if named is None else named


def _why(arguments: Arguments) -> str:
    return arguments.text or _WHY


_BOT = Argument(Takes.BOT, required=True)
# A reason follows only what must be named: after something optional a misspelt name would be taken for a reason, and
# `/kill cannary_001` for a kill of everything.
_REASON = Argument(Takes.TEXT, name="REASON")

COMMANDS: tuple[Command, ...] = (
    Command(
        name="start",
        in_order=True,
        group=Group.COMMANDING,
        role=Role.VIEWER,
        arguments=(Argument(Takes.BOT),),
        help="Runs a bot and waits for its heartbeat (operators). Without a bot: what this is.",
        run=start,
        examples=("/start canary_001",),
    ),
    Command(
        name="stop",
        in_order=True,
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        arguments=(_BOT, _REASON),
        help="Ends a bot and cancels its resting entries. Sells nothing, and says what stays open under which stops.",
        run=stop,
        examples=("/stop canary_001 maintenance",),
    ),
    Command(
        name="restart",
        in_order=True,
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        arguments=(_BOT, _REASON),
        help="Ends a bot and starts it again.",
        run=restart,
        examples=("/restart canary_001",),
    ),
    Command(
        name="pause",
        in_order=True,
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        arguments=(Argument(Takes.BOT_OR_ALL, required=True), _REASON),
        help="No new entries; exits go on.",
        run=pause,
        examples=("/pause all news at 14:00", "/pause canary_001"),
    ),
    Command(
        name="resume",
        in_order=True,
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        arguments=(Argument(Takes.BOT_OR_ALL, required=True), _REASON),
        help="Entries are allowed again. Named, a bot that its drawdown halted goes on as well.",
        run=resume,
        examples=("/resume all", "/resume canary_001"),
    ),
    Command(
        name="sync",
        group=Group.COMMANDING,
        role=Role.OPERATOR,
        arguments=(_BOT,),
        help="Compares the bot's account with the exchange at once.",
        run=sync,
        examples=("/sync canary_001",),
    ),
    Command(
        name="flatten",
        group=Group.EMERGENCY,
        role=Role.OPERATOR,
        arguments=(_BOT, Argument(Takes.SYMBOL)),
        help="Cancels a bot's orders and closes its positions; it goes on afterwards.",
        run=flatten,
        danger=Danger.ASK,
        question=flatten_question,
        examples=("/flatten canary_001", "/flatten shortseller_001 ETHUSDT"),
    ),
    Command(
        name="kill",
        group=Group.EMERGENCY,
        role=Role.ADMIN,
        arguments=(Argument(Takes.SCOPE),),
        help="Freezes, cancels and closes everything, proves it flat, and holds it so. Without a name: all of it.",
        run=kill,
        danger=Danger.ASK,
        question=kill_question,
        examples=("/kill canary_001", "/kill all"),
    ),
    Command(
        name="unkill",
        group=Group.EMERGENCY,
        role=Role.ADMIN,
        arguments=(Argument(Takes.SCOPE, required=True),),
        help="Lifts a kill: what was allowed before is allowed again.",
        run=unkill,
        danger=Danger.ASK_TWICE,
        question=unkill_question,
        examples=("/unkill canary_001", "/unkill all"),
    ),
    Command(
        name="rehearse",
        group=Group.EMERGENCY,
        role=Role.OPERATOR,
        help="A kill on a paper exchange of its own, and a look at whether the real one could be carried out.",
        run=rehearse,
        examples=("/rehearse",),
    ),
)
