"""Clusters over REST: who founds them, who is in them when, and what mergers and splits leave behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from support.api_client import Caller, Service

from convenor.domain_types.dates import today

START, MERGED = "2020-09-01", "2024-09-01"


async def founded(commissioner: Caller, code: str = "3", **fields: Any) -> str:
    made = await commissioner.post("/v1/clusters", {"code": code, "name": f"Cluster {code}"} | fields)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def urns(caller: Caller, cluster: str, **filters: str) -> list[str]:
    answer = await caller.get(f"/v1/clusters/{cluster}/schools", **filters)
    assert answer.status_code == 200, answer.text
    return [school["urn"] for school in answer.json()["data"]]


async def leave(caller: Caller, urn: str, on: str) -> None:
    held = (await caller.get("/v1/cluster-memberships", school=urn)).json()["data"][-1]
    path = f"/v1/cluster-memberships/{held['id']}"
    left = await caller.patch(path, {"valid_to": on}, (await caller.get(path)).headers["ETag"])
    assert left.status_code == 200, left.text


@asynccontextmanager
async def held_back(service: Service, many: int) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Holds every school's row until as many calls wait for one, so that they truly meet."""
    holder, watcher = await asyncpg.connect(service.superuser_url), await asyncpg.connect(service.superuser_url)
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    try:
        async with holder.transaction(), asyncio.timeout(240):
            await holder.execute("select from school for update")
            yield (calls := [])
            while await watcher.fetchval(waiting) < many and not any(call.done() for call in calls):
                pass
    finally:
        await holder.close()
        await watcher.close()


async def test_nobody_but_the_central_team_changes_clusters(shared_service: Service) -> None:
    for key in ("school", "trust", "charity", "cluster_lead", "finance", "board", "auditor"):
        caller = shared_service.as_(key)
        for path in ("/v1/clusters", "/v1/clusters/1/schools", "/v1/clusters/1/roles", "/v1/clusters/merge"):
            refused = await caller.post(path, {})
            assert (refused.status_code, refused.json()["scope"]) == (403, "clusters:write")
        assert (await caller.patch("/v1/clusters/1", {"name": "Mine"}, '"1"')).status_code == 403


async def test_another_area_s_clusters_and_schools_read_as_absent(service: Service) -> None:
    commissioner, foreign = service.as_("commissioner"), service.area("fenmark")
    cluster, school = foreign.clusters["1"], foreign.schools["900101"]
    joining = {"school": "900001", "valid_from": START}
    assert (await commissioner.get(f"/v1/clusters/{cluster}")).status_code == 404
    assert (await commissioner.get(f"/v1/clusters/{cluster}/schools")).status_code == 404
    assert (await commissioner.get(f"/v1/clusters/{cluster}/roles")).status_code == 404
    assert (await commissioner.patch(f"/v1/clusters/{cluster}", {"name": "Ours"}, '"1"')).status_code == 404
    assert (await commissioner.post(f"/v1/clusters/{cluster}/schools", joining)).status_code == 404
    for named in (str(school), "900101", "900999"):
        refused = await commissioner.post("/v1/clusters/1/schools", joining | {"school": named})
        assert refused.json()["errors"] == [
            {
                "pointer": "/school",
                "code": "not_found",
                "detail": "There is no such school, or it is not yours to use.",
            }
        ]
    memberships = (await commissioner.get("/v1/cluster-memberships")).json()["data"]
    assert {held["school_urn"] for held in memberships} == {"900001", "900002", "900003", "900004"}
    foreign_membership = (await service.as_("commissioner", "fenmark").get("/v1/cluster-memberships")).json()["data"][0]
    assert (await commissioner.get(f"/v1/cluster-memberships/{foreign_membership['id']}")).status_code == 404


async def test_a_school_in_a_cluster_joins_no_other_for_any_day_it_is_there(service: Service) -> None:
    commissioner = service.as_("commissioner")
    await leave(commissioner, "900001", MERGED)
    for start, end in (("2021-01-01", "2021-02-01"), ("2020-01-01", "2020-09-02"), ("2024-08-31", None)):
        refused = await commissioner.post(
            "/v1/clusters/2/schools", {"school": "900001", "valid_from": start, "valid_to": end}
        )
        # The cluster itself began on the dataset's first day, which is a fault of its own.
        assert refused.status_code == (422 if start < START else 409), refused.text
    joined = await commissioner.post("/v1/clusters/2/schools", {"school": "900001", "valid_from": MERGED})
    assert joined.status_code == 201, joined.text
    assert await urns(commissioner, "1", as_at="2024-08-31") == ["900001", "900002"]
    assert await urns(commissioner, "1", as_at=MERGED) == ["900002"]
    assert await urns(commissioner, "2") == ["900001", "900003", "900004"]
    assert (await commissioner.get("/v1/schools/900001")).json()["cluster"] == "2"


async def test_an_end_is_not_taken_back_once_the_school_is_elsewhere(service: Service) -> None:
    commissioner = service.as_("commissioner")
    await leave(commissioner, "900001", MERGED)
    await commissioner.post("/v1/clusters/2/schools", {"school": "900001", "valid_from": MERGED})
    first = (await commissioner.get("/v1/cluster-memberships", school="900001", cluster="1")).json()["data"][0]
    path = f"/v1/cluster-memberships/{first['id']}"
    assert (await commissioner.patch(path, {"valid_to": None}, '"1"')).status_code == 412
    refused = await commissioner.patch(path, {"valid_to": None}, '"2"')
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    backwards = await commissioner.patch(path, {"valid_to": START}, '"2"')
    assert [fault["code"] for fault in backwards.json()["errors"]] == ["before_start"]


@pytest.mark.parametrize("end", [None, "2025-07-31"])
async def test_one_of_two_clients_wins_that_join_a_school_to_two_clusters_at_once(
    service: Service, end: str | None
) -> None:
    one, other = service.as_("commissioner"), service.as_("identifying_commissioner")
    made = await one.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    assert made.status_code == 201, made.text
    await other.authorise()
    joining = {"school": "900050", "valid_from": MERGED, "valid_to": end}
    async with held_back(service, 2) as calls:
        calls += [
            asyncio.create_task(one.post("/v1/clusters/1/schools", joining)),
            asyncio.create_task(other.post("/v1/clusters/2/schools", joining)),
        ]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len((await one.get("/v1/cluster-memberships", school="900050")).json()["data"]) == 1


async def test_a_school_that_joins_a_cluster_while_it_merges_is_in_none_that_ended(service: Service) -> None:
    one, other = service.as_("commissioner"), service.as_("identifying_commissioner")
    await one.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    await other.authorise()
    merger = {"clusters": ["1", "2"], "into": {"code": "12", "name": "Both"}, "on": MERGED}
    async with held_back(service, 2) as calls:
        calls += [
            asyncio.create_task(one.post("/v1/clusters/merge", merger)),
            asyncio.create_task(other.post("/v1/clusters/1/schools", {"school": "900050", "valid_from": "2024-01-01"})),
        ]
    merged, joined = await asyncio.gather(*calls)
    assert merged.status_code == 201, merged.text
    assert joined.status_code in (201, 409)
    placed = (await one.get("/v1/schools/900050")).json()["cluster"]
    assert placed == ("12" if joined.status_code == 201 else None)


async def test_a_merger_names_every_fault_at_once_and_changes_nothing(service: Service) -> None:
    commissioner, foreign = service.as_("commissioner"), service.area("fenmark").clusters["1"]
    body = {"clusters": ["1", str(foreign), "1", "none"], "into": {"code": "12", "name": "Both"}, "on": START}
    refused = await commissioner.post("/v1/clusters/merge", body)
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
        ("/clusters/1", "not_found"),
        ("/clusters/2", "repeated"),
        ("/clusters/3", "not_found"),
        ("/on", "too_early"),
    ]
    assert [cluster["code"] for cluster in (await commissioner.get("/v1/clusters")).json()["data"]] == ["1", "2"]
    taken = {"clusters": ["1", "2"], "into": {"code": "2", "name": "Both"}, "on": MERGED}
    assert (await commissioner.post("/v1/clusters/merge", taken)).json()["code"] == "already_exists"
    assert await urns(commissioner, "1") == ["900001", "900002"]


async def test_a_split_places_every_school_exactly_once(service: Service) -> None:
    commissioner = service.as_("commissioner")
    body = {
        "into": [
            {"code": "1a", "name": "North", "schools": ["900001", "900003", "900101"]},
            {"code": "1a", "name": "South", "schools": ["900001"]},
        ],
        "on": MERGED,
    }
    refused = await commissioner.post("/v1/clusters/1/split", body)
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} == {
        ("/into/0/schools/1", "not_a_member"),
        ("/into/0/schools/2", "not_found"),
        ("/into/1/schools/0", "placed_twice"),
        ("/into/1/code", "repeated"),
        ("/into", "unplaced"),
    }
    assert await urns(commissioner, "1") == ["900001", "900002"]


async def test_a_cluster_that_ended_takes_no_school_and_ends_once(service: Service) -> None:
    commissioner = service.as_("commissioner")
    merger = {"clusters": ["1", "2"], "into": {"code": "12", "name": "Both"}, "on": MERGED}
    assert (await commissioner.post("/v1/clusters/merge", merger)).status_code == 201
    again = await commissioner.post("/v1/clusters/merge", merger | {"into": {"code": "21", "name": "Both"}})
    assert {(fault["pointer"], fault["code"]) for fault in again.json()["errors"]} >= {
        ("/clusters/0", "ended"),
        ("/clusters/1", "ended"),
    }
    halves = [{"code": code, "name": code, "schools": []} for code in ("x", "y")]
    assert (await commissioner.post("/v1/clusters/1/split", {"into": halves, "on": "2025-09-01"})).status_code == 409
    await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    joining = {"school": "900050", "valid_from": "2025-01-01"}
    assert (await commissioner.post("/v1/clusters/1/schools", joining)).status_code == 409
    role = {"role": "lead_senco", "holder": "The SENCo", "valid_from": "2025-01-01"}
    assert (await commissioner.post("/v1/clusters/1/roles", role)).status_code == 409


async def test_a_merger_leaves_the_past_as_it_was(service: Service) -> None:
    commissioner, school = service.as_("commissioner"), service.as_("school")
    role = {"role": "lead_senco", "holder": "The SENCo", "school": "900001", "valid_from": START}
    assert (await commissioner.post("/v1/clusters/1/roles", role)).status_code == 201
    body = {"clusters": ["1", "2"], "into": {"code": "1.2", "name": "Both"}, "on": MERGED}
    made = await commissioner.post("/v1/clusters/merge", body)
    assert made.status_code == 201, made.text
    merged = made.json()
    assert made.headers["Location"] == f"/v1/clusters/{merged['id']}"
    assert (merged["valid_from"], merged["valid_to"], merged["school_count"]) == (MERGED, None, 4)
    assert {(old["code"], old["kind"], old["on"]) for old in merged["predecessors"]} == {
        ("1", "merge", MERGED),
        ("2", "merge", MERGED),
    }
    old = (await school.get("/v1/clusters/1")).json()
    assert (old["valid_to"], old["school_count"]) == (MERGED, 0)
    assert [new["code"] for new in old["successors"]] == ["1.2"]

    auditor = await asyncpg.connect(service.superuser_url)
    [noted] = await auditor.fetch("select records from audit_event where action = 'clusters:merge'")
    await auditor.close()
    assert {str(record) for record in noted["records"]} == {merged["id"], old["id"], str(service.area().clusters["2"])}

    for day, codes in (("2024-08-31", ["1", "2"]), (MERGED, ["1.2"]), ("2019-01-01", [])):
        assert [at["code"] for at in (await school.get("/v1/clusters", as_at=day)).json()["data"]] == codes
    assert await urns(school, "1", as_at="2024-08-31") == ["900001", "900002"]
    assert await urns(school, "1") == []
    assert await urns(school, "1.2", as_at="2024-08-31") == []
    assert await urns(school, "1.2") == ["900001", "900002", "900003", "900004"]
    assert (await school.get("/v1/clusters/1/roles")).json()["data"] == []
    assert [held["valid_to"] for held in (await school.get("/v1/clusters/1/roles", as_at=START)).json()["data"]] == [
        MERGED
    ]

    services = (await school.get("/v1/services")).json()["data"]
    assert {offered["code"]: offered["clusters"] for offered in services} == {
        "SLT": ["1.2"],
        "OT": ["1.2"],
        "OUTREACH": ["1.2"],
    }


async def test_a_split_leaves_the_past_as_it_was(service: Service) -> None:
    commissioner = service.as_("commissioner")
    body = {
        "into": [
            {"code": "1a", "name": "North", "schools": ["900001"]},
            {"code": "1b", "name": "South", "schools": ["900002"]},
        ],
        "on": MERGED,
    }
    split = await commissioner.post("/v1/clusters/1/split", body)
    assert split.status_code == 201, split.text
    assert (split.json()["code"], split.json()["valid_to"]) == ("1", MERGED)
    assert {(new["code"], new["kind"]) for new in split.json()["successors"]} == {("1a", "split"), ("1b", "split")}
    assert await urns(commissioner, "1", as_at=START) == ["900001", "900002"]
    assert await urns(commissioner, "1a") == ["900001"]
    assert await urns(commissioner, "1b") == ["900002"]
    history = (await commissioner.get("/v1/cluster-memberships", school="900002")).json()["data"]
    assert [(held["cluster"], held["valid_from"], held["valid_to"]) for held in history] == [
        ("1", START, MERGED),
        ("1b", MERGED, None),
    ]
    occupational = (await commissioner.get("/v1/services/OT")).json()
    assert occupational["clusters"] == ["1a", "1b"]


async def test_a_merger_to_come_changes_nothing_today(service: Service) -> None:
    commissioner = service.as_("commissioner")
    body = {"clusters": ["1", "2"], "into": {"code": "12", "name": "Both"}, "on": f"{today().year + 1}-09-01"}
    assert (await commissioner.post("/v1/clusters/merge", body)).status_code == 201
    assert [cluster["code"] for cluster in (await commissioner.get("/v1/clusters")).json()["data"]] == ["1", "2"]
    assert (await commissioner.get("/v1/schools/900001")).json()["cluster"] == "1"
    assert await urns(commissioner, "1") == ["900001", "900002"]
    assert (await commissioner.get("/v1/services/SLT")).json()["clusters"] == ["1", "2"]
    assert len((await service.as_("school").get("/v1/services")).json()["data"]) == 3


async def test_the_central_team_founds_and_describes_a_cluster(service: Service) -> None:
    commissioner = service.as_("commissioner")
    taken = await commissioner.post("/v1/clusters", {"code": "1", "name": "Another"})
    assert (taken.status_code, taken.json()["code"]) == (409, "already_exists")
    elsewhere = await commissioner.post("/v1/clusters", {"code": "3", "name": "Third", "area": "998"})
    assert [fault["pointer"] for fault in elsewhere.json()["errors"]] == ["/area"]
    await founded(commissioner, development="pilot")
    emptied = await commissioner.patch("/v1/clusters/3", {"name": None, "code": "4"}, '"1"')
    assert {(fault["pointer"], fault["code"]) for fault in emptied.json()["errors"]} == {
        ("/name", "required"),
        ("/code", "unknown_field"),
    }
    changed = await commissioner.patch("/v1/clusters/3", {"name": "The third", "development": None}, '"1"')
    assert (changed.headers["ETag"], changed.json()["name"], changed.json()["development"]) == (
        '"2"',
        "The third",
        None,
    )
    assert (await commissioner.patch("/v1/clusters/3", {"name": "Late"}, '"1"')).status_code == 412


async def test_roles_are_held_for_a_while(service: Service) -> None:
    commissioner = service.as_("commissioner")
    wrong = {"role": "lead_senco", "holder": "The SENCo", "school": "900101", "valid_from": MERGED, "valid_to": START}
    refused = await commissioner.post("/v1/clusters/1/roles", wrong)
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/school", "/valid_to"}
    made = await commissioner.post("/v1/clusters/1/roles", wrong | {"school": "900001", "valid_to": None})
    assert made.status_code == 201, made.text
    ended = await commissioner.patch(made.headers["Location"], {"valid_to": "2025-01-01"}, made.headers["ETag"])
    assert (ended.status_code, ended.json()["valid_to"]) == (200, "2025-01-01")
    lead = service.as_("cluster_lead")
    assert (await lead.get("/v1/clusters/1/roles")).json()["data"] == []
    [held] = (await lead.get("/v1/clusters/1/roles", as_at="2024-12-31", role="lead_senco")).json()["data"]
    assert (held["cluster"], held["school_urn"], held["holder"]) == ("1", "900001", "The SENCo")


@pytest.mark.parametrize("path", ["/v1/cluster-memberships", "/v1/clusters/1/schools", "/v1/clusters"])
async def test_what_is_dated_is_paged_through_without_gap_or_repeat(shared_service: Service, path: str) -> None:
    board = shared_service.as_("board")
    whole = (await board.get(path, count="true")).json()
    assert whole["count"] == len(whole["data"]) > 1
    paged, cursor = [], None
    while not paged or cursor:
        page = (await board.get(path, limit=1, **({"cursor": cursor} if cursor else {}))).json()
        paged += page["data"]
        cursor = page["next"]
    assert paged == whole["data"]


async def test_a_day_that_is_none_is_refused(shared_service: Service) -> None:
    for path in ("/v1/clusters", "/v1/clusters/1/schools", "/v1/clusters/1/roles", "/v1/cluster-memberships"):
        refused = await shared_service.as_("board").get(path, as_at="2024-02-30")
        assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/query/as_at"]
