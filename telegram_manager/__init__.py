"""The Telegram command centre: every bot seen and commanded from a phone, or with `alpha c2` from a terminal."""
