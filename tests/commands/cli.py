"""Runs `beeline` in this process."""

from typer.testing import CliRunner, Result

from worker.cli import app

NO_BROKER = "amqp://guest:hidden-word@127.0.0.1:1/"


def beeline(*arguments: str, stdin: str | bytes | None = None, **settings: str) -> Result:
    """Run a command; `settings` become `BEELINE_…` variables."""
    environment = {"COLUMNS": "80"} | {f"BEELINE_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)
