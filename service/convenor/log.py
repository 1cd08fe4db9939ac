"""Provide the one logger of the service."""

import logging

log = logging.getLogger("convenor")
