"""The audit over REST: who saw this pupil, who was refused, and that it never holds what it guards."""

import base64
import json
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.databases import ISSUER

from convenor.app import create_app
from convenor.audit.models import INSTALLATION
from convenor.audit_trail.resource import AUDIT_EVENTS
from convenor.database.row_security import context_sql, import_context

CANARIES = {
    "given_name": "Canarina",
    "family_name": "Goldfinch",
    "date_of_birth": "2015-11-23",
    "upn": "B801200005001",
    "nhs_number": "9990000018",
}
"""What a pupil is called in these tests, and nothing else is."""
REASON = "Canarina Goldfinch sings but does not speak."


async def referred(service: Service) -> dict[str, Any]:
    """A referral of a pupil whose every particular would be found again."""
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT", **CANARIES) | {"reason": REASON})
    assert made.status_code == 201, made.text
    referral: dict[str, Any] = made.json()
    return referral


async def events(service: Service, *, auditor: str = "auditor", area: str = "wendshire", **filters: Any) -> list[Any]:
    """What an auditor finds, the latest first."""
    answer = await service.as_(auditor, area).get("/v1/audit/events", **filters)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]
    return found


async def rows(service: Service, statement: str, *values: object) -> list[Any]:
    connection = await asyncpg.connect(service.superuser_url)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def test_only_auditors_and_the_operator_read_the_audit(shared_service: Service) -> None:
    for key in set(shared_service.area().clients) - {"auditor"}:
        refused = await shared_service.as_(key).get("/v1/audit/events")
        assert (refused.status_code, refused.json()["scope"]) == (403, "audit:read"), key


async def test_every_wrong_parameter_is_named_at_once(shared_service: Service) -> None:
    wrong = {
        "pupil": "Robin",
        "record": "1",
        "status": "7",
        "at_after": "yesterday",
        "at_before": "12",
        "sort": "action",
    }
    refused = await shared_service.as_("auditor").get("/v1/audit/events", **wrong, colour="blue")
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {f"/query/{name}" for name in (*wrong, "colour")}


async def test_no_event_is_changed_or_removed_over_the_api(shared_service: Service) -> None:
    (latest, *_) = await events(shared_service, limit=1) or await events(shared_service, limit=1)
    auditor = shared_service.as_("auditor")
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        for path in ("/v1/audit/events", f"/v1/audit/events/{latest['id']}"):
            assert (await auditor.call(method, path, json={})).status_code == 405


async def test_another_area_s_auditor_finds_nothing(service: Service) -> None:
    referral = await referred(service)
    pupil = referral["subject"]["pupil"]["id"]
    (event, *_) = await events(service, pupil=pupil)
    assert await events(service, area="fenmark", pupil=pupil) == []
    assert await events(service, area="fenmark", record=referral["id"]) == []
    assert await events(service, area="fenmark", client="school-999") == []
    theirs = await service.as_("auditor", "fenmark").get(f"/v1/audit/events/{event['id']}")
    absent = await service.as_("auditor", "fenmark").get(f"/v1/audit/events/{referral['id']}")
    assert (theirs.status_code, theirs.json()["detail"]) == (404, absent.json()["detail"])
    assert await events(service, auditor="operator", pupil=pupil) == []
    counted = await service.as_("auditor", "fenmark").get("/v1/audit/events", client="school-999", count="true")
    assert counted.json()["count"] == 0


async def test_who_saw_this_pupil_when_and_under_which_purpose(service: Service) -> None:
    referral = await referred(service)
    path, pupil = f"/v1/referrals/{referral['code']}", referral["subject"]["pupil"]["id"]
    await service.as_("school").get(path)
    await service.as_("trust").call("GET", path, headers={"X-Purpose": "triage meeting"})
    await service.as_("trust").get("/v1/referrals")
    await service.as_("commissioner").get("/v1/referrals")
    seen = await events(service, pupil=pupil, sort="at")
    assert [(event["client_id"], event["action"], event["status"], event["purpose"]) for event in seen] == [
        ("school-999", "referrals:submit", 201, "direct support"),
        ("school-999", "referrals:read", 200, "direct support"),
        ("trust-999", "referrals:read", 200, "triage meeting"),
        ("trust-999", "referrals:list", 200, "direct support"),
        ("commissioner-999", "referrals:list", 200, "direct support"),
    ]
    for event in seen:
        assert event["records"] == [referral["id"]]
        assert event["subjects"] == seen[0]["subjects"]
        assert len(event["subjects"]) == 1
        assert event["organisation"] == f"Organisation of {event['client_id']}"
        assert event["agreement"] == f"DSA-{event['client_id']}"
    assert [event["role"] for event in seen[1:3]] == ["school_mis", "health_system"]
    assert [event["at"] for event in seen] == sorted(event["at"] for event in seen)
    latest_first = await events(service, record=referral["id"])
    assert [event["id"] for event in latest_first] == [event["id"] for event in reversed(seen)]


async def test_whoever_did_not_see_a_pupil_is_not_said_to_have(service: Service) -> None:
    referral = await referred(service)
    pupil = referral["subject"]["pupil"]["id"]
    await service.as_("neighbour").get("/v1/referrals")
    assert (await service.as_("second_trust").get(f"/v1/referrals/{referral['id']}")).status_code == 404
    assert {event["client_id"] for event in await events(service, pupil=pupil)} == {"school-999"}


async def test_refusals_leave_an_event_each(service: Service) -> None:
    referral = await referred(service)
    path = f"/v1/referrals/{referral['id']}"
    refused = {
        "not_found": await service.as_("neighbour").get(path),
        "scope_missing": await service.as_("board").get(path),
        "precondition_missing": await service.as_("trust").call("POST", f"{path}/transitions", json={"to": "accepted"}),
        "stale": await service.as_("trust").post(f"{path}/transitions", {"to": "accepted"}, etag='"9"'),
        "invalid": await service.as_("school").post("/v1/referrals", {}),
        "method_not_allowed": await service.as_("school").call("DELETE", path),
        "no_such_path": await service.as_("school").get("/v1/pupils"),
    }
    by_request = {event["request_id"]: event for event in await events(service, limit=200)}
    for code, answer in refused.items():
        event = by_request[answer.headers["X-Request-ID"]]
        assert (event["problem"], event["status"]) == (code, answer.status_code)
    for code in ("not_found", "scope_missing"):
        event = by_request[refused[code].headers["X-Request-ID"]]
        assert (event["records"], event["subjects"]) == ([], []), "whoever was turned away has seen nobody"
    (denied,) = await events(service, status=403)
    assert (denied["client_id"], denied["action"]) == ("board-999", "referrals:read")


async def test_tokens_leave_events_in_the_areas_of_the_client(service: Service) -> None:
    trust = service.as_("trust").client
    await service.as_("trust").authorise()
    wrong = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "scope": "services:read"}, auth=(trust.client_id, "x")
    )
    assert wrong.status_code == 401
    found = await events(service, client=trust.client_id, action="token:issue", sort="at")
    assert [event["status"] for event in found] == [200]
    assert found[0]["records"] == []
    unproven = await rows(service, "select * from audit_event where status = 401")
    assert [row["request_id"] for row in unproven] == [wrong.headers["X-Request-ID"]]


@pytest.mark.parametrize("purpose", ["Robin Ashgrove", "", "Direct support", "direct support, triage meeting", "\x7f"])
async def test_a_purpose_that_is_not_the_agreement_s_is_refused_and_not_kept(service: Service, purpose: str) -> None:
    for method, path in (("GET", "/v1/referrals"), ("GET", "/v1/me"), ("POST", "/graphql")):
        refused = await service.as_("trust").call(method, path, headers={"X-Purpose": purpose})
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["pointer"], error["code"]) == (422, "/headers/x-purpose", "purpose")
        assert error["detail"] == "Your agreement's purposes are: direct support; triage meeting."
    kept = await rows(service, "select purpose from audit_event where status = 422")
    assert [row["purpose"] for row in kept] == ["direct support"] * 3


@pytest.mark.parametrize(
    "given",
    ["req-B801200005001", "Robin", f"{UUID(int=7)} Robin", f"{{{UUID(int=7)}}}", UUID(int=7).hex, "", "x" * 500],
)
async def test_an_id_of_a_request_that_is_no_uuid_is_replaced(service: Service, given: str) -> None:
    headers = {"X-Request-ID": given, "X-Correlation-ID": given}
    answers = [await service.as_("trust").call("GET", path, headers=headers) for path in ("/v1/me", "/v1/none")]
    answers.append(await service.http.get("/docs", headers=headers))
    for answer in answers:
        assert str(UUID(answer.headers["X-Request-ID"])) == answer.headers["X-Request-ID"] != given
        assert "X-Correlation-ID" not in answer.headers
    kept = {row["request_id"] for row in await rows(service, "select request_id from audit_event")}
    assert {answer.headers["X-Request-ID"] for answer in answers[:2]} <= kept
    assert given not in kept


async def test_an_id_of_a_request_that_is_a_uuid_is_echoed_and_kept(service: Service) -> None:
    headers = {"X-Request-ID": str(UUID(int=7)), "X-Correlation-ID": str(UUID(int=8)).upper()}
    answer = await service.as_("trust").call("GET", "/v1/me", headers=headers)
    assert {name: answer.headers[name] for name in headers} == headers
    assert await rows(service, "select from audit_event where request_id = $1", str(UUID(int=7)))


async def test_reading_the_audit_is_itself_audited(service: Service) -> None:
    referral = await referred(service)
    read = await events(service, record=referral["id"])
    (reading, *_) = await events(service, client="auditor-999", action="audit_events:list")
    assert reading["records"] == [event["id"] for event in read]
    assert (await service.as_("auditor").get(f"/v1/audit/events/{read[0]['id']}")).json() == read[0]
    (reading,) = await events(service, client="auditor-999", action="audit_events:read")
    assert reading["records"] == [read[0]["id"]]


async def test_events_are_found_by_time_and_paged(service: Service) -> None:
    for _ in range(5):
        await service.as_("school").get("/v1/services")
    all_five = await events(service, action="services:list", sort="at")
    assert len(all_five) == 5
    between = {"at_after": all_five[0]["at"], "at_before": all_five[4]["at"]}
    assert await events(service, action="services:list", sort="at", **between) == all_five[1:4]
    auditor, found, cursor = service.as_("auditor"), [], {}
    while cursor is not None:
        page = (await auditor.get("/v1/audit/events", action="services:list", limit=2, **cursor)).json()
        found += page["data"]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert found == list(reversed(all_five))


async def test_a_change_names_its_fields_with_digests_and_the_audit_holds_no_value(service: Service) -> None:
    referral = await referred(service)
    path, school = f"/v1/referrals/{referral['id']}", service.as_("school")
    changed = await school.patch(path, {"need": "SEMH", "pupil": {"given_name": "Canarinette"}}, '"1"')
    assert changed.status_code == 200, changed.text
    for key in ("school", "trust", "commissioner", "identifying_commissioner"):
        assert (await service.as_(key).get(path)).status_code == 200
    await school.search({"upn": CANARIES["upn"]})
    await service.as_("trust").search({"nhs_number": CANARIES["nhs_number"]})
    again = await school.post("/v1/referrals", pupil_referral("SLT", **CANARIES) | {"reason": REASON})
    assert again.status_code == 409
    (event,) = await events(service, action="referrals:update")
    assert set(event["changes"]) == {"need", "pupil.given_name"}
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in event["changes"].values())
    assert all(other["changes"] is None for other in await events(service) if other["id"] != event["id"])
    kept = [row[0] for row in await rows(service, "select e::text from audit_event e")]
    assert len(kept) > 8
    for planted in (*CANARIES.values(), REASON, "Canarinette", "SEMH"):
        assert not [text for text in kept if planted.lower() in text.lower()], planted


async def test_what_was_counted_of_one_pupil_is_told_though_none_of_it_is_shown(service: Service) -> None:
    referral, school = await referred(service), service.as_("school")
    past = base64.urlsafe_b64encode(json.dumps(["submitted_at", "2999-01-01 00:00:00+00", str(UUID(int=0))]).encode())
    cursor = past.decode().rstrip("=")
    by_rest = await school.search({"upn": CANARIES["upn"]}, sort="submitted_at", cursor=cursor, count="true")
    assert by_rest.json() == {"data": [], "next": None, "count": 1}
    query = f'{{ a: referrals(upn: "{CANARIES["upn"]}") {{ totalCount }} b: referrals {{ totalCount }} }}'
    by_graph = await school.call("POST", "/graphql", json={"query": query})
    assert by_graph.json()["data"] == {"a": {"totalCount": 1}, "b": {"totalCount": 1}}
    for answer in (by_rest, by_graph):
        (event,) = [event for event in await events(service) if event["request_id"] == answer.headers["x-request-id"]]
        assert event["records"] == [referral["id"]]
        assert len(event["subjects"]) == 1


async def test_the_event_is_durable_before_the_answer_begins_to_leave(service: Service) -> None:
    found: list[tuple[str, int]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith("/v1/"):
                request_id = dict(message["headers"])[b"x-request-id"].decode()
                there = await rows(service, "select count(*) from audit_event where request_id = $1", request_id)
                found.append((request_id, there[0][0]))
            await send(message)

        await service.app(scope, receive, watch)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=watched), base_url=ISSUER) as http:
        school = Caller(http, service.area().clients["school"])
        made = await school.post("/v1/referrals", pupil_referral("SLT"))
        path = made.headers["Location"]
        answers = [made, await school.get(path), await school.get("/v1/referrals"), await school.get("/v1/me")]
        answers += [await school.patch(path, {"need": "SEMH"}, '"9"'), await school.get("/v1/insights/waits")]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 412, 403]
    assert found == [(answer.headers["X-Request-ID"], 1) for answer in answers]


@pytest.mark.parametrize(("path", "status"), [("/v1/referrals", 401), ("/oauth/token", 405)])
async def test_a_flood_of_unknown_callers_is_counted(service: Service, path: str, status: int) -> None:
    sent = 60
    app = create_app(service.app_url, service.data_dir, ISSUER)
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.7", 1))
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
        for _ in range(sent):
            assert (await http.get(path)).status_code == status
    kept = await rows(service, "select area_id, times from audit_event where address = '192.0.2.7'")
    assert sum(row["times"] for row in kept) == sent
    assert {row["area_id"] for row in kept} == {INSTALLATION}
    assert max(row["times"] for row in kept) > 1
    assert len(kept) < sent / 2


async def test_the_operator_reads_the_events_of_no_area_and_only_those(service: Service) -> None:
    await referred(service)
    assert (await service.http.get("/v1/referrals")).status_code == 401
    seen = await events(service, auditor="operator", sort="at")
    (installation,) = {
        row["area_id"] for row in await rows(service, "select area_id from audit_event where status = 401")
    }
    there = await rows(service, "select id::text from audit_event where area_id = $1 order by at, id", installation)
    assert [event["id"] for event in seen] == [row["id"] for row in there][: len(seen)]
    assert {"request:refuse", "token:issue"} <= {event["action"] for event in seen}
    assert {event["client_id"] for event in seen} <= {None, "operator"}


async def test_what_a_client_did_is_found_by_an_index(service: Service) -> None:
    """Over 20,000 events of which a few are asked for, as the application's role under row-level security."""
    area = service.area().id
    await rows(
        service,
        "insert into audit_event (area_id, id, at, action, status, client_id, request_id, times, records, subjects)"
        " select $1, uuidv7(), now() - n * interval '1 minute', 'referrals:read', 200, 'client-' || n % 50, 'r', 1,"
        " array[uuidv7()], array[uuidv7()] from generate_series(1, 20000) n",
        area,
    )
    await rows(service, "analyze audit_event")
    predicate = AUDIT_EVENTS.filters["client"].sql.replace("{t}", "t").replace("{v}", "$2::text")
    question = (
        f"select * from audit_event t where t.area_id = $1 and {predicate} order by t.at desc, t.id desc limit 51"
    )
    application = await asyncpg.connect(service.app_url)
    async with application.transaction():
        await application.fetch(f"select {context_sql()}", *import_context(area))
        plan = await application.fetch(f"explain {question}", area, "school-999")
    await application.close()
    assert "event_by_client" in "\n".join(row[0] for row in plan)
