"""Seal what identifies a child, so that a dump without the keys shows nothing, and hash what is compared.

A data key seals with AES-256-GCM; the youngest seals, and all open. The record that a ciphertext belongs to is bound in
as associated data, so that a copy in another record does not open. See decision record 9.
"""

import hmac
import os
from collections.abc import Callable, Mapping
from datetime import date

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from convenor.configuration_error import ConfigurationError

KEY_BYTES = 32
NUMBER_BYTES = 4
"""The number of the data key, with which a ciphertext begins."""
_NONCE_BYTES = 12


class CannotOpen(ConfigurationError):  # noqa: N818 - the name says what happened
    """A ciphertext does not open. The problem names the key."""


class Sealer:
    """Seals and opens identities with the keys of one installation.

    Args:
        hash_key: What keyed hashes are made with.
        read: Reads the data keys, by number.
        changed_at: Returns when the data keys were last changed; asked before each ciphertext that is made.
    """

    def __init__(self, hash_key: bytes, read: Callable[[], Mapping[int, bytes]], changed_at: Callable[[], int]) -> None:
        self._hash_key, self._read, self._changed_at = hash_key, read, changed_at
        self._read_at = -1
        self._ciphers: dict[int, AESGCM] = {}
        self._youngest = 0
        self._renew()

    @property
    def youngest(self) -> int:
        """Return the number of the data key that seals now."""
        if self._changed_at() != self._read_at:
            self._renew()
        return self._youngest

    @property
    def numbers(self) -> frozenset[int]:
        """Return the numbers of all data keys."""
        self._renew()
        return frozenset(self._ciphers)

    def hash(self, field: str, value: str | date) -> bytes:
        """Return the keyed hash of a value: the same for equal values of one field, and different for another field."""
        return hmac.digest(self._hash_key, f"{field}\0{value}".encode(), "sha256")

    def seal(self, bound: bytes, content: bytes) -> bytes:
        """Encrypt content with the youngest data key.

        Args:
            bound: What the ciphertext belongs to; it opens with the same only.
            content: What is sealed.
        """
        number = self.youngest
        begins, nonce = number.to_bytes(NUMBER_BYTES, "big"), os.urandom(_NONCE_BYTES)
        return begins + nonce + self._ciphers[number].encrypt(nonce, content, bound + begins)

    def open(self, bound: bytes, sealed: bytes) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            CannotOpen: The data key is missing, or the ciphertext was changed or belongs to something else.
        """
        begins, nonce = sealed[:NUMBER_BYTES], sealed[NUMBER_BYTES : NUMBER_BYTES + _NONCE_BYTES]
        number = int.from_bytes(begins, "big")
        cipher = self._ciphers.get(number) or self._cipher(number)
        try:
            return cipher.decrypt(nonce, sealed[NUMBER_BYTES + _NONCE_BYTES :], bound + begins)
        except (InvalidTag, ValueError):
            raise CannotOpen(
                f"A ciphertext of {bound[: bound.find(0)].decode(errors='replace')} does not open with data key"
                f" {number}: it was changed, belongs to another record, or the key is another installation's.",
                "Restore the record or the key from a backup.",
            ) from None

    def _cipher(self, number: int) -> AESGCM:
        """Return the cipher of a key that may have been added since the keys were read."""
        self._renew()
        if number not in self._ciphers:
            raise CannotOpen(
                f"Data key {number} is missing.",
                "Put its file into the folder of the data keys, from a backup or from the host that made it.",
            )
        return self._ciphers[number]

    def _renew(self) -> None:
        # The time first: a key that is added while the folder is read is found the next time.
        read_at = self._changed_at()
        self._ciphers = {number: AESGCM(key) for number, key in self._read().items()}
        self._youngest, self._read_at = max(self._ciphers), read_at
