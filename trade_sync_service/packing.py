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
    restart of PostgreSQL is over by then. Told again only after a night that went well, or a start of the service."""

    def __init__(self, alerts: AlertWriter) -> None:
        self._alerts = alerts
        self._failed_nights = 0
        self._is_told = False

    def run(self, ledger: Connection) -> None:
        """Tonight's work. What fails is logged, and left to the next night."""
        try:
            packed = pack_indexes(ledger)
        except LedgerError as error:
            self._failed_nights += 1
            log.warning("indexes_not_packed", reason=str(error), nights=self._failed_nights)
            if isinstance(error, IndexTakesTooLong) or self._failed_nights >= _NIGHTS:
                self._tell(str(error))
            return
        self._failed_nights, self._is_told = 0, False
        if packed:
            log.info("indexes_packed", indexes=packed)

    def _tell(self, why: str) -> None:
        if self._is_told:
            return
        self._is_told = True
        self._alerts.alert(
            NOT_PACKED,
            f"indexes of fills are not packed, and take half as much room again as they need: {why}. Nothing is wrong"
            " with the ledger; see the runbook, Indexes are not packed",
            nights=self._failed_nights,
        )
