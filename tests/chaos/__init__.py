"""Kills, freezes and cuts a real pool on a real broker, and checks the exchange's ledger afterwards."""
