from __future__ import annotations

from enum import Enum, unique

from paper_exchange.engine.refusal import Refused


@unique
class Outcome(Enum):
    """What can become of a request for a new order. Where several apply, the one that stands first here wins.

    Each has Bybit's retCode and its wording where it was seen live. Bybit's own precedence is UNCONFIRMED; this one
    asks what the request names, then whether it was there before (a repeated request must hear that it is there
    already, not that its margin is gone), then the request alone, then the market, the position and the account.
    """

    NO_SUCH_SYMBOL = 10001, "params error: symbol invalid"
    NOT_LIVE = 110074, "This contract is not live: {symbol} has no price yet"
    WRONG_POSITION_IDX = 10001, "position idx not match position mode"
    BAD_LINK_ID = 10001, "params error: orderLinkId must be 1 to 36 of [A-Za-z0-9_-]"
    DUPLICATE_LINK_ID = 110072, "OrderLinkedID is duplicate"
    BAD_QUANTITY = 10001, "Qty invalid"
    NOTHING_TO_REDUCE = 110017, "current position is zero, cannot fix reduce-only order qty"
    WOULD_NOT_REDUCE = 110017, "reduce-only order has same side with current position"
    TOO_SMALL = (
        10001,
        ("The number of contracts exceeds minimum limit allowed: too small, order_qty:{quantity} < min_qty:{limit}"),
    )
    TOO_LARGE = (
        10001,
        ("The number of contracts exceeds maximum limit allowed: too large, order_qty:{quantity} > max_qty:{limit}"),
    )
    BAD_TRIGGER_PRICE = 10001, "params error: TriggerPrice invalid"
    BAD_TRIGGER_DIRECTION = 10001, "params error: TriggerDirection invalid"
    NOT_RISING = 110092, "expect Rising, but trigger_price[{price}] <= current[{current}]??{by}"
    NOT_FALLING = 110093, "expect Falling, but trigger_price[{price}] >= current[{current}]??{by}"
    BAD_PRICE = 10001, "params error: Price invalid"
    PRICE_OUT_OF_RANGE = 110003, "Order price exceeds the allowable range."
    BAD_SLIPPAGE = 10001, "params error: slippageTolerance is for market orders that are not conditional"
    SLIPPAGE_TICKS_OUT_OF_RANGE = 110108, "slippageTolerance must be a whole number of ticks from 1 to 10000"
    SLIPPAGE_PERCENT_OUT_OF_RANGE = 110109, "slippageTolerance must lie between 0.01 and 10 percent, with 2 decimals"
    STOPS_ON_REDUCE_ONLY = 10001, "params error: a reduce-only order cannot carry takeProfit or stopLoss"
    LIMIT_STOP_NOT_PARTIAL = 10001, "params error: tpslMode must be Partial for a limit takeProfit or stopLoss"
    BAD_STOP_PRICE = 10001, "params error: {name} invalid"
    STOP_ON_WRONG_SIDE = (
        10001,
        ("{name}:{price} set for {side} position should be {relation} than base_price:{base}??{by}"),
    )
    BELOW_MIN_NOTIONAL = 110094, "Order does not meet minimum order value {limit}{coin}"
    TOO_MANY_CONDITIONAL_ORDERS = 110009, "more than {limit} conditional orders"
    TOO_MANY_ORDERS = 110020, "more than {limit} active orders"
    TOO_MANY_PARTIAL_STOPS = 110061, "Not allowed to have more than {limit} TP/SLs under Partial tpSlMode"
    NOT_ENOUGH_MARGIN = 110007, "ab not enough for new order"
    ABOVE_RISK_LIMIT = 110090, "the position may exceed {limit:f} {coin}, the most that leverage {leverage} allows"
    ACCEPTED = 0, "OK"

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text

    def refused(self, **facts: object) -> Refused:
        """The refusal, with the facts that its wording names."""
        return Refused(self.code, self.text.format(**facts), self)
