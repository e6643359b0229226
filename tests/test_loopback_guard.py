"""The guard in conftest.py stops a test that would leave this machine, and lets loopback through."""

import socket

import pytest


def test_connecting_to_another_machine_is_refused() -> None:
    with socket.socket() as connection, pytest.raises(RuntimeError, match=r"may not contact 192\.0\.2\.1"):
        connection.connect(("192.0.2.1", 80))


def test_looking_up_a_foreign_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match="may not look up"):
        socket.getaddrinfo("exchange.example", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_contacted(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()
