"""Floods and refusals against a pool of real workers, judged by what the sandbox counted."""
