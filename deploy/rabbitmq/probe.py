#!/usr/bin/env python3
"""Ask whether an AMQP broker really answers, and find free ports; for the broker scripts and the tests.

A listening port proves little: a proxy may hold it, the broker may still be booting, the login may be wrong. So
the probe logs in as a client would, through `Connection.Open` of the virtual host, and says what stopped it.
Standard library only, because it also runs before anything is installed.
"""

import argparse
import os
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

ATTEMPT_TIMEOUT_S = 5.0
# Below the range that Linux takes the ports of outgoing connections from: nobody is given a node's port while the
# node is down.
PORT_RANGE = range(20000, 32000)

METHOD_FRAME = 1
FRAME_END = 0xCE
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK, CLOSE = 10, 11, 30, 31, 40, 41, 50


class ProbeError(Exception):
    """The broker did not let us in; the text says why and never holds the password."""


def short_string(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw


def long_string(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def start_ok(user: str, password: str) -> bytes:
    """Build Start-Ok; with this capability a broker names a refused login instead of dropping the line."""
    capabilities = short_string("authentication_failure_close") + b"t\x01"
    properties = short_string("capabilities") + b"F" + long_string(capabilities)
    credentials = f"\0{user}\0{password}".encode()
    return long_string(properties) + short_string("PLAIN") + long_string(credentials) + short_string("en_US")


def method_frame(method: int, arguments: bytes) -> bytes:
    payload = struct.pack(">HH", 10, method) + arguments
    return struct.pack(">BHI", METHOD_FRAME, 0, len(payload)) + payload + bytes([FRAME_END])


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ProbeError("the connection was closed during the handshake")
        data += chunk
    return data


def expect(connection: socket.socket, method: int) -> bytes:
    """Read one method frame of class connection and return its arguments."""
    head = read_exactly(connection, 7)
    if head[0] != METHOD_FRAME:
        raise ProbeError("what answers there does not speak AMQP 0-9-1")
    payload = read_exactly(connection, struct.unpack(">I", head[3:])[0] + 1)[:-1]
    class_id, method_id = struct.unpack(">HH", payload[:4])
    if (class_id, method_id) == (10, CLOSE):
        code, length = struct.unpack(">HB", payload[4:7])
        raise ProbeError(f"refused with {code} {payload[7 : 7 + length].decode(errors='replace')}")
    if (class_id, method_id) != (10, method):
        raise ProbeError(f"unexpected method {class_id}.{method_id} in the handshake")
    return payload[4:]


def handshake(connection: socket.socket, url: SplitResult) -> None:
    user, password = unquote(url.username or "guest"), unquote(url.password or "guest")
    virtual_host = unquote(url.path[1:]) or "/"
    connection.sendall(b"AMQP\x00\x00\x09\x01")
    expect(connection, START)
    connection.sendall(method_frame(START_OK, start_ok(user, password)))
    limits = expect(connection, TUNE)
    connection.sendall(method_frame(TUNE_OK, limits[:6] + b"\0\0"))
    connection.sendall(method_frame(OPEN, short_string(virtual_host) + b"\0\0"))
    expect(connection, OPEN_OK)
    connection.sendall(method_frame(CLOSE, struct.pack(">HBHH", 200, 0, 0, 0)))


def connect(url: SplitResult) -> socket.socket:
    if url.scheme not in {"amqp", "amqps"}:
        raise ProbeError("the URL must start with amqp:// or amqps://")
    host = url.hostname or "127.0.0.1"
    port = url.port or (5671 if url.scheme == "amqps" else 5672)
    connection = socket.create_connection((host, port), timeout=ATTEMPT_TIMEOUT_S)
    if url.scheme == "amqp":
        return connection
    authorities = parse_qs(url.query).get("cafile", [None])[0]
    return ssl.create_default_context(cafile=authorities).wrap_socket(connection, server_hostname=host)


def log_in(url: str) -> None:
    """Log in once; raise ProbeError with the reason when that fails."""
    try:
        with connect(urlsplit(url)) as connection:
            handshake(connection, urlsplit(url))
    except (OSError, ValueError) as error:
        raise ProbeError(str(error) or type(error).__name__) from None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A process that has ended, but that its parent has not asked about yet, still takes signals.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def delays(seconds: float) -> Iterator[float]:
    """Yield growing waits until the deadline; none at all for zero seconds."""
    deadline, delay = time.monotonic() + seconds, 0.02
    while time.monotonic() < deadline:
        yield delay
        delay = min(delay * 1.3, 0.25)


def log_in_within(url: str, seconds: float, pid: int | None) -> None:
    """Try until the broker lets us in, the time is over, or the process that should become it has ended."""
    waits = delays(seconds)
    while True:
        try:
            return log_in(url)
        except ProbeError:
            if pid is not None and not is_running(pid):
                raise ProbeError(f"the broker's process {pid} has ended") from None
            wait = next(waits, None)
            if wait is None:
                raise
            time.sleep(wait)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.SystemRandom().sample(PORT_RANGE, len(PORT_RANGE)):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise ProbeError(f"fewer than {count} free ports between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Log in to an AMQP broker, or look for free ports.")
    commands = parser.add_subparsers(dest="command", required=True)
    login = commands.add_parser("login", help="exit 0 when the broker at AMQP_PROBE_URL lets a client in")
    login.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="keep trying for so long")
    login.add_argument("--pid", type=int, help="give up at once when this process has ended")
    ports = commands.add_parser("ports", help="print COUNT free ports")
    ports.add_argument("count", type=int)
    free = commands.add_parser("free", help="exit 0 when all of these ports are free")
    free.add_argument("port", type=int, nargs="+")
    given = parser.parse_args()
    try:
        if given.command == "login":
            # Not an argument: any user of the machine can read those, and the URL may hold a password.
            log_in_within(os.environ["AMQP_PROBE_URL"], given.wait, given.pid)
        elif given.command == "ports":
            print(*free_ports(given.count))
        elif not all(is_free(port) for port in given.port):
            return 1
    except ProbeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
