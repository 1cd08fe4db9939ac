"""Areas, providers, networks and benchmarks over REST: a directory that every role of the area reads."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from support.api_client import Service

from convenor.areas.models import area_id_of
from convenor.benchmarks.models import Benchmark
from convenor.database.row_security import import_context, set_context
from convenor.networks.models import Network, Practice


@pytest.fixture
async def charted(service: Service) -> Service:
    """A dataset with networks and benchmarks in both areas, as a load writes them."""
    async with service.services.sessions() as session, session.begin():
        for area in (service.dataset.wendshire.id, service.dataset.fenmark.id):
            await set_context(session, import_context(area))
            await _chart(session, area)
    return service


async def _chart(session: AsyncSession, area: object) -> None:
    east = Network(area_id=area, number=1, name="East", integrated_care_area="Coast", is_pcn=True, population=31_000)
    rest = Network(area_id=area, number=2, name="Others", integrated_care_area="Moor", is_pcn=False)
    session.add_all([east, rest])
    await session.flush()
    session.add_all(
        Practice(area_id=area, network_id=east.id, name=name) for name in ("Quay Surgery", "Beacon Surgery")
    )
    for place, value in (("Wendshire", 4.5), ("England", 4.0)):
        fields = {"indicator": "ehcp_rate", "phase": "all", "period": "2024/25", "unit": "percent"}
        session.add(Benchmark(area_id=area, geography=place, value=value, **fields))
    await session.flush()


async def test_the_directory_needs_its_scopes(shared_service: Service) -> None:
    caller = shared_service.as_("operator")
    for path, scope in (
        ("/v1/providers", "providers:read"),
        ("/v1/clusters", "clusters:read"),
        ("/v1/cluster-memberships", "clusters:read"),
    ):
        refused = await caller.get(path)
        assert (refused.status_code, refused.json()["scope"]) == (403, scope)
    for path, scope in (("/v1/areas/999", "areas:write"), ("/v1/providers/RW1", "providers:write")):
        refused = await shared_service.as_("board").patch(path, {"name": "Ours"}, '"1"')
        assert (refused.status_code, refused.json()["scope"]) == (403, scope)
    assert (await shared_service.as_("board").post("/v1/providers", {})).status_code == 403


async def test_a_token_without_the_scope_reads_no_areas_networks_or_benchmarks(service: Service) -> None:
    caller = service.as_("board")
    await caller.authorise("insights:read")
    for path in ("/v1/areas", "/v1/networks", "/v1/benchmarks"):
        refused = await caller.get(path)
        assert (refused.status_code, refused.json()["scope"]) == (403, "areas:read")


NEWSHIRE = {"la_code": "997", "name": "Newshire", "gss_code": "E99999997"}


@pytest.mark.parametrize("key", ["school", "commissioner", "auditor"])
async def test_an_area_is_created_by_no_partner(shared_service: Service, key: str) -> None:
    refused = await shared_service.as_(key).post("/v1/areas", NEWSHIRE)
    assert (refused.status_code, refused.json()["scope"]) == (403, "areas:create")


async def test_an_area_is_created_once(service: Service) -> None:
    for la_code in ("997", "999"):
        first = await service.as_("operator").post("/v1/areas", NEWSHIRE | {"la_code": la_code})
        again = await service.as_("operator").post("/v1/areas", NEWSHIRE | {"la_code": la_code})
        assert (first.status_code, again.status_code) == (409 if la_code == "999" else 201, 409)
        assert again.json()["code"] == "already_exists"


@pytest.mark.parametrize("wrong", [{"la_code": "99"}, {"name": ""}, {"gss_code": "W06000001"}, {"area": "999"}])
async def test_an_area_with_a_wrong_field_is_refused(shared_service: Service, wrong: dict[str, str]) -> None:
    refused = await shared_service.as_("operator").post("/v1/areas", NEWSHIRE | wrong)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"/{next(iter(wrong))}")


async def test_the_operator_creates_an_area_and_reads_which_there_are_and_nothing_in_them(charted: Service) -> None:
    operator = charted.as_("operator")
    made = await operator.post("/v1/areas", NEWSHIRE, key="newshire")
    assert (made.status_code, made.json()["name"], made.headers["etag"]) == (201, "Newshire", '"1"')
    assert made.json()["id"] == str(area_id_of("997"))
    repeated = await operator.post("/v1/areas", NEWSHIRE, key="newshire")
    assert (repeated.status_code, repeated.json()) == (201, made.json())
    assert (await operator.get(made.headers["location"])).json() == made.json()
    listed = (await operator.get("/v1/areas", sort="la_code")).json()["data"]
    assert [area["la_code"] for area in listed] == ["997", "998", "999"]
    for path in ("/v1/networks", "/v1/benchmarks"):
        assert (await operator.get(path)).json()["data"] == []
    for refused in (await operator.get("/v1/schools"), await operator.patch("/v1/areas/997", {"name": "Ours"}, '"1"')):
        assert refused.status_code == 403
    everybody = (await charted.as_("board").get("/v1/areas")).json()["data"]
    assert [area["la_code"] for area in everybody] == ["999"]
    changed = await charted.as_("commissioner").patch("/v1/areas/997", {"name": "Ours"}, '"1"')
    assert changed.status_code == 404


async def test_another_area_reads_as_absent(shared_service: Service) -> None:
    commissioner, foreign = shared_service.as_("commissioner"), shared_service.area("fenmark")
    for path in (f"/v1/areas/{foreign.id}", "/v1/areas/998", f"/v1/providers/{foreign.providers['trust']}"):
        assert (await commissioner.get(path)).status_code == 404
        assert (await commissioner.patch(path, {"name": "Ours"}, '"1"')).status_code == 404
    assert [area["la_code"] for area in (await commissioner.get("/v1/areas")).json()["data"]] == ["999"]


async def test_the_central_team_describes_its_area(service: Service) -> None:
    commissioner, area = service.as_("commissioner"), service.area()
    wrong = await commissioner.patch("/v1/areas/999", {"name": None, "gss_code": "X", "la_code": "1"}, '"1"')
    assert {fault["pointer"] for fault in wrong.json()["errors"]} == {"/name", "/gss_code", "/la_code"}
    changed = await commissioner.patch(f"/v1/areas/{area.id}", {"icb_name": "Wend ICB"}, '"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    read = (await service.as_("school").get("/v1/areas/999")).json()
    assert (read["id"], read["name"], read["icb_name"]) == (str(area.id), "Wendshire", "Wend ICB")
    assert (await commissioner.patch("/v1/areas/999", {"name": "Late"}, '"1"')).status_code == 412


async def test_the_central_team_keeps_the_providers(service: Service) -> None:
    commissioner = service.as_("commissioner")
    wrong = await commissioner.post("/v1/providers", {"name": "", "kind": "guild", "ukprn": "1", "secret": "x"})
    assert {fault["pointer"] for fault in wrong.json()["errors"]} == {"/name", "/kind", "/ukprn", "/secret"}
    assert (
        await commissioner.post("/v1/providers", {"name": "Other", "kind": "nhs", "ods_code": "RW1"})
    ).status_code == 409
    made = await commissioner.post("/v1/providers", {"name": "Beacon Arts", "kind": "third_sector"})
    assert made.status_code == 201, made.text
    changed = await commissioner.patch(made.headers["Location"], {"company_number": "01234567"}, made.headers["ETag"])
    assert (changed.status_code, changed.json()["company_number"]) == (200, "01234567")
    found = (await service.as_("school").get("/v1/providers", kind="third_sector")).json()["data"]
    assert [provider["name"] for provider in found] == ["Beacon Arts", "Open Door Outreach"]
    assert (await service.as_("school").get("/v1/providers/RW1")).json()["name"] == "Wend Valley NHS Trust"


async def test_networks_are_read_with_their_practices(charted: Service) -> None:
    board = charted.as_("board")
    assert (await board.get("/v1/networks", is_pcn="perhaps")).status_code == 422
    [east, rest] = (await board.get("/v1/networks")).json()["data"]
    assert east["practices"] == [{"name": "Beacon Surgery"}, {"name": "Quay Surgery"}]
    assert (east["population"], rest["population"], rest["practices"]) == (31_000, None, [])
    assert (await board.get("/v1/networks", integrated_care_area="Moor")).json()["data"] == [rest]
    assert (await board.get(f"/v1/networks/{east['id']}")).json() == east
    assert (await charted.as_("board", "fenmark").get(f"/v1/networks/{east['id']}")).status_code == 404


async def test_benchmarks_are_found_by_indicator_place_phase_and_period(charted: Service) -> None:
    finance = charted.as_("finance")
    assert len((await finance.get("/v1/benchmarks")).json()["data"]) == 2
    asked = {"indicator": "ehcp_rate", "geography": "England", "phase": "all", "period": "2024/25"}
    [england] = (await finance.get("/v1/benchmarks", **asked)).json()["data"]
    assert (england["value"], england["unit"]) == (4.0, "percent")
    for other in ({name: "none"} if name != "phase" else {name: "nursery"} for name in asked):
        assert (await finance.get("/v1/benchmarks", **asked | other)).json()["data"] == []
    assert (await charted.as_("finance", "fenmark").get(f"/v1/benchmarks/{england['id']}")).status_code == 404
