"""Compare what a file says with what is stored, and gather what to create and what to change."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from convenor.benchmarks.models import Benchmark
from convenor.clusters.models import Cluster, ClusterMembership
from convenor.commissioned_services.models import CommissionedService, ServiceCluster
from convenor.importers.files import MOST_NAMED
from convenor.importers.report import Counts
from convenor.importers.rows import Rows
from convenor.importers.stored import Record, Stored, is_over
from convenor.networks.models import Network, Practice
from convenor.providers.models import Provider
from convenor.schools.models import School

Mint = Callable[[], UUID]
"""What gives the next new record its id."""

LABELS: Mapping[type[SQLModel], str] = {
    Cluster: "clusters",
    School: "schools",
    ClusterMembership: "memberships",
    Provider: "providers",
    CommissionedService: "services",
    ServiceCluster: "purchases",
    Network: "networks",
    Practice: "practices",
    Benchmark: "benchmarks",
}
"""The tables that files are about, as a person calls them."""

_NAMED_BY: Mapping[type[SQLModel], str] = {
    Cluster: "code",
    School: "urn",
    Provider: "name",
    CommissionedService: "code",
}
"""The column that names a record to a person, where a note names those that a file leaves out."""


class Upsert:
    """What a load creates and changes. A blank cell says nothing, so that what is stored stays."""

    def __init__(self, stored: Stored, mint: Mint) -> None:
        self.stored, self.rows, self._mint = stored, Rows(), mint
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._named: defaultdict[type[SQLModel], set[Any]] = defaultdict(set)

    def put(self, model: type[SQLModel], found: Record | None, **values: Any) -> UUID:
        """Create a record, or change the one that was found where the file says something else of it.

        Returns:
            Its id.
        """
        stated = {name: value for name, value in values.items() if value is not None}
        counts = self.counts[LABELS[model]]
        if found is None:
            record_id = self._mint()
            self.rows.add(model, area_id=self.stored.area.area_id, id=record_id, **stated)
            counts.created += 1
            return record_id
        if found["id"] not in self._named[model]:
            self._named[model].add(found["id"])
            if all(found[name] == value for name, value in stated.items()):
                counts.unchanged += 1
            else:
                self.rows.change(model, **{**found, **stated})
                counts.updated += 1
        return UUID(str(found["id"]))

    def add(self, model: type[SQLModel], found: bool, **values: Any) -> None:
        """Create a record without an id where it is not there."""
        if found:
            self.counts[LABELS[model]].unchanged += 1
        else:
            self.rows.add(model, area_id=self.stored.area.area_id, **values)
            self.counts[LABELS[model]].created += 1

    def finish(self, *models: type[SQLModel]) -> tuple[str, ...]:
        """Count the records in force that the file does not name, and return a note that names the first of them."""
        notes = []
        for model in models:
            records = [record for record in self.stored.of[model] if not is_over(record)]
            left = [record for record in records if record.get("id") not in self._named[model]]
            if model is Practice:
                self.counts[LABELS[model]].left = len(records) - self.counts[LABELS[model]].unchanged
                continue
            self.counts[LABELS[model]].left = len(left)
            if model in _NAMED_BY and left:
                names = sorted(str(record[_NAMED_BY[model]] or record["name"]) for record in left)
                more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
                listed = ", ".join(names[:MOST_NAMED])
                notes.append(f"These {LABELS[model]} are not in the file, and stay as they are: {listed}{more}.")
        return tuple(notes)
