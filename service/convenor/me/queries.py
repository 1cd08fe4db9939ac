"""The one query behind `GET /v1/me`."""

from datetime import date
from typing import Any

from convenor.database.constraints import valid_on
from convenor.database.row_security import context_sql
from convenor.read_model.execute import Connection
from convenor.security.principal import Principal, RowAccess

_SQL = f"""
with ctx as materialized (select {context_sql()})
select
    (select array_agg(a.la_code order by a.la_code) from area a where a.area_id = any($7::uuid[])) as areas,
    (select array_agg(distinct c.code order by c.code) from client_grant g
        left join cluster_membership m on g.kind = 'school' and m.area_id = g.area_id and m.school_id = g.key
            and {valid_on("m", "$5::date")}
        join cluster c on c.area_id = g.area_id and c.id = case g.kind when 'cluster' then g.key else m.cluster_id end
        where g.client_id = $4) as clusters,
    (select array_agg(coalesce(s.urn, s.id::text) order by s.urn) from school s where s.id = any($6::uuid[]))
        as schools,
    (select array_agg(p.id order by p.name) from client_grant g
        join provider p on p.area_id = g.area_id and p.id = g.key where g.client_id = $4 and g.kind = 'provider')
        as providers,
    (select d.legal_basis from client c join data_sharing_agreement d on d.id = c.agreement_id
        where c.client_id = $4) as legal_basis,
    (select coalesce(json_agg(k), '[]')::text from (select kid, alg, created_at from client_key
        where client_id = $4 and ended_at is null order by created_at) k) as keys
from ctx
"""  # noqa: S608 - nothing but the names of the context's settings


async def read_access(connection: Connection, principal: Principal, today: date) -> Any:
    """Read what a client's grants give access to today, its agreement's legal basis and its keys.

    Returns:
        A row: `areas` (LA codes), `clusters` (codes), `schools` (URNs or ids), `providers` (ids), each null if there is
        none; `legal_basis`; `keys` (JSON text).
    """
    schools = [key for _, key in principal.keys(RowAccess.SCHOOL)]
    return await connection.fetchrow(
        _SQL, *principal.context, principal.client_id, today, schools, list(principal.areas)
    )
