"""The `beeline` command, a module for each of its commands."""
