"""What a bot or a service needs of an exchange. Bybit: REST through pybit, streams through `websockets`.

The only place that reads Bybit's JSON: `parse.py` turns it into domain values, and nothing of the wire leaves here.
"""
