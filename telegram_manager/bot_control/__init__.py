"""How bots are started, stopped and watched: in containers, or as children of a supervisor."""
