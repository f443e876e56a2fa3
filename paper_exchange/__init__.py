"""A local exchange that speaks Bybit's V5 API: `engine` decides what happens, `server` puts it on the wire."""
