"""An answer about a pupil's events names the pupils that it covers, and says nothing else of them."""

from typing import Any

import pytest
from support.api_client import Caller, Service, pupil_referral
from support.clients import add_client, owner_session
from support.pending_work import do_all

from convenor.security.principal import Grant, Role, RowAccess

MATCHES = "/v1/pupil-matches"
QUERY = """query ($pupil: ID) { auditEvents(pupil: $pupil, first: 200) {
    edges { node { id } } covered: pupils { __typename school: schoolUrn id } } }"""


async def refer(service: Service, school: str, urn: str, **pupil: Any) -> str:
    """Refer a pupil, and return the id by which its school knows it."""
    made = await service.as_(school).post("/v1/referrals", pupil_referral("SLT", urn, **pupil))
    assert made.status_code == 201, made.text
    await do_all(service)
    return str(made.json()["subject"]["pupil"]["id"])


async def decide(service: Service, decision: str) -> None:
    commissioner = service.as_("identifying_commissioner")
    (match,) = (await commissioner.get(MATCHES)).json()["data"]
    path = f"{MATCHES}/{match['id']}"
    etag = (await commissioner.get(path)).headers["ETag"]
    body = {"decision": decision, "reason": "The mother confirmed it."}
    assert (await commissioner.post(f"{path}/decisions", body, etag=etag)).status_code == 201


async def covered(auditor: Caller, pupil: str) -> list[dict[str, Any]]:
    """The pupils that an answer covers, which has the same shape whatever is known, over REST and over GraphQL."""
    answer = await auditor.get("/v1/audit/events", pupil=pupil, limit=200)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert list(page) == ["data", "next", "pupils"]
    assert all(list(each) == ["id", "school_urn"] for each in page["pupils"])
    asked = await auditor.call("POST", "/graphql", json={"query": QUERY, "variables": {"pupil": pupil}})
    connection = asked.json()["data"]["auditEvents"]
    assert {each["id"] for each in page["data"]} <= {edge["node"]["id"] for edge in connection["edges"]}
    assert connection["covered"] == [
        {"__typename": "AuditedPupil", "school": each["school_urn"], "id": each["id"]} for each in page["pupils"]
    ]
    alone = QUERY.replace("edges { node { id } }", "")
    asked = await auditor.call("POST", "/graphql", json={"query": alone, "variables": {"pupil": pupil}})
    assert asked.json()["data"] == {"auditEvents": {"covered": connection["covered"]}}
    found: list[dict[str, Any]] = page["pupils"]
    return found


async def test_pupils_who_are_not_linked_are_covered_alone(service: Service) -> None:
    ids = [
        await refer(service, "school", "900001"),
        await refer(service, "neighbour", "900002", date_of_birth="2015-03-02"),
    ]
    each = [await covered(service.as_("auditor"), pupil) for pupil in ids]
    assert [[pupil["school_urn"] for pupil in pupils] for pupils in each] == [["900001"], ["900002"]]
    await decide(service, "keep_apart")
    assert [await covered(service.as_("auditor"), pupil) for pupil in ids] == each
    await decide(service, "unlink")
    await decide(service, "link")
    (first,), (second,) = each
    for pupil in ids:
        linked = await covered(service.as_("auditor"), pupil)
        assert sorted(linked, key=lambda pupil: str(pupil["school_urn"])) == [first, second]
    await decide(service, "unlink")
    assert [await covered(service.as_("auditor"), pupil) for pupil in ids] == each


async def test_an_answer_about_nobody_covers_no_pupil(service: Service) -> None:
    pupil = await refer(service, "school", "900001")
    for caller, asked in (
        (service.as_("auditor"), str(service.area().id)),
        (service.as_("auditor", "fenmark"), pupil),
        (service.as_("operator"), pupil),
    ):
        assert await covered(caller, asked) == []


async def test_an_answer_names_pupils_by_the_ids_of_the_auditor_s_organisation_which_find_the_same_events(
    service: Service,
) -> None:
    known = {await refer(service, "school", "900001"), await refer(service, "neighbour", "900002")}
    pupils = await covered(service.as_("auditor"), next(iter(known)))
    assert len({each["id"] for each in pupils} | known) == 4
    for each in pupils:
        assert await covered(service.as_("auditor"), each["id"]) == pupils
    narrowed = await service.as_("auditor").get(
        "/v1/audit/events", pupil=pupils[0]["id"], status="500", fields="id", count="true"
    )
    assert narrowed.json() == {"data": [], "next": None, "count": 0, "pupils": pupils}


async def test_a_question_that_names_no_pupil_covers_none(service: Service) -> None:
    await refer(service, "school", "900001")
    for filters in ({}, {"status": "201"}):
        assert list((await service.as_("auditor").get("/v1/audit/events", **filters)).json()) == ["data", "next"]
    asked = await service.as_("auditor").call("POST", "/graphql", json={"query": QUERY})
    connection = asked.json()["data"]["auditEvents"]
    assert connection["edges"]
    assert connection["covered"] is None


@pytest.mark.parametrize("area", ["wendshire", "fenmark"])
async def test_an_auditor_of_two_areas_learns_of_the_pupils_of_each(service: Service, area: str) -> None:
    areas = (service.dataset.wendshire, service.dataset.fenmark)
    async with owner_session(service.superuser_url) as session:
        grants = [Grant(each.id, RowAccess.AREA, each.id) for each in areas]
        client = await add_client(session, Role.AUDITOR, grants, client_id="both-auditors")
    urn = {"wendshire": "900001", "fenmark": "900101"}[area]
    made = await service.as_("school", area).post("/v1/referrals", pupil_referral("SLT", urn))
    pupils = await covered(Caller(service.http, client), made.json()["subject"]["pupil"]["id"])
    assert [each["school_urn"] for each in pupils] == [urn]
