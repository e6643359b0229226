"""The trace context of a signal comes from others: it is passed on as it is, or not at all."""

import pytest

from worker.core.tracing import read_traceparent, trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
GOOD = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_trace_context_is_read() -> None:
    assert read_traceparent({"traceparent": GOOD}) == GOOD
    assert trace_id(GOOD) == TRACE
    assert trace_id(None) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "",
        GOOD.upper(),
        GOOD + "\n",
        GOOD + "-more",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-b7ad6b7169203331-01",
    ],
)
def test_anything_else_is_no_trace_context(value: object) -> None:
    assert read_traceparent({"traceparent": value}) is None
