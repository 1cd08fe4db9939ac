"""The id of a pupil is another one for each organisation but the school, and the audit knows them all."""

from uuid import UUID

from support.api_client import Service
from support.referral_steps import referred

OTHERS = ("trust", "identifying_commissioner")


async def ids(service: Service, code: str, *callers: str) -> list[str]:
    answers = [await service.as_(caller).get(f"/v1/referrals/{code}") for caller in callers]
    return [answer.json()["subject"]["pupil"]["id"] for answer in answers]


async def test_each_organisation_knows_a_pupil_by_an_id_of_its_own(service: Service) -> None:
    first = await referred(service)
    second = await referred(service, code="OT")
    own, *others = await ids(service, first["code"], "school", *OTHERS)
    assert own == first["subject"]["pupil"]["id"]
    assert len({own, *others}) == 3
    assert [UUID(each).version for each in (own, *others)] == [4, 4, 4]
    again = await ids(service, second["code"], "school", "identifying_commissioner")
    assert again == [own, others[1]], "the same in each of its referrals"


async def test_the_auditor_asks_by_any_organisation_s_id_of_a_pupil(service: Service) -> None:
    referral, another = await referred(service), await referred(service, upn=None, nhs_number=None, given_name="Ash")
    known = await ids(service, referral["code"], "school", *OTHERS)
    await ids(service, another["code"], "trust")
    found = []
    for each in known:
        answer = await service.as_("auditor").get("/v1/audit/events", pupil=each)
        found.append([event["id"] for event in answer.json()["data"]])
        assert all(another["id"] not in event["records"] for event in answer.json()["data"])
    assert len(found[0]) == 4
    assert found[1:] == [found[0]] * 2
    for wrong in (f"{known[1][:-1]}{'0' if known[1][-1] != '0' else '1'}", referral["id"]):
        assert (await service.as_("auditor").get("/v1/audit/events", pupil=wrong)).json()["data"] == []
    assert (await service.as_("auditor", "fenmark").get("/v1/audit/events", pupil=known[1])).json()["data"] == []
