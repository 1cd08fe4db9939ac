"""Make the limit's statements: the service's selects without row access, redaction or audit; the nested one in full."""

from typing import Any
from uuid import UUID

from convenor.read_model.columns import Binder, Columns
from convenor.read_model.plan import compile_selection
from convenor.read_model.row_access import access_profile_of, values_of
from convenor.read_model.selection import One, Page
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Grant, Principal, Role, RowAccess
from convenor_graphql.http import GraphQLEndpoint, GraphQLRequest
from convenor_graphql.schema import graphql_api

QUESTION = (
    "{ clusters { edges { node { code schools(first: 20) { edges { node { name referrals(first: 20)"
    " { edges { node { code status need priority submittedAt } } } } } } } } } }"
)
"""Five clusters, twenty schools of each, twenty referrals of each, five fields."""


def nested(area: UUID) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that the service compiles for a query, with a commissioner's arguments."""
    caller = Principal(
        client_id="bench",
        organisation_id=area,
        organisation="Bench",
        role=Role.COMMISSIONER,
        row_access=RowAccess.AREA,
        scopes=frozenset(),
        clearances=frozenset(),
        grants=(Grant(area, RowAccess.AREA, area),),
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


def statements(caller: Principal) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Return the statements of a commissioner's system by name, with their arguments; `one` takes a referral's id last."""
    binder = Binder([])
    columns = ", ".join(Columns(caller.clearances, binder).of_resource(REFERRALS, "t", None))
    own = f"t.area_id = {binder.bind('access.area.area', 'uuid')}"
    values = values_of(caller, tuple(binder.names))
    arguments = tuple(values[name] for name in binder.names)
    one = f"select {columns} from referral t where {own} and t.id = ${len(arguments) + 1}::uuid"
    many = f"select {columns} from referral t where {own} order by t.submitted_at desc, t.id desc limit 100"
    area = caller.areas[0]
    return {
        "one": (f"select convert_to(row_to_json(r)::text, 'UTF8') from ({one}) r", arguments),
        "list": (f"select convert_to(json_agg(r)::text, 'UTF8') from ({many}) r", arguments),
        "nested": nested(area),
    }
