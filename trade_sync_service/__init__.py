"""Hourly comparison with the exchange: executions, orders, closed P&L, account log, balances. Never writes fills."""
