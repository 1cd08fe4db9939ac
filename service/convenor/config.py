"""Settings, read once from the environment (prefix `CONVENOR_`)."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
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
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


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


def _check_host(host: str) -> str:
    if not _HOST_NAME.fullmatch(host) and not (host.isascii() and _ip_address(host)):
        raise PydanticCustomError("host", "give one IP address without brackets, or one host name in ASCII")
    return host


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str | None) -> bool:
    address = _ip_address(host or "")
    return host == "localhost" or (address is not None and address.is_loopback)


def _expand(folder: Path) -> Path:
    try:
        return folder.expanduser().absolute()
    except RuntimeError:
        raise PydanticCustomError("folder", "give a folder in the home of a user that exists") from None


def url_of(host: str, port: int) -> str:
    """Return the address of a service that listens on a host and a port (RFC 3986 section 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Settings(BaseSettings):
    """The settings of one installation. Every setting has a default that works on a new machine."""

    model_config = SettingsConfigDict(env_prefix="CONVENOR_", extra="ignore")

    data_dir: Annotated[Path, AfterValidator(_expand)] = Field(
        Path(".convenor"),
        validate_default=True,
        description="The folder of the keys, the embedded database and the demo's clients.",
    )
    host: Annotated[str, AfterValidator(_check_host)] = Field(
        "127.0.0.1", description="The address that the service listens on."
    )
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
        return (self.public_url or url_of(self.host, self.port)).rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call: it listens on a loopback address, and is known under one."""
        return _is_loopback(self.host) and _is_loopback(urlsplit(self.issuer).hostname)
