"""The sandbox in a thread of its own, for clients that block."""

from tests.sandbox.conftest import background_server

__all__ = ["background_server"]
