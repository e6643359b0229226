"""The decisions of the worker: plain functions and values without I/O, clocks or randomness."""
