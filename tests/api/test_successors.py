"""A school's successor continues its pupils, its referrals and its access; nobody else does."""

from typing import Any

import httpx2
import pytest
from support.api_client import Service, pupil_referral
from support.successors import URN, convert


async def refer(service: Service, by: str, code: str, urn: str = URN, /, **how: Any) -> httpx2.Response:
    return await service.as_(by).post("/v1/referrals", pupil_referral(code, urn, **how))


@pytest.fixture
async def of_predecessor(service: Service) -> dict[str, Any]:
    """The referral of a school, which `neighbour` has succeeded since."""
    made = await refer(service, "school", "SLT", "900001")
    assert made.status_code == 201, made.text
    await convert(service, "neighbour")
    referral: dict[str, Any] = made.json()
    return referral


async def correct(service: Service, by: str, referral: dict[str, Any], **body: Any) -> httpx2.Response:
    return await service.as_(by).patch(f"/v1/referrals/{referral['id']}", body, "*")


async def test_a_successor_continues_its_predecessor_s_pupils(service: Service, of_predecessor: dict[str, Any]) -> None:
    again = await refer(service, "neighbour", "SLT")
    assert (again.status_code, again.json()["referral"]) == (409, of_predecessor["code"])
    contradicting = await refer(service, "neighbour", "OUTREACH", date_of_birth="2015-01-01")
    assert of_predecessor["code"] in contradicting.json()["errors"][0]["detail"]
    namesake = await refer(service, "neighbour", "OUTREACH", upn=None, nhs_number=None)
    assert namesake.json()["referrals"] == [of_predecessor["code"]]
    taken = (await refer(service, "neighbour", "OUTREACH")).json()
    assert taken["subject"]["pupil"]["id"] == of_predecessor["subject"]["pupil"]["id"]


async def test_a_successor_corrects_its_predecessor_s_referrals_with_its_own(
    service: Service, of_predecessor: dict[str, Any]
) -> None:
    own = (await refer(service, "neighbour", "OUTREACH")).json()
    corrected = await correct(
        service, "neighbour", own, pupil={"date_of_birth": "2016-05-05"}, for_all_referrals_of_the_pupil=True
    )
    assert corrected.status_code == 200, corrected.text
    seen = (await service.as_("neighbour").get(f"/v1/referrals/{of_predecessor['id']}")).json()
    assert seen["subject"]["pupil"]["date_of_birth"] == "2016-05-05"
    assert (await service.as_("neighbour").get("/v1/me")).json()["reach"]["schools"] == ["900001", "900002", URN]


async def test_a_predecessor_reads_its_referrals_and_leaves_their_changes_to_its_successor(
    service: Service, of_predecessor: dict[str, Any]
) -> None:
    own = (await refer(service, "neighbour", "OUTREACH")).json()
    school, path = service.as_("school"), f"/v1/referrals/{of_predecessor['id']}"
    assert (await school.get(path)).status_code == 200
    assert (await school.get(f"/v1/referrals/{own['id']}")).status_code == 404
    for refused in (
        await correct(service, "school", of_predecessor, pupil={"parent_name": "Ash"}),
        await school.post(f"{path}/transitions", {"to": "withdrawn", "reason": "Moved away."}, etag="*"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
        assert "successor" in refused.json()["detail"]


async def test_a_school_that_succeeds_nobody_sees_none_of_it(service: Service, of_predecessor: dict[str, Any]) -> None:
    by_another = await refer(service, "neighbour", "SLT", "900002", date_of_birth="2015-01-01")
    assert by_another.status_code == 201, "one client acts for each of its schools apart"
    assert by_another.json()["subject"]["pupil"]["id"] != of_predecessor["subject"]["pupil"]["id"]
