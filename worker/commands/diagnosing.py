"""`beeline diagnose`: why a signature is wrong, and whether the clocks agree."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from adapters import diagnosis
from adapters.diagnosis import Diagnosis, SentRequest, UnreadableRequestError, read_request
from adapters.http import Transport
from adapters.known_mistakes import SPOT_KEY, Finding
from adapters.venues import discover
from worker.clock_sync import SystemClock
from worker.commands.options import examples, takes_settings
from worker.commands.shell import CommandError, Exit, output, run, stop, wants_json, write_json
from worker.gateway import Gateway
from worker.settings import Settings

EXAMPLES: Final = examples(
    'beeline diagnose "https://api.binance.com/api/v3/order?…&signature=…" --secret-file secret.txt',
    "pbpaste | beeline diagnose - --secret-file secret.txt        # a curl line, with its X-MBX-APIKEY header",
    'beeline diagnose "symbol=BTCUSDT&…&signature=…" --body "quantity=1"   # asks for the secret',
    "beeline diagnose --clock --venue binance                     # is this host's clock right",
)
ADVICE: Final = (
    "this host's wall clock is right",
    "this host's wall clock is off by half a second or more: repair NTP (chronyc tracking, timedatectl)",
    "this host's wall clock is off by a second or more; who stamps with it is refused: repair NTP (chronyc tracking)",
)


@takes_settings("recv_window_ms", "venue_timeout")
def diagnose(
    *,
    request: Annotated[
        str | None,
        typer.Argument(
            help="The request as it was sent: a URL, a curl line or a query; - reads it from stdin."
        ),
    ] = None,
    body: Annotated[str, typer.Option(help="The body, if it had one and is not in the curl line.")] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the secret or the PEM private key; without it you are asked."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the API key, if no header tells it.")
    ] = None,
    clock: Annotated[
        bool,
        typer.Option("--clock", help="Only compare clocks; this asks the venue, everything else is offline."),
    ] = False,
    venue: Annotated[str, typer.Option(help="Whose time --clock asks.")] = "binance",
    base_url: Annotated[
        str | None, typer.Option(help="Where --clock asks, if not at the live venue.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON; the default on a pipe.")] = False,
    settings: Settings,
) -> None:
    """Find out why a venue calls a signature wrong (-1022), offline: nothing is sent anywhere.

    The known mistakes are made one by one on the request that failed, until one gives the very signature that was sent.
    The secret is read from a file or asked for, never taken from the command line. Exit code 1 when something is wrong
    with the request, or when no known mistake explains its signature.
    """
    if clock:
        _compare_clocks(settings, venue, base_url, as_json=wants_json(asked=json))
        return
    sent = _sent(request, body, key_file)
    found = diagnosis.diagnose(sent, _secret(secret_file))
    if wants_json(asked=json):
        write_json(_document(found))
    else:
        _show(found)
    mistakes = [other for other in found.others if other is not SPOT_KEY]  # that one is only worth a thought
    raise typer.Exit(Exit.DONE if found.is_right and not mistakes else Exit.FAILED)


def _sent(request: str | None, body: str, key_file: Path | None) -> SentRequest:
    if request is None:
        stop(Exit.USAGE, 'give the request that failed: beeline diagnose "https://…&signature=…"')
    try:
        read = read_request(sys.stdin.read() if request == "-" else request, body)
    except UnreadableRequestError as error:
        stop(Exit.USAGE, str(error))
    return read.with_key(_read(key_file).strip()) if key_file else read


def _secret(file: Path | None) -> str:
    if file is not None:
        return _read(file)
    if not sys.stdin.isatty():
        stop(
            Exit.USAGE,
            "name the file with the secret: --secret-file; it is never taken from the command line",
        )
    return str(typer.prompt("secret", hide_input=True, err=True))


def _read(file: Path) -> str:
    """Read a file with every invisible character in it: one of them may be the mistake."""
    try:
        return file.read_bytes().decode()
    except OSError as error:
        stop(Exit.CONFIGURATION, f"{file} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        stop(Exit.CONFIGURATION, f"{file} is no text file; save it as UTF-8")


def _document(found: Diagnosis) -> dict[str, Any]:
    return {
        "signature_is_right": found.is_right,
        "explanation": _fields(found.explanation) if found.explanation else None,
        "others": [_fields(other) for other in found.others],
    }


def _fields(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "text": finding.text, "remedy": finding.remedy}


def _show(found: Diagnosis) -> None:
    if found.is_right:
        output.print("[green]The signature is right for this secret.[/]")
        if not found.others:
            output.print("If the venue refuses it all the same, the API key belongs to another secret.")
    elif found.explanation is None:
        output.print("[bold yellow]No known mistake explains this signature.[/]")
        output.print("Most likely it was made with another secret, or the request was copied incompletely.")
    for finding in (*([found.explanation] if found.explanation else []), *found.others):
        output.print(
            f"[bold red]{escape(finding.code)}[/]  {escape(finding.text)}\n  {escape(finding.remedy)}"
        )


# --- Clocks ---------------------------------------------------------------------------------------------------------


def _compare_clocks(settings: Settings, venue: str, base_url: str | None, *, as_json: bool) -> None:
    venues = discover()
    if venue not in venues:
        stop(Exit.USAGE, f"no venue is called {venue!r}; there are {', '.join(sorted(venues))}")
    report = run(_ask(settings, venue, (base_url or venues[venue].base_url).rstrip("/")))
    if as_json:
        write_json(report)
    else:
        output.print(
            f"{report['source']}: wall clock minus venue {report['wall_minus_venue_ms']:+.1f} ms "
            f"± {report['uncertainty_ms']:.1f} ms, round trip {report['round_trip_ms']:.1f} ms"
        )
        output.print(report["advice"])
    raise typer.Exit(Exit.FAILED if report["level"] else Exit.DONE)


async def _ask(settings: Settings, venue: str, base_url: str) -> dict[str, Any]:
    transport = Transport(settings.venue_timeout)
    try:
        gateway = Gateway(
            discover()[venue],
            base_url,
            transport,
            SystemClock(),
            recv_window_ms=settings.recv_window_ms,
            ip_share=1.0,
        )
        error = await gateway.clock.synchronise()
    finally:
        await transport.close()
    reading, drift_ms = gateway.clock.read(), gateway.clock.wall_drift_ms
    if error is not None or reading is None or drift_ms is None:
        code = error.code if error is not None else "unreachable"
        raise CommandError(Exit.VENUE, f"{venue} does not tell its time at {base_url}: {code}")
    return {
        "source": gateway.clock.source,
        "wall_minus_venue_ms": round(drift_ms, 1),
        "uncertainty_ms": round(reading.uncertainty_ms, 1),
        "round_trip_ms": round(gateway.clock.offset.round_trip_ms or 0.0, 1),
        "level": gateway.clock.wall_level,
        "advice": ADVICE[gateway.clock.wall_level],
    }
