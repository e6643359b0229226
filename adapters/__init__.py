"""What Beeline knows about venues: the order model, dialects, errors, signing, and a simulated exchange."""
