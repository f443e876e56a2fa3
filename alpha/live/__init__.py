"""Redis: what is live now. The only place with keys; all of it can be rebuilt."""
