"""`alpha healthcheck`: whether one process says that it is well."""

from __future__ import annotations

import click

from alpha.commands.shape import FAILED, example, one_line


@click.command(
    epilog=example("alpha healthcheck listener", "alpha healthcheck shortseller_001", "alpha healthcheck --port 9100")
)
@click.argument("service", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="Ask this port of this machine.")
@one_line
def healthcheck(service: str | None, port: int | None) -> int:
    """Asks /healthz of a process of the platform that runs here, and prints the answer. Exit code 1: not well.

    In a container the same is asked by `python -m alpha.service.probe PORT`.
    """
    from alpha.service.probe import ask

    if (service is None) == (port is None):
        raise click.UsageError("whom to ask? Name a process, or give --port")
    well, says = ask(port if port is not None else _port_of(str(service)))
    click.echo(says)
    return 0 if well else FAILED


def _port_of(service: str) -> int:
    from alpha.config import ConfigError, load_settings
    from alpha.local.attach import running_platform

    ports = running_platform(load_settings().alpha_home).ports
    if service not in ports:
        raise ConfigError(f"no process {service} with a port runs here; there are: {', '.join(sorted(ports))}")
    return ports[service]
