"""The schema of PostgreSQL: migrations, the runner that applies them, and the roles they grant to."""
