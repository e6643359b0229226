"""Error tables: one module of rows a market, `table.py` that searches them, `common.py` for what all venues share."""
