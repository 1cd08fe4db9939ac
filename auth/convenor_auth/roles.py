"""Define each role's scopes, row access and clearances. The documentation prints this table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from convenor.security.principal import FieldSensitivity, Role, RowAccess

IDENTIFY = "pupils:identify"

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "areas:read": "Read the areas in which you work.",
        "areas:create": "Create areas, so that further local authorities can begin.",
        "areas:write": "Change an area's details.",
        "clusters:read": "Read clusters, their schools and role holders.",
        "clusters:write": "Create clusters and change their schools and role holders.",
        "schools:read": "Read the directory of schools.",
        "schools:write": "Create schools and change them.",
        "providers:read": "Read the directory of providers.",
        "providers:write": "Create providers and change them.",
        "services:read": "Read commissioned services, their capacity and waiting times.",
        "services:write": "Create commissioned services, change them and promote them to the core offer.",
        "slas:read": "Read service level agreements, their KPIs and the returns that are due.",
        "slas:write": "Create service level agreements, change them and move them to the next state.",
        "pathways:read": "Read the published pathways: states, transitions and who makes each.",
        "referrals:read": "Read referrals and their history.",
        "referrals:write": "Make referrals, change them and move them to the next state.",
        "handovers:decide": "Decide whether the referrals of a pupil who moved pass to the new school.",
        "contacts:read": "Read therapy and support sessions.",
        "contacts:write": "Record therapy and support sessions.",
        "outcomes:read": "Read measured outcomes.",
        "outcomes:write": "Record measured outcomes.",
        "impact_returns:read": "Read impact returns.",
        "impact_returns:write": "Send impact returns, and accept them or send them back.",
        "insights:read": "Read aggregates; small numbers are suppressed.",
        "audit:read": "Read the audit trail.",
        IDENTIFY: "See who a pupil is, and decide which pupils are one child. Only a client that is registered for "
        "this scope can have it.",
    }
)
"""Every scope, with what it allows."""

DIRECTORY = frozenset(
    {"areas:read", "clusters:read", "schools:read", "providers:read", "services:read", "pathways:read"}
)
"""What every role of an area may read, because the offer is not confidential."""

_CASEWORK = frozenset(
    {"referrals:read", "referrals:write", "contacts:read", "contacts:write", "outcomes:read", "outcomes:write"}
)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What one role has, at most: a client may be registered for less, and a token may be asked for less.

    Attributes:
        scopes: What its clients may ask for.
        row_access: Whose cases it works with: referrals, with their contacts and outcomes.
        clearances: The sensitive fields that it sees.
        may: For people: what it may do.
        may_not: For people: what it may not do.
        organisation_kind: The kind of organisation that its clients belong to.
        stands_for: What a client stands for within its area; none where that is the area itself.
    """

    scopes: frozenset[str]
    row_access: RowAccess
    clearances: frozenset[FieldSensitivity]
    may: str
    may_not: str
    organisation_kind: str
    stands_for: RowAccess | None = None


ROLES: Mapping[Role, RoleRule] = MappingProxyType(
    {
        Role.SCHOOL_MIS: RoleRule(
            scopes=DIRECTORY
            | {"referrals:read", "referrals:write", "handovers:decide", "contacts:read", "outcomes:read"},
            row_access=RowAccess.SCHOOL,
            clearances=frozenset({FieldSensitivity.IDENTITY, FieldSensitivity.UPN}),
            may="make referrals; read its own schools' referrals, waits and outcomes, with the pupils' names and UPN; "
            "ask for the referrals of a pupil who came from another school, and hand over those of one who left",
            may_not="see another school's pupils, or an NHS number",
            organisation_kind="school",
            stands_for=RowAccess.SCHOOL,
        ),
        Role.HEALTH_SYSTEM: RoleRule(
            scopes=DIRECTORY | _CASEWORK | {"slas:read", "insights:read"},
            row_access=RowAccess.PROVIDER,
            clearances=frozenset({FieldSensitivity.IDENTITY, FieldSensitivity.NHS_NUMBER, FieldSensitivity.PERSON}),
            may="read the referrals to its services, with name, NHS number and possible duplicates; accept, decline, "
            "pause and discharge; record contacts and outcomes; read aggregates",
            may_not="see a UPN, or a referral to a service that is not its own",
            organisation_kind="health",
            stands_for=RowAccess.PROVIDER,
        ),
        Role.PROVIDER_PORTAL: RoleRule(
            scopes=DIRECTORY | _CASEWORK | {"slas:read", "impact_returns:read", "impact_returns:write"},
            row_access=RowAccess.PROVIDER,
            clearances=frozenset({FieldSensitivity.IDENTITY, FieldSensitivity.PERSON}),
            may="read the referrals to its own services, with name and possible duplicates; accept, decline, pause and "
            "discharge; record contacts and outcomes; read its SLAs; send impact returns",
            may_not="see an NHS number or a UPN, or another provider's records",
            organisation_kind="provider",
            stands_for=RowAccess.PROVIDER,
        ),
        Role.CLUSTER_LEAD: RoleRule(
            scopes=DIRECTORY | {"slas:read", "impact_returns:read", "insights:read"},
            row_access=RowAccess.CLUSTER,
            clearances=frozenset(),
            may="read the services, SLAs, returns and aggregates of its cluster",
            may_not="see any child's case, or who a pupil is",
            organisation_kind="cluster",
            stands_for=RowAccess.CLUSTER,
        ),
        Role.COMMISSIONER: RoleRule(
            scopes=DIRECTORY
            | {"areas:write", "clusters:write", "schools:write", "providers:write", "services:write"}
            | {"slas:read", "slas:write", "impact_returns:read", "impact_returns:write", "insights:read"}
            | {"referrals:read", "handovers:decide", "contacts:read", "outcomes:read", IDENTIFY},
            row_access=RowAccess.AREA,
            clearances=frozenset({FieldSensitivity.PERSON}),
            may="maintain the area's directory and SLAs; accept impact returns or send them back; read referrals, "
            "contacts and outcomes under pseudonym; with the scope pupils:identify, see who a pupil is, decide "
            "which pupils are one child, and hand over a pupil who moved",
            may_not="see who a pupil is without that scope; change a case",
            organisation_kind="local_authority",
        ),
        Role.FINANCE: RoleRule(
            scopes=DIRECTORY | {"slas:read", "impact_returns:read", "insights:read"},
            row_access=RowAccess.NONE,
            clearances=frozenset(),
            may="read prices, volumes, returns and aggregates of its area",
            may_not="see any child's case",
            organisation_kind="local_authority",
        ),
        Role.BOARD: RoleRule(
            scopes=DIRECTORY | {"insights:read"},
            row_access=RowAccess.NONE,
            clearances=frozenset(),
            may="read aggregates of its area, in which small numbers are suppressed",
            may_not="see any child's case",
            organisation_kind="oversight",
        ),
        Role.AUDITOR: RoleRule(
            scopes=DIRECTORY | {"audit:read"},
            row_access=RowAccess.AUDIT,
            clearances=frozenset(),
            may="read who did what, to which record, when and for which purpose",
            may_not="see the records themselves",
            organisation_kind="oversight",
        ),
        Role.OPERATOR: RoleRule(
            scopes=frozenset({"areas:create", "areas:read", "audit:read"}),
            row_access=RowAccess.AUDIT,
            clearances=frozenset(),
            may="create areas and read which there are; read the audit events that belong to the installation alone",
            may_not="see any area's data",
            organisation_kind="operator",
        ),
    }
)


def refuse_incomplete(roles: Mapping[Role, RoleRule]) -> None:
    """Refuse a table of roles that leaves one out, or grants a scope that is not described.

    Raises:
        ValueError: Naming what is missing.
    """
    if missing := set(Role) - roles.keys():
        raise ValueError(f"These roles have no rule: {', '.join(sorted(missing))}.")
    for role, rule in roles.items():
        if unknown := rule.scopes - SCOPES.keys():
            raise ValueError(f"{role} has scopes that SCOPES does not describe: {', '.join(sorted(unknown))}.")


refuse_incomplete(ROLES)


def clearances_of(role: Role, scopes: Collection[str]) -> frozenset[FieldSensitivity]:
    """Return the clearances of a caller: those of its role, or all with `pupils:identify`.

    Args:
        role: the client's role.
        scopes: the scopes granted to it, none beyond its role's.
    """
    rule = ROLES[role]
    return frozenset(FieldSensitivity) if IDENTIFY in rule.scopes and IDENTIFY in scopes else rule.clearances
