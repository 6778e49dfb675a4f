"""`otelscore doctor`: sends test runs the way that agents' spans go, and says where they are stuck."""

from __future__ import annotations

import os
import sys

import click

from otelscore.cli.options import token_file
from otelscore.config import SETTINGS

_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


@click.command(short_help="Find out why nothing shows up: send test runs and watch for them.")
@click.argument("endpoint", required=False)
@click.option(
    "--metrics",
    metavar="URL",
    default=f"http://{_DEFAULTS['metrics.endpoint']}",
    show_default=True,
    help="The metrics address of the otelscore that should get the runs.",
)
@click.option(
    "--wait",
    type=click.FloatRange(1),
    default=60,
    show_default=True,
    help="Seconds that the runs may take to show up; longer than root_grace, and than a tail sampler decides.",
)
@token_file
def doctor(endpoint: str | None, metrics: str, wait: float, token: str) -> None:
    """Send test runs to ENDPOINT with OpenTelemetry's own exporter, watch for them in otelscore's metrics, and say what
    is wrong where they do not come: port, TLS, credentials, clock, filters, sampling. It also says what otelscore has
    made so far of the spans of others: dialects, refusals. ENDPOINT is what your agents send
    to, a Collector or otelscore itself: a URL, or host:port for gRPC without TLS.

    Run it where an agent runs, with the agent's OTEL_EXPORTER_OTLP_* variables: endpoint, protocol, headers and
    certificates are taken from them. Where the metrics address is https://, SSL_CERT_FILE names the authority that
    signed its certificate. The test runs come into no figure about agents. Ends with 1 where something is wrong.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would say, the doctor says in plain words
    from otelscore.checkup.checks import examine
    from otelscore.checkup.probe import endpoint_of

    try:
        target = endpoint_of(endpoint, f"http://{_DEFAULTS['grpc.endpoint']}", os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    address = (metrics if "://" in metrics else f"http://{metrics}").rstrip("/").removesuffix("/metrics")
    well = True
    for check in examine(target, address, wait, token):
        well &= check.well
        mark = "✗" if not check.well else "!" if check.remedy else "✓"
        click.echo(f"{mark} {check.found}")
        if check.remedy:
            click.echo(f"  {check.remedy}")
    if not well:
        sys.exit(1)
