"""Represent the caller: role, organisation, scopes and row access, as `convenor_auth` loads them."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from convenor.security.sealing import Sealer


class Role(StrEnum):
    """The kind of a client. `convenor_auth.roles` defines what each role may do."""

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
    """The clearance that a role needs to see a field; without it, the field is redacted."""

    IDENTITY = "identity"
    """Names, date of birth, the pupil's id, and free text that may name a child."""
    UPN = "upn"
    NHS_NUMBER = "nhs_number"
    PERSON = "person"
    """Which pupils of different organisations are one child, or may be."""


class RowAccess(StrEnum):
    """Which cases a role may see: referrals and the records that belong to them.

    `AUDIT` sees none of them. It is the row access to audit events, and `COUNTS` to the counts of referrals by month.
    `WORKER` is that of the work that follows a change; no client has it. `INSTALLATION` is the operator's to areas.
    """

    AREA = "area"
    CLUSTER = "cluster"
    """The contracts that serve its clusters, and no case."""
    SCHOOL = "school"
    PROVIDER = "provider"
    AUDIT = "audit"
    COUNTS = "counts"
    WORKER = "worker"
    INSTALLATION = "installation"
    NONE = "none"


OWN_COLUMN: Mapping[RowAccess, str] = {RowAccess.SCHOOL: "school_id", RowAccess.PROVIDER: "provider_id"}
"""The kinds of row access that a column of a case decides. The others depend on the area or the cluster."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One record that a client acts for, by its id `key` within `area_id`.

    For `RowAccess.AREA`, `key` is the area's own id.
    """

    area_id: UUID
    kind: RowAccess
    key: UUID


@dataclass(frozen=True)
class Principal:
    """An authenticated client, with what its access token allows."""

    client_id: str
    organisation_id: UUID
    organisation: str
    role: Role
    row_access: RowAccess
    scopes: frozenset[str]
    clearances: frozenset[FieldSensitivity]
    """The sensitive fields that it may see."""
    grants: tuple[Grant, ...]
    agreement: str
    """Reference of its data sharing agreement."""
    agreement_ends_on: date | None
    purposes: tuple[str, ...]
    """The purposes of its agreement; the first holds for a call that names none."""
    pseudonym_key: bytes = field(repr=False)
    """The organisation's own key, so that two organisations never see the same pseudonym of one pupil."""
    id_key: bytes | None = field(repr=False)
    """The key of pupils' ids, as `hmac_pads` gives it; None for a school, which sees the ids as they are stored."""
    sealer: Sealer = field(repr=False)
    """Seals and opens what identifies a pupil."""

    @property
    def purpose(self) -> str:
        """Return the purpose of a call that names none."""
        return self.purposes[0]

    def digest(self, record: UUID, name: str, value: object) -> str:
        """Return the digest of a field's value for the audit, equal only for the same field of the same record."""
        content = repr((str(record), name, value)).encode()
        return hmac.new(self._digest_key, content, "sha256").hexdigest()[:16]

    def keyed_hash(self, content: bytes) -> bytes:
        """Return a hash of what the client sent: without the organisation's key, nobody can try out what it was."""
        return hmac.digest(self._digest_key, content, "sha256")

    @cached_property
    def _digest_key(self) -> bytes:
        return hmac.digest(self.pseudonym_key, b"audit digest", "sha256")

    @cached_property
    def areas(self) -> tuple[UUID, ...]:
        """Return the distinct areas that it works in, in the order of its grants."""
        return tuple(dict.fromkeys(grant.area_id for grant in self.grants))

    def keys(self, kind: RowAccess) -> tuple[tuple[UUID, UUID], ...]:
        """Return the (area, record) pairs of its grants of one kind."""
        return tuple((grant.area_id, grant.key) for grant in self.grants if grant.kind == kind)

    def pairs(self, row_access: RowAccess) -> tuple[tuple[UUID, UUID], ...]:
        """Return the (area, key) pairs that bound one kind of row access: its schools or providers, else its areas."""
        if row_access in OWN_COLUMN:
            return self.keys(row_access)
        return tuple((area, area) for area in self.areas)

    @cached_property
    def plural_access(self) -> frozenset[RowAccess]:
        """Return the kinds of row access that cover several areas, schools or providers, or none."""
        return frozenset(row_access for row_access in RowAccess if len(self.pairs(row_access)) != 1)

    @cached_property
    def context(self) -> tuple[str, str, str]:
        """Return the settings for row-level security: areas, row access, and its schools, providers or clusters.

        The lists are PostgreSQL array literals, ready for `set_config`.
        """
        keys = [key for _, key in self.keys(self.row_access)] if self.row_access is not RowAccess.AREA else []
        return _array(self.areas), self.row_access.value, _array(keys)

    @property
    def counting_context(self) -> tuple[str, str, str]:
        """Return the settings under which a query may read the counts of its areas, and must suppress them."""
        return _array(self.areas), RowAccess.COUNTS.value, "{}"


def _array(ids: Iterable[UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"
