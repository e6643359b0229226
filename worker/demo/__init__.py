"""`beeline demo`: a whole pool against a simulated exchange, with faults, and the proof that it kept its promise."""
