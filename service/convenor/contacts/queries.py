"""The queries and the bulk statements of the rules of contacts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    LargeBinary,
    Row,
    Text,
    Uuid,
    any_,
    bindparam,
    inspect,
    literal,
    make_url,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from convenor.commissioned_services.models import CommissionedService
from convenor.contacts.models import Attendance, Contact, ContactFields
from convenor.contacts.resource import CONTACT
from convenor.database.pools import driver_connection
from convenor.read_model.locking import Lock, lock_all
from convenor.read_model.sealed_rows import seal_stored, sealer_of
from convenor.referrals.models import Referral
from convenor.security.principal import Principal, RowAccess

FIELDS = tuple(name for name in ContactFields.model_fields if name != "reference")
"""The fields of a session that its sender states, beside its reference, by which it is known."""
_SEALED = ("reference_hash", "sealed_identity")

_KEYS = ("area_id", "id", "referral_id", "school_id", "provider_id")
_OF_REFERRAL = (
    *("area_id", "id", "code", "school_id", "provider_id", "statement_id", "status"),
    *("submitted_at", "started_at", "ended_at"),
)
_CONTINUING = aliased(Referral)
_CONTINUED_BY = (
    select(col(_CONTINUING.code))
    .where(col(_CONTINUING.area_id) == col(Referral.area_id), col(_CONTINUING.continues_id) == col(Referral.id))
    .scalar_subquery()
)


def _quoted(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _types(names: Sequence[str]) -> dict[str, str]:
    """Return the PostgreSQL types of contact columns, without lengths: a cast to `varchar(n)` would cut a text."""
    columns, dialect = inspect(Contact).columns, make_url("postgresql+asyncpg://").get_dialect()()
    return {name: columns[name].type.compile(dialect).partition("(")[0] for name in names}


def _staged(types: Mapping[str, str]) -> str:
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(types.values(), 1))
    return f"unnest({arrays}) as n({_quoted(list(types))})"


_INSERT_TYPES = _types((*_KEYS, *FIELDS, *_SEALED))
_UPDATE_TYPES = _types(("area_id", "id", *FIELDS))
_NEXT = len(_INSERT_TYPES) + 1
_INSERT = (
    f"insert into contact ({_quoted(list(_INSERT_TYPES))}, organisation_id, recorded_at, version)"  # noqa: S608
    f" select {_quoted(list(_INSERT_TYPES), 'n.')}, ${_NEXT}, ${_NEXT + 1}, 1 from {_staged(_INSERT_TYPES)}"
    " order by n.area_id, n.reference_hash"
    " on conflict (area_id, organisation_id, reference_hash) where reference_hash is not null do nothing"
)
_UPDATE = (
    f"update contact c set ({_quoted(FIELDS)}, version) = ({_quoted(FIELDS, 'n.')}, c.version + 1)"  # noqa: S608
    f" from {_staged(_UPDATE_TYPES)} where c.area_id = n.area_id and c.id = n.id"
)


_FIRST_ATTENDED = text(
    """
    with recursive whole(area_id, id, part_id, continues_id) as (
        select r.area_id, r.id, r.id, r.continues_id from referral r
        where r.area_id = any(:areas) and r.id = any(:referrals)
        union all
        select w.area_id, w.id, r.id, r.continues_id from whole w
        join referral r on r.area_id = w.area_id and r.id = w.continues_id
    )
    select w.id, min(c."on") from whole w
    join contact c on c.area_id = w.area_id and c.referral_id = w.part_id
    where c.attendance = :attended group by w.id
    """
).bindparams(bindparam("areas", type_=ARRAY(Uuid)), bindparam("referrals", type_=ARRAY(Uuid)))


async def lock_referrals(session: AsyncSession, principal: Principal, codes: Collection[str]) -> Sequence[Row[Any]]:
    """Load the caller's referrals with these codes, locked until the transaction ends, after their services' keys.

    They are rows, not entities: a bulk import needs few columns of the hundreds of referrals in a batch.
    """
    of_codes = (
        tuple_(col(Referral.area_id), col(Referral.provider_id)).in_(principal.keys(RowAccess.PROVIDER)),
        col(Referral.code) == any_(literal(list(codes), ARRAY(Text))),
    )
    services = await session.execute(
        select(col(Referral.area_id), col(Referral.service_id)).where(*of_codes).distinct()
    )
    await lock_all(session, CommissionedService, {(row[0], row[1]) for row in services}, Lock.KEEP_KEY)
    wanted = [getattr(Referral, name) for name in (*_OF_REFERRAL, "pathway", "pathway_version")]
    wanted.append(_CONTINUED_BY.label("continued_by"))
    found = await session.execute(
        select(*wanted)
        .where(*of_codes)
        .order_by(col(Referral.area_id), col(Referral.id))
        .with_for_update(key_share=True, of=Referral)
    )
    return found.all()


async def continuing_code(session: AsyncSession, referral: Referral) -> str | None:
    """Return the code of the referral that continues one, if the pupil was handed over."""
    code: str | None = await session.scalar(
        select(_CONTINUED_BY).where(col(Referral.area_id) == referral.area_id, col(Referral.id) == referral.id)
    )
    return code


async def referrals_of(session: AsyncSession, areas: Collection[UUID], ids: Collection[UUID]) -> Sequence[Referral]:
    """Load the referrals with these ids as entities, to be changed."""
    found = await session.scalars(
        select(Referral).where(
            col(Referral.area_id).in_(areas), col(Referral.id) == any_(literal(list(ids), ARRAY(Uuid)))
        )
    )
    return found.all()


async def contact_named(session: AsyncSession, contact: Contact) -> UUID | None:
    """Find the id of the contact with the same reference of the same organisation, if the caller may see it."""
    found: UUID | None = await session.scalar(
        select(col(Contact.id)).where(
            col(Contact.area_id) == contact.area_id,
            col(Contact.organisation_id) == contact.organisation_id,
            col(Contact.reference_hash) == _hash(session, contact.reference),
        )
    )
    return found


async def contacts_named(
    session: AsyncSession, principal: Principal, references: Collection[str]
) -> dict[tuple[UUID, str], Any]:
    """Return the contacts of the caller's organisation that have these references, by area and reference.

    Each is a row with `id`, `referral_id` and the fields of a session.
    """
    wanted = [getattr(Contact, name) for name in ("area_id", "id", "referral_id", "reference_hash", *FIELDS)]
    await seal_contacts(session, principal, references)
    hashed = {_hash(session, reference): reference for reference in references}
    found = await session.execute(
        select(*wanted).where(
            col(Contact.area_id).in_(principal.areas),
            col(Contact.organisation_id) == principal.organisation_id,
            col(Contact.reference_hash) == any_(literal(list(hashed), ARRAY(LargeBinary))),
        )
    )
    return {(row.area_id, hashed[row.reference_hash]): row for row in found}


async def seal_contacts(session: AsyncSession, principal: Principal, references: Collection[str]) -> None:
    """Seal what an older release stored in plain form of the organisation's sessions with these references."""
    plain = text("contact.reference = any(:references)").bindparams(
        bindparam("references", list(references), ARRAY(Text))
    )
    await seal_stored(
        session,
        Contact,
        [
            col(Contact.area_id).in_(principal.areas),
            col(Contact.organisation_id) == principal.organisation_id,
            plain,  # type: ignore[list-item]
        ],
    )


def _hash(session: AsyncSession, reference: str | None) -> bytes | None:
    return None if reference is None else sealer_of(session).hash(CONTACT.hashed["reference"], reference)


async def first_attended(
    session: AsyncSession, areas: Collection[UUID], referrals: Collection[UUID]
) -> dict[UUID, date]:
    """Return the day of the first attended session of each referral that has one.

    The sessions of a referral that it continues are its own, too: they ended the wait that it keeps.
    """
    found = await session.execute(
        _FIRST_ATTENDED,
        {"areas": list(areas), "referrals": list(referrals), "attended": Attendance.ATTENDED.value},
    )
    return {row[0]: row[1] for row in found}


async def insert_contacts(
    session: AsyncSession,
    organisation_id: UUID,
    recorded_at: datetime,
    keys: Sequence[tuple[UUID, ...]],
    contacts: Sequence[ContactFields],
) -> set[UUID]:
    """Store new contacts.

    Args:
        session: in the caller's transaction.
        organisation_id: the organisation that records them.
        recorded_at: the timestamp that all of them get.
        keys: area, id, referral, school and provider of each.
        contacts: the fields of each.

    Returns:
        The ids of contacts whose reference was taken meanwhile; they are not stored.
    """
    connection = await driver_connection(session)
    sealer = sealer_of(session)
    sealed = [
        CONTACT.seal(sealer, {"area_id": key[0], "id": key[1], "reference": contact.reference})
        for key, contact in zip(keys, contacts, strict=True)
    ]
    columns = [*map(list, zip(*keys, strict=True)), *_columns(contacts)]
    columns += [[row[name] for row in sealed] for name in _SEALED]
    status = await connection.execute(_INSERT, *columns, organisation_id, recorded_at)
    if status == f"INSERT 0 {len(contacts)}":
        return set()
    ids = columns[1]
    stored = await session.scalars(
        select(col(Contact.id)).where(
            col(Contact.area_id).in_(set(columns[0])), col(Contact.id) == any_(literal(ids, ARRAY(Uuid)))
        )
    )
    return {*ids} - {*stored}


async def update_contacts(
    session: AsyncSession, keys: Sequence[tuple[UUID, ...]], contacts: Sequence[ContactFields]
) -> None:
    """Update stored contacts. `keys` holds the area and id of each."""
    connection = await driver_connection(session)
    await connection.execute(_UPDATE, *map(list, zip(*keys, strict=True)), *_columns(contacts))


def _columns(contacts: Sequence[ContactFields]) -> list[list[Any]]:
    return [[getattr(contact, name) for contact in contacts] for name in FIELDS]
