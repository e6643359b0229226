"""What `docs/messages.md` is made of: the fields of both messages from their schemas, with examples."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from worker.commands.samples import SIGNALS, Sample, outcomes

Json = Mapping[str, Any]

INTRO: Final = """\
What goes in and what comes out, version 1. The same as JSON Schemas: [signal.schema.json](signal.schema.json),
[outcome.schema.json](outcome.schema.json); as AsyncAPI 3: [asyncapi.json](asyncapi.json); from the command:
`beeline schema`. Complete producers: [producer.py](examples/producer.py), [producer.mjs](examples/producer.mjs).
For the names of another namespace, replace `beeline`."""

SIGNAL: Final = """\
Publish to the exchange `beeline.signals` with the account's name as routing key, **persistent, mandatory and with
confirms**, and wait for the confirm. If it does not come, publish the same message again: a `signal_id` is
executed once, and its outcome is sent again. Never use an id for two orders; the same id with another content is
answered `signal_id_conflict`.

Decimals are JSON strings (or numbers without an exponent) and are taken as they are written; nothing is rounded.
Unknown fields are refused by name. A message is at most 64 KiB."""

PROPERTIES: Final = (
    ("`delivery_mode`", "2, persistent"),
    ("`content_type`", "`application/json`"),
    (
        "header `created_at_us`",
        "when the signal was made, microseconds since 1970: its validity starts then",
    ),
    (
        "`timestamp`",
        "the same in seconds, where that header is missing; without both, validity starts with the first receipt",
    ),
    ("header `traceparent`", "W3C trace context; the outcome carries the same trace"),
    ("`reply_to`", "a queue that gets a copy of the outcome"),
)

OUTCOME: Final = """\
Read the queue `beeline.outcomes`, or bind a queue of your own to the topic exchange `beeline.outcomes`; the
routing key is `<shard>.<account>.<status>`, for instance `*.main.filled`. Each signal has one outcome, and each
outcome may come more than once: compare `outcome_id`. A higher `revision` corrects what was `unknown`.
`error.code` is a word of [errors.md](errors.md) that stays; texts may change. New fields may be added: pass over
what you do not know."""

OUTCOME_PROPERTIES: Final = (
    ("`type`", "`outcome.v1`"),
    ("`correlation_id`", "the `signal_id`, where it fits"),
    ("`message_id`", "fresh for each publish"),
    ("header `traceparent`", "of the signal"),
)


def fields(schema: Json, part: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, whether it is required, and meaning of every field of a schema or one of its parts."""
    body = schema["$defs"][part] if part else schema
    for name, field in body["properties"].items():
        required = "yes" if name in body.get("required", ()) else ""
        yield f"`{name}`", " or ".join(_types(field, schema)), required, field.get("description", "")


def _types(field: Json, schema: Json) -> Iterator[str]:
    """The types a field may have, in words; null goes without saying where a field is not required."""
    if "anyOf" in field:
        for choice in field["anyOf"]:
            if choice.get("type") != "null" or "default" not in field:
                yield from _types(choice, schema)
    elif "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        target = schema["$defs"][name]
        yield (
            ", ".join(f"`{value}`" for value in target["enum"])
            if "enum" in target
            else f"[{name}](#{name.lower()})"
        )
    elif field.get("type") == "array":
        yield "list of " + " or ".join(_types(field["items"], schema))
    elif "const" in field:
        yield f"`{field['const']}`"
    else:
        kind = str(field.get("type", "any"))
        yield f"{kind}, {field['format']}" if "format" in field else kind


def parts(schema: Json) -> Iterator[str]:
    """Names of the parts of a schema that have fields of their own."""
    return (name for name, part in schema["$defs"].items() if "properties" in part)


def examples() -> tuple[str, str]:
    """The examples of both messages, as Markdown."""
    return _blocks(SIGNALS), _blocks(outcomes())


def _blocks(samples: tuple[Sample, ...]) -> str:
    return "\n\n".join(
        f"{sample.summary}:\n\n```json\n{orjson.dumps(sample.payload, option=orjson.OPT_INDENT_2).decode()}\n```"
        for sample in samples
    )
