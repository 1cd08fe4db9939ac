"""Make and load the server's own secrets: the keys that sign tokens, and the pseudonym secret."""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from convenor.configuration_error import ConfigurationError
from convenor.domain_types.dates import now
from convenor.private_files import create_file

ALGORITHM = "ES256"
SIGNING_KEYS_FILE = "signing-keys.json"
PSEUDONYM_FILE = "pseudonym.key"
KEY_FILES = (SIGNING_KEYS_FILE, PSEUDONYM_FILE)
PSEUDONYM_BYTES = 32

_NEW_KEYS = "`convenor serve --new-keys` makes a new one, which ends every token or changes every pseudonym"


class KeyState(StrEnum):
    """The state of a signing key. Keys in all three states are published and verify tokens."""

    PUBLISHED = "published"
    """Signs nothing yet."""
    SIGNING = "signing"
    RETIRED = "retired"
    """Signs nothing now; to be removed from the file once its last token has expired."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of the access tokens: one signs, and all of them verify, by `kid`."""

    signing: ECKey = field(repr=False)
    by_kid: Mapping[str, ECKey] = field(repr=False)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JWK Set (RFC 7517 section 5)."""
        return {"keys": [key.as_dict(private=False) for key in self.by_kid.values()]}


def missing_keys(data_dir: Path) -> list[str]:
    """List the key files that are missing."""
    return [name for name in KEY_FILES if not (data_dir / name).exists()]


def make_keys(data_dir: Path) -> None:
    """Make the missing key files: a new signing key, and new random bytes for pseudonyms.

    In an installation that has clients, new keys end every token and change every pseudonym.

    Raises:
        ConfigurationError: The data folder cannot be written to.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in missing_keys(data_dir):
            new = _new_key_file() if name == SIGNING_KEYS_FILE else secrets.token_bytes(PSEUDONYM_BYTES)
            create_file(data_dir / name, new)
    except OSError as error:
        raise ConfigurationError(
            f"The keys cannot be stored in {data_dir}: {error.strerror}.",
            "Set CONVENOR_DATA_DIR to a folder that Convenor can write to.",
        ) from error


def load_signing_keys(data_dir: Path) -> SigningKeys:
    """Read `signing-keys.json`.

    The file holds `{"keys": [{"state", "created_at", "jwk"}]}`. To rotate the key, publish the next one, let it sign,
    and retire the previous one.

    Raises:
        ConfigurationError: the file is missing or damaged, or not exactly one of its keys is in the state `signing`.
    """
    path = data_dir / SIGNING_KEYS_FILE
    return parse_signing_keys(_read(path), path)


def parse_signing_keys(content: bytes, path: Path) -> SigningKeys:
    """Parse the content of `signing-keys.json`.

    Args:
        content: The complete content.
        path: Its path, for error messages.

    Raises:
        ConfigurationError: the content is damaged, or not exactly one of its keys is in the state `signing`.
    """
    signing: list[ECKey] = []
    by_kid: dict[str, ECKey] = {}
    try:
        for entry in json.loads(content)["keys"]:
            key = ECKey.import_key(entry["jwk"])
            by_kid[str(key.kid)] = key
            if KeyState(entry["state"]) is KeyState.SIGNING:
                if not key.is_private:
                    raise _damaged(path)
                signing.append(key)
    except (ValueError, TypeError, KeyError, JoseError):
        # The cause can quote the file, so the message leaves it out.
        raise _damaged(path) from None
    if len(signing) != 1:
        raise ConfigurationError(
            f"The signing keys in {path} have {len(signing)} in the state signing.", "Leave exactly one in that state."
        )
    return SigningKeys(signing[0], by_kid)


def load_pseudonym_secret(data_dir: Path) -> bytes:
    """Read the 32 random bytes from which pseudonyms are made. Losing them changes every pseudonym.

    Raises:
        ConfigurationError: the file is missing or damaged.
    """
    path = data_dir / PSEUDONYM_FILE
    return parse_pseudonym_secret(_read(path), path)


def parse_pseudonym_secret(content: bytes, path: Path) -> bytes:
    """Check the content of `pseudonym.key`.

    Args:
        content: The complete content.
        path: Its path, for error messages.

    Raises:
        ConfigurationError: the content is damaged.
    """
    if len(content) != PSEUDONYM_BYTES:
        raise _damaged(path)
    return content


def pseudonym_key(secret: bytes, organisation_id: UUID) -> bytes:
    """Derive the 32-byte key of an organisation's pseudonyms, so that organisations cannot match their pseudonyms."""
    return hmac.digest(secret, organisation_id.bytes, "sha256")


def _new_key_file() -> bytes:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM, "kid": secrets.token_urlsafe(12)})
    entry = {
        "state": KeyState.SIGNING,
        "created_at": now().isoformat(timespec="seconds"),
        "jwk": key.as_dict(private=True),
    }
    return json.dumps({"keys": [entry]}, indent=2).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} is missing. Every token and pseudonym relies on it.",
            "Restore it from a backup, or set CONVENOR_DATA_DIR to the folder that holds it. Where there is no backup, "
            f"{_NEW_KEYS}.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.",
            "Run Convenor as the same system user as before, or give the file to the current one.",
        ) from error


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged.",
        f"Restore it from the backup of the data folder. Where there is no backup, move it away; then {_NEW_KEYS}.",
    )
