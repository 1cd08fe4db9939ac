"""Whether this worker runs, and whether it can serve."""
