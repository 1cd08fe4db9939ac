"""Commissioned services."""
