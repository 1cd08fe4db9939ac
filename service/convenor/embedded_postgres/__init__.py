"""Run PostgreSQL from its wheel, in the data folder. Only commands use this package, never a request."""
