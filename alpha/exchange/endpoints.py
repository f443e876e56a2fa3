from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

PAPER = "paper"
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where one environment is reached.

    `environment` is paper, demo, testnet or live. `public_url` is the whole URL of the public linear stream.
    """

    environment: str
    rest_url: str
    private_url: str
    public_url: str

    @property
    def is_paper(self) -> bool:
        return self.environment == PAPER


# https://bybit-exchange.github.io/docs/v5/ws/connect and /guide. Demo trading has no public stream of its own and uses
# the market data of the live exchange (https://bybit-exchange.github.io/docs/v5/demo).
LIVE_ENDPOINTS = Endpoints(
    environment="live",
    rest_url="https://api.bybit.com",
    private_url="wss://stream.bybit.com/v5/private",
    public_url="wss://stream.bybit.com/v5/public/linear",
)
TESTNET_ENDPOINTS = Endpoints(
    environment="testnet",
    rest_url="https://api-testnet.bybit.com",
    private_url="wss://stream-testnet.bybit.com/v5/private",
    public_url="wss://stream-testnet.bybit.com/v5/public/linear",
)
DEMO_ENDPOINTS = Endpoints(
    environment="demo",
    rest_url="https://api-demo.bybit.com",
    private_url="wss://stream-demo.bybit.com/v5/private",
    public_url="wss://stream.bybit.com/v5/public/linear",
)


def paper_endpoints(rest_url: str) -> Endpoints:
    """Endpoints of a paper exchange, which serves REST and both streams on one port.

    `rest_url` is its base, for example `http://127.0.0.1:8787`.
    """
    base = rest_url.rstrip("/")
    parts = urlsplit(base)
    stream = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return Endpoints(
        environment=PAPER,
        rest_url=base,
        private_url=f"{stream}/v5/private",
        public_url=f"{stream}/v5/public/linear",
    )


def is_loopback(url: str) -> bool:
    """Whether the URL points at this machine: no proxy of the environment may stand in between."""
    return urlsplit(url).hostname in _LOOPBACK_HOSTS
