"""Open the database with two logins: the owner's for migrations, the application's for everything else."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from convenor.configuration_error import ConfigurationError
from convenor.database.login import (
    Address,
    Login,
    assert_app_role,
    connect,
    connect_and_examine,
    refuse_another_database,
)
from convenor.embedded_postgres import server as embedded
from convenor.embedded_postgres.passwords import FILE_NAME, known_passwords, make_passwords, scram_verifier
from convenor.log import say_nothing
from convenor.startup_errors import explain_failure

__all__ = ["Database", "Finding", "app_role_of", "assert_app_role", "examine", "open_database"]

_APP_SETTING, _OWNER_SETTING = "CONVENOR_DATABASE_URL", "CONVENOR_OWNER_DATABASE_URL"
_ROLES_SQL = "deploy/postgres/roles.sql"


@dataclass(frozen=True)
class Database:
    """A database that is ready for use. The addresses hold passwords and stay out of its `repr`.

    Attributes:
        owner_url: The owner's address, for migrations; None where only the application's login is known.
        app_url: The application's address. Its role is no superuser, has no BYPASSRLS and owns nothing.
        app_role: The name of the application's role, to which migrations grant.
        embedded: Whether the server is Convenor's own.
    """

    owner_url: str | None = field(repr=False)
    app_url: str = field(repr=False)
    app_role: str
    embedded: bool

    def require_owner_url(self) -> str:
        """Return the owner's address.

        Raises:
            ConfigurationError: Only the application's login is known.
        """
        if self.owner_url is None:
            raise ConfigurationError(
                "This command needs the owner's login, which is not known.",
                f"Set {_OWNER_SETTING}, or unset {_APP_SETTING} to use the embedded database.",
            )
        return self.owner_url


@dataclass(frozen=True)
class Finding:
    """One check of `convenor doctor`.

    Attributes:
        name: What was checked.
        ok: Whether it is correct.
        detail: Its state, or what is wrong.
        remedy: What to do if it is wrong, else empty.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@contextmanager
def open_database(
    data_dir: Path,
    database_url: str | None = None,
    owner_url: str | None = None,
    *,
    say: Callable[[str], None] = say_nothing,
) -> Iterator[Database]:
    """Open the database while the context lasts. Not for use inside a running event loop.

    Without `database_url`, use the embedded server, and start it if necessary. On another server, the login is either
    the application's, or an owner's that makes the application's role once.

    Args:
        data_dir: Convenor's data folder.
        database_url: CONVENOR_DATABASE_URL.
        owner_url: CONVENOR_OWNER_DATABASE_URL, where `database_url` is the application's login.
        say: Prints a sentence about a long step.

    Raises:
        ConfigurationError: An error that a person must correct; no data are lost.
    """
    if database_url is None:
        with embedded.open_embedded(data_dir, say=say) as server:
            yield Database(server.owner_url, server.app_url, embedded.APP, embedded=True)
    else:
        with explain_failure(f"The database of {_APP_SETTING} cannot be used", f"Correct that, or {_APP_SETTING}."):
            database = _open_own_server(data_dir.expanduser().resolve(), database_url, owner_url)
        yield database


def examine(data_dir: Path, database_url: str | None, owner_url: str | None) -> list[Finding]:
    """Check the database that `open_database` would open, without starting or changing anything.

    Args:
        data_dir: Convenor's data folder.
        database_url: CONVENOR_DATABASE_URL.
        owner_url: CONVENOR_OWNER_DATABASE_URL.
    """
    data_dir = data_dir.expanduser().resolve()
    if database_url is None:
        findings = [
            _finding("data folder", lambda: embedded.check_folder(data_dir)),
            _finding("embedded database", lambda: embedded.check_cluster(data_dir)),
        ]
        if (data_dir / FILE_NAME).exists():
            findings.append(_finding("database passwords", lambda: _check_mode(data_dir / FILE_NAME)))
        if all(finding.ok for finding in findings) and embedded.answers(data_dir):
            findings.append(_finding("application's login", lambda: _check_embedded_login(data_dir)))
        return findings
    findings = [_finding("database server", lambda: _check_server(data_dir, database_url, owner_url))]
    if owner_url is not None:
        findings.append(_finding("owner's login", lambda: _check_owner(owner_url, database_url)))
    return findings


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except ConfigurationError as error:
        return Finding(name, False, error.problem, error.remedy)


def _check_mode(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others than its owner.", f"chmod 600 {path}")
    return f"{path}, for its owner only"


def _check_embedded_login(data_dir: Path) -> str:
    login = connect_and_examine(Address.parse(embedded.embedded_server(data_dir).app_url, "the embedded database"))
    if not login.is_plain:
        raise ConfigurationError(
            _not_plain(login).problem,
            f"As the superuser of {FILE_NAME}, run `alter role {login.role} nosuperuser nobypassrls nocreaterole`, and "
            f"`reassign owned by {login.role} to {embedded.OWNER}`.",
        )
    return f"{login.role}: row-level security applies"


def _check_server(data_dir: Path, database_url: str, owner_url: str | None) -> str:
    address = Address.parse(database_url, _APP_SETTING)
    login = connect_and_examine(address)
    version = f"PostgreSQL {login.server_version} at {address.server}"
    if login.is_plain:
        return f"{version}; {login.role}: row-level security applies"
    if owner_url is not None:
        raise _not_plain(login)
    role = app_role_of(login)
    password = known_passwords(data_dir, address.server).get(role)
    if asyncio.run(_role_exists(address, role)):
        _log_in_as_app(address, role, password)
        return f"{version}; {login.role} is the owner, {role} the application"
    _refuse_unless_it_can_make(login, role)
    return f"{version}; {login.role} is the owner and will make {role} for the application"


def _check_owner(owner_url: str, database_url: str) -> str:
    address = Address.parse(owner_url, _OWNER_SETTING)
    login = connect_and_examine(address)
    asyncio.run(refuse_another_database(address, Address.parse(database_url, _APP_SETTING)))
    if not (login.can_create or login.owns):
        raise ConfigurationError(
            f"{login.role} neither owns the database {login.database} nor may create anything in it.",
            f"Set {_OWNER_SETTING} to the owner's login, which {_ROLES_SQL} makes.",
        )
    return f"{login.role} at {address.server}"


def _open_own_server(data_dir: Path, database_url: str, owner_url: str | None) -> Database:
    address = Address.parse(database_url, _APP_SETTING)
    login = connect_and_examine(address)
    if owner_url is not None:
        _check_owner(owner_url, database_url)
        if not login.is_plain:
            raise _not_plain(login)
        return Database(Address.parse(owner_url, _OWNER_SETTING).url, address.url, login.role, embedded=False)
    if login.is_plain:
        return Database(None, address.url, login.role, embedded=False)
    role = app_role_of(login)
    if not asyncio.run(_role_exists(address, role)):
        _refuse_unless_it_can_make(login, role)
        _make_app_role(data_dir, address, role)
    app = _log_in_as_app(address, role, known_passwords(data_dir, address.server).get(role))
    return Database(address.url, app.url, role, embedded=False)


def app_role_of(owner: Login) -> str:
    """Return the application's role in a database whose owner's login is the only one that is set."""
    return f"{owner.database}_app"


def _log_in_as_app(address: Address, role: str, password: str | None) -> Address:
    unknown = ConfigurationError(
        f"The application's role {role} exists at {address.server}, but its password is not known here.",
        f"Set {_APP_SETTING} to the login of {role}, and {_OWNER_SETTING} to the owner's login.",
    )
    if password is None:
        raise unknown
    app = address.logging_in_as(role, password)
    try:
        login = connect_and_examine(app)
    except ConfigurationError as error:
        # The owner has just logged in to the same server, so it is the password or the right to connect.
        raise unknown from error
    if not login.is_plain:
        raise _not_plain(login)
    return app


def _refuse_unless_it_can_make(login: Login, role: str) -> None:
    if not (login.superuser or (login.can_create_roles and login.can_create)):
        raise ConfigurationError(
            f"{login.role} is not suitable for the application, because it owns what the application must not own. "
            f"It may not create the role {role} either.",
            f"Let a database administrator run {_ROLES_SQL}, then set {_APP_SETTING} to the application's login "
            f"and {_OWNER_SETTING} to the owner's.",
        )


def _make_app_role(data_dir: Path, address: Address, role: str) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = make_passwords(data_dir, address.server, [role])[role]
    except OSError as error:
        raise ConfigurationError(
            f"The password of the role {role} cannot be stored in {data_dir}: {error.strerror}.",
            "Set CONVENOR_DATA_DIR to a folder that Convenor can write to.",
        ) from error

    async def make() -> None:
        connection = await connect(address)
        try:
            # Neither statement accepts parameters, so the server quotes the values.
            statements = await connection.fetchval(
                "select format('create role %1$I login nosuperuser nocreatedb nocreaterole nobypassrls password %2$L; "
                "grant connect on database %3$I to %1$I', $1::text, $2::text, current_database())",
                role,
                scram_verifier(password),
            )
            await connection.execute(statements)
        except asyncpg.DuplicateObjectError:
            # Another process with the same password file was first.
            pass
        finally:
            await connection.close()

    asyncio.run(make())


async def _role_exists(address: Address, role: str) -> bool:
    connection = await connect(address)
    try:
        return bool(await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role))
    finally:
        await connection.close()


def _not_plain(login: Login) -> ConfigurationError:
    reasons = ", ".join([*login.escapes, *(["may create roles"] if login.can_create_roles else [])])
    return ConfigurationError(
        f"{login.role} is not suitable for the application: it {reasons}, so row-level security would not apply to it.",
        f"Set {_APP_SETTING} to the application's login, which {_ROLES_SQL} makes.",
    )
