"""What holds for every test: nothing outside this machine is contacted, and no setting of the caller's leaks in.

The guard is an audit hook of the interpreter, so it also sees connections that a library opens deep inside. It stays
for the whole run: a hook cannot be taken out again.
"""

import ipaddress
import os
import sys

from hypothesis import settings

# Properties are checked with the same examples on each run. HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

for _name in [name for name in os.environ if name.startswith("BEELINE_")]:
    del os.environ[_name]


class OutsideLoopbackError(RuntimeError):
    """A test wanted to talk to another machine."""


def _is_here(host: object) -> bool:
    if host is None or host in {"", "localhost", b"localhost"}:
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise OutsideLoopbackError(f"a test may not contact {address[0]}")
    elif event == "socket.getaddrinfo" and not _is_here(arguments[0]):
        raise OutsideLoopbackError(f"a test may not look up {arguments[0]!r}")


sys.addaudithook(_refuse_other_machines)
