"""The tests, and the programs that measure and break Beeline: bench, chaos, simulation."""
