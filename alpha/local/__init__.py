"""Running the whole platform on one machine: embedded servers and the supervisor of its processes."""
