"""Write files that only their owner can read, completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def replace_file(path: Path, content: str | bytes, *, owner: tuple[int, int] | None = None) -> None:
    """Replace a file atomically and durably.

    Args:
        path: The file, in a folder that exists.
        content: The complete content.
        owner: System user id and group id, where they are not the caller's.
    """
    with _draft(path, content, owner) as draft:
        draft.replace(path)
    sync_folder(path.parent)


def create_file(path: Path, content: str | bytes) -> bool:
    """Create a file atomically and durably, unless it exists; return whether it did not.

    Several processes may start at once. Each writes a draft, and only one of them can link it to the name, so that no
    process ever reads an incomplete file.
    """
    created = False
    with _draft(path, content) as draft, suppress(FileExistsError):
        os.link(draft, path)
        created = True
    sync_folder(path.parent)
    return created


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, after a file in it was created or renamed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _draft(path: Path, content: str | bytes, owner: tuple[int, int] | None = None) -> Iterator[Path]:
    # mkstemp makes the file readable for its owner only.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if owner is not None:
                os.fchown(handle, *owner)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(handle)
        yield draft
    finally:
        draft.unlink(missing_ok=True)
