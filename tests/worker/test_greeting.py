"""A worker says what it will not do, and shows no password."""

from tests.worker.builders import an_account, some_settings
from worker.greeting import refusals, without_password


def test_a_pool_of_one_with_all_symbols_refuses_nothing_but_strangers() -> None:
    assert list(refusals(some_settings(http_host="0.0.0.0"), [an_account()])) == []  # noqa: S104 - as in a container


def test_everything_that_is_not_done_is_said_with_its_reason() -> None:
    careful = an_account(name="careful", symbols=frozenset({"ETHUSDT", "BTCUSDT"}))
    assert list(refusals(some_settings(ip_share=0.25), [careful])) == [
        "trade anything but BTCUSDT, ETHUSDT for careful: its symbols are listed",
        "use more than 25% of an IP's request budget: BEELINE_IP_SHARE",
        "answer HTTP from other machines: BEELINE_HTTP_HOST is 127.0.0.1",
    ]
    assert "trade: no account may" in next(refusals(some_settings(), []))


def test_a_broker_is_named_without_its_password() -> None:
    assert (
        without_password("amqps://worker:pa%40ss@broker:5671/live?cafile=/ca.pem")
        == "amqps://worker@broker:5671/live"
    )
    assert without_password("amqp://broker") == "amqp://broker"
