"""What nobody asked for and somebody should know: alerts, fills, results, watches and the daily summary."""
