"""Write and read the two files of a backup: `FILE` with the database, and `FILE.keys` with the keys and metadata."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from glob import escape
from hashlib import file_digest
from pathlib import Path

from convenor.configuration_error import ConfigurationError
from convenor.demo.clients import FILE_NAME as CLIENTS_FILE
from convenor.private_files import create_file, sync_folder
from convenor_auth.keys import KEY_FILES

FORMAT = 1
_DRAFT = ".draft"


@dataclass(frozen=True)
class Backup:
    """The content of `FILE.keys`.

    Attributes:
        revision: The revision of the database in `FILE`.
        postgresql: The major version of the server that it was made on.
        sha256: The digest of `FILE`, which shows that the file is complete and belongs to these keys.
        files: The key files of the data folder, by name.
    """

    revision: str
    postgresql: int
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)


def keys_path(path: Path) -> Path:
    """Return the path of a backup's keys."""
    return path.with_name(f"{path.name}.keys")


def digest(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def key_files(data_dir: Path) -> dict[str, bytes]:
    """Read the files of a data folder that belong in a backup, with the secrets of the demo's clients."""
    names = (*KEY_FILES, CLIENTS_FILE)
    return {name: (data_dir / name).read_bytes() for name in names if (data_dir / name).exists()}


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Make a private draft file in the folder of `path`, and remove it at the end.

    A backup that is killed leaves its draft, with all rows. The next one of that name removes it. A lock, which ends
    with its process, protects the draft of one that is running.

    Args:
        path: The backup's name; neither it nor its keys exist yet.

    Raises:
        ConfigurationError: One of them exists, or the folder cannot be written to.
    """
    refuse_to_overwrite(path)
    try:
        for left in path.parent.glob(f".{escape(path.name)}.{'[a-z0-9_]' * 8}{_DRAFT}"):
            with suppress(BlockingIOError), open(left, "rb") as file:
                flock(file, LOCK_EX | LOCK_NB)
                left.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(_DRAFT, f".{path.name}.", path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    with os.fdopen(handle) as lock:
        flock(lock, LOCK_EX | LOCK_NB)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def publish(draft: Path, path: Path, backup: Backup) -> None:
    """Write the keys of a complete backup, then give the draft its name, so that a backup always has its keys.

    Raises:
        ConfigurationError: The name has been used in the meantime, or the keys cannot be written.
    """
    keys = keys_path(path)
    text = {
        "format": FORMAT,
        "revision": backup.revision,
        "postgresql": backup.postgresql,
        "sha256": backup.sha256,
        "files": {name: base64.b64encode(content).decode() for name, content in backup.files.items()},
    }
    # A link, unlike a rename, never replaces the file of another backup that has just ended.
    try:
        if not create_file(keys, json.dumps(text, indent=2) + "\n"):
            raise _taken(keys)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        os.link(draft, path)
        sync_folder(path.parent)
    except BaseException as error:
        keys.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise _taken(path) from error
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def read_backup(path: Path) -> Backup:
    """Read the keys of a backup, and check that the database file is complete.

    Raises:
        ConfigurationError: One of the two files is missing, damaged, of another backup or of a newer Convenor.
    """
    keys = keys_path(path)
    remedy = "Use another copy of the backup, with both files as they were written."
    try:
        written = json.loads(keys.read_bytes())
        if written["format"] != FORMAT:
            raise ConfigurationError(
                f"{keys} was written by another version of Convenor.", "Restore it with that version."
            )
        files = {str(name): base64.b64decode(text, validate=True) for name, text in written["files"].items()}
        backup = Backup(str(written["revision"]), int(written["postgresql"]), str(written["sha256"]), files)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{keys} is missing. Without the keys, tokens end and pseudonyms change.",
            f"Put the keys that were written with {path.name} into its folder.",
        ) from None
    except OSError as error:
        raise _unreadable(keys, error) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        # The cause can quote the file, so the message leaves it out.
        raise ConfigurationError(f"{keys} is damaged.", remedy) from None
    if not set(KEY_FILES) <= backup.files.keys() <= {*KEY_FILES, CLIENTS_FILE}:
        raise ConfigurationError(f"{keys} is damaged.", remedy)
    try:
        if digest(path) != backup.sha256:
            raise ConfigurationError(f"{path} is damaged, or {keys.name} was written with another file.", remedy)
    except OSError as error:
        raise _unreadable(path, error) from error
    return backup


def refuse_to_overwrite(path: Path) -> None:
    """Refuse a name if a backup with it, or its keys, exist.

    Raises:
        ConfigurationError: One of them exists.
    """
    for each in (path, keys_path(path)):
        if each.exists():
            raise _taken(each)


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} exists already.", "Name another file, or move that one away.")


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """Make the error for a backup that cannot be written."""
    return ConfigurationError(
        f"The backup cannot be written to {path}: {error.strerror}.",
        "Name a file in a folder that Convenor can write to, on a disk with room for it.",
    )


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read: {error.strerror}.", "Correct the name, or let Convenor's system user read the file."
    )
