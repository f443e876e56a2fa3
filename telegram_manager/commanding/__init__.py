"""What people order: start, stop, pause, flatten, kill. Plain values in, results out."""
