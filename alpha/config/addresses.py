"""Where an account is reached: the preset of its mode, changed by what bots.yaml says."""

from __future__ import annotations

from dataclasses import replace

from alpha.config.modes import Mode, account_mode, check_trading_url
from alpha.config.registry import AccountConfig
from alpha.config.settings import Settings
from alpha.exchange.endpoints import (
    DEMO_ENDPOINTS,
    LIVE_ENDPOINTS,
    TESTNET_ENDPOINTS,
    Endpoints,
    paper_endpoints,
)

_PRESETS = {Mode.DEMO: DEMO_ENDPOINTS, Mode.TESTNET: TESTNET_ENDPOINTS, Mode.LIVE: LIVE_ENDPOINTS}


def endpoints(account: AccountConfig, settings: Settings) -> Endpoints:
    """The URLs of an account. Raises ConfigError when mode and URLs disagree (see `alpha.config.modes`)."""
    mode = account_mode(account.name, account.mode, settings.alpha_mode, settings.alpha_live_accounts)
    preset = paper_endpoints(settings.alpha_paper_url) if mode is Mode.PAPER else _PRESETS[mode]
    chosen = replace(
        preset,
        rest_url=account.rest_url or preset.rest_url,
        private_url=account.private_url or preset.private_url,
        public_url=account.public_url or preset.public_url,
    )
    # Not the public URL: nobody trades on it, and demo trading uses the live exchange's market data.
    check_trading_url(account.name, "rest_url", chosen.rest_url, mode)
    check_trading_url(account.name, "private_url", chosen.private_url, mode)
    return chosen
