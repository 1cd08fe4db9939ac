"""Who may do what: the table of roles against what the programme agreed, cell by cell."""

import pytest

from convenor.security.principal import FieldSensitivity, Role, RowAccess
from convenor_auth.roles import DIRECTORY, ROLES, SCOPES, clearances_of

BEYOND_THE_DIRECTORY = {
    Role.SCHOOL_MIS: "referrals:read referrals:write handovers:decide contacts:read outcomes:read",
    Role.HEALTH_SYSTEM: "slas:read referrals:read referrals:write contacts:read contacts:write outcomes:read "
    "outcomes:write insights:read",
    Role.PROVIDER_PORTAL: "slas:read referrals:read referrals:write contacts:read contacts:write outcomes:read "
    "outcomes:write impact_returns:read impact_returns:write",
    Role.CLUSTER_LEAD: "slas:read impact_returns:read insights:read",
    Role.COMMISSIONER: "areas:write clusters:write schools:write providers:write services:write slas:read slas:write "
    "referrals:read handovers:decide contacts:read outcomes:read impact_returns:read impact_returns:write "
    "insights:read pupils:identify",
    Role.FINANCE: "slas:read impact_returns:read insights:read",
    Role.BOARD: "insights:read",
    Role.AUDITOR: "audit:read",
    Role.OPERATOR: "areas:create areas:read audit:read",
}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", Role)
def test_a_role_holds_a_scope_exactly_where_the_programme_agreed_it(role: Role, scope: str) -> None:
    directory = DIRECTORY if role is not Role.OPERATOR else frozenset()
    assert (scope in ROLES[role].scopes) == (scope in directory or scope in BEYOND_THE_DIRECTORY[role].split())


def test_the_directory_is_for_reading_and_holds_no_case() -> None:
    expected = {"areas:read", "clusters:read", "schools:read", "providers:read", "services:read", "pathways:read"}
    assert expected == DIRECTORY


@pytest.mark.parametrize("role", Role)
def test_no_role_holds_a_scope_that_is_not_described(role: Role) -> None:
    assert ROLES[role].scopes <= SCOPES.keys()


CASES = {"referrals:read", "contacts:read", "outcomes:read"}


@pytest.mark.parametrize("role", Role)
def test_a_role_reads_cases_exactly_where_it_has_access_to_some(role: Role) -> None:
    assert (ROLES[role].row_access in (RowAccess.CLUSTER, RowAccess.AUDIT, RowAccess.NONE)) == ROLES[
        role
    ].scopes.isdisjoint(CASES)


@pytest.mark.parametrize(
    ("role", "row_access", "clearances"),
    [
        (Role.SCHOOL_MIS, RowAccess.SCHOOL, {FieldSensitivity.IDENTITY, FieldSensitivity.UPN}),
        (
            Role.HEALTH_SYSTEM,
            RowAccess.PROVIDER,
            {FieldSensitivity.IDENTITY, FieldSensitivity.NHS_NUMBER, FieldSensitivity.PERSON},
        ),
        (Role.PROVIDER_PORTAL, RowAccess.PROVIDER, {FieldSensitivity.IDENTITY, FieldSensitivity.PERSON}),
        (Role.CLUSTER_LEAD, RowAccess.CLUSTER, set()),
        (Role.COMMISSIONER, RowAccess.AREA, {FieldSensitivity.PERSON}),
        (Role.FINANCE, RowAccess.NONE, set()),
        (Role.BOARD, RowAccess.NONE, set()),
        (Role.AUDITOR, RowAccess.AUDIT, set()),
        (Role.OPERATOR, RowAccess.AUDIT, set()),
    ],
)
def test_education_and_health_each_see_their_own_side_of_a_pupil(
    role: Role, row_access: RowAccess, clearances: set[FieldSensitivity]
) -> None:
    assert ROLES[role].row_access is row_access
    assert clearances_of(role, ROLES[role].scopes - {"pupils:identify"}) == clearances


@pytest.mark.parametrize("role", Role)
def test_only_a_commissioner_sees_every_hidden_field_and_only_by_asking(role: Role) -> None:
    everything = clearances_of(role, {"pupils:identify"}) == set(FieldSensitivity)
    assert everything == (role is Role.COMMISSIONER)
