"""Store the passwords that Convenor generates for PostgreSQL roles, in the file `<data dir>/database.json`."""

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from convenor.configuration_error import ConfigurationError
from convenor.private_files import replace_file

FILE_NAME = "database.json"

Passwords = dict[str, str]
"""Role name to password."""


def known_passwords(data_dir: Path, server: str) -> Passwords:
    """Read the generated passwords of one server.

    Args:
        data_dir: Convenor's data folder.
        server: `embedded`, or `host:port/database` of another server.

    Raises:
        ConfigurationError: The file cannot be read or is damaged.
    """
    return _read(data_dir / FILE_NAME).get(server, {})


def make_passwords(data_dir: Path, server: str, roles: Iterable[str]) -> Passwords:
    """Generate missing passwords (256 random bits each), and store them before they are used.

    The file is replaced atomically, so that a crash leaves the old or the new one, and an interrupted set-up continues
    with the same passwords.

    Args:
        data_dir: Convenor's data folder, which exists.
        server: As for `known_passwords`.
        roles: The roles that need a password.

    Raises:
        ConfigurationError: The file cannot be read or is damaged.
    """
    path = data_dir / FILE_NAME
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        servers = _read(path)
        known = servers.setdefault(server, {})
        missing = [role for role in roles if role not in known]
        if missing:
            known.update({role: secrets.token_urlsafe(32) for role in missing})
            replace_file(path, json.dumps(servers, indent=2) + "\n")
        return known
    finally:
        os.close(folder)


def scram_verifier(password: str) -> str:
    """Return PostgreSQL's verifier of a password, so that no statement, which a server might log, holds the password.

    Source: RFC 5802 section 3; PostgreSQL documentation, "pg_authid".
    """
    salt, iterations = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


def _read(path: Path) -> dict[str, Passwords]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"The database passwords in {path} cannot be read: {error.strerror}.",
            "Run Convenor as the same system user as before, or give the file to the current one.",
        ) from error
    try:
        servers = json.loads(text)
        return {
            str(server): {str(role): str(password) for role, password in roles.items()}
            for server, roles in servers.items()
        }
    except (ValueError, AttributeError):
        # The parser's message can quote the file, so leave it out.
        raise ConfigurationError(
            f"The database passwords in {path} are damaged.", "Restore that file from the backup of the data folder."
        ) from None
