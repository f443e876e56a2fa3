"""The commands that look: each takes a context and arguments and returns an answer."""
