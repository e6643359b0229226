"""The AsyncAPI 3 document of Beeline: its channels on the broker, and both messages as the code has them.

Queue arguments that the AMQP bindings cannot express stand under `x-rabbitmq`, from the topology itself.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from worker.commands.samples import SIGNALS, Sample, outcomes
from worker.commands.schemas import outcome_schema, signal_schema
from worker.core.outcome import MESSAGE_TYPE, Status
from worker.core.shards import Names
from worker.topology import queue_arguments

Json = dict[str, Any]

NAMES: Final = Names()
OWN: Final = "#/$defs/"
SHARED: Final = "#/components/schemas/"
TRACE: Final = {
    "type": "string",
    "description": "W3C trace context of the signal; its outcome carries it too",
    "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
}


def asyncapi() -> Json:
    """Return the document, for the default namespace."""
    signal, outcome = signal_schema(), outcome_schema()
    schemas: Json = {**signal.pop("$defs"), **outcome.pop("$defs")}
    for schema in (signal, outcome):
        schema.pop("$schema")
    document = {
        "asyncapi": "3.0.0",
        "id": "urn:beeline",
        "info": {
            "title": "Beeline",
            "version": version("beeline-worker"),
            "description": (
                "Trade signals go in, and each ends in exactly one outcome. Publish signals persistent and mandatory, "
                "with confirms, and wait for the confirm: only then has the broker got it."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "broker:5671", "protocol": "amqps", "description": "RabbitMQ"}},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {
                "signal": _signal(),
                "outcome": _outcome(),
                "deadLetter": _dead_letter(),
            },
            "schemas": {"Signal": signal, "Outcome": outcome, **schemas},
        },
    }
    shared: Json = _with_shared_schemas(document)
    return shared


def _with_shared_schemas(part: Any) -> Any:
    """Point references at the one place where the document has its schemas."""
    if isinstance(part, dict):
        return {
            name: value.replace(OWN, SHARED)
            if name == "$ref" and isinstance(value, str)
            else _with_shared_schemas(value)
            for name, value in part.items()
        }
    return [_with_shared_schemas(item) for item in part] if isinstance(part, list) else part


# --- Channels ---------------------------------------------------------------------------------------------------------


def _channels() -> Json:
    account = {"description": "name of the account, as in the signal"}
    statuses = [status.value for status in Status]
    return {
        "signals": {
            "address": "{account}",
            "title": "Signals",
            "description": f"Published to the exchange {NAMES.signals}, with the account as routing key.",
            "parameters": {"account": account},
            "messages": {"signal": {"$ref": "#/components/messages/signal"}},
            "bindings": _exchange(NAMES.signals, "direct"),
        },
        "outcomes": {
            "address": "{shard}.{account}.{status}",
            "title": "Outcomes",
            "description": f"Bind a queue of your own to {NAMES.outcomes}, for the accounts and statuses you want.",
            "parameters": {
                "shard": {"description": "zero-padded number, or `unrouted` for accounts nobody configured"},
                "account": account,
                "status": {"enum": statuses},
            },
            "messages": {"outcome": {"$ref": "#/components/messages/outcome"}},
            "bindings": _exchange(NAMES.outcomes, "topic"),
        },
        "outcomesQueue": _queue(NAMES.outcomes, "outcome", "Every outcome, kept until somebody takes it."),
        "deadLetters": _queue(NAMES.dead, "deadLetter", "What could not be answered."),
    }


def _exchange(name: str, kind: str) -> Json:
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False, "vhost": "/"}
    return {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}}


def _queue(name: str, message: str, description: str) -> Json:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"}
    return {
        "address": name,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
        "x-rabbitmq": {"arguments": queue_arguments(NAMES)[name]},
    }


def _operations() -> Json:
    sending = {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}}
    return {
        "takeSignal": {
            "action": "receive",
            "channel": {"$ref": "#/channels/signals"},
            "summary": "Beeline takes a signal, executes it, and acknowledges it after its outcome is confirmed.",
        },
        "publishOutcome": {
            "action": "send",
            "channel": {"$ref": "#/channels/outcomes"},
            "summary": "Beeline answers each signal once. All copies of an outcome carry the same outcome_id.",
            "bindings": sending,
        },
        "buryMessage": {
            "action": "send",
            "channel": {"$ref": "#/channels/deadLetters"},
            "summary": "Beeline moves a message without an id to answer to out of the way.",
            "bindings": sending,
        },
    }


# --- Messages ---------------------------------------------------------------------------------------------------------


def _examples(samples: Iterable[Sample]) -> list[Json]:
    return [{"name": sample.name, "summary": sample.summary, "payload": sample.payload} for sample in samples]


def _signal() -> Json:
    headers = {
        "created_at_us": {
            "type": "integer",
            "description": "when the signal was made, microseconds since 1970: its validity starts then",
        },
        "traceparent": TRACE,
    }
    return {
        "name": "signal",
        "title": "Signal, version 1",
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers},
        "payload": {"$ref": f"{SHARED}Signal"},
        "correlationId": {
            "location": "$message.payload#/signal_id",
            "description": "the idempotency key",
        },
        "examples": _examples(SIGNALS),
    }


def _outcome() -> Json:
    return {
        "name": "outcome",
        "title": "Outcome, version 1",
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {"traceparent": TRACE}},
        "payload": {"$ref": f"{SHARED}Outcome"},
        "correlationId": {"location": "$message.payload#/signal_id"},
        "bindings": {"amqp": {"messageType": MESSAGE_TYPE, "bindingVersion": "0.3.0"}},
        "examples": _examples(outcomes()),
    }


def _dead_letter() -> Json:
    reason = {"type": "string", "description": "why nobody could be answered"}
    return {
        "name": "deadLetter",
        "title": "Dead letter",
        "summary": "The message as it came, whatever it is.",
        "headers": {"type": "object", "properties": {"beeline-reason": reason}},
        "payload": {"description": "anything"},
    }
