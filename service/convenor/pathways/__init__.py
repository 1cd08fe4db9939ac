"""Pathways, as data."""
