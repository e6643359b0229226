"""A simulated exchange over real HTTP; shares no code with the dialects it is used to test."""
