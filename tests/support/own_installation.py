"""An installation on a server of one's own, as its operator has it, to be backed up and restored."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from support.api_client import Service
from support.databases import Server, named
from support.own_server import backup_url

from convenor.backup import back_up
from convenor.config import Settings


def say(_sentence: str) -> None:
    pass


@dataclass
class Own:
    """An installation on a server of one's own, and a folder for its backups."""

    server: Server
    settings: Settings
    service: Service
    folder: Path

    def with_(self, **changes: Any) -> Settings:
        return self.settings.model_copy(update=changes)

    async def backed_up(self, name: str = "backup") -> Path:
        path = self.folder / name
        await asyncio.to_thread(back_up, self.settings, path, say)
        return path


def settings_of(server: Server, database: str, data_dir: Path) -> Settings:
    owner_url = named(server.owner_url, database)
    return Settings(
        data_dir=data_dir,
        database_url=SecretStr(named(server.app_url, database)),
        owner_database_url=SecretStr(owner_url),
        backup_database_url=SecretStr(backup_url(owner_url)),
    )


def owner_of(settings: Settings) -> str:
    assert settings.owner_database_url is not None
    return settings.owner_database_url.get_secret_value()


def database_of(settings: Settings) -> str:
    return urlsplit(owner_of(settings)).path[1:]


def environment(settings: Settings) -> dict[str, str]:
    """Return the addresses as a command reads them."""
    urls = settings.model_dump(include={"database_url", "owner_database_url", "backup_database_url"})
    return {f"CONVENOR_{name.upper()}": url.get_secret_value() for name, url in urls.items()}
