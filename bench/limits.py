"""The statements of the limit: the service's own selects, without reach, redaction or audit; the nested one as it is."""

from typing import Any

from data import Area

from convenor.kit.principal import Grant, Principal, Reach, Role, Wall
from convenor.kit.reading.columns import Binder, Columns
from convenor.kit.reading.compile import compile_graph
from convenor.kit.reading.reach import standing_of, values_of
from convenor.kit.reading.selection import One, Page
from convenor.referrals.resource import REFERRALS
from convenor_graphql.endpoint import Asked, Endpoint
from convenor_graphql.schema import face

HEALTH_SYSTEM = frozenset({Wall.IDENTITY, Wall.NHS_NUMBER})
QUESTION = (
    "{ clusters { edges { node { code schools(first: 20) { edges { node { name referrals(first: 20)"
    " { edges { node { code status need priority submittedAt } } } } } } } } } }"
)
"""Five clusters, twenty schools of each, twenty referrals of each, five fields."""


def nested(area: Area) -> tuple[str, tuple[Any, ...]]:
    """The statement that the service compiles for the question, and a commissioner's arguments of it."""
    caller = Principal(
        client_id="bench",
        organisation_id=area.id,
        organisation="Bench",
        role=Role.COMMISSIONER,
        reach=Reach.AREA,
        scopes=frozenset(),
        walls=frozenset(),
        grants=(Grant(area.id, Reach.AREA, area.id),),
        agreement="",
        agreement_ends_on=None,
        purpose="",
        pseudonym_key=b"",
    )
    selected = Endpoint(face()).prepare(Asked(QUESTION, None, "{}")).selected
    roots = tuple(item for item in selected.fields if isinstance(item, One | Page))
    plan = compile_graph(roots, standing_of(caller))
    values = values_of(caller, plan.parameters)
    return plan.sql, tuple(values[name] for name in plan.parameters)


def statements(area: Area, pseudonym_key: bytes) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """By name, each with its arguments; `one` takes the referral's id behind them."""
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
