"""Make and load the server's own keys: those that sign tokens, and the secret ones (decision record 9).

Each kind of secret key has one use and a file of its own; data keys have a folder, one file a key. Only data keys are
ever replaced by newer ones.
"""

import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from convenor.configuration_error import ConfigurationError
from convenor.domain_types.dates import now
from convenor.private_files import create_file
from convenor.security.sealing import KEY_BYTES, Sealer

ALGORITHM = "ES256"
SIGNING_KEYS_FILE = "signing-keys.json"
PSEUDONYM_FILE = "pseudonym.key"
HASH_FILE = "hash.key"
ID_FILE = "id.key"
KEY_FILES = (SIGNING_KEYS_FILE, PSEUDONYM_FILE, HASH_FILE, ID_FILE)
DATA_KEYS_FOLDER = "data-keys"
_FIRST_DATA_KEY = f"{DATA_KEYS_FOLDER}/1.key"
SEALING_FILES = (HASH_FILE, ID_FILE, _FIRST_DATA_KEY)
"""The files of the kinds that a release without sealed identities did not have."""
DATA_KEY_NAME = re.compile(rf"{DATA_KEYS_FOLDER}/([1-9][0-9]{{0,8}})\.key")
"""The name of a data key's file within the data folder. Its number counts up."""

_RELIES: Mapping[str, str] = {
    SIGNING_KEYS_FILE: "Every token relies on it.",
    PSEUDONYM_FILE: "Every pseudonym relies on it.",
    HASH_FILE: "Pupils are matched and found by it.",
    ID_FILE: "The pupils' ids that partners know rely on it.",
}
_NEW_KEYS = "`convenor serve --new-keys` makes a new one, which ends every token or changes every pseudonym"
RENEWABLE_FILES = (SIGNING_KEYS_FILE, PSEUDONYM_FILE)


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
    """List the key files that are missing; the first data key's where there is no data key."""
    missing = [name for name in KEY_FILES if not (data_dir / name).exists()]
    return missing if data_key_files(data_dir) else [*missing, _FIRST_DATA_KEY]


def make_keys(data_dir: Path, names: Collection[str] = (*RENEWABLE_FILES, *SEALING_FILES)) -> None:
    """Make the missing key files: a new signing key, and 256 new random bits for each secret key.

    In an installation that has clients, new keys end every token and change every pseudonym.

    Args:
        data_dir: Convenor's data folder.
        names: The files that may be made.

    Raises:
        ConfigurationError: The data folder cannot be written to.
    """
    with _explained(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / DATA_KEYS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        for name in missing_keys(data_dir):
            if name in names:
                new = _new_key_file() if name == SIGNING_KEYS_FILE else secrets.token_bytes(KEY_BYTES)
                create_file(data_dir / name, new)


def make_data_key(data_dir: Path) -> int:
    """Make a new data key, which seals from now on, and return its number. The others still open.

    Raises:
        ConfigurationError: There is no data key yet, or the folder cannot be written to.
    """
    number = max(load_data_keys(data_dir))
    with _explained(data_dir):
        created = False
        while not created:
            number += 1
            created = create_file(data_dir / DATA_KEYS_FOLDER / f"{number}.key", secrets.token_bytes(KEY_BYTES))
    return number


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The keys cannot be stored in {data_dir}: {error.strerror}.",
            "Set CONVENOR_DATA_DIR to a folder that Convenor can write to.",
        ) from error


def data_key_files(data_dir: Path) -> dict[int, Path]:
    """List the files of the data keys, by number."""
    found = ((data_dir / DATA_KEYS_FOLDER).glob("*.key")) if (data_dir / DATA_KEYS_FOLDER).is_dir() else ()
    named = ((DATA_KEY_NAME.fullmatch(f"{DATA_KEYS_FOLDER}/{path.name}"), path) for path in found)
    return {int(match[1]): path for match, path in sorted(named, key=lambda pair: pair[1]) if match}


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


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The secret keys of an installation.

    Attributes:
        pseudonym: From which the keys of organisations' pseudonyms are made.
        id: From which the ids of pupils are made that organisations other than the school see.
        sealer: Holds the hash key and the data keys.
    """

    pseudonym: bytes = field(repr=False)
    id: bytes = field(repr=False)
    sealer: Sealer = field(repr=False)


def load_secret_keys(data_dir: Path) -> SecretKeys:
    """Read every secret key.

    Raises:
        ConfigurationError: A file is missing or damaged.
    """
    pseudonym, hash_key, ids = (
        parse_secret_key(_read(data_dir / name), data_dir / name) for name in (PSEUDONYM_FILE, HASH_FILE, ID_FILE)
    )
    folder = data_dir / DATA_KEYS_FOLDER
    load_data_keys(data_dir)

    def changed_at() -> int:
        # A folder that is gone has changed: reading the keys then says which is missing.
        return folder.stat().st_mtime_ns if folder.is_dir() else 0

    return SecretKeys(pseudonym, ids, Sealer(hash_key, partial(load_data_keys, data_dir), changed_at))


def load_data_keys(data_dir: Path) -> dict[int, bytes]:
    """Read the data keys, by number.

    Raises:
        ConfigurationError: There is none, or one is damaged.
    """
    files = data_key_files(data_dir) or {1: data_dir / _FIRST_DATA_KEY}
    return {number: parse_secret_key(_read(path), path) for number, path in files.items()}


def parse_secret_key(content: bytes, path: Path) -> bytes:
    """Check the content of a secret key's file.

    Args:
        content: The complete content.
        path: Its path, for error messages.

    Raises:
        ConfigurationError: the content is damaged.
    """
    if len(content) != KEY_BYTES:
        raise _damaged(path)
    return content


def check_value(path: Path) -> str:
    """Return what tells one secret key from another and reveals nothing of either."""
    return hmac.digest(path.read_bytes(), b"convenor key check", "sha256").hex()[:16]


def key_of_organisation(secret: bytes, organisation_id: UUID) -> bytes:
    """Derive an organisation's own 32-byte key, so that organisations cannot match their pseudonyms."""
    return hmac.digest(secret, organisation_id.bytes, "sha256")


def hmac_pads(secret: bytes) -> bytes:
    """Return the inner and the outer pad of an HMAC key (RFC 2104), with which SQL computes the rest."""
    key = secret.ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in key) + bytes(byte ^ 0x5C for byte in key)


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
            f"{path} is missing. {_RELIES.get(path.name, 'The identities of pupils cannot be read without it.')}",
            "Restore it from a backup, or set CONVENOR_DATA_DIR to the folder that holds it."
            + (
                f" Where there is no backup, {_NEW_KEYS}."
                if path.name in RENEWABLE_FILES
                else " It is made once, by `convenor serve`, and never anew."
            ),
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.",
            "Run Convenor as the same system user as before, or give the file to the current one.",
        ) from error


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged.",
        "Restore it from the backup of the data folder."
        + (f" Where there is no backup, move it away; then {_NEW_KEYS}." if path.name in RENEWABLE_FILES else ""),
    )
