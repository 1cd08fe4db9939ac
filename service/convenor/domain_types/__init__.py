"""Codes, dates and input types of the domain, with their checks."""
