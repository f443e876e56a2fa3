"""Yesterday is proven every night; where that cannot be done it is tried again, and a person is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial

import structlog

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Dsn, connect
from alpha.proof.nightly import prove_closed_days, tell_missing
from alpha.service.alerts import AlertWriter
from trade_sync_service.account_sync import sync_account
from trade_sync_service.account_worker import AccountWorker
from trade_sync_service.timetable import Timetable

log = structlog.get_logger()

NOT_MADE = "proof_not_made"
_HOUR, _MINUTE = 0, 20
# By then every retry has been made.
_DEADLINE_HOUR = 6
_RETRIES = (timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2))


class NotCompared(AlphaError):
    """A proof cannot be made, as the exchange's books could not be read."""


class NightlyProof:
    """Has each account's closed days judged at night. A proof that cannot be made is an alert of its own and no failure
    of the hourly comparison, whose next success would hide it."""

    def __init__(
        self,
        workers: Mapping[AccountName, AccountWorker],
        timetable: Timetable,
        dsn: Dsn,
        alerts: AlertWriter,
        *,
        judge: Callable[[AccountWorker, Connection, AlertWriter], None] | None = None,
    ) -> None:
        self._workers, self._timetable, self._dsn, self._alerts = workers, timetable, dsn, alerts
        self._judge = judge or _judge

    def start(self) -> None:
        """Puts it in the timetable."""
        self._timetable.daily("proof", self.run, hour=_HOUR, minute=_MINUTE)
        self._timetable.daily("proof deadline", self.tell_missing, hour=_DEADLINE_HOUR, minute=_MINUTE)

    def run(self) -> None:
        """Every account, one after the other."""
        for account in self._workers:
            self.prove(account)

    def prove(self, account: AccountName, tries: int = 1) -> None:
        """One account. What fails is told and tried again later, a few times."""
        worker = self._workers[account]
        try:
            done = worker.run(after=partial(self._after, worker, tries))
        except AlphaError as error:
            self._not_made(account, str(error), tries)
        except Exception as error:
            log.exception("proof_failed", account=account)
            self._not_made(account, repr(error), tries)
        else:
            if not done.ok:
                failure = done.failure
                self._not_made(account, "it was not compared" if failure is None else failure.text, tries)

    def tell_missing(self) -> None:
        """Alerts of each account whose yesterday has no verdict by now."""
        for account, worker in self._workers.items():
            try:
                with closing(connect(self._dsn, "trade-sync", statement_timeout_s=60)) as ledger:
                    tell_missing(ledger, account, _today(worker), self._alerts)
            except AlphaError as error:
                self._alerts.alert(
                    NOT_MADE,
                    f"it cannot be told whether yesterday of {account} is proven: {error}",
                    severity="error",
                    account=account,
                )
            except Exception:
                log.exception("proof_deadline_failed", account=account)

    def _after(self, worker: AccountWorker, tries: int, ledger: Connection) -> None:
        try:
            self._judge(worker, ledger, self._alerts)
        except AlphaError as error:
            self._not_made(worker.name, str(error), tries)
        except Exception as error:
            log.exception("proof_failed", account=worker.name)
            self._not_made(worker.name, repr(error), tries)

    def _not_made(self, account: AccountName, why: str, tries: int) -> None:
        wait = _RETRIES[tries - 1] if tries <= len(_RETRIES) else None
        further = f"tried again in {wait}" if wait is not None else "tried again tomorrow, see alpha proof"
        log.warning("proof_not_made", account=account, reason=why, tries=tries)
        self._alerts.alert(
            NOT_MADE,
            f"{account} could not be judged ({tries} of {len(_RETRIES) + 1} times): {why}; {further}",
            severity="error",
            account=account,
            tries=tries,
        )
        if wait is not None:
            self._timetable.once(f"proof {account}", partial(self.prove, account, tries + 1), after=wait)


def _judge(worker: AccountWorker, ledger: Connection, alerts: AlertWriter) -> None:
    def refresh(until: datetime) -> None:
        done = sync_account(worker.client, ledger, alerts=alerts, until=until)
        if done.failure is not None:
            raise NotCompared(done.failure.text)

    prove_closed_days(worker.client, ledger, refresh, symbols=worker.symbols, alerts=alerts, by="nightly")


def _today(worker: AccountWorker) -> date:
    """The market's. An exchange that does not answer is no reason not to ask: then the world's."""
    try:
        return worker.client.market_time().astimezone(UTC).date()
    except AlphaError:
        return datetime.now(UTC).date()
