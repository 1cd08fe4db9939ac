"""Connections, row-level security, keys and constraints: what every table shares."""
