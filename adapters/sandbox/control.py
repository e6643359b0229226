"""The control API under `/sandbox/`: look at everything, change everything.

Pure; `docs/sandbox.md` lists it for users. Bodies and answers are JSON. Unknown fields, unknown names and wrong types
are refused with 400 and a text that says which.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import orjson

from adapters.sandbox.config import AccountConfig, make_account, render_accounts_toml
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.faults import FaultCatalogue, FaultKind, FaultRule, every_kind
from adapters.sandbox.ledger import describe
from adapters.sandbox.model import ENDED_BY_VENUE, Dialect, OrderStatus, SandboxReply, SandboxRequest
from adapters.sandbox.public_keys import load_public_key
from adapters.sandbox.usdm_account import MARGIN_ASSET
from adapters.sandbox.venue import json_reply

_RULES: Final = ("tick", "step", "min_quantity", "min_notional", "max_quantity", "market_max_quantity")
PREFIX: Final = "/sandbox/"
_PAGE: Final = 500
_LARGEST_PAGE: Final = 10_000
_Data = TypeVar("_Data", bound=Any)


class ControlError(Exception):
    """A control request that cannot be done; the text says why."""


class Control:
    """Answers control requests."""

    def __init__(self, exchange: Exchange, faults: FaultCatalogue) -> None:
        self._exchange = exchange
        self._faults = faults
        self.base_url = ""
        self._routes: Mapping[tuple[str, str], Callable[[dict[str, Any], int], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "ledger"): self._ledger,
            ("GET", "ledger/summary"): lambda _fields, _now: exchange.engine.ledger.summary(),
            ("GET", "violations"): self._violations,
            ("DELETE", "violations"): self._clear_violations,
            ("GET", "requests"): self._requests,
            ("GET", "faults"): lambda _fields, _now: faults.describe(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._remove_faults,
            ("POST", "clock"): self._set_clock,
            ("POST", "price"): self._set_price,
            ("POST", "liquidity"): self._set_liquidity,
            ("POST", "symbol"): self._set_symbol,
            ("POST", "order"): self._end_order,
            ("GET", "limits"): self._limits,
            ("POST", "limits"): self._set_limits,
            ("POST", "bitrue"): self._set_bitrue,
            ("POST", "binance_usdm"): self._set_usdm,
            ("GET", "positions"): self._positions,
            ("POST", "visibility"): self._set_visibility,
            ("GET", "accounts"): self._accounts,
            ("POST", "accounts"): self._add_account,
            ("POST", "reset"): self._reset,
        }

    def handle(self, request: SandboxRequest, now_ms: int) -> SandboxReply:
        """Answer one control request."""
        name = request.path.removeprefix(PREFIX).rstrip("/")
        if (request.method, name) == ("GET", "accounts.toml"):
            text = render_accounts_toml(self._exchange.accounts(), self.base_url)
            return SandboxReply(status=200, body=text.encode(), content_type="application/toml")
        route = self._routes.get((request.method, name))
        if route is None:
            return json_reply({"error": f"no such control: {request.method} {request.path}"}, status=404)
        try:
            document = route(_read_fields(request), now_ms)
        except (ControlError, ValueError, TypeError, KeyError, InvalidOperation) as error:
            return json_reply({"error": f"{type(error).__name__}: {error}"}, status=400)
        return SandboxReply(status=200, body=orjson.dumps(document, default=str))

    # -- looking

    def _state(self, _given: dict[str, Any], now_ms: int) -> Any:
        exchange = self._exchange
        state = exchange.state
        return {
            "host_time_ms": now_ms,
            "venue_time_ms": exchange.clock.venue_ms(now_ms),
            "clock": {
                "offset_ms": exchange.clock.offset_ms(now_ms),
                "drift_ppm": exchange.clock.drift_ppm,
            },
            "visibility_lag_ms": state.visibility_lag_ms,
            "accounts": sorted(state.accounts),
            "symbols": {
                name: {
                    "price": market.price,
                    "depth": market.depth,
                    "levels": market.levels,
                    "trading": market.is_trading,
                }
                for name, market in exchange.engine.markets.items()
            },
            "orders": len(exchange.engine.ledger.orders),
            "violations": state.violations.total,
            "fault_hits": self._faults.hits.total(),
            "usage": exchange.usage(now_ms),
        }

    def _ledger(self, given: dict[str, Any], _now_ms: int) -> Any:
        _only(given, "account", "after", "limit")
        limit = min(int(given.get("limit", _PAGE)), _LARGEST_PAGE)
        return self._exchange.engine.ledger.page(given.get("account"), int(given.get("after", 0)), limit)

    def _violations(self, _given: dict[str, Any], _now_ms: int) -> Any:
        violations = self._exchange.state.violations
        return {
            "total": violations.total,
            "counts": {kind.value: count for kind, count in violations.counts.items()},
            "newest": [asdict(violation) for violation in violations.newest],
        }

    def _clear_violations(self, _given: dict[str, Any], _now_ms: int) -> Any:
        self._exchange.state.violations.clear()
        return {}

    def _requests(self, _given: dict[str, Any], now_ms: int) -> Any:
        state = self._exchange.state
        return {
            "requests": dict(state.requests),
            "errors": dict(state.errors),
            "usage": self._exchange.usage(now_ms),
        }

    def _limits(self, _given: dict[str, Any], _now_ms: int) -> Any:
        return asdict(self._exchange.state.config.limits)

    def _accounts(self, _given: dict[str, Any], _now_ms: int) -> Any:
        return [
            asdict(account) | {"balances": self._balances(account.name)}
            for account in self._exchange.accounts()
        ]

    def _balances(self, name: str) -> dict[str, dict[str, Decimal]]:
        futures = self._exchange.futures.accounts.get(name)
        if futures is not None:
            return {MARGIN_ASSET: {"free": futures.balance - futures.reserved, "locked": futures.reserved}}
        return {
            asset: {"free": balance.free, "locked": balance.locked}
            for asset, balance in self._exchange.engine.wallets[name].balances.items()
        }

    def _positions(self, _given: dict[str, Any], _now_ms: int) -> Any:
        return [
            {
                "account": name,
                "symbol": symbol,
                "position_side": side,
                "quantity": held.quantity,
                "entry_price": held.entry_price,
            }
            for name, account in self._exchange.futures.accounts.items()
            for (symbol, side), held in account.positions.items()
            if held.quantity
        ]

    # -- changing

    def _add_faults(self, given: dict[str, Any], _now_ms: int) -> Any:
        if "preset" in given:
            _only(given, "preset", "probability", "placements_only")
            if given["preset"] != "every_kind":
                raise ControlError("the only preset is every_kind")
            rules = every_kind(
                float(given.get("probability", 0.02)), placements_only=bool(given.get("placements_only"))
            )
        else:
            rules = [_read_rule(given)]
        return {"ids": [self._faults.add(rule) for rule in rules]}

    def _remove_faults(self, given: dict[str, Any], _now_ms: int) -> Any:
        _only(given, "id")
        if "id" not in given:
            self._faults.clear()
        elif not self._faults.remove(int(given["id"])):
            raise ControlError(f"no fault rule {given['id']}")
        return self._faults.describe()

    def _set_clock(self, given: dict[str, Any], now_ms: int) -> Any:
        _only(given, "skew_ms", "step_ms", "drift_ppm")
        clock = self._exchange.clock
        if "skew_ms" in given:
            clock.set_skew(float(given["skew_ms"]), now_ms)
        if "step_ms" in given:
            clock.step(float(given["step_ms"]))
        if "drift_ppm" in given:
            clock.set_drift(float(given["drift_ppm"]), now_ms)
        return {"offset_ms": clock.offset_ms(now_ms), "drift_ppm": clock.drift_ppm}

    def _set_price(self, given: dict[str, Any], now_ms: int) -> Any:
        _only(given, "symbol", "price", "mark_price")
        price = Decimal(str(given["price"]))
        mark_price = Decimal(str(given["mark_price"])) if "mark_price" in given else None
        if price <= 0 or (mark_price is not None and mark_price <= 0):
            raise ControlError("a price is above zero")
        touched = self._exchange.set_price(str(given["symbol"]), price, now_ms, mark_price)
        return {"touched": [str(order.order_id) for order in touched]}

    def _set_liquidity(self, given: dict[str, Any], _now_ms: int) -> Any:
        _only(given, "symbol", "depth", "levels")
        levels = int(given["levels"]) if "levels" in given else None
        self._exchange.set_liquidity(str(given["symbol"]), Decimal(str(given["depth"])), levels)
        return {}

    def _set_symbol(self, given: dict[str, Any], _now_ms: int) -> Any:
        _only(given, "symbol", "trading", *_RULES)
        symbol = str(given["symbol"])
        changes: dict[str, Decimal] = {name: Decimal(str(given[name])) for name in _RULES if name in given}
        if any(value <= 0 for value in changes.values()):
            raise ControlError("a rule is above zero")
        self._exchange.change_rules(symbol, changes)
        for market in self._exchange.markets_of(symbol) if "trading" in given else ():
            market.is_trading = bool(given["trading"])
        return {}

    def _end_order(self, given: dict[str, Any], now_ms: int) -> Any:
        _only(given, "account", "client_order_id", "status")
        status = OrderStatus(given["status"])
        if status not in ENDED_BY_VENUE:
            raise ControlError(f"a venue ends an order as {', '.join(sorted(ENDED_BY_VENUE))}")
        order = self._exchange.end_order(str(given["account"]), str(given["client_order_id"]), status, now_ms)
        return describe(order)

    def _set_limits(self, given: dict[str, Any], now_ms: int) -> Any:
        self._exchange.set_limits(_changed(self._exchange.state.config.limits, given))
        return self._limits(given, now_ms)

    def _set_bitrue(self, given: dict[str, Any], _now_ms: int) -> Any:
        self._exchange.set_bitrue_quirks(_changed(self._exchange.state.config.bitrue, given))
        return asdict(self._exchange.state.config.bitrue)

    def _set_usdm(self, given: dict[str, Any], _now_ms: int) -> Any:
        self._exchange.set_usdm_quirks(_changed(self._exchange.state.config.binance_usdm, given))
        return asdict(self._exchange.state.config.binance_usdm)

    def _set_visibility(self, given: dict[str, Any], _now_ms: int) -> Any:
        _only(given, "lag_ms")
        self._exchange.state.visibility_lag_ms = int(given["lag_ms"])
        return {}

    def _add_account(self, given: dict[str, Any], _now_ms: int) -> Any:
        known = ("name", "dialect", "public_key", "can_read", "can_trade", "can_withdraw", "allowed_ips")
        _only(given, *known, "balances", "pays_fees_in_bnb")
        balances = given.get("balances")
        public_key = str(given.get("public_key", ""))
        if public_key:
            load_public_key(public_key)
        account: AccountConfig = make_account(
            str(given["name"]),
            Dialect(given.get("dialect", Dialect.BINANCE)),
            seed=self._exchange.config.seed,
            public_key=public_key,
            can_read=bool(given.get("can_read", True)),
            can_trade=bool(given.get("can_trade", True)),
            can_withdraw=bool(given.get("can_withdraw", False)),
            allowed_ips=tuple(given.get("allowed_ips", ())),
            balances=None
            if balances is None
            else {name: Decimal(str(free)) for name, free in balances.items()},
        )
        account = replace(account, pays_fees_in_bnb=bool(given.get("pays_fees_in_bnb", False)))
        self._exchange.add_account(account)
        return {"name": account.name, "api_key": account.api_key, "secret_key": account.secret_key}

    def _reset(self, _given: dict[str, Any], _now_ms: int) -> Any:
        self._exchange.reset()
        self._faults.clear()
        self._faults.hits.clear()
        return {}


def _read_fields(request: SandboxRequest) -> dict[str, Any]:
    given: dict[str, Any] = dict(parse_qsl(request.query))
    if request.body:
        document = orjson.loads(request.body)
        if not isinstance(document, dict):
            raise ControlError("the body is a JSON object")
        given |= document
    return given


def _only(given: Mapping[str, Any], *known: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ControlError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")


def _read_rule(given: dict[str, Any]) -> FaultRule:
    _only(given, *(item.name for item in fields(FaultRule)))
    values = dict(given)
    values["kind"] = FaultKind(given["kind"])
    if given.get("dialect") is not None:
        values["dialect"] = Dialect(given["dialect"])
    return FaultRule(**values)


def _changed(current: _Data, given: Mapping[str, Any]) -> _Data:
    """Return a copy of a frozen dataclass with the given fields; objects change the dataclasses inside."""
    _only(given, *(item.name for item in fields(current)))
    changes: dict[str, Any] = {}
    for name, value in given.items():
        inner = getattr(current, name)
        changes[name] = _changed(inner, value) if isinstance(value, dict) else type(inner)(value)
    return replace(current, **changes)
