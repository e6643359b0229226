"""All tables there are, for whoever shows or explains them."""

from typing import Final

from adapters.error_tables import binance_spot, binance_usdm, bitrue_futures, bitrue_spot
from adapters.error_tables.table import ErrorTable

TABLES: Final[tuple[ErrorTable, ...]] = (
    binance_spot.TABLE,
    binance_usdm.TABLE,
    bitrue_spot.TABLE,
    bitrue_futures.TABLE,
)
