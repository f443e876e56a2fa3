"""Answers and how they look, on a phone and in a terminal. Pure: no I/O, no clock."""
