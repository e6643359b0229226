"""The fields of a signal as options, taken from the model that reads signals: a new field is a new option."""

import inspect
import re
import time
from collections.abc import Callable
from functools import wraps
from types import UnionType
from typing import Annotated, Any, Final, get_args, get_origin

import typer

from worker.core.signals import SignalV1

PANEL: Final = "Signal"
HELP: Final = {
    "signal_id": "Its id, unique per account and never used again. Default: a new one.",
    "account": "The account that trades; also the routing key.",
    "action": "place (default), cancel or cancel_all.",
    "symbol": "BTC/USDT or BTCUSDT, either case.",
    "side": "buy or sell.",
    "type": "market, limit, limit_maker, stop_loss, stop_loss_limit, take_profit, take_profit_limit, trailing_stop.",
    "quantity": "Amount in base units, such as 0.01.",
    "quote_quantity": "Amount in quote units, instead of --quantity.",
    "price": "Price of a limit order.",
    "stop_price": "Price that triggers a stop or take-profit order.",
    "trailing_delta": "Distance of a trailing stop, in basis points.",
    "time_in_force": "gtc (default for limits), ioc, fok or gtd.",
    "cancels": "The signal id of the order to cancel.",
    "valid_until": "Nothing is sent after it: RFC 3339, epoch milliseconds, or from now on: 20s, 5m.",
    "dry_run": "Check it against the venue's rules, place nothing.",
    "reduce_only": "Futures: only make a position smaller.",
    "close_position": "Futures: close the whole position.",
    "position_side": "Futures: both, long or short.",
}
_SPAN: Final = re.compile(r"\+?(\d{1,9})(ms|s|m)", re.ASCII)
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000}


def takes_signal_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every field of a signal as an option; its parameter `fields` gets those that were given."""

    @wraps(command)
    def with_fields(**given: Any) -> None:
        values = {name: given.pop(name) for name in SignalV1.model_fields}
        fields = {name: value for name, value in values.items() if value not in (None, False)}
        command(**given, fields=fields)

    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != "fields"]
    parameters = [*own, *map(_parameter, SignalV1.model_fields)]
    with_fields.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
    with_fields.__annotations__ = {parameter.name: parameter.annotation for parameter in own}
    return with_fields


def read_valid_until(text: str, now_ms: float | None = None) -> str | int:
    """Turn epoch milliseconds or a span from now into epoch milliseconds; anything else is left to the model."""
    if text.isascii() and text.isdigit():
        return int(text)
    span = _SPAN.fullmatch(text)
    if span is None:
        return text
    now_ms = time.time_ns() / 1e6 if now_ms is None else now_ms
    return round(now_ms + int(span[1]) * _UNIT_MS[span[2]])


def _parameter(name: str) -> inspect.Parameter:
    kind = _kind(SignalV1.model_fields[name].annotation)
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=HELP[name],
        rich_help_panel=PANEL,
        show_default=False,
        metavar=None if kind is bool else "TEXT",
    )
    annotation = Annotated[bool, option] if kind is bool else Annotated[str | None, option]
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if kind is bool else None,
        annotation=annotation,
    )


def _kind(annotation: Any) -> Any:
    """The type of a field without its `None`."""
    if get_origin(annotation) is UnionType or type(None) in get_args(annotation):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation
