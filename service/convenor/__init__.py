"""Convenor: one API for the shared records of neighbourhood peer clusters."""
