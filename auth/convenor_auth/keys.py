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

from convenor.configuration_error import ConfigurationError

ALGORITHM = "ES256"
SIGNING_KEYS_FILE = "signing-keys.json"
PSEUDONYM_FILE = "pseudonym.key"
KEY_FILES = (SIGNING_KEYS_FILE, PSEUDONYM_FILE)
PSEUDONYM_BYTES = 32

_NEW_KEYS = "`convenor serve --new-keys` makes a new one, which ends every token or changes every pseudonym"


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


def missing_keys(data_dir: Path) -> list[str]:
    """The names of the key files that are not there."""
    return [name for name in KEY_FILES if not (data_dir / name).exists()]


def make_keys(data_dir: Path) -> None:
    """Make the key files that are missing: a new signing key, and new random bytes for pseudonyms.

    For a new installation. Beside a database that has clients, new keys end every token and change every pseudonym.

    Raises:
        OperatorError: The data folder cannot be written to.
    """
    try:
        for name in missing_keys(data_dir):
            new = _new_key_file() if name == SIGNING_KEYS_FILE else secrets.token_bytes(PSEUDONYM_BYTES)
            _create(data_dir / name, new)
    except OSError as error:
        raise ConfigurationError(
            f"The keys cannot be kept in {data_dir}: {error.strerror}.",
            "Set CONVENOR_DATA_DIR to a folder that Convenor can write to.",
        ) from error


def load_signing_keys(data_dir: Path) -> SigningKeys:
    """Read `signing-keys.json`.

    The file holds `{"keys": [{"state", "created_at", "jwk"}]}`; a key is rotated by publishing the next one, letting
    it sign, and retiring the last.

    Raises:
        OperatorError: the file is missing or damaged, or not exactly one of its keys is in the state `signing`.
    """
    path = data_dir / SIGNING_KEYS_FILE
    signing: list[ECKey] = []
    by_kid: dict[str, ECKey] = {}
    try:
        for entry in json.loads(_read(path))["keys"]:
            key = ECKey.import_key(entry["jwk"])
            by_kid[str(key.kid)] = key
            if KeyState(entry["state"]) is KeyState.SIGNING:
                signing.append(key)
    except (ValueError, TypeError, KeyError, JoseError):
        # The cause can quote the file, so it is not passed on.
        raise _damaged(path) from None
    if len(signing) != 1:
        raise ConfigurationError(
            f"The signing keys in {path} have {len(signing)} in the state signing.", "Leave exactly one in that state."
        )
    return SigningKeys(signing[0], by_kid)


def load_pseudonym_secret(data_dir: Path) -> bytes:
    """Read the 32 random bytes from which pseudonyms come. Losing them changes every pseudonym.

    Raises:
        OperatorError: the file is missing or damaged.
    """
    path = data_dir / PSEUDONYM_FILE
    secret = _read(path)
    if len(secret) != PSEUDONYM_BYTES:
        raise _damaged(path)
    return secret


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} is missing, and the database has clients that rely on it.",
            f"Restore it from the backup of the data folder. Where there is no backup, {_NEW_KEYS}.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.",
            "Run Convenor as the same system user as before, or give the file to the one who runs it now.",
        ) from error


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged.",
        f"Restore it from the backup of the data folder. Where there is no backup, move it away; then {_NEW_KEYS}.",
    )


def _create(path: Path, content: bytes) -> None:
    """Write a file, unless somebody was first.

    Several processes may start at once: each writes a whole file of its own, and linking it to its name is the one
    step at which a single one of them wins. None ever reads half a file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
