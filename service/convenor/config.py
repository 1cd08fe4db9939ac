"""Settings, read once from the environment (prefix `CONVENOR_`)."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

_PUBLIC_URL = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)
"""The syntax of an issuer (RFC 8414 section 2), in characters that are the same in every encoding."""


def _check_public_url(public_url: str | None) -> str | None:
    try:
        # Accessing the port validates it.
        fits = not public_url or (_PUBLIC_URL.fullmatch(public_url) and urlsplit(public_url).port != 0)
    except ValueError:
        fits = False
    if not fits:
        raise PydanticCustomError(
            "public_url",
            "give the https address that clients use, of host, port and path alone, without user, password, query and"
            " fragment",
        )
    return public_url


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """The settings of one installation. Every setting has a default that works on a new machine."""

    model_config = SettingsConfigDict(env_prefix="CONVENOR_", extra="ignore")

    data_dir: Path = Field(
        Path(".convenor"), description="The folder of the keys, the embedded database and the demo's clients."
    )
    host: str = Field("127.0.0.1", description="The address that the service listens on.")
    port: int = Field(8000, ge=1, le=65535, description="The port that the service listens on.")
    database_url: SecretStr | None = Field(
        None, description="A PostgreSQL server (16 or newer) instead of the embedded one."
    )
    owner_database_url: SecretStr | None = Field(
        None, description="The owner's login for migrations, where CONVENOR_DATABASE_URL is the application's own."
    )
    backup_database_url: SecretStr | None = Field(
        None, description="The login for `convenor backup`, to which row-level security does not apply."
    )
    workers: int = Field(1, ge=1, le=64, description="Worker processes.")
    public_url: Annotated[str | None, AfterValidator(_check_public_url)] = Field(
        None, description="The issuer; by default the address that the service listens on."
    )

    @property
    def issuer(self) -> str:
        """The address under which clients know this service, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # RFC 3986 section 3.2.2
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call: it listens on a loopback address, and is known under one."""
        return _is_loopback(self.host) and _is_loopback(urlsplit(self.issuer).hostname)
