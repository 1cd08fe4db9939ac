"""Settings, read once from the environment (prefix `CONVENOR_`)."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How one installation is run. Everything has a default that works on a bare machine."""

    model_config = SettingsConfigDict(env_prefix="CONVENOR_", extra="ignore")

    data_dir: Path = Field(
        Path(".convenor"), description="Where keys, the embedded database and the demo's clients are kept."
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
        None, description="The login for `convenor backup`, for which row-level security does not hold."
    )
    workers: int = Field(1, ge=1, le=64, description="Worker processes.")
    public_url: str | None = Field(None, description="The issuer; by default the address that the service listens on.")

    @property
    def issuer(self) -> str:
        """The address under which clients know this service, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # RFC 3986 section 3.2.2
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")
