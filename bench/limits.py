"""Make the limit's statements: the service's selects without row access, redaction or audit; the nested one in full."""

from typing import Any

from data import Area

from convenor.read_model.columns import Binder, Columns
from convenor.read_model.plan import compile_selection
from convenor.read_model.row_access import access_profile_of, values_of
from convenor.read_model.selection import One, Page
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import FieldSensitivity, Grant, Principal, Role, RowAccess
from convenor_graphql.http import GraphQLEndpoint, GraphQLRequest
from convenor_graphql.schema import graphql_api

HEALTH_SYSTEM = frozenset({FieldSensitivity.IDENTITY, FieldSensitivity.NHS_NUMBER})
QUESTION = (
    "{ clusters { edges { node { code schools(first: 20) { edges { node { name referrals(first: 20)"
    " { edges { node { code status need priority submittedAt } } } } } } } } } }"
)
"""Five clusters, twenty schools of each, twenty referrals of each, five fields."""


def nested(area: Area) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that the service compiles for a query, with a commissioner's arguments."""
    caller = Principal(
        client_id="bench",
        organisation_id=area.id,
        organisation="Bench",
        role=Role.COMMISSIONER,
        row_access=RowAccess.AREA,
        scopes=frozenset(),
        clearances=frozenset(),
        grants=(Grant(area.id, RowAccess.AREA, area.id),),
        agreement="",
        agreement_ends_on=None,
        purposes=("",),
        pseudonym_key=b"",
        id_key=b"",
        sealer=None,  # type: ignore[arg-type]  # no identity is shown
    )
    selected = GraphQLEndpoint(graphql_api()).prepare(GraphQLRequest(QUESTION, None, "{}")).selected
    roots = tuple(item for item in selected.fields if isinstance(item, One | Page))
    plan = compile_selection(roots, access_profile_of(caller))
    values = values_of(caller, plan.parameters)
    return plan.sql, tuple(values[name] for name in plan.parameters)


def statements(area: Area, pseudonym_key: bytes) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Return the statements by name, with their arguments; `one` takes the referral's id as well."""
    binder = Binder([])
    assert binder.bind("pseudonym_key", "bytea") == "$1::bytea"
    columns = ", ".join(Columns(HEALTH_SYSTEM, binder).of_resource(REFERRALS, "t", None))
    one = f"select {columns} from referral t where t.area_id = $2 and t.id = $3"
    many = (
        f"select {columns} from referral t where t.area_id = $2 and t.provider_id = $3"
        " order by t.submitted_at desc, t.id desc limit 100"
    )
    return {
        "one": (f"select convert_to(row_to_json(r)::text, 'UTF8') from ({one}) r", (pseudonym_key, area.id)),
        "list": (
            f"select convert_to(json_agg(r)::text, 'UTF8') from ({many}) r",
            (pseudonym_key, area.id, area.provider),
        ),
        "nested": nested(area),
    }
