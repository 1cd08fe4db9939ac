"""The statements of the limit: the same selects as the service's, without context, reach, redaction or audit."""

from typing import Any

from data import Area

from convenor.kit.principal import Wall
from convenor.kit.reading.columns import Binder, Columns
from convenor.referrals.resource import REFERRALS

HEALTH_SYSTEM = frozenset({Wall.IDENTITY, Wall.NHS_NUMBER})
QUESTION = (
    "{ clusters { edges { node { code schools(first: 20) { edges { node { name referrals(first: 20)"
    " { edges { node { code status need priority submittedAt } } } } } } } } } }"
)
"""Five clusters, twenty schools of each, twenty referrals of each, five fields."""
NESTED = """
select convert_to(json_build_object('data', json_build_object('clusters', (
    select json_build_object('edges', json_agg(e)) from (select (select row_to_json(n) from (select c.code, s.schools) n) as node
    from (select * from cluster c where c.area_id = $1 order by c.code, c.id) c
    cross join lateral (
        select json_build_object('edges', json_agg(e)) as schools
        from (select (select row_to_json(n) from (select s.name, r.referrals) n) as node
        from (
            select s.area_id, s.id, s.name from cluster_membership m
            join school s on s.area_id = m.area_id and s.id = m.school_id
            where m.area_id = $1 and m.cluster_id = c.id and m.valid_to is null order by s.name, s.id limit 20) s
        cross join lateral (
            select json_build_object('edges', json_agg(e)) as referrals
            from (select (select row_to_json(n) from (select r.code, r.status, r.need, r.priority, r.at as "submittedAt") n) as node
            from (
                select r.code, r.status, r.need, r.priority,
                    to_char(r.submitted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
                from referral r where r.area_id = $1 and r.school_id = s.id
                order by r.submitted_at desc, r.id desc limit 20) r) e
        ) r) e
    ) s) e
)))::text, 'UTF8')
"""


def statements(area: Area, pseudonym_key: bytes) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """By name, each with its arguments; `one` takes the referral's id behind them."""
    binder = Binder([])
    assert binder.bind("pseudonym_key", "bytea") == "$1::bytea"
    columns = Columns(HEALTH_SYSTEM, binder).of_resource(REFERRALS, None)
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
        "nested": (NESTED, (area.id,)),
    }
