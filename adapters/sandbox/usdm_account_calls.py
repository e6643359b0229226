"""The calls of a USD-M futures account: balance, positions, fees, leverage and the position mode."""

from adapters.sandbox import usdm_account_views as account_views
from adapters.sandbox import usdm_views as views
from adapters.sandbox.engine import Moment
from adapters.sandbox.usdm_account import HIGHEST_LEVERAGE
from adapters.sandbox.usdm_calls import Answer, FuturesDesk
from adapters.sandbox.venue import Call, VenueError


class UsdmAccountCalls(FuturesDesk):
    """One method for each handler of the account."""

    def balance(self, call: Call, moment: Moment) -> Answer:
        """Show the balance."""
        return account_views.balance(self.account_of(call), self._engine, moment.venue_ms), {}

    def account(self, call: Call, moment: Moment) -> Answer:
        """Show totals, assets and positions."""
        return account_views.information(
            call.signer, self.account_of(call), self._engine, moment.venue_ms
        ), {}

    def position_risk(self, call: Call, moment: Moment) -> Answer:
        """Show the positions."""
        symbol = call.values.get("symbol")
        return account_views.position_risk(self.account_of(call), self._engine, symbol, moment.venue_ms), {}

    def account_config(self, call: Call, _moment: Moment) -> Answer:
        """Show the account's settings."""
        return {
            "feeTier": 0,
            "canTrade": call.signer.can_trade,
            "canDeposit": True,
            "canWithdraw": call.signer.can_withdraw,
            "dualSidePosition": self.account_of(call).is_hedged,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }, {}

    def symbol_config(self, call: Call, _moment: Moment) -> Answer:
        """Show the settings of one or all contracts."""
        account = self.account_of(call)
        return [
            account_views.symbol_config(account, contract.rules.symbol) for contract in self.contracts(call)
        ], {}

    def leverage_bracket(self, call: Call, _moment: Moment) -> Answer:
        """Show how high the leverage of one or all contracts may be."""
        rows = [account_views.leverage_bracket(contract.rules.symbol) for contract in self.contracts(call)]
        return rows[0] if "symbol" in call.values else rows, {}

    def commission_rate(self, call: Call, _moment: Moment) -> Answer:
        """Show the fee rates."""
        config = self._state.config
        return {
            "symbol": self.contract(call).rules.symbol,
            "makerCommissionRate": f"{config.usdm_maker_fee:.6f}",
            "takerCommissionRate": f"{config.usdm_taker_fee:.6f}",
        }, {}

    def order_limits(self, _call: Call, _moment: Moment) -> Answer:
        """Show the order limits, without counts."""
        rows = views.rate_limits(self._state.config.limits.binance_usdm)
        return [row for row in rows if row["rateLimitType"] == "ORDERS"], {}

    def set_leverage(self, call: Call, _moment: Moment) -> Answer:
        """Change a contract's leverage."""
        symbol, leverage = self.contract(call).rules.symbol, int(call.values["leverage"])
        if not 1 <= leverage <= HIGHEST_LEVERAGE:
            raise VenueError(400, -4028, f"Leverage {leverage} is not valid")
        self.account_of(call).set_leverage(symbol, leverage)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": symbol}, {}

    def position_mode(self, call: Call, _moment: Moment) -> Answer:
        """Tell whether the account is in hedge mode."""
        return {"dualSidePosition": self.account_of(call).is_hedged}, {}

    def set_position_mode(self, call: Call, _moment: Moment) -> Answer:
        """Change between one-way and hedge mode; only an account without orders and positions can."""
        account, is_hedged = self.account_of(call), call.values["dualSidePosition"] == "true"
        if account.is_hedged is is_hedged:
            raise VenueError(400, -4059, "No need to change position side.")
        if self._engine.ledger.open_orders(call.owner):
            text = "Position side cannot be changed if there exists open orders."
            raise VenueError(400, -4067, text)
        if any(position.quantity for position in account.positions.values()):
            raise VenueError(400, -4068, "Position side cannot be changed if there exists position.")
        account.is_hedged = is_hedged
        return {"code": 200, "msg": "success"}, {}
