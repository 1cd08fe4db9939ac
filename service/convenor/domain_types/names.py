"""Names of resources, fields and operations, as people write them."""

import re


def words(name: str) -> str:
    """A name as people write it."""
    return re.sub(r"\bsla(s?)\b", r"SLA\1", name.replace("_", " "))
