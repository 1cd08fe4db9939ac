"""The answer of `GET /v1/me`."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.security.principal import Role


class ReachRead(BaseModel):
    """The records that a client's organisation represents."""

    areas: list[str] = Field(description="LA codes of the areas that it works in.")
    clusters: list[str] = Field(description="Codes of its clusters; for a school, the clusters that it is in today.")
    schools: list[str] = Field(
        description="URNs of its schools and their predecessors, or ids of schools without a URN."
    )
    providers: list[UUID] = Field(description="Ids of its providers.")


class AgreementRead(BaseModel):
    """The data sharing agreement under which a client calls."""

    reference: str = Field(description="The agreement's reference.")
    purpose: str = Field(description="The purpose of a call that names none: the first of `purposes`.")
    purposes: list[str] = Field(description="The purposes for which data is shared under it, for `X-Purpose`.")
    legal_basis: str = Field(description="The legal basis.")
    ends_on: date | None = Field(description="The last day on which it gives access.")


class KeyRead(BaseModel):
    """One of a client's public keys."""

    kid: str = Field(description="The key's id.")
    alg: str = Field(description="The signature algorithm.")
    created_at: datetime = Field(description="When the key was registered.")


class LimitsRead(BaseModel):
    """The limits of one call."""

    body_bytes: int = Field(description="The largest body, in bytes.")
    bulk_bytes: int = Field(description="The largest bulk load, in bytes.")
    page_records: int = Field(description="The largest number of records in a page.")
    request_seconds: int = Field(description="The longest duration of a call, in seconds.")


class MeRead(BaseModel):
    """A client and its rights."""

    client_id: str = Field(description="The client's id.")
    organisation: str = Field(description="The organisation that is responsible for it.")
    role: Role = Field(description="Its role in the programme.")
    scopes: list[str] = Field(description="The scopes of the access token.")
    reach: ReachRead = Field(description="The records that its organisation represents.")
    agreement: AgreementRead = Field(description="The data sharing agreement under which it calls.")
    keys: list[KeyRead] = Field(description="Its public keys, if it signs assertions.")
    limits: LimitsRead = Field(description="The limits of one call.")
