"""A producer with a fixed schedule that also reads the outcomes, in one cheap process.

The schedule does not wait for anybody: a signal that is answered slowly delays no later one, and one that is published
late is late in the figures, because times are taken from when it was due (so a stall is not hidden by the producer
stalling with it). How late the producer itself was is told too. Times are of the monotonic clock, in nanoseconds.
"""

import argparse
import gc
import select
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from tests.bench.stage import signals
from tests.bench.wire import Encoder, Wire

LEAD_NS: Final = 50_000_000
STALL_TIMEOUT_S: Final = 60.0


def run(options: argparse.Namespace) -> dict[str, list[int]]:
    """Publish, read, and return when each signal was due, published and answered."""
    rows = list(signals(options.prefix, options.count, options.accounts))
    numbers = {row["signal_id"]: number for number, row in enumerate(rows)}
    encoder = Encoder(datetime.now(UTC))
    messages = [
        encoder.encode(options.exchange, options.queue or row["account"], orjson.dumps(row)) for row in rows
    ]
    published_ns, answered_ns = [0] * options.count, [0] * options.count
    with Wire(options.amqp_url) as producer, Wire(options.amqp_url) as consumer:
        consumer.consume(options.outcomes)
        period_ns = 1e9 / options.rate if options.rate else 0.0
        began_ns = time.monotonic_ns() + LEAD_NS
        due_ns = [began_ns + round(number * period_ns) for number in range(options.count)]
        sent = answered = 0
        print("publishing", flush=True)
        while answered < options.count:
            while sent < options.count and due_ns[sent] <= time.monotonic_ns():
                producer.publish(messages[sent], 1)
                published_ns[sent] = time.monotonic_ns()
                sent += 1
            wait_s = (due_ns[sent] - time.monotonic_ns()) / 1e9 if sent < options.count else STALL_TIMEOUT_S
            readable, _, _ = select.select((producer, consumer), (), (), max(0.0, wait_s))
            if not readable and sent == options.count:
                raise TimeoutError(f"{answered} of {sent} signals were answered, then none for a long time")
            for wire in readable:
                at_ns = time.monotonic_ns()
                for body in wire.bodies():
                    answered += _note(orjson.loads(body), numbers, answered_ns, at_ns)
    return {"due_ns": due_ns, "published_ns": published_ns, "answered_ns": answered_ns}


def _note(outcome: dict[str, object], numbers: dict[str, int], answered_ns: list[int], at_ns: int) -> int:
    """Note when a signal was answered; return 0 when it was before.

    The same outcome comes again after a hand-over. The last one of an earlier load may come again too: a quorum queue
    delivers it once more when its reader went away right after it.
    """
    if outcome["status"] != "filled":
        raise ValueError(f"a signal was not filled: {outcome}")
    number = numbers.get(str(outcome["signal_id"]))
    if number is None or answered_ns[number]:
        return 0
    answered_ns[number] = at_ns
    return 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--amqp-url", required=True)
    parser.add_argument("--exchange", required=True)
    parser.add_argument("--queue", default="", help="routing key of all signals; without it, their account")
    parser.add_argument("--outcomes", required=True)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="signals a second; 0: all at once")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    gc.disable()
    options.output.write_bytes(orjson.dumps(run(options)))


if __name__ == "__main__":
    main()
