"""What a sandbox is made of: symbols, accounts, limits and switches, as frozen data.

Keys are derived from a seed and the account's name, so that two processes that agree on the seed agree on
the keys. They open nothing but a sandbox.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from adapters.sandbox.model import Dialect

BASE_PATHS: Final[Mapping[Dialect, str]] = {Dialect.BINANCE_US: "/us"}
"""What stands in front of a venue's own paths, where they are the same as another venue's."""

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KEY_LENGTH: Final = 64
DEFAULT_IP: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolConfig:
    """One symbol: its first price, its rules and the liquidity at the best bid and ask."""

    symbol: str
    base: str
    quote: str
    price: Decimal
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal = Decimal(9_000_000)
    market_max_quantity: Decimal = Decimal(1_000_000)
    min_price: Decimal | None = None
    max_price: Decimal = Decimal(1_000_000)
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)
    percent_price_up: Decimal = Decimal(5)
    percent_price_down: Decimal = Decimal("0.2")
    max_open_orders: int = 200
    lets_stops_trail: bool = True
    trailing_above: tuple[int, int] = (10, 2000)
    trailing_below: tuple[int, int] = (10, 2000)
    depth_quote: Decimal = Decimal(5_000_000)
    levels: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One exchange account with one key. An empty `allowed_ips` means that the key is not restricted.

    The key is an HMAC key with a secret, or an RSA or Ed25519 key of which the venue has the public half.
    """

    name: str
    dialect: Dialect
    api_key: str
    secret_key: str
    public_key: str = ""
    can_read: bool = True
    can_trade: bool = True
    can_withdraw: bool = False
    allowed_ips: tuple[str, ...] = ()
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    pays_fees_in_bnb: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceLimits:
    """Weight and raw requests per IP, orders per account, all in fixed windows aligned to the clock."""

    weight_per_minute: int = 6000
    raw_requests_per_5_minutes: int = 300_000
    sapi_weight_per_minute: int = 12_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    fill_refund_taker: int = 1
    fill_refund_maker: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceUsLimits:
    """Binance.US: weight and raw requests per IP, orders per account; no fill gives count back."""

    weight_per_minute: int = 1200
    raw_requests_per_5_minutes: int = 5_000
    orders_per_second: int = 10
    orders_per_day: int = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BitrueLimits:
    """The three policies of Bitrue's live `exchangeInfo`: two per IP, one per user."""

    general_per_minute: int = 25_000
    orders_ip_per_6_seconds: int = 750
    orders_user_per_10_seconds: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdmLimits:
    """Weight per IP and orders per account on USD-M futures, in fixed windows; no fill gives count back."""

    weight_per_minute: int = 2400
    orders_per_10_seconds: int = 300
    orders_per_minute: int = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitConfig:
    """All limits. After `ban_after` refusals in a window an IP is banned, each time twice as long."""

    binance: BinanceLimits = field(default_factory=BinanceLimits)
    binance_us: BinanceUsLimits = field(default_factory=BinanceUsLimits)
    binance_usdm: UsdmLimits = field(default_factory=UsdmLimits)
    bitrue: BitrueLimits = field(default_factory=BitrueLimits)
    ban_after: int = 10
    first_ban_ms: int = 120_000
    longest_ban_ms: int = 3 * 86_400_000
    retry_after_grace_ms: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BitrueQuirks:
    """Behaviour of Bitrue that sources disagree on; the defaults are the cautious reading."""

    lookup_by_client_id: bool = False
    client_id_in_lists: bool = True
    reject_duplicate_ids: bool = False
    pending_create_ms: int = 0
    misspelt_fee_asset: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdmQuirks:
    """Behaviour of USD-M futures that changed: since mid-2026 acks tell neither average nor value."""

    averages_in_acks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Everything that a sandbox starts from; the control API changes copies of it later."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    symbols: tuple[SymbolConfig, ...] = ()
    contracts: tuple[SymbolConfig, ...] = ()
    accounts: tuple[AccountConfig, ...] = ()
    limits: LimitConfig = field(default_factory=LimitConfig)
    bitrue: BitrueQuirks = field(default_factory=BitrueQuirks)
    binance_usdm: UsdmQuirks = field(default_factory=UsdmQuirks)
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    usdm_maker_fee: Decimal = Decimal("0.0002")
    usdm_taker_fee: Decimal = Decimal("0.0005")
    visibility_lag_ms: int = 0
    trust_forwarded_ip: bool = False


def _symbol(
    base: str, quote: str, price: str, tick: str, step: str, *, market_max: int = 1_000_000
) -> SymbolConfig:
    in_bitcoin = quote == "BTC"
    return SymbolConfig(
        symbol=base + quote,
        base=base,
        quote=quote,
        price=Decimal(price),
        tick=Decimal(tick),
        step=Decimal(step),
        min_quantity=Decimal(step),
        market_max_quantity=Decimal(market_max),
        min_notional=Decimal("0.0001") if in_bitcoin else Decimal(5),
        max_notional=Decimal(9_000) if in_bitcoin else Decimal(9_000_000),
        max_price=Decimal(100) if in_bitcoin else Decimal(1_000_000),
        depth_quote=Decimal(100) if in_bitcoin else Decimal(5_000_000),
    )


DEFAULT_SYMBOLS: Final = (
    _symbol("BTC", "USDT", "65000.00", "0.01", "0.00001", market_max=120),
    _symbol("ETH", "USDT", "3200.00", "0.01", "0.0001", market_max=2_000),
    _symbol("BNB", "USDT", "600.00", "0.01", "0.001", market_max=2_000),
    _symbol("SOL", "USDT", "150.00", "0.01", "0.001", market_max=20_000),
    _symbol("XRP", "USDT", "0.5200", "0.0001", "0.1"),
    _symbol("ADA", "USDT", "0.4500", "0.0001", "0.1"),
    _symbol("DOGE", "USDT", "0.12000", "0.00001", "1"),
    _symbol("LTC", "BTC", "0.001200", "0.000001", "0.001"),
    _symbol("ETH", "BTC", "0.04900", "0.00001", "0.0001"),
)


def _contract(
    base: str, price: str, tick: str, step: str, *, min_price: str, min_notional: int
) -> SymbolConfig:
    return SymbolConfig(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        price=Decimal(price),
        tick=Decimal(tick),
        step=Decimal(step),
        min_quantity=Decimal(step),
        min_price=Decimal(min_price),
        max_price=Decimal(4_529_764),
        min_notional=Decimal(min_notional),
        percent_price_up=Decimal("1.05"),
        percent_price_down=Decimal("0.95"),
    )


DEFAULT_CONTRACTS: Final = (
    _contract("BTC", "65000.00", "0.10", "0.001", min_price="556.80", min_notional=100),
    _contract("ETH", "3200.00", "0.01", "0.001", min_price="39.86", min_notional=20),
    _contract("BNB", "600.00", "0.010", "0.01", min_price="6.600", min_notional=5),
    _contract("SOL", "150.00", "0.0100", "0.01", min_price="0.4200", min_notional=5),
    _contract("XRP", "0.5200", "0.0001", "0.1", min_price="0.0143", min_notional=5),
    _contract("DOGE", "0.12000", "0.00001", "1", min_price="0.00244", min_notional=5),
)

DEFAULT_NAMES: Final[Mapping[Dialect, tuple[str, ...]]] = {
    Dialect.BINANCE: ("main",),
    Dialect.BINANCE_US: ("main-us",),
    Dialect.BINANCE_USDM: ("main-usdm",),
    Dialect.BITRUE: ("main-bitrue",),
}
"""The accounts of a sandbox that was not told any."""

DEFAULT_BALANCES: Final[Mapping[str, Decimal]] = {
    "USDT": Decimal(100_000_000),
    "BTC": Decimal(1_000),
    "ETH": Decimal(20_000),
    "BNB": Decimal(50_000),
    "SOL": Decimal(200_000),
    "XRP": Decimal(50_000_000),
    "ADA": Decimal(50_000_000),
    "DOGE": Decimal(200_000_000),
    "LTC": Decimal(200_000),
}


def derive_key(seed: int, name: str, purpose: str) -> str:
    """Return 64 alphanumeric characters that depend on nothing but the arguments."""
    material = hashlib.shake_256(f"beeline-sandbox/{seed}/{name}/{purpose}".encode()).digest(_KEY_LENGTH)
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in material)


def make_account(
    name: str,
    dialect: Dialect = Dialect.BINANCE,
    *,
    seed: int = 0,
    public_key: str = "",
    can_read: bool = True,
    can_trade: bool = True,
    can_withdraw: bool = False,
    allowed_ips: tuple[str, ...] = (),
    balances: Mapping[str, Decimal] | None = None,
) -> AccountConfig:
    """Build an account with derived keys and, unless told otherwise, plenty of every asset."""
    return AccountConfig(
        name=name,
        dialect=dialect,
        api_key=derive_key(seed, name, "api"),
        secret_key="" if public_key else derive_key(seed, name, "secret"),
        public_key=public_key,
        can_read=can_read,
        can_trade=can_trade,
        can_withdraw=can_withdraw,
        allowed_ips=allowed_ips,
        balances=dict(DEFAULT_BALANCES if balances is None else balances),
    )


def default_config(
    accounts: Iterable[AccountConfig] = (), *, host: str = DEFAULT_IP, port: int = 0, seed: int = 0
) -> SandboxConfig:
    """Return a sandbox with the default symbols and either the given accounts or one on each venue."""
    chosen = tuple(accounts) or tuple(
        make_account(name, dialect, seed=seed) for dialect, names in DEFAULT_NAMES.items() for name in names
    )
    return SandboxConfig(
        host=host,
        port=port,
        seed=seed,
        symbols=DEFAULT_SYMBOLS,
        contracts=DEFAULT_CONTRACTS,
        accounts=chosen,
    )


def render_accounts_toml(accounts: Iterable[AccountConfig], base_url: str) -> str:
    """Return the text of an `accounts.toml` that points Beeline at the sandbox under `base_url`.

    Of an account with a public key the sandbox does not know the private one: a file is named for it.
    """
    tables = [
        "\n".join(
            (
                f"[{account.name}]",
                f'venue = "{account.dialect.value}"',
                f'api_key = "{account.api_key}"',
                f'secret_key_file = "{account.name}.pem"'
                if account.public_key
                else f'secret_key = "{account.secret_key}"',
                f'label = "Sandbox account {account.name}"',
                f'base_url = "{base_url.rstrip("/")}{BASE_PATHS.get(account.dialect, "")}"',
            )
        )
        for account in accounts
    ]
    return "\n\n".join(tables) + "\n"
