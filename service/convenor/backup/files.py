"""The two files of a backup: `FILE` holds the database; `FILE.keys` holds the keys and says what belongs together."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

from convenor.configuration_error import ConfigurationError
from convenor.demo.clients import FILE_NAME as CLIENTS_FILE
from convenor.private_files import replace_file, sync_folder
from convenor_auth.keys import KEY_FILES

FORMAT = 1


@dataclass(frozen=True)
class Backup:
    """What `FILE.keys` says.

    Attributes:
        revision: The revision of the database in `FILE`.
        postgresql: The major version of the server that it came from.
        sha256: The digest of `FILE`: it tells a damaged file, and one that belongs to other keys.
        files: By name, the files of the data folder without which the rows are worth less.
    """

    revision: str
    postgresql: int
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)


def keys_path(path: Path) -> Path:
    """Where the keys of a backup are."""
    return path.with_name(f"{path.name}.keys")


def digest(path: Path) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def key_files(data_dir: Path) -> dict[str, bytes]:
    """The files of a data folder that belong into a backup. The demo's clients are nowhere else either."""
    names = (*KEY_FILES, CLIENTS_FILE)
    return {name: (data_dir / name).read_bytes() for name in names if (data_dir / name).exists()}


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A file with another name in the same folder, for its owner only, which is taken away at the end.

    Args:
        path: The name that it is to have; neither it nor its keys exist yet.

    Raises:
        ConfigurationError: One of them exists, or the folder cannot be written to.
    """
    refuse_to_overwrite(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def publish(draft: Path, path: Path, backup: Backup) -> None:
    """Give a whole backup its name: the keys first, so that a file with the name always has its keys.

    Raises:
        ConfigurationError: The name was taken meanwhile, or the keys cannot be written.
    """
    refuse_to_overwrite(path)
    text = {
        "format": FORMAT,
        "revision": backup.revision,
        "postgresql": backup.postgresql,
        "sha256": backup.sha256,
        "files": {name: base64.b64encode(content).decode() for name, content in backup.files.items()},
    }
    try:
        replace_file(keys_path(path), json.dumps(text, indent=2) + "\n")
        draft.rename(path)
        sync_folder(path.parent)
    except BaseException as error:
        for each in (path, keys_path(path)):
            each.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def read_backup(path: Path) -> Backup:
    """Read the keys of a backup, and find the database that they belong to whole.

    Raises:
        ConfigurationError: One of the two files is missing, damaged, of another backup or of a newer Convenor.
    """
    keys = keys_path(path)
    remedy = "Take another copy of the backup: both files, as they were written together."
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
            f"{keys} is missing: without the keys, tokens end and pseudonyms change.",
            f"Put the keys that were written with {path.name} beside it.",
        ) from None
    except OSError as error:
        raise _unreadable(keys, error) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        # The cause can quote the file, so it is not passed on.
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
    """Refuse a name under which a backup, or its keys, exist.

    Raises:
        ConfigurationError: One of them exists.
    """
    for each in (path, keys_path(path)):
        if each.exists():
            raise ConfigurationError(f"{each} exists already.", "Name another file, or move that one away.")


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """What to say where a backup cannot be written."""
    return ConfigurationError(
        f"The backup cannot be written to {path}: {error.strerror}.",
        "Name a file in a folder that Convenor can write to, on a disk with room for it.",
    )


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read: {error.strerror}.", "Correct the name, or let Convenor's system user read the file."
    )
