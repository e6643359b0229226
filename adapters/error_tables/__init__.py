"""Error tables: one module of rows a dialect, `table.py` that searches them, `common.py` for what all venues share."""
