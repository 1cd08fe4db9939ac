"""The audit's events, for those who watch over the use of data."""
