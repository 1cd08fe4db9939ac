"""Put handovers to the schools whose pupils agree with what is stated, after the commit and apart from who asks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from convenor.audit.record import AuditRecord, AuditSource, EventRow, events_of
from convenor.audit.writer import add_events
from convenor.database.ids import uuid7
from convenor.database.row_security import context_sql, worker_context

KIND = "handover_requests"
"""The kind of pending work. Its subjects are handovers, and pupils of whom something is stated anew."""
NUMBERS = ("upn", "temporary_upn", "nhs_number")
_COMPARED = (*NUMBERS, "date_of_birth")

_SHARES = " or ".join(f"s.{name}_hash = n.{name}_hash" for name in NUMBERS)
_TOUCHED = f"""
    select h.id from handover h join handover_statement n on n.area_id = h.area_id and n.id = h.statement_id
    where h.area_id = $1 and h.id = any($2)
    union
    select h.id from handover h join handover_statement n on n.area_id = h.area_id and n.id = h.statement_id
    where h.area_id = $1 and h.status = 'asked' and h.lapses_at > now() and (
        exists (select from handover_request q
            where q.area_id = h.area_id and q.handover_id = h.id and q.pupil_id = any($2))
        or exists (select from pupil_statement s where s.area_id = h.area_id and s.pupil_id = any($2)
            and s.superseded_at is null and ({_SHARES})))
"""  # noqa: S608 - nothing but the names of columns
_HOLDERS = " union ".join(
    f"select s.pupil_id from pupil_statement s where s.area_id = n.area_id and s.superseded_at is null"  # noqa: S608
    f" and s.{name}_hash = n.{name}_hash"
    for name in NUMBERS
)
_DIFFERS = " or ".join(f"s.{name}_hash <> n.{name}_hash" for name in _COMPARED)
# A school and its predecessors are one organisation, which asks nothing of itself. A school whose pupil has no open
# referral could only refuse, and would learn for nothing where the pupil is now.
_AGREEING = f"""
    with recursive line(id, last) as (
        select s.id, s.id from school s where s.area_id = $1 and s.successor_id is null
        union all
        select s.id, l.last from line l join school s on s.area_id = $1 and s.successor_id = l.id
    )
    select h.id as handover_id, p.id as pupil_id, p.school_id
    from handover h join handover_statement n on n.area_id = h.area_id and n.id = h.statement_id
    cross join lateral ({_HOLDERS}) holder
    join pupil p on p.area_id = h.area_id and p.id = holder.pupil_id
    join line asks on asks.id = h.school_id
    join line knows on knows.id = p.school_id and knows.last <> asks.last
    where h.area_id = $1 and h.id = any($2) and h.status = 'asked' and h.lapses_at > now()
        and exists (select from referral r where r.area_id = h.area_id and r.pupil_id = p.id and r.ended_at is null)
        and not exists (select from pupil_statement s where s.area_id = h.area_id and s.pupil_id = p.id
            and s.superseded_at is null and ({_DIFFERS}))
"""  # noqa: S608 - as above
_END = """
    update handover_request q set status = 'ended', version = q.version + 1
    where q.area_id = $1 and q.handover_id = any($2) and q.status in ('open', 'refused') and not exists (
        select from unnest($3::uuid[], $4::uuid[]) a(handover_id, pupil_id)
        where a.handover_id = q.handover_id and a.pupil_id = q.pupil_id)
"""
_PUT = """
    insert into handover_request as q (area_id, id, handover_id, handover_code, statement_id, asking_school_id,
        school_id, pupil_id, status, asked_at, lapses_at, version)
    select h.area_id, a.id, h.id, h.code, h.statement_id, h.school_id, a.school_id, a.pupil_id, 'open', h.asked_at,
        h.lapses_at, 1
    from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[]) a(id, handover_id, pupil_id, school_id)
    join handover h on h.area_id = $1 and h.id = a.handover_id
    on conflict (area_id, handover_id, pupil_id) do update
        set status = case q.decision when 'refuse' then 'refused' else 'open' end, version = q.version + 1
        where q.status = 'ended'
    returning q.id, q.handover_id, q.statement_id, array(
        select s.id from pupil_statement s
        where s.area_id = q.area_id and s.pupil_id = q.pupil_id and s.superseded_at is null) as known
"""


async def put_requests(connection: Any, area: UUID, subjects: Sequence[UUID]) -> None:
    """Put each handover to every school whose pupil agrees with it, and end the requests that no longer agree.

    A pupil agrees if it has an open referral, shares a number with the statement, has the same date of birth, and
    differs in no number. A request that was refused stays so, though its pupil did not agree for a while.

    Args:
        connection: asyncpg's, in a transaction whose context sees the area's statements, and which has the turn of
            this kind of work.
        area: of the handovers.
        subjects: handovers, and pupils of whom something has changed.
    """
    touched = [row[0] for row in await connection.fetch(_TOUCHED, area, list(subjects))]
    agreeing = await connection.fetch(_AGREEING, area, touched)
    handovers, pupils = [row["handover_id"] for row in agreeing], [row["pupil_id"] for row in agreeing]
    await connection.execute(_END, area, touched, handovers, pupils)
    ids, schools = [uuid7() for _ in agreeing], [row["school_id"] for row in agreeing]
    put = await connection.fetch(_PUT, area, ids, handovers, pupils, schools)
    if put:
        await add_events(connection, [event for row in put for event in _event(area, row)])
        # Events are written in a context of their own.
        await connection.execute(f"select {context_sql()}", *worker_context(area))


async def still_agrees(connection: Any, area: UUID, handover: UUID, pupil: UUID) -> bool:
    """Tell whether a handover would be put for a pupil now, though the worker may not have followed yet.

    Args:
        connection: asyncpg's, in a transaction whose context sees the area's statements.
        area: of the handover.
        handover: asked.
        pupil: of the school that is asked, whose pupils are locked.
    """
    return any(row["pupil_id"] == pupil for row in await connection.fetch(_AGREEING, area, [handover]))


def _event(area: UUID, row: Any) -> list[EventRow]:
    subjects = [row["statement_id"], *row["known"]]
    record = AuditRecord("handovers:match", [row["id"], row["handover_id"]], subjects, [area])
    return events_of(AuditSource(str(uuid4())), record, 200)
