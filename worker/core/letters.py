"""Dead letters: what they are, why they died, and whether one may be sent again.

A letter is a message that had no id to answer to, or that kept killing workers: then an order for it may be at the
venue. Sending it again is safe as far as the pool can prove what became of it, because a message that says it was
replayed is treated like one delivered before: the venue is asked, and nothing is placed before an absence is proven.
That proof fails where nobody knows how old the signal is, where the venue forgets, and where it cannot be asked; there
a replay would end in a guess, and is refused unless somebody insists.
"""

from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from adapters.model import Absent, Ambiguous, Found, LookupFailed, Sighting
from worker.core.signals import Action, BadSignal, Signal, Unanswerable, read_signal
from worker.core.validity import CREATED_HEADER, LONGEST_VALIDITY_MS, published_ms, valid_until_ms

REASON_HEADER: Final = "beeline-reason"
ROUTING_KEY_HEADER: Final = "beeline-routing-key"
REPLAYED_HEADER: Final = "beeline-replayed"
HORIZON_MS: Final = 48 * 3_600_000.0
"""How far back every venue can be asked for sure: USD-M forgets what ended without a fill after three days."""

_BROKER_HEADERS: Final = (
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-acquired-count",
)
_WHY_THE_BROKER: Final = {
    "delivery_limit": "delivered too often, never answered",
    "expired": "expired in its queue",
    "maxlen": "its queue was full",
    "rejected": "rejected by a consumer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter. `published_ms` is when it says it was published, `died_ms` when the broker gave it up."""

    identity: str
    body: bytes = field(repr=False)
    routing_key: str
    headers: Mapping[str, Any]
    reason: str
    request: Signal | BadSignal | Unanswerable
    published_ms: float | None
    died_ms: float | None
    tag: int = 0


class Prospect(StrEnum):
    """What can be said of a replay."""

    SAFE = "safe"
    ASK = "ask"
    UNPROVEN = "unproven"
    POINTLESS = "pointless"


@dataclass(frozen=True, slots=True)
class Opinion:
    """A prospect, and why: the text ends a sentence that begins with the letter."""

    prospect: Prospect
    why: str


def read_letter(
    body: bytes,
    *,
    routing_key: str,
    headers: Mapping[str, Any],
    message_id: str | None,
    timestamp: datetime | None,
    tag: int = 0,
) -> Letter:
    """Read a dead letter as far as it can be read."""
    own_key = headers.get(ROUTING_KEY_HEADER)
    key = own_key if isinstance(own_key, str) else routing_key
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
    return Letter(
        identity=_identity(body, key, own_headers(headers), message_id, timestamp),
        body=body,
        routing_key=key,
        headers=headers,
        reason=_reason(headers.get(REASON_HEADER), death),
        request=read_signal(body, key),
        published_ms=published_ms(headers, timestamp),
        died_ms=_epoch_ms(death.get("time")),
        tag=tag,
    )


def own_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that the producer or Beeline gave a message, without those of the broker."""
    return {name: value for name, value in headers.items() if not name.startswith(_BROKER_HEADERS)}


def _identity(
    body: bytes, key: str, headers: Mapping[str, Any], message_id: str | None, timestamp: datetime | None
) -> str:
    """Name a letter by what it holds, so that a name means the same letter whatever else comes and goes."""
    parts = (key, sorted((name, str(value)) for name, value in headers.items()), message_id, timestamp)
    digest = blake2b(repr(parts).encode() + body, digest_size=5).digest()
    return b32encode(digest).decode().lower()


def _reason(said: object, death: Mapping[str, Any]) -> str:
    if isinstance(said, str) and said:
        return said
    cause = death.get("reason")
    if cause is None:
        return "nobody said why"
    queue = f" ({death['queue']})" if "queue" in death else ""
    return f"{_WHY_THE_BROKER.get(str(cause), cause)}{queue}"


def _epoch_ms(instant: object) -> float | None:
    if not isinstance(instant, datetime):
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000


# --- May it be sent again? -------------------------------------------------------------------------------------------


def consider(letter: Letter, now_ms: float) -> Opinion:
    """Say what can be said of a replay before the venue is asked."""
    signal = letter.request
    if isinstance(signal, Unanswerable):
        why = f"has no id to answer to ({signal.reason}): correct it where it comes from and send it as a new signal"
        return Opinion(Prospect.POINTLESS, why)
    if isinstance(signal, BadSignal):
        return Opinion(Prospect.SAFE, f"will be answered {signal.code}; nothing is ever sent for it")
    if signal.dry_run or signal.action is not Action.PLACE:
        return Opinion(Prospect.SAFE, "places nothing")
    if letter.published_ms is None:
        why = (
            "does not say when it was published, so how far back to ask is a guess; `beeline order "
            f"{signal.account} {signal.signal_id}` asks for its order"
        )
        return Opinion(Prospect.UNPROVEN, why)
    if now_ms - letter.published_ms > HORIZON_MS:
        hours = HORIZON_MS / 3_600_000
        return Opinion(
            Prospect.UNPROVEN, f"is older than the {hours:.0f} hours that every venue can be asked about"
        )
    return Opinion(Prospect.ASK, "may have been placed: the venue is asked first")


def conclude(letter: Letter, sighting: Sighting, now_ms: float, ttl_s: float) -> Opinion:
    """Say what the venue's answer makes of the replay of a placement."""
    signal = letter.request
    assert isinstance(signal, Signal)  # noqa: S101 - only placements are asked for
    match sighting:
        case Found(report=report):
            status = f", {report.venue_status}" if report.venue_status else ""
            return Opinion(
                Prospect.SAFE,
                f"was placed (order {report.venue_order_id}{status}): it is answered with what it became",
            )
        case Ambiguous(candidates=candidates):
            several = (
                f"{candidates} orders could be its own" if candidates > 1 else "one order may be its own"
            )
            return Opinion(Prospect.UNPROVEN, f"cannot be told apart at the venue: {several}")
        case LookupFailed(error=error):
            return Opinion(
                Prospect.UNPROVEN, f"cannot be asked for at the venue now: {error.code}. {error.hint}"
            )
        case Absent():
            left_s = (valid_until_ms(signal, letter.published_ms or 0.0, ttl_s) - now_ms) / 1000
            if left_s > 0:
                return Opinion(
                    Prospect.SAFE,
                    f"is not at the venue and valid for {left_s:.0f} s: it is placed once its absence is proven",
                )
            return Opinion(
                Prospect.SAFE, "is not at the venue and its validity is over: it is answered expired"
            )


def replayed_headers(letter: Letter, now_ms: float) -> dict[str, Any]:
    """Return the headers of a replay: marked as seen before, and dated, so that no second validity begins."""
    headers = own_headers(letter.headers)
    for name in (REASON_HEADER, ROUTING_KEY_HEADER):
        headers.pop(name, None)
    before = headers.get(REPLAYED_HEADER)
    headers[REPLAYED_HEADER] = before + 1 if isinstance(before, int) else 1
    if letter.published_ms is None:
        # It died after it was published. Without even that, it is as old as any valid signal can be.
        created_ms = letter.died_ms if letter.died_ms is not None else now_ms - LONGEST_VALIDITY_MS
        headers[CREATED_HEADER] = int(created_ms * 1000)
    return headers


def chosen(letters: Sequence[Letter], identities: Sequence[str]) -> tuple[list[Letter], list[str]]:
    """Pick letters by their names, one each; also return the names that no letter has."""
    by_name = {letter.identity: letter for letter in reversed(letters)}
    missing = [name for name in identities if name not in by_name]
    wanted = set(identities)
    return [
        letter for letter in letters if letter.identity in wanted and by_name[letter.identity] is letter
    ], missing
