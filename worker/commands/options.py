"""Settings as options: one declaration, in `worker/settings.py`, for the variable, the option and its help.

A command names the settings it uses and is called with the `Settings` they add up to: what the command line gives
wins over the environment, which wins over the default. Values are checked in one place too, by the model.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, get_args

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rich.markup import escape

from worker.commands.shell import Exit, stop
from worker.settings import PREFIX, Settings, SettingsError, load_settings

PANEL: Final = "Settings, each a variable too: --amqp-url is BEELINE_AMQP_URL"
CONNECTION: Final = ("amqp_url", "namespace")


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the named settings as options; its parameter `settings` is then filled in."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_settings(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in names}
            command(**given, settings=settings_from(**chosen))

        signature = inspect.signature(command)
        own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
        with_settings.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by typer
            parameters=[*own, *map(_parameter, names)]
        )
        with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in own}
        return with_settings

    return decorate


def settings_from(**options: str | None) -> Settings:
    """Read the settings, ending the command when one is wrong."""
    try:
        return load_settings(**options)
    except SettingsError as error:
        _refuse(str(error), options)


def _refuse(text: str, options: Mapping[str, str | None]) -> NoReturn:
    """End the command; what was wrong on the command line is named by its option, the rest by its variable."""
    given = {f"{PREFIX}{name.upper()}": _flag(name) for name, value in options.items() if value is not None}
    wrong = [variable for variable in given if f"{variable}:" in text]
    for variable in wrong:
        text = text.replace(f"{variable}:", f"{given[variable]}:")
    stop(Exit.USAGE if wrong else Exit.CONFIGURATION, text)


def examples(*lines: str) -> str:
    """Write the examples of a help text: commands, each on a line of its own."""
    return "\n".join(["[bold]Examples[/]", *(f"  {_highlight(line)}" for line in lines)])


def _highlight(line: str) -> str:
    command, hash_sign, comment = line.partition("  #")
    return f"[cyan]{escape(command)}[/][dim]{escape(hash_sign + comment)}[/]"


def paragraphs(command: Callable[..., None]) -> str:
    """Return a command's docstring with the lines of each paragraph joined, so that terminals of any width wrap it."""
    text = inspect.getdoc(command) or ""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parameter(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    option = typer.Option(
        _flag(name),
        help=f"{_help(field)}{_default(field)}",
        metavar=_metavar(field),
        rich_help_panel=PANEL,
        show_default=False,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    choices = get_args(field.annotation)
    named = f": {', '.join(map(str, choices))}" if choices else ""
    return f"{text[:1].upper()}{text[1:]}{named}."


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined or default is None:
        return ""
    # The URL's default is no secret: it is the broker's own for connections from the same machine.
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    return f" [dim]\\[{escape(str(value))}][/]"


def _metavar(field: FieldInfo) -> str:
    if field.annotation is int:
        return "INTEGER"
    if field.annotation is float:
        return "NUMBER"
    if field.annotation in (Path, Path | None):
        return "PATH"
    return "TEXT"
