"""Provide the one logger of the service."""

import logging

log = logging.getLogger("convenor")


def say_nothing(_sentence: str) -> None:
    """Print nothing, where a function would print sentences about its progress."""
