"""How other people's clients are pointed at this exchange: what `--help` prints, and what tests run.

Each text is Python and uses the names URL (`http://127.0.0.1:8787`), KEY and SECRET.
"""

from __future__ import annotations

PYBIT = """\
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading
http = HTTP(api_key=KEY, api_secret=SECRET)
http.endpoint = URL
def here(stream):                                # its sockets cannot be given an address, so they are told late
    class Here(stream):
        def _connect(self, url):
            super()._connect(URL.replace("http", "ws", 1) + "/v5/" + url.partition("/v5/")[2])
    return Here
private = here(WebSocket)(testnet=False, channel_type="private", api_key=KEY, api_secret=SECRET)
public = here(WebSocket)(testnet=False, channel_type="linear")
trade = here(WebSocketTrading)(testnet=False, api_key=KEY, api_secret=SECRET)
"""

CCXT = """\
import ccxt                                      # the same for ccxt.async_support and ccxt.pro
WS = URL.replace("http", "ws", 1)
exchange = ccxt.bybit({
    "apiKey": KEY, "secret": SECRET,
    "options": {"defaultType": "swap"},
    "urls": {"api": {
        **dict.fromkeys(("public", "private", "spot", "futures", "v2"), URL),
        "ws": {"public": dict.fromkeys(("spot", "linear", "inverse", "option"), WS + "/v5/public/linear"),
               "private": {"spot": {"unified": WS + "/v5/private", "nonUnified": WS + "/v5/private"},
                           "contract": WS + "/v5/private", "usdc": WS + "/v5/private", "trade": WS + "/v5/trade"}},
    }},
})
"""

ANYTHING_ELSE = """\
REST            http://127.0.0.1:8787/v5/...               instead of https://api.bybit.com
public socket   ws://127.0.0.1:8787/v5/public/linear       instead of wss://stream.bybit.com/v5/public/linear
private socket  ws://127.0.0.1:8787/v5/private             instead of wss://stream.bybit.com/v5/private
order socket    ws://127.0.0.1:8787/v5/trade               instead of wss://stream.bybit.com/v5/trade
"""


def page() -> str:
    """All of it, to be shown as it stands."""
    parts = (("pybit", PYBIT), ("ccxt", CCXT), ("Any other client of Bybit's V5", ANYTHING_ELSE))
    shown = [f"{name}:\n" + "\n".join(f"  {line}" for line in text.splitlines()) for name, text in parts]
    return "\n\n".join(f"\b\n{part}" for part in shown)
