"""What a client is told about itself."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.security.principal import Role


class ReachRead(BaseModel):
    """The records that a client's organisation stands for."""

    areas: list[str] = Field(description="LA codes of the areas that it works in.")
    clusters: list[str] = Field(description="Codes of its clusters; for a school, those that it is in today.")
    schools: list[str] = Field(description="URNs of its schools, or their ids where no URN is stated.")
    providers: list[UUID] = Field(description="Ids of its providers.")


class AgreementRead(BaseModel):
    """The data sharing agreement under which a client calls."""

    reference: str = Field(description="The agreement's reference.")
    purpose: str = Field(description="For what data is shared under it.")
    legal_basis: str = Field(description="On what legal basis.")
    ends_on: date | None = Field(description="The last day on which access is given.")


class KeyRead(BaseModel):
    """One of a client's public keys."""

    kid: str = Field(description="The key's id.")
    alg: str = Field(description="The algorithm that it signs with.")
    created_at: datetime = Field(description="Since when it is registered.")


class LimitsRead(BaseModel):
    """What one call may take."""

    body_bytes: int = Field(description="The largest body.")
    bulk_bytes: int = Field(description="The largest bulk load.")
    page_records: int = Field(description="The most records in a page.")
    request_seconds: int = Field(description="The longest that a call may take.")


class MeRead(BaseModel):
    """A client, as this service knows it."""

    client_id: str = Field(description="The client's id.")
    organisation: str = Field(description="The organisation that answers for it.")
    role: Role = Field(description="What it is to the programme.")
    scopes: list[str] = Field(description="The scopes of the access token.")
    reach: ReachRead = Field(description="What it stands for.")
    agreement: AgreementRead = Field(description="Under which agreement it calls.")
    keys: list[KeyRead] = Field(description="Its public keys, where it signs assertions.")
    limits: LimitsRead = Field(description="What one call may take.")
