"""Read what an area has of the tables that a file is about, locked, so that a load compares and changes the same."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from convenor.benchmarks.models import Benchmark
from convenor.clusters.models import Cluster, ClusterMembership
from convenor.commissioned_services.models import CommissionedService, ServiceCluster
from convenor.domain_types.dates import today
from convenor.importers.areas import Authority
from convenor.importers.files import Kind
from convenor.networks.models import Network, Practice
from convenor.providers.models import Provider
from convenor.schools.models import School

Record = dict[str, Any]
"""A row of a table, by column."""

TABLES: Mapping[Kind, tuple[type[SQLModel], ...]] = {
    Kind.CLUSTERS: (Cluster,),
    Kind.SCHOOLS: (School,),
    Kind.SCHOOL_LINKS: (School,),
    Kind.MEMBERSHIPS: (Cluster, School, ClusterMembership),
    Kind.PROVIDERS: (Provider,),
    Kind.SERVICES: (Cluster, Provider, CommissionedService, ServiceCluster),
    Kind.PILOT_SCHOOLS: (Cluster, School, ClusterMembership),
    Kind.OFFERS: (Cluster, Provider, CommissionedService, ServiceCluster),
    Kind.NETWORKS: (Network, Practice),
    Kind.BENCHMARKS: (Benchmark,),
    Kind.FINDINGS: (Benchmark,),
}
"""What each kind of file reads and changes, in the order in which the API locks it: clusters before schools."""


@dataclass
class Stored:
    """The records of an area, by table."""

    area: Authority
    of: dict[type[SQLModel], list[Record]] = field(default_factory=dict)
    with_pupils: set[Any] = field(default_factory=set)
    """The ids of schools that have pupils, where the file links schools."""
    _groups: dict[Any, dict[Hashable, list[Record]]] = field(default_factory=dict)
    _single: dict[Any, dict[Hashable, Record]] = field(default_factory=dict)

    @classmethod
    async def read(cls, session: AsyncSession, area: Authority, kind: Kind) -> "Stored":
        """Read and lock what a kind of file is about, in the area's context."""
        found = cls(area)
        for model in TABLES[kind]:
            table: Any = model.__table__  # type: ignore[attr-defined]
            rows = (
                select(table)
                .where(table.c.area_id == area.area_id)
                .order_by(*table.primary_key)
                .with_for_update(key_share=True)
            )
            found.of[model] = [dict(row) for row in (await session.execute(rows)).mappings()]
        if kind is Kind.SCHOOL_LINKS:
            pupils = text("select distinct school_id from pupil where area_id = :area")
            found.with_pupils = set(await session.scalars(pupils, {"area": area.area_id}))
        return found

    def by(self, model: type[SQLModel], *columns: str) -> dict[Hashable, Record]:
        """Return the records of a table by what names them; records that share a name are left out."""
        if (model, columns) not in self._single:
            groups = self.groups(model, *columns).items()
            self._single[model, columns] = {key: records[0] for key, records in groups if len(records) == 1}
        return self._single[model, columns]

    def groups(self, model: type[SQLModel], *columns: str) -> dict[Hashable, list[Record]]:
        """Return the records of a table by one column, or by several together."""
        if (model, columns) not in self._groups:
            groups: defaultdict[Hashable, list[Record]] = defaultdict(list)
            for record in self.of[model]:
                key = tuple(record[name] for name in columns)
                groups[key[0] if len(columns) == 1 else key].append(record)
            self._groups[model, columns] = dict(groups)
        return self._groups[model, columns]

    def school(self, urn: str | None, laestab: str | None) -> Record | None:
        """Find a school by its URN, or else by its LAESTAB, which one open school has at most."""
        if urn:
            return self.by(School, "urn").get(urn)
        same = self.groups(School, "laestab").get(laestab, ()) if laestab else ()
        still_open = [record for record in same if record["status"] != "closed"]
        return (still_open or [*same])[0] if len(still_open or same) == 1 else None


def is_over(record: Record) -> bool:
    """Check whether the record's time has ended."""
    return record.get("valid_to") is not None and record["valid_to"] <= today()


def overlap(one: Record, first: date | None, end: date | None) -> bool:
    """Check whether a dated record and a period have a day in common."""
    starts_in_time = not end or not one["valid_from"] or one["valid_from"] < end
    return starts_in_time and (not first or not one["valid_to"] or one["valid_to"] > first)
