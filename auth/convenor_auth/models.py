"""Define the tables of OAuth: organisations, agreements, clients, keys and grants. None belongs to an area."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from convenor.database.constraints import enum_check
from convenor.database.ids import uuid7
from convenor.security.principal import Role, RowAccess
from convenor_auth.assertions import ALGORITHMS
from convenor_auth.roles import ROLES

ORGANISATION_KINDS = tuple(dict.fromkeys(rule.organisation_kind for rule in ROLES.values()))
GRANT_KINDS = (RowAccess.AREA, RowAccess.CLUSTER, RowAccess.SCHOOL, RowAccess.PROVIDER)

CLIENT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$"
"""Three to 64 characters that no encoding changes: the same in a header, a form, a token and a log."""


def _timestamp(*, nullable: bool = False) -> Any:
    """Declare a timestamp with time zone; one that is not nullable is the current time by default."""
    if nullable:
        return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()")))


class Organisation(SQLModel, table=True):
    """The organisation responsible for clients: a school or trust, NHS body, provider, cluster or authority."""

    __tablename__ = "organisation"
    __table_args__ = (enum_check("kind", ORGANISATION_KINDS),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)


class DataSharingAgreement(SQLModel, table=True):
    """The data sharing agreement of an organisation's clients. Access ends after the day `ends_on`.

    `purposes` is the closed list that `X-Purpose` chooses from, so that no caller's text reaches the audit.
    """

    __tablename__ = "data_sharing_agreement"
    __table_args__ = (
        CheckConstraint("ends_on >= starts_on", name="ends_after_it_starts"),
        CheckConstraint("cardinality(purposes) > 0", name="an_agreement_has_a_purpose"),
        UniqueConstraint("id", "organisation_id", name="data_sharing_agreement_of_organisation"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    reference: str = Field(sa_type=Text, unique=True)
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    """The first holds for a call that names none."""
    legal_basis: str = Field(sa_type=Text)
    starts_on: date
    ends_on: date | None = None


class Client(SQLModel, table=True):
    """A system that may request tokens, with a secret or with keys. A client ends, and is never deleted."""

    __tablename__ = "client"
    __table_args__ = (
        CheckConstraint(f"client_id ~ '{CLIENT_ID_PATTERN}'", name="client_id_is_plain"),
        enum_check("role", Role),
        CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash_is_sha256"),
        ForeignKeyConstraint(
            ["agreement_id", "organisation_id"],
            ["data_sharing_agreement.id", "data_sharing_agreement.organisation_id"],
            name="client_agreement_is_its_organisations",
        ),
    )

    client_id: str = Field(sa_type=Text, primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    agreement_id: UUID = Field(index=True)
    role: str = Field(sa_type=Text)
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    secret_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    """SHA-256 of a secret of 256 random bits, to which a slow hash would add no protection."""
    audience_flag: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether an assertion's `aud` may be the token address, as NHS England and SMART clients send it."""
    created_at: datetime = _timestamp()
    ended_at: datetime | None = _timestamp(nullable=True)
    note: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class ClientKey(SQLModel, table=True):
    """A public key of a client. Two may be open, so that the client can change from one to the next."""

    __tablename__ = "client_key"
    __table_args__ = (enum_check("alg", ALGORITHMS),)

    client_id: str = Field(sa_type=Text, primary_key=True, foreign_key="client.client_id")
    kid: str = Field(sa_type=Text, primary_key=True)
    alg: str = Field(sa_type=Text)
    public_jwk: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = _timestamp()
    ended_at: datetime | None = _timestamp(nullable=True)


class ClientGrant(SQLModel, table=True):
    """A record that the client acts for. The key has no foreign key, because this package does not know the tables."""

    __tablename__ = "client_grant"
    __table_args__ = (
        enum_check("kind", GRANT_KINDS),
        CheckConstraint("kind <> 'area' or key = area_id", name="an_area_is_its_own_key"),
    )

    client_id: str = Field(sa_type=Text, primary_key=True, foreign_key="client.client_id")
    kind: str = Field(sa_type=Text, primary_key=True)
    area_id: UUID = Field(primary_key=True)
    key: UUID = Field(primary_key=True)


class SpentAssertion(SQLModel, table=True):
    """An assertion that was used, stored until it has expired."""

    __tablename__ = "spent_assertion"

    client_id: str = Field(sa_type=Text, primary_key=True)
    jti: str = Field(sa_type=Text, primary_key=True)
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
