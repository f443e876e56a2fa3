"""The listener to compare with: reads the same stream, and inserts and commits one fill at a time. Nothing else.

It keeps no books, no trades, no live state, and does not look for what it missed. Frames of orders and positions are
read and dropped. Its table has the columns and the primary key of `trading.fills`.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
from websockets.asyncio.client import connect as connect_stream

from alpha.config.settings import load_settings
from alpha.exchange.signing import stream_signature
from alpha.ledger.connection import Connection, connect
from benchmarks.bare_insert import BareInsert
from benchmarks.cast import cast

_AUTH_VALID_MS = 10_000


def main() -> None:
    url = sys.argv[1]
    connection = connect(load_settings().dsn(), "bench-simple")
    asyncio.run(_listen(url, connection))


async def _listen(url: str, connection: Connection) -> None:
    role = cast(1)[0]
    insert = BareInsert(connection)
    async with connect_stream(url, proxy=None, compression=None, max_size=None) as stream:
        expires = time.time_ns() // 1_000_000 + _AUTH_VALID_MS
        await stream.send(
            orjson.dumps({"op": "auth", "args": [role.api_key, expires, stream_signature(role.api_secret, expires)]})
        )
        await stream.recv()
        await stream.send(orjson.dumps({"op": "subscribe", "args": ["execution", "order", "position"]}))
        async for message in stream:
            frame = orjson.loads(message)
            if frame.get("topic") == "execution":
                for row in frame["data"]:
                    insert.commit(role.account, row)


if __name__ == "__main__":
    main()
