"""Write names of resources, fields and operations for people."""

import re


def words(name: str) -> str:
    """Write a name as words."""
    return re.sub(r"\bsla(s?)\b", r"SLA\1", name.replace("_", " "))
