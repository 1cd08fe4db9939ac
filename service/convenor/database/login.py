"""Parse the address of a PostgreSQL login, connect with it, and examine what its role may do."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from convenor.configuration_error import ConfigurationError

OLDEST_MAJOR_VERSION = 16

_CONNECT_SECONDS = 10
_SHAPE = "postgresql://user:password@host:5432/database"


@dataclass(frozen=True)
class Address:
    """The address of a database with a login, as libpq and asyncpg read it. The password stays out of its `repr`.

    Attributes:
        setting: The environment variable that it came from, for messages.
        url: Without a driver, as asyncpg takes it.
        server: `host:port/database`, or the socket's folder instead of the host; nothing secret.
    """

    setting: str
    url: str = field(repr=False)
    server: str

    @classmethod
    def parse(cls, text: str, setting: str) -> Self:
        """Parse an address.

        Args:
            text: As the operator wrote it; a driver (`postgresql+asyncpg:`) is dropped.
            setting: The environment variable that it came from.

        Raises:
            ConfigurationError: It is not the address of a PostgreSQL database. The message does not repeat the text,
                because a part of the password can be anywhere in it.
        """
        try:
            parts = urlsplit(text.strip())
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            host, port = parts.hostname or query.get("host"), int(parts.port or query.get("port") or 5432)
        except ValueError:
            raise _malformed(setting) from None
        database = unquote(parts.path.removeprefix("/")) or query.get("dbname")
        scheme = parts.scheme.partition("+")[0]
        # More than one bare @, or one after the host, means a password that is not percent-encoded.
        misplaced = text.count("@") > 1 or "@" in parts.path + parts.query or bool(parts.fragment)
        if scheme not in {"postgresql", "postgres"} or not host or not database or misplaced:
            raise _malformed(setting)
        return cls(setting, parts._replace(scheme="postgresql").geturl(), f"{unquote(host)}:{port}/{database}")

    def logging_in_as(self, role: str, password: str) -> "Address":
        """Return the address of the same database with another login."""
        parts = urlsplit(self.url)
        query = [(key, value) for key, value in parse_qsl(parts.query) if key not in {"user", "password"}]
        login = f"{quote(role, safe='')}:{quote(password, safe='')}"
        return replace(self, url=_url(f"{login}@{parts.netloc.rpartition('@')[2]}", parts.path, query))

    def without_password(self) -> tuple[str, str]:
        """Return the address for PostgreSQL's programs, and the password, which may be empty."""
        parts = urlsplit(self.url)
        query = parse_qsl(parts.query)
        login, at, server = parts.netloc.rpartition("@")
        user, _colon, password = login.partition(":")
        password = unquote(password) or dict(query).get("password", "")
        return _url(f"{user}{at}{server}", parts.path, [each for each in query if each[0] != "password"]), password


@dataclass(frozen=True)
class Login:
    """What the role of an address is and may do, as the server reports it.

    Attributes:
        can_create: Whether it may create objects (schemas, extensions) in the database.
        owns: Whether it owns the database or a table in schema `public`, itself or through a role it belongs to.
    """

    role: str
    database: str
    server_version: str
    superuser: bool
    bypasses_row_security: bool
    can_create_roles: bool
    can_create: bool
    owns: bool

    @property
    def is_plain(self) -> bool:
        """Check whether row-level security applies to it; the application runs with no other login."""
        return not (self.escapes or self.can_create_roles)

    @property
    def escapes(self) -> list[str]:
        """List why row-level security would not apply to it, each as a verb and its object."""
        reasons = (
            ("is a superuser", self.superuser),
            ("bypasses row-level security", self.bypasses_row_security),
            ("owns the database or tables in it", self.owns),
        )
        return [reason for reason, applies in reasons if applies]


def connect_and_examine(address: Address) -> Login:
    """Log in once and examine what the role may do. Not for use inside a running event loop.

    Raises:
        ConfigurationError: The server cannot be reached, refuses the login, lacks the database, or is too old.
    """

    async def examine() -> Login:
        connection = await connect(address)
        try:
            return await examine_login(connection)
        finally:
            await connection.close()

    return asyncio.run(examine())


async def examine_login(connection: asyncpg.Connection | PoolConnectionProxy) -> Login:
    """Query what the connected role is and may do."""
    row = await connection.fetchrow(
        """
        select current_user::text as role, current_database()::text as database,
            current_setting('server_version') as server_version,
            exists (select from pg_roles where rolsuper and pg_has_role(current_user, oid, 'member')) as superuser,
            exists (select from pg_roles where rolbypassrls and pg_has_role(current_user, oid, 'member'))
                as bypasses_row_security,
            (select rolcreaterole from pg_roles where rolname = current_user) as can_create_roles,
            has_database_privilege(current_database(), 'create') as can_create,
            exists (select from pg_database where datname = current_database()
                    and pg_has_role(current_user, datdba, 'member'))
            or exists (select from pg_class
                       where relnamespace = to_regnamespace('public') and relkind in ('r', 'p', 'v', 'm', 'f')
                       and pg_has_role(current_user, relowner, 'member')) as owns
        """
    )
    if row is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    return Login(**dict(row))


async def assert_app_role(connection: asyncpg.Connection | PoolConnectionProxy) -> None:
    """Refuse a connection to which row-level security would not apply, before the application serves.

    Raises:
        ConfigurationError: The role is superuser, bypasses row-level security, or owns the database or tables of it.
    """
    login = await examine_login(connection)
    if login.escapes:
        raise ConfigurationError(
            f"The database role {login.role} {', '.join(login.escapes)}, so it could see the rows of every area.",
            "Set CONVENOR_DATABASE_URL to the application's login, which deploy/postgres/roles.sql makes.",
        )


async def refuse_another_database(address: Address, than: Address) -> None:
    """Refuse an address that does not lead to the same database of the same server as another one.

    Two servers can have databases of one name, and the copy of a server has its identifier too. So one login takes an
    advisory lock with a random key, which any role may do, and the other login must find it taken.

    Args:
        address: The address to check.
        than: The address to compare it with.

    Raises:
        ConfigurationError: They lead to different databases, or one of them cannot be used.
    """
    key = secrets.randbits(63)
    # Within transactions, because a connection pooler may change the session after each of them.
    async with _transaction(than) as holder, _transaction(address) as other:
        await holder.fetchval("select pg_advisory_xact_lock($1)", key)
        elsewhere = await other.fetchval("select pg_try_advisory_xact_lock($1)", key)
    if elsewhere:
        raise ConfigurationError(
            f"{address.setting} is about another database ({address.server}) than {than.setting} ({than.server}).",
            "Let both name the same database on the same server.",
        )


@asynccontextmanager
async def _transaction(address: Address) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(address)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def connect(address: Address, oldest_major_version: int = OLDEST_MAJOR_VERSION) -> asyncpg.Connection:
    """Open a connection, or explain the failure without the password.

    Args:
        address: The server and the login.
        oldest_major_version: The oldest PostgreSQL that is supported.

    Raises:
        ConfigurationError: The server cannot be reached, refuses the login, lacks the database, or is too old.
    """
    where, setting = address.server, address.setting
    try:
        connection = await asyncpg.connect(address.url, timeout=_CONNECT_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise ConfigurationError(
            f"The PostgreSQL at {where} refuses the login of {setting}: {error}.",
            f"Correct the user and the password in {setting} (percent-encode what is not a letter or a digit), "
            "or let pg_hba.conf on the server admit them from here.",
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise ConfigurationError(
            f"The server of {where} has no such database.",
            f"Create it, for example with deploy/postgres/roles.sql, or correct the name in {setting}.",
        ) from error
    except (OSError, UnicodeError, ssl.SSLError, asyncpg.InternalClientError) as error:
        reason = str(error) or "no answer in time"
        raise ConfigurationError(
            f"No PostgreSQL can be reached at {where}: {reason}.",
            f"Start the server, or correct the host and the port in {setting} (and sslmode, if it is there).",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(
            f"The PostgreSQL at {where} rejects the connection: {error}.", f"Correct that, or correct {setting}."
        ) from error
    version = connection.get_server_version()
    if version.major < oldest_major_version:
        await connection.close()
        raise ConfigurationError(
            f"The server of {where} is PostgreSQL {version.major}.",
            f"Convenor needs PostgreSQL {oldest_major_version} or newer: upgrade it, or name another in {setting}.",
        )
    return connection


def _url(netloc: str, path: str, query: list[tuple[str, str]]) -> str:
    # urlunsplit() would drop the slashes of an empty host, which a socket has. libpq does not read + as a space.
    return f"postgresql://{netloc}{path}" + (f"?{urlencode(query, safe='/', quote_via=quote)}" if query else "")


def _malformed(setting: str) -> ConfigurationError:
    return ConfigurationError(
        f"{setting} is not the address of a PostgreSQL database.",
        f"Write it as {_SHAPE}, or with ?host=/folder for a Unix socket. In the password, percent-encode what is not "
        "a letter or a digit: @ is %40, / is %2F, # is %23.",
    )
