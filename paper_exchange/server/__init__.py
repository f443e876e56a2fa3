"""The HTTP and WebSocket front of the exchange: Bybit V5 in, the engine behind it."""
