"""Explain failures of a start, such as a full disk, a folder or the database, as a problem with a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from convenor.configuration_error import ConfigurationError
from convenor.database.pools import DATABASE_ERRORS, driver_error, no_session

_LOST_STATEMENT = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""A prepared statement is in another session, or this session has one of another connection."""


@contextmanager
def explain_failure(problem: str, remedy: str) -> Iterator[None]:
    """Turn an error of the system or the database in this block into a `ConfigurationError`.

    Args:
        problem: What failed, without a full stop; the reason follows.
        remedy: What to do, unless the reason is a full disk.

    Raises:
        ConfigurationError: The system or the database raised an error.
    """
    try:
        yield
    except (OSError, *DATABASE_ERRORS, DBAPIError) as error:
        cause = driver_error(error)
        if isinstance(cause, _LOST_STATEMENT):
            raise no_session("changes the session between statements") from error
        if _is_full_disk(cause):
            remedy = "Free some space on the disk of the data folder and of the database, then start again."
        raise ConfigurationError(f"{problem}: {_reason(cause)}.", remedy) from error


def _is_full_disk(cause: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(cause, asyncpg.DiskFullError) or (isinstance(cause, OSError) and cause.errno in full)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror} ({cause.filename})" if cause.filename else cause.strerror
    # The first line only, because the details of a database's error can hold values.
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
