"""Register the demo's clients, and write their secrets to a file for the person who runs the demo."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from joserfc.jwk import ECKey, KeyParameters, RSAKey
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.demo.contracts import COMMISSIONER, COUNCIL
from convenor.demo.directory import AREA_ID, NAME, Directory
from convenor.demo.seeded_random import SeededRandom
from convenor.domain_types.dates import AcademicYear
from convenor.importers.areas import Authority
from convenor.private_files import replace_file
from convenor.security.principal import Grant, Role, RowAccess
from convenor_auth.clients import create_client
from convenor_auth.models import DataSharingAgreement, Organisation
from convenor_auth.roles import IDENTIFY, ROLES

FILE_NAME: Final = "demo-clients.json"
_AGREED_ON: Final = date(2018, 9, 1)
_AGREEMENT_YEARS = 5
_PURPOSES: Final = ("direct support of pupils", "multi-agency meeting about a pupil")
_PURPOSES_OF_AN_AREA: Final = ("commissioning and oversight", "review of a service")

_KEYS: dict[str, Callable[[KeyParameters], ECKey | RSAKey]] = {
    "ES256": lambda parameters: ECKey.generate_key("P-256", parameters),
    "ES384": lambda parameters: ECKey.generate_key("P-384", parameters),
    "RS512": lambda parameters: RSAKey.generate_key(2048, parameters),
}


@dataclass(frozen=True)
class DemoClient:
    """A client as its owner knows it. The secret, or the private key, is nowhere else."""

    client_id: str
    client_secret: str | None = field(repr=False)
    private_key_jwk: dict[str, Any] | None = field(repr=False)
    role: str
    organisation: str
    scopes: list[str]
    note: str


@dataclass(frozen=True)
class _Plan:
    client_id: str
    role: Role
    organisation: str
    grants: tuple[Grant, ...]
    note: str
    alg: str | None = None
    organisation_id: UUID | None = None
    """Of an organisation that is there already."""
    identifies: bool = False
    """Whether it may see who a pupil is, and decide which pupils are one child."""


async def create_clients(
    session: AsyncSession, rng: SeededRandom, directory: Directory, others: Sequence[Authority], as_at: date
) -> list[DemoClient]:
    """Register the demo's clients with new secrets and keys, Wendshire's first. Each of `others` gets a commissioner.

    Identities repeat with the seed; secrets and keys never do.
    """
    ends_on = AcademicYear(AcademicYear.of(as_at).start + _AGREEMENT_YEARS).last_day
    organisations: dict[str, tuple[Organisation, DataSharingAgreement]] = {}
    created: list[DemoClient] = []
    for plan in [*_wendshire(directory), *map(_commissioner, others)]:
        if plan.organisation not in organisations:
            organisations[plan.organisation] = await _agree(session, rng, plan, ends_on)
        organisation, agreement = organisations[plan.organisation]
        key = _KEYS[plan.alg]({"kid": f"{plan.client_id}-1", "alg": plan.alg, "use": "sig"}) if plan.alg else None
        scopes = sorted(ROLES[plan.role].scopes - (frozenset() if plan.identifies else {IDENTIFY}))
        client = await create_client(
            session,
            organisation=organisation,
            agreement=agreement,
            role=plan.role,
            scopes=scopes,
            grants=plan.grants,
            public_jwk=key.as_dict(private=False) if key else None,
            client_id=plan.client_id,
            audience_flag=plan.role is Role.HEALTH_SYSTEM,
            note=plan.note,
        )
        private_jwk = dict(key.as_dict(private=True)) if key else None
        created.append(
            DemoClient(client.client_id, client.secret, private_jwk, plan.role, plan.organisation, scopes, plan.note)
        )
    return created


def write_demo_clients(data_dir: Path, clients: Sequence[DemoClient]) -> Path:
    """Write `demo-clients.json`, which only its owner can read, and return its path."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    replace_file(path, json.dumps([asdict(client) for client in clients], indent=2))
    return path


async def _agree(
    session: AsyncSession, rng: SeededRandom, plan: _Plan, ends_on: date
) -> tuple[Organisation, DataSharingAgreement]:
    organisation = await session.get(Organisation, plan.organisation_id) if plan.organisation_id else None
    if organisation is None:
        organisation = Organisation(
            id=rng.id_at(_AGREED_ON), name=plan.organisation, kind=ROLES[plan.role].organisation_kind
        )
        session.add(organisation)
        await session.flush()
    agreement = DataSharingAgreement(
        id=rng.id_at(_AGREED_ON),
        organisation_id=organisation.id,
        reference=f"DSA-{plan.client_id}",
        purposes=list(_PURPOSES if plan.grants[0].kind != RowAccess.AREA else _PURPOSES_OF_AN_AREA),
        legal_basis="public task",
        starts_on=_AGREED_ON,
        ends_on=ends_on,
    )
    session.add(agreement)
    await session.flush()
    return organisation, agreement


def _wendshire(directory: Directory) -> list[_Plan]:
    first = directory.schools[0]
    other = next(school for school in directory.schools if school.cluster == "1")
    several = [school for school in directory.schools if school.cluster == "3"][:6]
    area_grant = Grant(AREA_ID, RowAccess.AREA, AREA_ID)
    cluster = Grant(AREA_ID, RowAccess.CLUSTER, directory.clusters["2"])

    def school(entry: Any) -> _Plan:
        grant = Grant(AREA_ID, RowAccess.SCHOOL, entry.id)
        note = f"The MIS of one school, URN {entry.urn}, in cluster {entry.cluster}."
        return _Plan(f"mis-{entry.urn}", Role.SCHOOL_MIS, entry.name, (grant,), note)

    def provider(key: str, role: Role, alg: str | None, note: str) -> _Plan:
        entry = directory.providers[key]
        grant = Grant(AREA_ID, RowAccess.PROVIDER, entry.id)
        return _Plan(entry.client_id, role, entry.name, (grant,), note, alg, entry.organisation_id)

    def of_area(client_id: str, role: Role, organisation: str, note: str) -> _Plan:
        return _Plan(client_id, role, organisation, (area_grant,), note)

    return [
        school(first),
        school(other),
        provider("therapy", Role.HEALTH_SYSTEM, "ES384", "Signs with ES384, as SMART Backend Services do."),
        provider("wellbeing", Role.HEALTH_SYSTEM, "RS512", "Signs with RS512, as NHS England has it."),
        provider("outreach", Role.PROVIDER_PORTAL, None, "A charity's portal."),
        provider("movement", Role.PROVIDER_PORTAL, None, "Another charity's portal."),
        _Plan("cluster-lead-2", Role.CLUSTER_LEAD, "Wendshire Cluster 2", (cluster,), "Leads cluster 2."),
        of_area(COMMISSIONER, Role.COMMISSIONER, COUNCIL, "The central team; sees pseudonyms."),
        of_area("finance-wendshire", Role.FINANCE, COUNCIL, "Prices and volumes, no pupil."),
        of_area("board-wendshire", Role.BOARD, f"{NAME} Project Board", "Aggregates only."),
        of_area("auditor-wendshire", Role.AUDITOR, f"{NAME} Audit", "Who did what, and no data."),
        _Plan(
            "mis-integrator",
            Role.SCHOOL_MIS,
            f"{NAME} Schools Integrator",
            tuple(Grant(AREA_ID, RowAccess.SCHOOL, entry.id) for entry in several),
            "One integrator for several schools of cluster 3. Signs with ES256.",
            "ES256",
        ),
        replace(
            of_area("matching-wendshire", Role.COMMISSIONER, COUNCIL, "Decides which pupils are one child; sees who."),
            identifies=True,
        ),
    ]


def _commissioner(area: Authority) -> _Plan:
    return _Plan(
        f"commissioner-{area.name.lower().replace(' ', '-')}",
        Role.COMMISSIONER,
        f"{area.name} (demo)",
        (Grant(area.area_id, RowAccess.AREA, area.area_id),),
        "Sees what the programme's documents say of a real area, and nothing else.",
    )
