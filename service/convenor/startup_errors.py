"""What stands in the way of a start: a full disk, a folder, the database. Each is told as a problem and a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from convenor.configuration_error import ConfigurationError

_FROM_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@contextmanager
def explain_failure(problem: str, remedy: str) -> Iterator[None]:
    """Turn what the machine or the database refuses in this block into an `ConfigurationError`.

    Args:
        problem: What cannot be done, without a full stop: the reason follows.
        remedy: What to do about it where the reason is not a full disk.

    Raises:
        ConfigurationError: The machine or the database refused.
    """
    try:
        yield
    except (OSError, *_FROM_DATABASE, DBAPIError) as error:
        cause = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error
        if _is_full_disk(cause):
            remedy = "Free some space on the disk of the data folder and of the database, then start again."
        raise ConfigurationError(f"{problem}: {_reason(cause)}.", remedy) from error


def _is_full_disk(cause: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(cause, asyncpg.DiskFullError) or (isinstance(cause, OSError) and cause.errno in full)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror} ({cause.filename})" if cause.filename else cause.strerror
    # The first line only: the details of a database's error can hold values.
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
