"""Telegram itself: who is heard, what is asked twice, and how answers are sent."""
