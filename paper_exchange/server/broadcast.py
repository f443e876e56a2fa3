from __future__ import annotations

import asyncio
from datetime import datetime

from paper_exchange.engine.events import Event
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.public_stream import PublicStream


class Broadcast:
    """Tells the sockets what happened, accounts first, everybody after them.

    What requests did is told once for each turn of the event loop, so that many requests at a time share frames.
    Executions are in the journal by then: the exchange writes them before it gives them away.
    """

    def __init__(self, exchange: Exchange, private: PrivateStream, public: PublicStream) -> None:
        self._exchange = exchange
        self._private = private
        self._public = public
        self._is_due = False

    def soon(self) -> None:
        """Before anything else is read from a socket."""
        if not self._is_due and self._exchange.has_news:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.now)

    def now(self) -> list[Event]:
        """What accounts did since the last time, also given back."""
        self._is_due = False
        events = self._exchange.take_events()
        if events:
            self._private.publish(events)
            self._public.publish_events(events)
        return events

    def moved(self, since: datetime) -> None:
        """The market has moved from then to now, and what this did to accounts is told already."""
        self._public.publish_move(since)

    def anew(self) -> None:
        """The exchange has become another one: accounts have to ask, everybody gets the books whole."""
        self._exchange.take_events()
        self._private.drop(None)
        self._public.publish_anew()
