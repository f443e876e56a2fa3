"""Indexes are packed every night; where that does not get on, a person is told, once."""

from __future__ import annotations

import structlog

from alpha.ledger.connection import Connection, LedgerError
from alpha.ledger.rollups import IndexTakesTooLong, pack_indexes
from alpha.service.alerts import AlertWriter

log = structlog.get_logger()

NOT_PACKED = "indexes_not_packed"
_NIGHTS = 3


class NightlyPacking:
    """Packs indexes of fills. An index that cannot be made in time is told the first night: it will not be made in the
    next ones either. Anything else is told when it was in the way for three nights in a row, since a long query or a
    restart of PostgreSQL is over by then. The same is told again only after a night that went well, or a start of the
    service; another index that takes too long is told in between."""

    def __init__(self, alerts: AlertWriter) -> None:
        self._alerts = alerts
        self._failed_nights = 0
        self._waited_nights = 0
        """Of these the last ones in a row, in which no index took too long."""
        self._told: set[str] = set()

    def run(self, ledger: Connection) -> None:
        """Tonight's work. What fails is logged, and left to the next night."""
        try:
            packed = pack_indexes(ledger)
        except LedgerError as error:
            self._failed_nights += 1
            log.warning("indexes_not_packed", reason=str(error), nights=self._failed_nights)
            takes_too_long = isinstance(error, IndexTakesTooLong)
            self._waited_nights = 0 if takes_too_long else self._waited_nights + 1
            if takes_too_long or self._waited_nights >= _NIGHTS:
                self._tell(str(error))
            return
        self._failed_nights = self._waited_nights = 0
        self._told.clear()
        if packed:
            log.info("indexes_packed", indexes=packed)

    def _tell(self, why: str) -> None:
        if why in self._told:
            return
        self._told.add(why)
        self._alerts.alert(
            NOT_PACKED,
            f"indexes of fills are not packed, and take half as much room again as they need: {why}. Nothing is wrong"
            " with the ledger; see the runbook, Indexes are not packed",
            nights=self._failed_nights,
        )
