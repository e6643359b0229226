"""How outcomes look on a terminal: one aligned line each when they are followed, a block when one was waited for."""

from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.core.outcome import Status

STYLES: Final[dict[str, str]] = {
    Status.FILLED: "bold green",
    Status.PARTIALLY_FILLED: "green",
    Status.RESTING: "cyan",
    Status.CANCELLED: "blue",
    Status.VALIDATED: "green",
    Status.UNFILLED: "yellow",
    Status.EXPIRED: "yellow",
    Status.REJECTED: "red",
    Status.UNKNOWN: "bold white on red",
}
SUCCESSES: Final = frozenset(
    {Status.FILLED, Status.PARTIALLY_FILLED, Status.RESTING, Status.CANCELLED, Status.VALIDATED}
)
COLUMNS: Final = (("time", 8), ("account", 14), ("symbol", 10), ("what", 28), ("status", 16), ("took", 9))
GAP: Final = "  "


def is_success(outcome: dict[str, Any]) -> bool:
    """Tell whether a signal ended the way it was meant to."""
    return outcome["status"] in SUCCESSES


def heading() -> Text:
    """The first line above followed outcomes."""
    names = [name.ljust(width) for name, width in COLUMNS]
    return Text(GAP.join([*names, "result"]), style="dim bold")


def row(outcome: dict[str, Any]) -> Text:
    """One outcome on one line."""
    line = Text()
    cells = {
        "time": Text(_clock_time(outcome["settled_at"]), style="dim"),
        "account": Text(outcome["account"]),
        "symbol": Text(outcome["symbol"] or "-"),
        "what": Text(_what(outcome)),
        "status": Text(outcome["status"], style=STYLES.get(outcome["status"], "")),
        "took": Text(_duration(outcome["latency_ms"]["total"]), justify="right"),
    }
    for name, width in COLUMNS:
        cell = cells[name]
        cell.truncate(width, overflow="ellipsis", pad=name != "took")
        if name == "took":
            line.append(" " * (width - cell.cell_len))
        line.append_text(cell).append(GAP)
    return line.append_text(_result(outcome))


def block(outcome: dict[str, Any]) -> RenderableType:
    """One outcome in full, for whoever waited for it."""
    status, error = outcome["status"], outcome["error"]
    title = Text(status, style=STYLES.get(status, ""))
    title.append(f"  {_what(outcome)} {outcome['symbol'] or ''}", "default not bold")
    venue = f" at {outcome['venue']}" if outcome["venue"] else ""
    title.append(f"  {outcome['account']}{venue}", "dim default not bold")
    facts = {
        "executed": _executed(outcome),
        "cancelled": _swept(outcome),
        "error": error and _error(error),
        "what to do": error and error["hint"],
        "signal": outcome["signal_id"],
        "order": _identities(outcome),
        "took": _phases(outcome["latency_ms"], outcome["attempts"], outcome["lookups"]),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact:
            table.add_row(f"  {name}", Text(fact))
    return Group(title, table)


def _what(outcome: dict[str, Any]) -> str:
    order = outcome["order"]
    if outcome["action"] != "place" or order is None:
        return outcome["action"] or "?"
    words = [order["side"], order["quantity"] or order["executed_quantity"], order["type"]]
    if order["price"] is not None:
        words.append(f"@ {order['price']}")
    return " ".join(word for word in words if word)


def _result(outcome: dict[str, Any]) -> Text:
    error = outcome["error"]
    if error is not None:
        detail = error["venue_message"] or error["hint"]
        return Text(error["code"], style="red").append(f"  {detail}", "dim")
    return Text(_executed(outcome) or _swept(outcome) or "")


def _executed(outcome: dict[str, Any]) -> str | None:
    order = outcome["order"]
    if order is None or not order["average_price"]:
        return None
    return f"{_short(order['executed_quantity'])} at {_short(order['average_price'])}"


def _swept(outcome: dict[str, Any]) -> str | None:
    orders = outcome.get("orders")
    return None if orders is None else f"{len(orders)} order{'' if len(orders) == 1 else 's'}"


def _error(error: dict[str, Any]) -> str:
    venue = [str(part) for part in (error["venue_code"], error["venue_message"]) if part is not None]
    http = f" (HTTP {error['http_status']})" if error["http_status"] not in (None, 200) else ""
    return " ".join([error["code"], *([f"- the venue said: {' '.join(venue)}"] if venue else [])]) + http


def _identities(outcome: dict[str, Any]) -> str:
    known = (outcome["client_order_id"], outcome["venue_order_id"])
    return " / ".join(identity for identity in known if identity)


def _phases(latency: dict[str, float], attempts: int, lookups: int) -> str:
    phases = ", ".join(
        f"{name} {_duration(latency[name])}"
        for name in ("queue", "limiter", "venue", "resolve")
        if latency[name]
    )
    counts = f"{attempts} attempt{'' if attempts == 1 else 's'}" + (
        f", {lookups} look-ups" if lookups else ""
    )
    return f"{_duration(latency['total'])}, {counts}" + (f" ({phases})" if phases else "")


def _short(number: str) -> str:
    """Drop the zeros that a computed price ends with."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _clock_time(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone().strftime("%H:%M:%S")
