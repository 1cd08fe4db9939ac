"""What boards and commissioners are told in numbers, and what the few are spared."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.api_client import Service
from support.dataset import DatasetArea

from convenor.domain_types.dates import AcademicYear, today
from convenor.insights.rules import POLICY, hidden_in_line

AUTUMN = datetime(2024, 10, 15, 12, tzinfo=UTC)
"""A moment in the academic year 2024/25."""
YEAR = "2024/25"


async def referred(
    service: Service,
    code: str,
    count: int,
    *,
    cluster: str | None = "1",
    at: datetime = AUTUMN,
    area: str = "wendshire",
    **fields: Any,
) -> None:
    """So many whole-school referrals to a service, submitted at a moment by a school that was in a cluster then."""
    the_area = service.area(area)
    row = {
        "area_id": the_area.id,
        "need": "SLCN",
        "priority": "routine",
        "reason": "As agreed.",
        "pathway": "service",
        "pathway_version": 1,
        "service_id": the_area.services[code],
        "provider_id": the_area.providers[{"SLT": "trust", "OT": "second_trust", "OUTREACH": "charity"}[code]],
        "school_id": next(iter(the_area.schools.values())),
        "cluster_id": cluster and the_area.clusters[cluster],
        "subject_kind": "school",
        "status": "submitted",
        "submitted_at": at,
        "returned_seconds": 0,
        "version": 1,
    } | fields
    names, places = ", ".join(row), ", ".join(f"${number}" for number in range(2, len(row) + 2))
    await as_superuser(
        service,
        f"insert into referral (id, code, {names}) select uuidv7(), 'R' || uuidv7(), {places}"
        " from generate_series(1, $1)",
        count,
        *row.values(),
    )


async def as_superuser(service: Service, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(service.superuser_url)
    await connection.execute(statement, *values)
    await connection.close()


async def add_cluster(service: Service, code: str) -> None:
    """One more cluster, which buys speech and language therapy."""
    area = service.area()
    made = await service.as_("commissioner").post("/v1/clusters", {"code": code, "name": f"Cluster {code}"})
    assert made.status_code == 201, made.text
    area.clusters[code] = UUID(made.json()["id"])
    await as_superuser(
        service,
        "insert into service_cluster (area_id, id, service_id, cluster_id) values ($1, uuidv7(), $2, $3)",
        area.id,
        area.services["SLT"],
        area.clusters[code],
    )


@pytest.fixture
async def in_both_areas(service: Service) -> DatasetArea:
    """Wendshire, whose board works in Fenmark as well."""
    fenmark = service.area("fenmark").id
    await as_superuser(
        service,
        "insert into client_grant (client_id, kind, area_id, key) values ('board-999', 'area', $1, $1)",
        fenmark,
    )
    return service.area()


def shown(answer: Any, *names: str) -> dict[Any, int | str]:
    """The figures of an answer by month, cluster or both: the value, or the status where there is none."""
    assert answer.status_code == 200, answer.text
    figures = answer.json()["data"]
    assert all((figure["value"] is None) == (figure["status"] == "c") for figure in figures)
    keyed = {tuple(figure[name] for name in names): figure for figure in figures}
    assert len(keyed) == len(figures)
    return {
        key[0] if len(names) == 1 else key: figure["status"] if figure["value"] is None else figure["value"]
        for key, figure in keyed.items()
    }


async def test_those_who_work_with_cases_only_are_told_no_aggregates(shared_service: Service) -> None:
    for key in ("school", "charity", "auditor", "operator"):
        for path in ("/v1/insights/referrals", "/v1/insights/waits"):
            refused = await shared_service.as_(key).get(path)
            assert (refused.status_code, refused.json()["scope"]) == (403, "insights:read")


async def test_every_wrong_parameter_is_named_at_once(shared_service: Service) -> None:
    board = shared_service.as_("board")
    wrong = {"group_by": "school", "academic_year": "2025/27", "area": "Wendshire", "colour": "blue"}
    refused = await board.get("/v1/insights/referrals", **wrong)
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {f"/query/{name}" for name in wrong}
    only_unknown = await board.get("/v1/insights/waits", colour="blue", service="SLT")
    assert [fault["pointer"] for fault in only_unknown.json()["errors"]] == ["/query/colour", "/query/service"]
    assert {fault["code"] for fault in only_unknown.json()["errors"]} == {"unknown_parameter"}


@pytest.mark.parametrize("path", ["/v1/insights/referrals", "/v1/insights/waits"])
async def test_another_area_reads_as_one_that_is_not_there(shared_service: Service, path: str) -> None:
    another, absent = [await shared_service.as_("board").get(path, area=la_code) for la_code in ("998", "123")]
    assert another.status_code == absent.status_code == 422
    assert another.json()["errors"] == absent.json()["errors"]
    assert [fault["pointer"] for fault in absent.json()["errors"]] == ["/query/area"]


@pytest.mark.parametrize("path", ["/v1/insights/referrals", "/v1/insights/waits"])
async def test_who_works_in_several_areas_names_one(service: Service, in_both_areas: DatasetArea, path: str) -> None:
    board = service.as_("board")
    refused = await board.get(path)
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [("/query/area", "required")]
    for la_code in ("999", "998"):
        assert (await board.get(path, area=la_code)).json()["area"] == la_code


async def test_no_area_is_told_of_another_s_referrals(service: Service, in_both_areas: DatasetArea) -> None:
    await referred(service, "SLT", 20, area="fenmark")
    path = "/v1/insights/referrals"
    own = await service.as_("commissioner").get(path, academic_year=YEAR, group_by="cluster")
    assert shown(own, "cluster") == {"1": 0, "2": 0}
    both = [
        await service.as_("board").get(path, academic_year=YEAR, group_by="cluster", area=la) for la in ("999", "998")
    ]
    assert [shown(answer, "cluster")["1"] for answer in both] == [0, 20]


async def test_small_counts_are_hidden_and_no_total_gives_them_away(service: Service) -> None:
    november = datetime(2024, 11, 5, tzinfo=UTC)
    for cluster, autumn, later in (("1", 3, 30), ("2", 20, 40)):
        await referred(service, "SLT", autumn, cluster=cluster)
        await referred(service, "SLT", later, cluster=cluster, at=november)
    board = service.as_("board")
    cells = shown(await board.get("/v1/insights/referrals", academic_year=YEAR), "month", "cluster")
    months, clusters = [
        shown(await board.get("/v1/insights/referrals", academic_year=YEAR, group_by=by), by)
        for by in ("month", "cluster")
    ]
    assert cells["2024-10", "1"] == "c"
    for line in product(("2024-10", "2024-11"), ("1", "2")):
        assert cells[line] == "c", "each hidden count has another beside it, in its month and in its cluster"
    assert cells["2024-12", "1"] == 0
    assert (months["2024-10"], months["2024-11"]) == (23, 70)
    assert clusters == {"1": 33, "2": 60}


async def test_a_cluster_s_small_year_is_hidden_from_every_answer(service: Service) -> None:
    await referred(service, "SLT", 2, cluster="1")
    await referred(service, "SLT", 50, cluster="2")
    board = service.as_("board")
    path = "/v1/insights/referrals"
    clusters = shown(await board.get(path, academic_year=YEAR, group_by="cluster"), "cluster")
    assert clusters == {"1": "c", "2": "c"}
    assert shown(await board.get(path, academic_year=YEAR, group_by="month"), "month")["2024-10"] == 52


async def test_a_referral_counts_in_the_month_it_was_in_london(service: Service) -> None:
    just_september = datetime(2024, 8, 31, 23, 30, tzinfo=UTC)
    await referred(service, "SLT", 7, at=just_september)
    await referred(service, "SLT", 9, at=just_september - timedelta(hours=1))
    board = service.as_("board")
    years = [
        shown(await board.get("/v1/insights/referrals", academic_year=year, group_by="month"), "month")
        for year in ("2023/24", "2024/25")
    ]
    assert (years[0]["2024-08"], years[1]["2024-09"]) == (9, 7)


async def test_schools_of_no_cluster_have_a_row_of_their_own(service: Service) -> None:
    await referred(service, "SLT", 12, cluster=None)
    await referred(service, "SLT", 8, cluster="2")
    answer = await service.as_("finance").get("/v1/insights/referrals", academic_year=YEAR, group_by="cluster")
    assert shown(answer, "cluster") == {"1": 0, "2": 8, None: 12}


async def test_a_cluster_that_came_later_is_no_row_of_an_earlier_year(service: Service) -> None:
    made = {"code": "3", "name": "Cluster 3", "valid_from": today().isoformat()}
    assert (await service.as_("commissioner").post("/v1/clusters", made)).status_code == 201
    board = service.as_("board")
    years = [
        (await board.get("/v1/insights/referrals", group_by="cluster", **how)) for how in ({"academic_year": YEAR}, {})
    ]
    assert [set(shown(answer, "cluster")) for answer in years] == [{"1", "2"}, {"1", "2", "3"}]


async def test_the_months_of_this_year_that_have_begun_are_shown_by_cluster_unless_others_are_asked_for(
    shared_service: Service,
) -> None:
    answer = await shared_service.as_("board").get("/v1/insights/referrals")
    year = AcademicYear.of(today())
    begun = [f"{month:%Y-%m}" for month in year.months if month <= today()]
    assert list(shown(answer, "month", "cluster")) == list(product(begun, ("1", "2")))
    body = answer.json()
    assert (body["academic_year"], body["group_by"], body["area"]) == (str(year), "month,cluster", "999")
    assert (body["first_day"], body["last_day"]) == (year.first_day.isoformat(), year.last_day.isoformat())
    assert body["definition_version"] == 1
    assert body["source"]
    assert datetime.fromisoformat(body["as_at"]).tzinfo
    assert "1 to 4" in body["suppression"]


async def test_figures_are_dated_to_the_second_so_that_an_answer_is_as_long_whenever_it_is_asked_for(
    shared_service: Service,
) -> None:
    board = shared_service.as_("board")
    figures = [(await board.get(f"/v1/insights/{name}")).json() for name in ("referrals", "waits")]
    waits = [each["wait"] for each in (await board.get("/v1/services")).json()["data"]]
    assert waits
    assert {datetime.fromisoformat(each["as_at"]).microsecond for each in figures + waits} == {0}


async def test_a_year_that_has_not_begun_has_no_figures(shared_service: Service) -> None:
    coming = str(AcademicYear(AcademicYear.of(today()).start + 1))
    answer = await shared_service.as_("board").get("/v1/insights/referrals", academic_year=coming)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_waits_by_service_are_those_that_the_services_show(service: Service) -> None:
    await referred(service, "SLT", 9)
    await referred(service, "SLT", 6, cluster="2")
    await referred(service, "OT", 3)
    for key in ("board", "trust", "second_trust"):
        caller = service.as_(key)
        published = (await caller.get("/v1/insights/waits")).json()["services"]
        services = {each["code"]: each["wait"] for each in (await caller.get("/v1/services")).json()["data"]}
        assert [each["service"] for each in published] == sorted(services)
        for each in published:
            for name in ("waiting", "median_days", "longest_days", "status"):
                assert each[name] == services[each["service"]][name], f"{key} {each['service']} {name}"
    assert services["SLT"]["waiting"] == 15


async def waits(service: Service, key: str, code: str) -> dict[str | None, Any]:
    """What one caller is shown of a service's waits, by cluster: the number waiting, or `c`."""
    answer = await service.as_(key).get("/v1/insights/waits")
    assert answer.status_code == 200, answer.text
    cells = [cell for cell in answer.json()["data"] if cell["service"] == code]
    hidden = [cell for cell in cells if cell["status"] == "c"]
    assert all(cell["waiting"] is cell["median_days"] is cell["longest_days"] is None for cell in hidden)
    return {cell["cluster"]: "c" if cell["status"] == "c" else cell["waiting"] for cell in cells}


async def test_a_small_wait_is_hidden_with_the_smallest_beside_it_but_not_from_the_service(service: Service) -> None:
    await add_cluster(service, "3")
    for cluster, count in (("1", 2), ("2", 9), ("3", 12)):
        await referred(service, "SLT", count, cluster=cluster)
    for key in ("board", "commissioner", "second_trust"):
        assert await waits(service, key, "SLT") == {"1": "c", "2": "c", "3": 12}
    assert await waits(service, "trust", "SLT") == {"1": 2, "2": 9, "3": 12}


async def test_clusters_where_nobody_waits_are_hidden_with_a_small_wait_and_true_zeros_otherwise(
    service: Service,
) -> None:
    await referred(service, "SLT", 3)
    await referred(service, "OUTREACH", 5)
    assert await waits(service, "board", "SLT") == {"1": "c", "2": "c"}
    assert await waits(service, "board", "OUTREACH") == {"1": 5, "2": 0}
    assert await waits(service, "board", "OT") == {"1": 0}


async def test_schools_of_no_cluster_wait_in_a_row_of_their_own(service: Service) -> None:
    await referred(service, "SLT", 6, cluster=None)
    assert await waits(service, "board", "SLT") == {"1": 0, "2": 0, None: 6}


async def test_a_wait_ends_with_the_work_or_with_the_referral(service: Service) -> None:
    now = datetime.now(UTC)
    await referred(service, "SLT", 8, at=now - timedelta(days=10))
    await referred(service, "SLT", 20, started_at=now)
    await referred(service, "SLT", 20, ended_at=now)
    answer = (await service.as_("board").get("/v1/insights/waits")).json()
    (whole,) = [each for each in answer["services"] if each["service"] == "SLT"]
    assert (whole["waiting"], whole["median_days"], whole["longest_days"]) == (8, 10, 10)


@pytest.mark.parametrize(("clusters", "largest"), [(1, 20), (2, 20), (3, 14), (4, 9)])
def test_who_knows_the_rule_the_total_and_all_that_is_shown_cannot_tell_a_hidden_wait(
    clusters: int, largest: int
) -> None:
    views: dict[Any, set[tuple[int, ...]]] = defaultdict(set)
    for line in product(range(largest + 1), repeat=clusters):
        hidden = hidden_in_line(line)
        assert hidden >= {at for at, count in enumerate(line) if POLICY.hides(count)}
        published = tuple(None if at in hidden else count for at, count in enumerate(line))
        views[published, None if POLICY.hides(sum(line)) else sum(line)].add(line)
    # What adds up to no more than the largest count tried has all its other possibilities among the lines tried.
    whole = {view: lines for view, lines in views.items() if (view[1] or 0) <= largest}
    assert any(None in published for published, _ in whole)
    for (published, total), lines in whole.items():
        for at, count in enumerate(published):
            assert count is not None or len({line[at] for line in lines}) > 1, f"{published} of {total}: {lines}"


def test_five_clusters_with_one_child_each_are_not_told_apart() -> None:
    assert hidden_in_line([1, 1, 1, 1, 1]) == hidden_in_line([0, 2, 1, 1, 1]) == set(range(5))


def test_a_line_without_small_waits_is_shown_whole() -> None:
    assert hidden_in_line([0, 5, 0, 12]) == set()
    assert hidden_in_line([]) == set()
