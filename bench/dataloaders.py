"""Serve the usual design: a Strawberry schema with DataLoaders over asyncpg, without access control or audit."""

import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.dataloader import DataLoader
from strawberry.types import Info

CLUSTERS = "select id, code from cluster where area_id = $1 order by code, id"
SCHOOLS = """
select k.id as key, s.id, s.name from unnest($2::uuid[]) k(id) cross join lateral (
    select s.id, s.name from cluster_membership m join school s on s.area_id = m.area_id and s.id = m.school_id
    where m.area_id = $1 and m.cluster_id = k.id and m.valid_to is null order by s.name, s.id limit $3) s
"""
REFERRALS = """
select k.id as key, r.* from unnest($2::uuid[]) k(id) cross join lateral (
    select r.code, r.status, r.need, r.priority, r.submitted_at from referral r
    where r.area_id = $1 and r.school_id = k.id order by r.submitted_at desc, r.id desc limit $3) r
"""


@strawberry.type
class Referral:
    code: str
    status: str
    need: str
    priority: str
    submitted_at: str


@strawberry.type
class ReferralEdge:
    node: Referral


@strawberry.type
class ReferralConnection:
    edges: list[ReferralEdge]


@strawberry.type
class School:
    id: strawberry.Private[UUID]
    name: str

    @strawberry.field
    async def referrals(self, info: Info, first: int) -> ReferralConnection:
        rows = await info.context["referrals"].load((self.id, first))
        return ReferralConnection(edges=[ReferralEdge(node=_referral(row)) for row in rows])


@strawberry.type
class SchoolEdge:
    node: School


@strawberry.type
class SchoolConnection:
    edges: list[SchoolEdge]


@strawberry.type
class Cluster:
    id: strawberry.Private[UUID]
    code: str

    @strawberry.field
    async def schools(self, info: Info, first: int) -> SchoolConnection:
        rows = await info.context["schools"].load((self.id, first))
        return SchoolConnection(edges=[SchoolEdge(node=School(id=row["id"], name=row["name"])) for row in rows])


@strawberry.type
class ClusterEdge:
    node: Cluster


@strawberry.type
class ClusterConnection:
    edges: list[ClusterEdge]


@strawberry.type
class Query:
    @strawberry.field
    async def clusters(self, info: Info) -> ClusterConnection:
        rows = await info.context["pool"].fetch(CLUSTERS, info.context["area"])
        return ClusterConnection(edges=[ClusterEdge(node=Cluster(id=row["id"], code=row["code"])) for row in rows])


schema = strawberry.Schema(Query)


def _referral(row: Any) -> Referral:
    at: datetime = row["submitted_at"]
    fields = {name: row[name] for name in ("code", "status", "need", "priority")}
    return Referral(**fields, submitted_at=_timestamp(at))


def _timestamp(at: datetime) -> str:
    written = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    return written.rstrip("0").rstrip(".") + "Z"


def _loader(pool: asyncpg.Pool, area: UUID, statement: str) -> DataLoader[tuple[UUID, int], list[Any]]:
    async def load(keys: list[tuple[UUID, int]]) -> list[list[Any]]:
        found: dict[UUID, list[Any]] = {key: [] for key, _ in keys}
        for row in await pool.fetch(statement, area, list(found), keys[0][1]):
            found[row["key"]].append(row)
        return [found[key] for key, _ in keys]

    return DataLoader(load)


def make() -> Starlette:
    """Make the application from the environment."""
    area, pools = UUID(os.environ["BENCH_AREA"]), []

    async def answer(request: Request) -> Response:
        if not pools:
            pools.append(await asyncpg.create_pool(os.environ["BENCH_SUPERUSER_URL"], min_size=10, max_size=10))
        loaders = {"schools": _loader(pools[0], area, SCHOOLS), "referrals": _loader(pools[0], area, REFERRALS)}
        body = await request.json()
        result = await schema.execute(body["query"], context_value={"pool": pools[0], "area": area, **loaders})
        assert not result.errors
        return Response(json.dumps({"data": result.data}, separators=(",", ":")), media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
