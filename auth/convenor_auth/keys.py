"""The server's own secrets, in files beside the database: the keys that sign tokens, and the pseudonym secret."""

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from convenor.kit.operator import OperatorError

ALGORITHM = "ES256"
SIGNING_KEYS_FILE = "signing-keys.json"
PSEUDONYM_FILE = "pseudonym.key"


class KeyState(StrEnum):
    """Where a signing key is in its life. All three are published, and verify."""

    PUBLISHED = "published"
    """Known to everybody, signs nothing yet."""
    SIGNING = "signing"
    RETIRED = "retired"
    """Signs nothing more; kept until its last token has expired, then taken from the file."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of the access tokens: one signs, every one of them verifies, by `kid`."""

    signing: ECKey = field(repr=False)
    by_kid: Mapping[str, ECKey] = field(repr=False)

    def jwks(self) -> dict[str, Any]:
        """The public halves as a JWK Set (RFC 7517 section 5)."""
        return {"keys": [key.as_dict(private=False) for key in self.by_kid.values()]}


def load_signing_keys(data_dir: Path) -> SigningKeys:
    """Read `signing-keys.json`, made with one new key where there is none.

    The file holds `{"keys": [{"state", "created_at", "jwk"}]}`; a key is rotated by publishing the next one, letting
    it sign, and retiring the last.

    Raises:
        OperatorError: the file is damaged, or not exactly one of its keys is in the state `signing`.
    """
    path = data_dir / SIGNING_KEYS_FILE
    signing: list[ECKey] = []
    by_kid: dict[str, ECKey] = {}
    try:
        for entry in json.loads(_read_or_create(path, _new_key_file()))["keys"]:
            key = ECKey.import_key(entry["jwk"])
            by_kid[str(key.kid)] = key
            if KeyState(entry["state"]) is KeyState.SIGNING:
                signing.append(key)
    except (ValueError, TypeError, KeyError, JoseError):
        # The cause can quote the file, so it is not passed on.
        raise OperatorError(f"The signing keys in {path} are damaged.", "Restore the file from a backup.") from None
    if len(signing) != 1:
        raise OperatorError(
            f"The signing keys in {path} have {len(signing)} in the state signing.", "Leave exactly one in that state."
        )
    return SigningKeys(signing[0], by_kid)


def load_pseudonym_secret(data_dir: Path) -> bytes:
    """Read the 32 random bytes from which pseudonyms come, made where there are none. Losing it changes them all."""
    return _read_or_create(data_dir / PSEUDONYM_FILE, secrets.token_bytes(32))


def pseudonym_key(secret: bytes, organisation_id: UUID) -> bytes:
    """The 32-byte key of one organisation's pseudonyms, so that no two organisations see the same one of a pupil."""
    return hmac.digest(secret, organisation_id.bytes, "sha256")


def _new_key_file() -> bytes:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM, "kid": secrets.token_urlsafe(12)})
    entry = {
        "state": KeyState.SIGNING,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "jwk": key.as_dict(private=True),
    }
    return json.dumps({"keys": [entry]}, indent=2).encode()


def _read_or_create(path: Path, content: bytes) -> bytes:
    """What the file holds, which is `content` only if nobody was first.

    Several workers start at once: each writes a whole file of its own, and linking it to its name is the one step at
    which a single one of them wins. None ever reads half a file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_bytes()
