"""`/balance`, `/proof`, `/drift`, `/alerts`: what the exchange says, and whether it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import Alert
from alpha.ledger.drift import OpenDrift
from alpha.ledger.proofs import ProofRow
from alpha.live.wallet import LiveWallet
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import Align, Answer, Block, Column, Facts, Table, Text, Tone, answer_of
from telegram_manager.rendering.pages.status_page import platform_rows
from telegram_manager.seeing.facts import Status

_BALANCES = (
    Column("account"),
    Column("equity", Align.RIGHT),
    Column("balance", Align.RIGHT, begins=True),
    Column("available", Align.RIGHT, begins=True),
    Column("as of", Align.RIGHT, spare=True),
)
_DRIFT = (
    Column("no."),
    Column("what", unlabelled=True),
    Column("who", unlabelled=True),
    Column("since"),
    Column("seen"),
    Column("entries", unlabelled=True),
)
_ALERTS = (
    Column("no."),
    Column("time", unlabelled=True),
    Column("severity", unlabelled=True),
    Column("who", unlabelled=True),
    Column("text", unlabelled=True, begins=True),
)
_PROOFS = (
    Column("day"),
    Column("account", unlabelled=True),
    Column("verdict", unlabelled=True),
    Column("residual", Align.RIGHT),
)


def balance_page(wallets: Mapping[AccountName, LiveWallet | None], at: datetime) -> Answer:
    """What each account holds as the exchange last said it."""
    rows = tuple(
        (name, *map(amounts.held, (wallet.equity, wallet.balance, wallet.available)), _age(at, wallet.updated_at))
        if wallet is not None
        else (name, *[amounts.NOT_KNOWN] * 4)
        for name, wallet in wallets.items()
    )
    missing = any(wallet is None for wallet in wallets.values()) or not wallets
    return answer_of(
        [
            Text("Balances", Tone.HEADING),
            Table(_BALANCES, rows),
            *([Text("Not every account has told its balance.", Tone.WARNING)] if missing else []),
            Text(
                "Equity counts open positions at the mark price; the exchange tells of it at every change.", Tone.NOTE
            ),
        ],
        ok=not missing,
    )


def proof_page(status: Status, proofs: Sequence[ProofRow]) -> Answer:
    """The newest verdicts, what spoke against them, and how far each account is proven now."""
    newest = sorted(proofs, key=lambda proof: (proof.day, proof.account), reverse=True)
    failed = [proof for proof in newest if not proof.proven]
    rows = tuple(
        (f"{proof.day:%Y-%m-%d}", proof.account, "proven" if proof.proven else "NOT PROVEN", _residual(proof))
        for proof in newest
    )
    coverage = tuple(row for row in platform_rows(status) if row[0].startswith("coverage"))
    none = [] if rows else [Text("No day has been judged yet; `alpha proof` does, and every night does.")]
    return answer_of(
        [
            Text("Proof", Tone.HEADING),
            Table(_PROOFS, rows, "Days, UTC"),
            *none,
            *(block for proof in failed for block in _against(proof)),
            Facts(coverage, "Now"),
        ],
        ok=not failed,
    )


def drift_page(found: Sequence[OpenDrift]) -> Answer:
    """Open disagreements; `alpha drift` settles them."""
    rows = tuple(_drift_row(each) for each in found)
    return answer_of(
        [
            Text(amounts.count(len(rows), "disagreement") if rows else "Ledger and exchange agree.", Tone.HEADING),
            Table(_DRIFT, rows),
            *(Text(f"{each.number}: {_detail(each)}", Tone.NOTE) for each in found),
        ],
        ok=not any(each.blocks for each in found),
    )


def alerts_page(alerts: Sequence[tuple[int, Alert]], bot: BotId | None) -> Answer:
    """Newest first, of one bot or of all."""
    rows = tuple(
        (
            str(number),
            amounts.moment(alert.at),
            alert.severity.value,
            alert.bot or alert.account or alert.service,
            alert.text,
        )
        for number, alert in alerts
    )
    return answer_of(
        [
            Text(f"Last {amounts.count(len(rows), 'alert')}" if rows else "No alerts.", Tone.HEADING),
            Table(_ALERTS, rows),
            *([Text("What a bot only informs of is in /alerts BOT.", Tone.NOTE)] if bot is None else []),
        ]
    )


def days_of(until: date, days: int) -> tuple[date, date]:
    """The first and the last of so many days."""
    return until - timedelta(days=days - 1), until


def _against(proof: ProofRow) -> list[Block]:
    failed = [f"{check['name']}: {check['text']}" for check in proof.checks if not check["ok"]]
    named = [f"{finding['subject']}: {finding['text']}" for finding in proof.findings]
    return [
        Text(f"{proof.day:%Y-%m-%d} {proof.account}: {'; '.join(failed)}", Tone.WARNING),
        *(Text(text) for text in named[:10]),
    ]


def _residual(proof: ProofRow) -> str:
    return ", ".join(f"{amounts.quantity(entry.residual)} {entry.coin}" for entry in proof.entries) or amounts.NONE


def _drift_row(drift: OpenDrift) -> tuple[str, ...]:
    finding = drift.finding
    entries = "blocks entries" if drift.blocks else "blocks nothing" if drift.accepted is None else "accepted"
    return (
        str(drift.number),
        f"{finding.kind.value} {finding.subject}",
        _who(finding.account, finding.bot),
        amounts.moment(drift.found_at),
        amounts.count(drift.times, "time"),
        entries,
    )


def _who(account: AccountName, bot: BotId | None) -> str:
    return bot or f"account {account}"


def _detail(drift: OpenDrift) -> str:
    said = ", ".join(f"{name} {value}" for name, value in drift.finding.detail.items())
    return said if drift.accepted is None else f"{said}; accepted: {drift.accepted}"


def _age(at: datetime, then: datetime) -> str:
    return f"{amounts.duration(max(at - then, timedelta(0)))} ago"
