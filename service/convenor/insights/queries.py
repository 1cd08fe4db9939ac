"""The queries behind the insights: small tables of counts over a whole area. None shows a referral."""

import json
from datetime import date
from typing import Any
from uuid import UUID

from convenor.database.constraints import valid_on
from convenor.database.row_security import context_sql
from convenor.read_model.execute import Connection
from convenor.security.principal import Principal

_MONTHS = f"""
with ctx as materialized (select {context_sql()})
select
    (select a.la_code from area a where a.area_id = $4) as area,
    (select array_agg(c.code order by c.code) from cluster c where c.area_id = $4
        and (c.valid_from is null or c.valid_from <= $6) and (c.valid_to is null or c.valid_to > $5)) as clusters,
    (select coalesce(json_agg(m), '[]')::text from (
        select to_char(m.month, 'YYYY-MM') as month, c.code as cluster, sum(m.referrals) as referrals
        from referral_month m left join cluster c on c.area_id = $4 and c.id = m.cluster_id
        where m.area_id = $4 and m.month between $5 and $6
        group by m.month, c.code having sum(m.referrals) > 0) m) as counts
from ctx
"""  # noqa: S608 - nothing but the names of the context's settings

_WAITS = f"""
with ctx as materialized (select {context_sql()}),
    w as materialized (select a.* from ctx cross join lateral area_waits($4, now()) a)
select
    (select a.la_code from area a where a.area_id = $4) as area,
    (select coalesce(json_agg(o), '[]')::text from (
        select s.code as service, s.name as service_name, s.provider_id, l.waiting, l.median_days, l.longest_days,
            (select coalesce(json_agg(k), '[]') from (
                select c.code as cluster, coalesce(w.waiting, 0) as waiting, w.median_days, w.longest_days
                from (
                    select sc.cluster_id from service_cluster sc
                    where sc.area_id = $4 and sc.service_id = s.id and {valid_on("sc", "$5::date")}
                    union select w.cluster_id from w where w.service_id = s.id
                ) b
                left join w on w.service_id = s.id and w.cluster_id is not distinct from b.cluster_id
                left join cluster c on c.area_id = $4 and c.id = b.cluster_id
                order by c.code nulls last) k) as clusters
        from commissioned_service s
        cross join lateral service_load($4, s.id, now()) l
        where s.area_id = $4 and s.provider_id is not null
        order by s.code) o) as waits
from ctx
"""  # noqa: S608 - as above


async def months_of(
    connection: Connection, principal: Principal, area: UUID, first: date, last: date
) -> tuple[str, list[str], list[dict[str, Any]]]:
    """Count referrals by month and cluster.

    Returns:
        The area's LA code, the codes of the clusters in that time, and the counts: `month` (`2025-09`), `cluster` (the
        code, or null for schools that were in none) and `referrals`.
    """
    row = await connection.fetchrow(_MONTHS, *principal.counting_context, area, first, last)
    return row["area"], row["clusters"] or [], json.loads(row["counts"])


async def waits_of(
    connection: Connection, principal: Principal, area: UUID, today: date
) -> tuple[str, list[dict[str, Any]]]:
    """Count waits.

    Returns:
        The area's LA code, and each service that has a provider: `service` (code), `service_name`, `provider_id`,
        `waiting`, `median_days`, `longest_days` and `clusters`. These are the clusters that buy the service today or
        have a pupil waiting, each with `cluster` and the same three figures; `cluster` is null for referrals of schools
        that were in none.
    """
    row = await connection.fetchrow(_WAITS, *principal.context, area, today)
    return row["area"], json.loads(row["waits"])
