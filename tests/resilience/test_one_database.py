"""Logins of the owner and of the backup that lead to another server than the application's."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr
from support.databases import Server, named
from support.own_installation import Own, say

from convenor.backup import back_up
from convenor.configuration_error import ConfigurationError
from convenor.embedded_postgres.open import open_database
from convenor.migrate import migrate
from convenor.serving import database_urls


@pytest.fixture
async def namesake(own: Own, server: Server) -> AsyncIterator[str]:
    """A database of the same name, at this version's schema, on another server."""
    name = urlsplit(own.service.app_url).path[1:]
    admin = await asyncpg.connect(named(server.superuser_url, "postgres"))
    try:
        await admin.execute(f"create database {name} owner {urlsplit(server.owner_url).username}")
        await asyncio.to_thread(migrate, named(server.owner_url, name), urlsplit(server.app_url).username or "")
        yield name
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


async def test_a_backup_with_a_login_of_a_namesake_on_another_server_is_refused(
    own: Own, server: Server, namesake: str
) -> None:
    settings = own.with_(backup_database_url=SecretStr(named(server.superuser_url, namesake)))
    with pytest.raises(ConfigurationError, match="BACKUP_DATABASE_URL is about another database") as refusal:
        await asyncio.to_thread(back_up, settings, own.folder / "backup", say)
    assert "the same server" in refusal.value.remedy
    assert list(own.folder.iterdir()) == []


async def test_a_start_with_an_owner_of_a_namesake_on_another_server_is_refused(
    own: Own, server: Server, namesake: str
) -> None:
    settings = own.with_(owner_database_url=SecretStr(named(server.owner_url, namesake)))

    def start() -> None:
        with open_database(settings.data_dir, *database_urls(settings)):
            pass

    with pytest.raises(ConfigurationError, match="OWNER_DATABASE_URL is about another database"):
        await asyncio.to_thread(start)
