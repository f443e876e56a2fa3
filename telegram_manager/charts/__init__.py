"""Pictures of series, as PNG."""
