"""Write and read the two files of a backup: `FILE` with the database, and `FILE.keys` with the keys and metadata."""

import base64
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from glob import escape
from hashlib import file_digest, sha256
from pathlib import Path

from convenor.configuration_error import ConfigurationError
from convenor.demo.clients import FILE_NAME as CLIENTS_FILE
from convenor.private_files import create_file, sync_folder
from convenor_auth.keys import (
    DATA_KEY_NAME,
    DATA_KEYS_FOLDER,
    KEY_FILES,
    PSEUDONYM_FILE,
    SIGNING_KEYS_FILE,
    data_key_files,
    parse_secret_key,
    parse_signing_keys,
)

FORMAT = 2
_DRAFT = ".draft"
_ANOTHER_COPY = "Use another copy of the backup, with both files as they were written."


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
    names = (
        *KEY_FILES,
        CLIENTS_FILE,
        *(f"{DATA_KEYS_FOLDER}/{path.name}" for path in data_key_files(data_dir).values()),
    )
    return {name: (data_dir / name).read_bytes() for name in names if (data_dir / name).exists()}


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Make a draft file in a private folder beside `path`, and remove both at the end.

    A backup that is killed leaves its folder, with rows and keys. The next one of that name removes it. A lock, which
    ends with its process, protects the folder of one that is running.

    Args:
        path: The backup's name; neither it nor its keys exist yet.

    Raises:
        ConfigurationError: One of them exists, or the folder cannot be written to.
    """
    refuse_to_overwrite(path)
    _remove_drafts(path)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(_DRAFT, f".{path.name}.", path.parent))
            stack.enter_context(_locked(folder))
            draft = Path(folder, "rows")
            # PostgreSQL's program keeps the mode of a file that exists, whatever the umask is.
            draft.touch(mode=0o600)
        except OSError as error:
            raise unwritable(path, error) from error
        yield draft


def _remove_drafts(path: Path) -> None:
    for left in path.parent.glob(f".{escape(path.name)}.{'[a-z0-9_]' * 8}{_DRAFT}"):
        # Another backup or another system user may hold it.
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)


@contextmanager
def _locked(folder: Path | str) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flock(handle, LOCK_EX | LOCK_NB)
        yield
    finally:
        os.close(handle)


def publish(draft: Path, path: Path, backup: Backup) -> None:
    """Give a complete backup its two names, the keys first, so that a backup always has its keys.

    Args:
        draft: The draft that `drafted` made, with the dump. PostgreSQL's program has made its content durable.
        path: The backup's name.
        backup: What its keys hold.

    Raises:
        ConfigurationError: The name has been used in the meantime, or the keys cannot be written.
    """
    keys = draft.with_name("keys")
    written = {
        "format": FORMAT,
        "revision": backup.revision,
        "postgresql": backup.postgresql,
        "sha256": backup.sha256,
        "files": {name: base64.b64encode(content).decode() for name, content in backup.files.items()},
    }
    written["keys_sha256"] = _own_digest(written)
    names = ((keys, keys_path(path)), (draft, path))
    try:
        create_file(keys, json.dumps(written, indent=2) + "\n")
        for source, name in names:
            # A link, unlike a rename, never replaces the file of another backup that has just ended.
            os.link(source, name)
            sync_folder(path.parent)
    except BaseException as error:
        for source, name in names:
            with suppress(OSError):
                if source.samefile(name):
                    name.unlink()
        if isinstance(error, FileExistsError):
            raise _taken(Path(error.filename2)) from error
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def _own_digest(written: Mapping[str, object]) -> str:
    """Return the digest of all that `FILE.keys` holds beside this digest."""
    others = {name: value for name, value in written.items() if name != "keys_sha256"}
    return sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def read_backup(path: Path) -> Backup:
    """Read the keys of a backup, and check that both files are complete and belong together.

    Raises:
        ConfigurationError: One of the two files is missing, damaged, of another backup or of a newer Convenor.
    """
    _refuse_no_file(path)
    keys = keys_path(path)
    damaged = ConfigurationError(f"{keys} is damaged.", _ANOTHER_COPY)
    if not os.path.lexists(keys):
        raise ConfigurationError(
            f"{keys} is missing. Without the keys, tokens end and pseudonyms change.",
            f"Put the keys that were written with {path.name} into its folder.",
        )
    _refuse_no_file(keys)
    try:
        written = json.loads(keys.read_bytes())
        if written["format"] != FORMAT:
            raise ConfigurationError(
                f"{keys} was written by another version of Convenor.", "Restore it with that version."
            )
        if written["keys_sha256"] != _own_digest(written):
            raise damaged
        files = {str(name): base64.b64decode(text, validate=True) for name, text in written["files"].items()}
        backup = Backup(str(written["revision"]), int(written["postgresql"]), str(written["sha256"]), files)
    except OSError as error:
        raise _unreadable(keys, error) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # The cause can quote the file, so the message leaves it out.
        raise damaged from None
    _check_key_files(backup.files, keys)
    try:
        if digest(path) != backup.sha256:
            raise ConfigurationError(f"{path} is damaged, or {keys.name} was written with another file.", _ANOTHER_COPY)
    except OSError as error:
        raise _unreadable(path, error) from error
    return backup


def _check_key_files(files: Mapping[str, bytes], keys: Path) -> None:
    """Parse the key files as the service does at its start, and refuse a name that could leave the data folder."""
    secret = {name for name in files if name in KEY_FILES or DATA_KEY_NAME.fullmatch(name)} - {SIGNING_KEYS_FILE}
    # A backup of before identities were sealed has none of the other kinds.
    if not {SIGNING_KEYS_FILE, PSEUDONYM_FILE} <= files.keys() <= {*secret, SIGNING_KEYS_FILE, CLIENTS_FILE}:
        raise ConfigurationError(f"{keys} holds other files than a backup's.", _ANOTHER_COPY)
    try:
        parse_signing_keys(files[SIGNING_KEYS_FILE], keys / SIGNING_KEYS_FILE)
        for name in sorted(secret):
            parse_secret_key(files[name], keys / name)
    except ConfigurationError as error:
        raise ConfigurationError(error.problem, _ANOTHER_COPY) from None


def refuse_to_overwrite(path: Path) -> None:
    """Refuse a name if a backup with it, its keys or a folder exist.

    Raises:
        ConfigurationError: One of them exists.
    """
    # Unlike Path's methods, these raise no error; what is wrong with the folder shows when the draft is made.
    if os.path.isdir(path):
        raise ConfigurationError(f"{path} is a folder, not a new file.", "Name a new file in a folder that exists.")
    for each in (path, keys_path(path)):
        if os.path.lexists(each):
            raise _taken(each)


def _refuse_no_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{path} is not a file.", "Name a file that `convenor backup` wrote.")


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
