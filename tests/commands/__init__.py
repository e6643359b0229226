"""The `beeline` command, without a broker; tests/integration/test_commands.py runs it with one."""
