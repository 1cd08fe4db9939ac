"""Make identifiers, and pass lists of them between the database and the audit."""

import os
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from typing import overload
from uuid import UUID

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32: no I, L, O or U, which people confuse when they read a code out."""
_lock = threading.Lock()
_last = 0


def compose_uuid7(milliseconds: int, rand_a: int, rand_b: int) -> UUID:
    """Compose a UUIDv7 from its 48 bits of Unix time, its 12 bits after the version and its last 62 bits.

    Source: RFC 9562, section 5.7.
    """
    return UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)


def uuid7() -> UUID:
    """Make a time-ordered UUID that is greater than all others of this process.

    The 12 bits after the version hold fractions of a millisecond, so that the ids of one process sort in order.

    Source: RFC 9562, section 6.2 (method 3).
    """
    global _last
    with _lock:
        _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
        stamp = _last
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return compose_uuid7(stamp >> 12, stamp & 0xFFF, random)


def record_code(prefix: str) -> str:
    """Make a code that people can read out: `prefix` and 12 characters with 60 random bits."""
    return prefix + "".join(secrets.choice(CODE_ALPHABET) for _ in range(12))


class Ids(Sequence[UUID]):
    """Ids as the database wrote them, separated by commas.

    An answer can show thousands of records. Copying one text into the audit is faster than parsing every id, which
    happens only on access.
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
        """Return one id, or a slice."""
        return self._read()[at]

    def __len__(self) -> int:
        """Return the number of ids."""
        return len(self._read())


def text_of(ids: Iterable[UUID]) -> str:
    """Join ids with commas for `string_to_array`, which is faster than an array literal."""
    return ids.text if isinstance(ids, Ids) else ",".join(map(str, ids))
