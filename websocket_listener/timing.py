from __future__ import annotations

from dataclasses import dataclass

from alpha.exchange.endpoints import Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTiming:
    """Wall-clock seconds around recovery.

    `lag_s`: how late an execution may appear in the exchange's REST list, so how long the second look waits (2 to 5 s
    were seen on Bybit). `look_every_s`: how often the proven edge is moved on while live. `hold_s`: how long live fills
    wait for the gap before them. `settle_s`: how long fold and exchange may differ before that is drift; long enough
    for a missed fill to be found by a look. `put_off_s`: how long after a look the next one may wait for a burst of
    fills to end. `quiet_look_every_s`: the least time between two looks at an account of which nothing was heard and
    nothing found meanwhile; with its lag still within the 30 s in which a stream that has gone deaf is found.
    """

    lag_s: float
    look_every_s: float
    hold_s: float = 5.0
    settle_s: float
    put_off_s: float = 0.0
    quiet_look_every_s: float = 0.0

    @classmethod
    def of(cls, endpoints: Endpoints) -> RecoveryTiming:
        if endpoints.is_paper:
            return cls(lag_s=0.5, look_every_s=2.0, settle_s=6.0, put_off_s=6.0)
        return cls(lag_s=5.0, look_every_s=10.0, settle_s=30.0, put_off_s=30.0, quiet_look_every_s=20.0)
