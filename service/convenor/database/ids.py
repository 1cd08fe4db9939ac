"""Identifiers that this service mints."""

import os
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from typing import overload
from uuid import UUID

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A time-ordered UUID, strictly increasing within this process.

    The 12 bits after the version hold fractions of a millisecond, so that ids of one process sort as they were made.

    Source: RFC 9562, sections 5.7 and 6.2 (method 3).
    """
    global _last
    with _lock:
        _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
        stamp = _last
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random)


def record_code(prefix: str) -> str:
    """A code that people can read out: `prefix` and 12 characters without I, L, O or U. 60 random bits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(12))


class Ids(Sequence[UUID]):
    """Ids as the database wrote them, with commas between: a text that goes back as it came.

    An answer can show thousands of records, of which the audit is told by copying one text; they are read one by one
    only where somebody looks.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def _read(self) -> list[UUID]:
        return [UUID(written) for written in self.text.split(",")] if self.text else []

    @overload
    def __getitem__(self, at: int) -> UUID: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[UUID]: ...

    def __getitem__(self, at: int | slice) -> UUID | Sequence[UUID]:
        """One of them, or some."""
        return self._read()[at]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._read())


def text_of(ids: Iterable[UUID]) -> str:
    """Ids with commas between, as `string_to_array` takes them: faster than an array literal."""
    return ids.text if isinstance(ids, Ids) else ",".join(map(str, ids))
