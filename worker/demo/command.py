"""`beeline demo`."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import SecretStr

from worker.commands.options import examples, takes_settings
from worker.commands.shell import CommandError, Exit, errors, output, run, write_json
from worker.demo.play import play
from worker.demo.report import Plan, Report
from worker.demo.screen import LiveScreen, PlainScreen
from worker.demo.summary import summary
from worker.settings import Settings

BROKER_SCRIPT: Final = Path(__file__).parents[2] / "deploy" / "broker.sh"
EXAMPLES: Final = examples(
    "beeline demo",
    "beeline demo --signals 2000 --rate 60 --workers 3 --seed 11",
    "beeline demo --no-faults --no-crash    # how fast it is when nothing breaks",
    "beeline demo --json | jq .latency_ms",
)


@takes_settings("amqp_url")
def demo(
    *,
    signals: Annotated[int, typer.Option(min=1, max=100_000, help="How many signals to publish.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="What is drawn follows from it.")] = 7,
    workers: Annotated[int, typer.Option(min=1, max=16, help="How many worker processes.")] = 2,
    rate: Annotated[float, typer.Option(min=0.1, help="Signals published per second.")] = 25.0,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Let the exchange drop, delay and garble replies.")
    ] = True,
    crash: Annotated[
        bool, typer.Option("--crash/--no-crash", help="Kill a worker half-way; needs two of them.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Write the summary as JSON.")] = False,
    settings: Settings,
) -> None:
    """Stream signals through a whole pool against a simulated exchange, and prove the promise from its ledger.

    Uses the broker it is given or finds, in a namespace of its own that is deleted again. Exit code 1 when a signal was
    lost or doubled, or an outcome is not what the exchange's ledger says.
    """
    plan = Plan(
        signals=signals, seed=seed, workers=workers, rate=rate, faults=faults, crash=crash and workers > 1
    )
    report = run(_demo(settings, plan, as_json=json))
    if json:
        write_json(report.document(), indent=True)
    else:
        output.print(summary(report))
    if not report.verdict.is_kept:
        raise typer.Exit(Exit.FAILED)


async def _demo(settings: Settings, plan: Plan, *, as_json: bool) -> Report:
    if "amqp_url" not in settings.model_fields_set and BROKER_SCRIPT.exists():
        url = await _find_broker()
        settings = settings.model_copy(update={"amqp_url": SecretStr(url)})
    console = errors if as_json else output
    screen = LiveScreen(console) if console.is_terminal else PlainScreen(console)
    return await play(settings, plan, screen)


async def _find_broker() -> str:
    """Let the script beside the package find a broker or start one; it says on standard error what it does."""
    process = await asyncio.create_subprocess_exec(
        BROKER_SCRIPT, "up", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise CommandError(
            Exit.BROKER, "no broker was found and none could be started, see above; or set BEELINE_AMQP_URL"
        )
    return printed.decode().strip()
