"""Who is calling: role, organisation, scopes and reach. It decides nothing; `convenor_auth` fills it."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from uuid import UUID


class Role(StrEnum):
    """What a client is to the programme. `convenor_auth.roles` says what each may do."""

    SCHOOL_MIS = "school_mis"
    HEALTH_SYSTEM = "health_system"
    PROVIDER_PORTAL = "provider_portal"
    CLUSTER_LEAD = "cluster_lead"
    COMMISSIONER = "commissioner"
    FINANCE = "finance"
    BOARD = "board"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class FieldSensitivity(StrEnum):
    """What a field gives away, so that a role passes it or has the field redacted."""

    IDENTITY = "identity"
    """Names, date of birth, the pupil's id, and free text that may name a child."""
    UPN = "upn"
    NHS_NUMBER = "nhs_number"


class RowAccess(StrEnum):
    """Which rows about cases (referrals and what hangs on them) a role may reach."""

    AREA = "area"
    CLUSTER = "cluster"
    """What serves its clusters: contracts; no case."""
    SCHOOL = "school"
    PROVIDER = "provider"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Grant:
    """One record that a client's organisation stands for, as a plain key: `key` is the record's id within `area_id`.

    `kind` is a `Reach`: `AREA` (then `key` is the area's own id), `CLUSTER`, `SCHOOL` or `PROVIDER`.
    """

    area_id: UUID
    kind: str
    key: UUID


@dataclass(frozen=True)
class Principal:
    """A client that proved who it is, with what its access token allows."""

    client_id: str
    organisation_id: UUID
    organisation: str
    role: Role
    row_access: RowAccess
    scopes: frozenset[str]
    clearances: frozenset[FieldSensitivity]
    """The walls this principal passes."""
    grants: tuple[Grant, ...]
    agreement: str
    """Reference of the data sharing agreement under which it calls."""
    agreement_ends_on: date | None
    purpose: str
    pseudonym_key: bytes = field(repr=False)
    """Keyed to the organisation, so that two organisations never see the same pseudonym of one pupil."""

    def digest(self, record: UUID, name: str, value: object) -> str:
        """What the audit keeps of a field's value: equal only for the same value of the same field of one record."""
        said = repr((str(record), name, value)).encode()
        return hmac.new(self._digest_key, said, "sha256").hexdigest()[:16]

    @cached_property
    def _digest_key(self) -> bytes:
        return hmac.digest(self.pseudonym_key, b"audit digest", "sha256")

    @cached_property
    def areas(self) -> tuple[UUID, ...]:
        """The areas it works in, each once, in the order of its grants."""
        return tuple(dict.fromkeys(grant.area_id for grant in self.grants))

    def keys(self, kind: str) -> tuple[tuple[UUID, UUID], ...]:
        """The (area, record) pairs granted to it of one kind."""
        return tuple((grant.area_id, grant.key) for grant in self.grants if grant.kind == kind)

    def pairs(self, row_access: RowAccess) -> tuple[tuple[UUID, UUID], ...]:
        """The (area, key) pairs that say how far it reaches in one way: its schools or providers, or else its areas."""
        if row_access in (RowAccess.SCHOOL, RowAccess.PROVIDER):
            return self.keys(row_access)
        return tuple((area, area) for area in self.areas)

    @cached_property
    def several(self) -> frozenset[RowAccess]:
        """The ways of reaching in which it stands for several areas, schools or providers, or for none."""
        return frozenset(row_access for row_access in RowAccess if len(self.pairs(row_access)) != 1)

    @cached_property
    def context(self) -> tuple[str, str, str]:
        """What row-level security is told of it: areas, reach over cases, and the schools or providers it stands for.

        The lists are PostgreSQL array literals, ready for `set_config`.
        """
        keys = (
            [key for _, key in self.keys(self.row_access)]
            if self.row_access in (RowAccess.CLUSTER, RowAccess.SCHOOL, RowAccess.PROVIDER)
            else []
        )
        return _array(self.areas), self.row_access.value, _array(keys)


def _array(ids: Iterable[UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"
