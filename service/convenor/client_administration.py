"""Register, list and end clients for the operator, by the rules of `convenor_auth.clients`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.areas.models import Area
from convenor.clusters.models import Cluster
from convenor.configuration_error import ConfigurationError
from convenor.database.row_security import import_context, set_context
from convenor.domain_types.codes import Line
from convenor.domain_types.dates import london_date, today
from convenor.importers.areas import enter_area, owner_transaction
from convenor.importers.command_audit import add_command_event
from convenor.providers.models import Provider
from convenor.schools.models import School
from convenor.security.principal import Grant, Role, RowAccess
from convenor_auth.clients import CreatedClient, create_client, end_client
from convenor_auth.models import Client, ClientGrant, ClientKey, DataSharingAgreement, Organisation
from convenor_auth.roles import IDENTIFY, ROLES

_LINE: TypeAdapter[str] = TypeAdapter(Line)


@dataclass(frozen=True)
class Agreement:
    """The data sharing agreement of a client, which is created if there is none with this reference.

    A call chooses one of `purposes`, the first by default. `ends_on` is its last day. By default, a new agreement has
    no end, and an existing one does not change.
    """

    reference: str
    purposes: tuple[str, ...]
    legal_basis: str
    ends_on: date | None = None


@dataclass(frozen=True)
class Registration:
    """The data to register a client.

    Attributes:
        role: The client's role.
        organisation: The name of the responsible organisation, which is created if it does not exist.
        agreement: The data sharing agreement.
        area: The LA code of the client's area; empty for an operator.
        acts_for: The kind (`school`, `provider`, `cluster`) and the URN, name, ODS code or code of each record.
        scopes: The scopes that it may request; by default all of its role but `pupils:identify`.
        public_jwk: The client's public key; without one, the client gets a secret.
        note: A note for operators.
        audience_token_address: Whether its assertions may name the token address as `aud`.
    """

    role: Role
    organisation: str
    agreement: Agreement
    area: str = ""
    acts_for: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ()
    public_jwk: Mapping[str, Any] | None = field(default=None, repr=False)
    note: str = ""
    audience_token_address: bool = False


def read_jwk(path: Path) -> dict[str, Any]:
    """Read a public key from a file.

    Raises:
        ConfigurationError: The file cannot be read, or does not hold a JSON object.
    """
    try:
        jwk = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        jwk = None
    if not isinstance(jwk, dict):
        raise ConfigurationError(f"{path} does not hold a JWK.", "Name a file with one public JWK, a JSON object.")
    return jwk


async def register(owner_url: str, wanted: Registration) -> CreatedClient:
    """Register a client. The secret in the result is not stored.

    Raises:
        ConfigurationError: An area or a record does not exist, a record is of the wrong kind for the role, the
            agreement has ended or has other terms, a text is not one line, or `create_client` refuses.
    """
    wanted = _in_lines(wanted)
    async with owner_transaction(owner_url) as session:
        # One registration at a time, so that two cannot create the same organisation or agreement.
        await session.execute(text("select pg_advisory_xact_lock(hashtextextended('convenor clients', 0))"))
        grants = await _grants(session, wanted)
        organisation = await _organisation(session, wanted.organisation, ROLES[wanted.role].organisation_kind)
        created = await create_client(
            session,
            organisation=organisation,
            agreement=await _agreement(session, organisation, wanted.agreement),
            role=wanted.role,
            scopes=wanted.scopes or ROLES[wanted.role].scopes - {IDENTIFY},
            grants=grants,
            public_jwk=wanted.public_jwk,
            note=wanted.note,
            audience_flag=wanted.audience_token_address,
        )
        areas = list(dict.fromkeys(grant.area_id for grant in grants))
        await add_command_event(session, "clients:create", areas=areas, client_id=created.client_id)
        return created


async def list_clients(owner_url: str) -> list[dict[str, str]]:
    """List all clients: id, role, organisation, and whether they may still call."""
    async with owner_transaction(owner_url) as session:
        found = await session.execute(
            select(Client, col(Organisation.name), DataSharingAgreement)
            .join(Organisation, col(Organisation.id) == Client.organisation_id)
            .join(DataSharingAgreement, col(DataSharingAgreement.id) == Client.agreement_id)
            .order_by(col(Client.client_id))
        )
        return [
            {
                "client": client.client_id,
                "role": client.role,
                "organisation": organisation,
                "state": _state(client, agreement),
            }
            for client, organisation, agreement in found
        ]


async def show_client(owner_url: str, client_id: str) -> dict[str, str]:
    """Describe a client. Its secret is stored nowhere.

    Raises:
        ConfigurationError: There is no such client.
    """
    async with owner_transaction(owner_url) as session:
        client = await session.get(Client, client_id)
        if client is None:
            raise ConfigurationError("There is no such client.", "`convenor clients list` names all of them.")
        organisation = await session.get_one(Organisation, client.organisation_id)
        agreement = await session.get_one(DataSharingAgreement, client.agreement_id)
        of_client = col(ClientKey.client_id) == client_id
        keys = await session.scalars(select(ClientKey).where(of_client).order_by(col(ClientKey.kid)))
        until = f"until {agreement.ends_on}" if agreement.ends_on else "without an end"
        proofs = [f"{key.alg} {key.kid}{', ended' if key.ended_at else ''}" for key in keys]
        return {
            "client": client_id,
            "role": client.role,
            "state": _state(client, agreement),
            "organisation": organisation.name,
            "agreement": f"{agreement.reference}, {until}",
            "purposes": "; ".join(agreement.purposes),
            "legal basis": agreement.legal_basis,
            "acts for": "; ".join(await _acts_for(session, client_id)) or "the installation",
            "scopes": " ".join(client.scopes),
            "proves itself by": "; ".join(proofs) or "a secret",
            "audience": "issuer or token address" if client.audience_flag else "issuer",
            "note": client.note or "",
        }


def _state(client: Client, agreement: DataSharingAgreement) -> str:
    if client.ended_at:
        return f"ended on {london_date(client.ended_at)}"
    if agreement.ends_on and agreement.ends_on < today():
        return f"agreement ended on {agreement.ends_on}"
    return "active"


async def _acts_for(session: AsyncSession, client_id: str) -> list[str]:
    of_client = col(ClientGrant.client_id) == client_id
    areas = set(await session.scalars(select(col(ClientGrant.area_id)).where(of_client)))
    await set_context(session, import_context(*areas))
    name = func.coalesce(col(School.urn), col(School.name), col(Cluster.code), col(Provider.name))
    found = await session.execute(
        select(col(ClientGrant.kind), col(Area.la_code), name)
        .join(Area, col(Area.area_id) == ClientGrant.area_id)
        .outerjoin(School, (col(School.area_id) == ClientGrant.area_id) & (col(School.id) == ClientGrant.key))
        .outerjoin(Cluster, (col(Cluster.area_id) == ClientGrant.area_id) & (col(Cluster.id) == ClientGrant.key))
        .outerjoin(Provider, (col(Provider.area_id) == ClientGrant.area_id) & (col(Provider.id) == ClientGrant.key))
        .where(of_client)
        .order_by(col(Area.la_code), name)
    )
    return [
        f"area {la_code}" if record is None else f"{kind} {record} of area {la_code}" for kind, la_code, record in found
    ]


async def end(owner_url: str, client_id: str) -> None:
    """End a client, whose next request is then refused.

    Raises:
        ConfigurationError: There is no such client.
    """
    async with owner_transaction(owner_url) as session:
        await end_client(session, client_id)
        of_client = col(ClientGrant.client_id) == client_id
        areas = (await session.scalars(select(col(ClientGrant.area_id)).where(of_client).distinct())).all()
        await add_command_event(session, "clients:end", areas=areas, client_id=client_id)


def _in_lines(wanted: Registration) -> Registration:
    agreement = replace(
        wanted.agreement,
        reference=_line("--agreement", wanted.agreement.reference),
        purposes=tuple(dict.fromkeys(_line("--purpose", purpose) for purpose in wanted.agreement.purposes)),
        legal_basis=_line("--legal-basis", wanted.agreement.legal_basis),
    )
    return replace(
        wanted,
        organisation=_line("--organisation", wanted.organisation),
        agreement=agreement,
        area=wanted.area and _line("--area", wanted.area),
        acts_for=tuple((kind, _line(f"--{kind}", key)) for kind, key in wanted.acts_for),
        note=wanted.note and _line("--note", wanted.note),
    )


def _line(option: str, value: str) -> str:
    try:
        return _LINE.validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(
            f"{option} is not one line of text: {error.errors()[0]['msg'].rstrip('.')}.",
            "Give 1 to 200 characters in UTF-8.",
        ) from None


async def _grants(session: AsyncSession, wanted: Registration) -> list[Grant]:
    kind = ROLES[wanted.role].stands_for
    if wanted.role is Role.OPERATOR:
        if wanted.area or wanted.acts_for:
            raise ConfigurationError(
                "An operator belongs to no area.", "Leave out --area, --school, --provider and --cluster."
            )
        return []
    if not wanted.area:
        raise ConfigurationError(f"The role {wanted.role} needs its area.", "Add --area with the LA code.")
    if {given for given, _key in wanted.acts_for} != ({kind} if kind else set()):
        needed = f"one --{kind} at least, and nothing else" if kind else "--area alone"
        raise ConfigurationError(f"The role {wanted.role} cannot act for the named records.", f"Give {needed}.")
    area = await enter_area(session, wanted.area)
    if not area.stored:
        raise ConfigurationError(
            f"There is no area {area.la_code} ({area.name}).", "Load its files with `convenor load` first."
        )
    area_id = area.area_id
    if kind is None:
        return [Grant(area_id, RowAccess.AREA, area_id)]
    records = [await _record(session, area_id, kind, key) for _kind, key in wanted.acts_for]
    return [Grant(area_id, kind, record) for record in dict.fromkeys(records)]


async def _record(session: AsyncSession, area_id: UUID, kind: RowAccess, key: str) -> UUID:
    statements = {
        RowAccess.SCHOOL: select(col(School.id)).where(col(School.area_id) == area_id, col(School.urn) == key),
        RowAccess.CLUSTER: select(col(Cluster.id)).where(col(Cluster.area_id) == area_id, col(Cluster.code) == key),
        RowAccess.PROVIDER: select(col(Provider.id)).where(
            col(Provider.area_id) == area_id, or_(col(Provider.ods_code) == key, col(Provider.name) == key)
        ),
    }
    found = (await session.scalars(statements[kind])).all()
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found) or 'No'} {kind}{'s' if len(found) > 1 else ''} of this area: {key}.",
            "Name a school by its URN, a provider by its ODS code or exact name, a cluster by its code.",
        )
    return found[0]


async def _organisation(session: AsyncSession, name: str, kind: str) -> Organisation:
    same = select(Organisation).where(col(Organisation.name) == name, col(Organisation.kind) == kind)
    organisation = (await session.scalars(same.limit(1))).first()
    if organisation is None:
        organisation = Organisation(name=name, kind=kind)
        session.add(organisation)
        await session.flush()
    return organisation


async def _agreement(session: AsyncSession, organisation: Organisation, wanted: Agreement) -> DataSharingAgreement:
    same = select(DataSharingAgreement).where(col(DataSharingAgreement.reference) == wanted.reference)
    agreement = (await session.scalars(same)).first()
    ends_on = agreement.ends_on if agreement else wanted.ends_on
    if ends_on is not None and ends_on < today():
        raise ConfigurationError(
            f"The agreement {wanted.reference} ended on {ends_on}, so its client could not call.",
            "Give an agreement in force: a later day with --agreement-ends, or another reference.",
        )
    if agreement is None:
        agreement = DataSharingAgreement(
            organisation_id=organisation.id,
            reference=wanted.reference,
            purposes=list(wanted.purposes),
            legal_basis=wanted.legal_basis,
            starts_on=today(),
            ends_on=wanted.ends_on,
        )
        session.add(agreement)
        await session.flush()
    elif agreement.organisation_id != organisation.id:
        raise ConfigurationError(
            f"The agreement {wanted.reference} belongs to another organisation.",
            "Give this organisation's own reference.",
        )
    elif (list(wanted.purposes), wanted.legal_basis, wanted.ends_on or ends_on) != (
        agreement.purposes,
        agreement.legal_basis,
        ends_on,
    ):
        raise ConfigurationError(
            f"The agreement {wanted.reference} exists with other terms: for {', '.join(agreement.purposes)}, "
            f"on {agreement.legal_basis}, {f'until {ends_on}' if ends_on else 'without an end'}.",
            "Repeat its terms, or give another reference.",
        )
    return agreement
