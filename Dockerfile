# One target per service: the core, the service's own folder, and of requirements.lock only what these import.
#
#     docker compose -f docker-compose.production.yml build shortseller
#
# Each target copies its own folder last, so an edit of what is not compiled makes no other image anew as long as the
# build cache is kept.

FROM python:3.11-slim AS locked
WORKDIR /locked
COPY requirements.lock deploy/locked.py ./
RUN python locked.py requirements.lock \
        msgspec mypy-extensions orjson prometheus-client psycopg2-binary pybit pydantic pydantic-settings python-dotenv \
        pyyaml redis requests structlog websockets > core.txt \
 && python locked.py requirements.lock aiohttp click httptools numpy uvloop > paper_exchange.txt \
 && python locked.py requirements.lock apscheduler click rich > trade_sync_service.txt \
 && python locked.py requirements.lock \
        aiohttp aiolimiter click docker matplotlib numpy python-telegram-bot rich uvloop > telegram_manager.txt \
 && python locked.py requirements.lock aiohttp > docker_proxy.txt \
 && python locked.py requirements.lock apscheduler fsspec pyrage > postgres_backup.txt \
 && python locked.py requirements.lock \
        mypy setuptools types-psycopg2 types-pyyaml types-requests > compiler.txt

# The programs are of this stage, what they make is copied: pip is in no image.
FROM python:3.11-slim AS packages
ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_DEPS=1 PIP_REQUIRE_HASHES=1 PIP_CACHE_DIR=/var/cache/pip \
    PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
COPY --from=locked /locked/core.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/core.txt && pip check

FROM packages AS packages-paper_exchange
COPY --from=locked /locked/paper_exchange.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/paper_exchange.txt && pip check

FROM packages AS packages-trade_sync_service
COPY --from=locked /locked/trade_sync_service.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/trade_sync_service.txt && pip check

FROM packages AS packages-telegram_manager
COPY --from=locked /locked/telegram_manager.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/telegram_manager.txt && pip check

FROM packages AS packages-docker_proxy
COPY --from=locked /locked/docker_proxy.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/docker_proxy.txt && pip check

# The inner loops as machine code beside their source, which stays for tracebacks and for other Pythons.
FROM packages-paper_exchange AS compiled
RUN apt-get -qq update \
 && apt-get -qq install --yes --no-install-recommends gcc libc6-dev > /dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY --from=locked /locked/compiler.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip pip install -r /locked/compiler.txt
WORKDIR /app
COPY setup.py pyproject.toml ./
COPY alpha alpha
COPY paper_exchange paper_exchange
COPY websocket_listener websocket_listener
RUN touch README.md && ALPHA_COMPILE=1 /opt/venv/bin/python setup.py --quiet build_ext --inplace

# The core: without the commands and the supervisor, which start anything and need everything.
FROM python:3.11-slim AS core
COPY --from=compiled /app/alpha /app/alpha
RUN rm -rf /app/alpha/local /app/alpha/commands /app/alpha/cli.py \
 && python -m compileall -q --invalidation-mode unchecked-hash /app

FROM python:3.11-slim AS runtime
# The folder of a volume is as this one is: whoever the services run as (ALPHA_UID) can write to it.
RUN groupadd --gid 10001 alpha \
 && useradd --uid 10001 --gid alpha --no-create-home --home-dir /tmp --shell /usr/sbin/nologin alpha \
 && install -d -m 1777 /data
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ALPHA_ENV_FILE="" ALPHA_BOTS_FILE=/app/bots.yaml ALPHA_HOME=/data LOG_FORMAT=json HEALTH_HOST=0.0.0.0
WORKDIR /app
USER 10001:10001

FROM runtime AS service
COPY --from=packages /opt/venv /opt/venv
COPY --from=core /app /app

FROM service AS migrate
COPY database /app/database
CMD ["python", "-m", "database.migrate"]

FROM service AS exporter
CMD ["python", "-m", "alpha.metrics.exporter"]

FROM service AS websocket_listener
COPY --from=compiled /app/websocket_listener /app/websocket_listener
CMD ["python", "-m", "websocket_listener"]

FROM service AS shortseller
COPY strategies/__init__.py /app/strategies/
COPY strategies/shortseller /app/strategies/shortseller
CMD ["python", "-m", "alpha.bot", "shortseller_001"]

FROM service AS lxalgo
COPY strategies/__init__.py /app/strategies/
COPY strategies/lxalgo /app/strategies/lxalgo
CMD ["python", "-m", "alpha.bot", "lxalgo_001"]

FROM service AS momentum
COPY strategies/__init__.py /app/strategies/
COPY strategies/momentum /app/strategies/momentum
CMD ["python", "-m", "alpha.bot", "momentum_001"]

FROM service AS canary
COPY strategies/__init__.py /app/strategies/
COPY strategies/canary /app/strategies/canary
CMD ["python", "-m", "alpha.bot", "canary_001"]

FROM runtime AS paper_exchange
COPY --from=packages-paper_exchange /opt/venv /opt/venv
COPY --from=core /app /app
COPY --from=compiled /app/paper_exchange /app/paper_exchange
CMD ["python", "-m", "paper_exchange", "--help"]

FROM runtime AS trade_sync_service
COPY --from=packages-trade_sync_service /opt/venv /opt/venv
COPY --from=core /app /app
COPY trade_sync_service /app/trade_sync_service
CMD ["python", "-m", "trade_sync_service"]

FROM runtime AS telegram_manager
COPY --from=packages-telegram_manager /opt/venv /opt/venv
COPY --from=core /app /app
# /rehearse kills a bot on a paper exchange of its own, started as a process of its own.
COPY --from=compiled /app/paper_exchange /app/paper_exchange
COPY telegram_manager /app/telegram_manager
CMD ["python", "-m", "telegram_manager"]

FROM runtime AS docker_proxy
COPY --from=packages-docker_proxy /opt/venv /opt/venv
COPY --from=core /app /app
COPY telegram_manager/__init__.py /app/telegram_manager/
COPY telegram_manager/docker_proxy /app/telegram_manager/docker_proxy
CMD ["python", "-m", "telegram_manager.docker_proxy"]

# pg_dump has to be of the server's own major, so this one begins with the server's image, and with the Python that its
# Debian has.
FROM postgres:17 AS postgres_backup
RUN apt-get -qq update \
 && apt-get -qq install --yes --no-install-recommends python3 python3-venv > /dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY --from=locked /locked/core.txt /locked/postgres_backup.txt /locked/
RUN --mount=type=cache,target=/var/cache/pip \
    python3 -m venv /opt/venv \
 && PIP_CACHE_DIR=/var/cache/pip /opt/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r /locked/core.txt \
        -r /locked/postgres_backup.txt \
 && /opt/venv/bin/pip uninstall --quiet --yes pip
ENV PATH=/opt/venv/bin:/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ALPHA_ENV_FILE="" ALPHA_BOTS_FILE=/app/bots.yaml ALPHA_HOME=/data LOG_FORMAT=json HEALTH_HOST=0.0.0.0
WORKDIR /app
COPY --from=core /app/alpha /app/alpha
COPY database /app/database
USER 10001:10001
ENTRYPOINT []
CMD ["python", "-m", "database.backup"]
