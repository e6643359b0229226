"""A rolling restart of a real pool under load: what is lost, doubled or late."""
