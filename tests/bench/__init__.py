"""Measures what an order costs a worker, beside a loop written by hand; `docs/performance.md` says how to read it."""
