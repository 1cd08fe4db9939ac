"""What an audit event says, as a value: who called, what was done, and which records and statements it concerned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from convenor.audit.actions import UNKNOWN_ACTION
from convenor.audit.models import INSTALLATION
from convenor.database.ids import text_of, uuid7
from convenor.domain_types.dates import now
from convenor.security.principal import Principal


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Who sent a request, from where, and for which purpose."""

    request_id: str
    address: str | None = None
    principal: Principal | None = None
    purpose: str | None = None
    user: str | None = None
    """The user of the machine who gave a command, in place of a principal."""


class Shown(Protocol):
    """What a read shows: the ids of its records and of the statements about pupils in them, with their areas."""

    @property
    def ids(self) -> Sequence[UUID]:
        """The records."""

    @property
    def subjects(self) -> Sequence[UUID]:
        """The statements about pupils."""

    @property
    def areas(self) -> Sequence[UUID]:
        """The area of each record, or the one area of all."""

    @property
    def subject_areas(self) -> Sequence[UUID]:
        """The area of each statement, where there are several areas."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What a request did.

    Attributes:
        action: `resource:action`.
        records: The records that were shown, changed or refused.
        subjects: The statements about pupils that they hold.
        areas: The area of each record, or the one area of all; none where they belong to no area.
        subject_areas: The area of each subject, where there are several areas.
        changes: Names of changed fields, each with a digest of its new value; never a value.
        problem: The code of the problem that the request ended in.
        status: The outcome, where the status of the answer does not tell it, as over GraphQL.
        client_id: The client that proved itself in this request, where there is no principal yet.
    """

    action: str = UNKNOWN_ACTION
    records: Sequence[UUID] = ()
    subjects: Sequence[UUID] = ()
    areas: Sequence[UUID] = ()
    subject_areas: Sequence[UUID] = ()
    changes: Mapping[str, str] | None = None
    problem: str | None = None
    status: int | None = None
    client_id: str | None = None

    @classmethod
    def showing(cls, action: str, shown: Shown) -> Self:
        """Record what a read shows."""
        return cls(action, shown.ids, shown.subjects, shown.areas, shown.subject_areas)


EventRow = tuple[Any, ...]
"""An event, by its columns."""


def events_of(source: AuditSource, record: AuditRecord, status: int) -> list[EventRow]:
    """Return the rows for a request: one for each area concerned, or one for the installation."""
    principal = source.principal
    common = (
        now(),
        record.action,
        record.status or status,
        record.problem,
        principal.client_id if principal else record.client_id,
        principal.organisation if principal else source.user,
        principal.role.value if principal else None,
        principal.agreement if principal else None,
        source.purpose or (principal.purpose if principal else None),
        source.request_id,
        source.address,
        1,
    )
    changes = json.dumps(record.changes) if record.changes else None
    areas = list(dict.fromkeys(record.areas or (principal.areas if principal else ()))) or [INSTALLATION]
    if len(areas) == 1:
        return [(areas[0], uuid7(), *common, text_of(record.records), text_of(record.subjects), changes)]
    return [
        (
            area,
            uuid7(),
            *common,
            text_of(_of_area(area, record.records, record.areas)),
            text_of(_of_area(area, record.subjects, record.subject_areas)),
            changes,
        )
        for area in areas
    ]


def _of_area(area: UUID, ids: Sequence[UUID], areas: Sequence[UUID]) -> Sequence[UUID]:
    """Select the ids that an area's event names.

    Another area's records and statements are left out. What belongs to no area, such as a pathway, is named in each.
    """
    if not ids or not areas:
        return ids
    return [each for each, area_of_each in zip(ids, areas, strict=True) if area_of_each == area]
