"""PostgreSQL from its wheel, under the data folder. Commands use it; no request does."""
