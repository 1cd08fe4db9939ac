"""What a provider reports against its SLA, how that is checked, and how the commissioner answers, over REST."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.api_client import Service

PATH = "/v1/impact-returns"


def spring_return(sla: Any = "SLA-OUTREACH", **other: Any) -> dict[str, Any]:
    """A well-formed return for the spring term of 2025, 120 days of a year of 365."""
    return {
        "sla_id": str(sla),
        "period": {"from": "2025-01-01", "to": "2025-04-30"},
        "volumes": {"sessions": 38, "pupils": 14, "schools": 4},
        "cost_pence": 1_972_603,
        "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
        "narrative": "Robin Ashgrove now speaks in class.",
    } | other


def period(first: str, last: str) -> dict[str, str]:
    return {"from": first, "to": last}


async def sent(service: Service, **other: Any) -> str:
    made = await service.as_("charity").post(PATH, spring_return(**other))
    assert made.status_code == 201, made.text
    return str(made.headers["Location"])


async def step(service: Service, key: str, path: str, version: int, to: str, reason: str | None = None) -> Any:
    body = {"to": to} | ({"reason": reason} if reason else {})
    return await service.as_(key).post(f"{path}/transitions", body, etag=f'"{version}"')


async def accepted(service: Service, **other: Any) -> str:
    path = await sent(service, **other)
    assert (await step(service, "commissioner", path, 1, "validated")).status_code == 201
    assert (await step(service, "commissioner", path, 2, "accepted")).status_code == 201
    return path


async def another_provider_s(service: Service) -> UUID:
    """A return of the trust's, as a load would write it."""
    connection, area, report = await asyncpg.connect(service.superuser_url), service.area(), uuid4()
    await connection.execute(
        """
        insert into impact_return (area_id, id, sla_id, provider_id, terms_number, period_from, period_to, status,
            checks, sessions, pupils, schools, cost_pence, submitted_at, version)
        values ($1, $2, $3, $4, 1, '2025-01-01', '2025-04-30', 'submitted', '[]', 1, 1, 1, 1, now(), 1)
        """,
        area.id,
        report,
        area.slas["SLA-SLT"],
        area.providers["trust"],
    )
    await connection.close()
    return report


def faults(answer: Any) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}


def pointers(answer: Any) -> set[str]:
    return {pointer for pointer, _ in faults(answer)}


async def test_every_fault_of_shape_is_named_at_once_and_nothing_is_stored(service: Service) -> None:
    charity = service.as_("charity")
    body = spring_return(
        period=period("2025-04-30", "2025-01-01"),
        volumes={"sessions": -1, "pupils": 14},
        cost_pence="a lot",
        measures=[
            {"kpi": "goals_met", "numerator": 42, "denominator": 41},
            {"kpi": "goals_met", "numerator": 1},
        ],
        colour="blue",
    )
    assert pointers(await charity.post(PATH, body)) == {
        "/period/to",
        "/volumes/sessions",
        "/volumes/schools",
        "/cost_pence",
        "/measures/0/numerator",
        "/measures/1/denominator",
        "/measures/1/kpi",
        "/colour",
    }
    assert (await charity.get(PATH)).json()["data"] == []


async def test_a_period_in_the_future_is_a_fault(shared_service: Service) -> None:
    body = spring_return(period=period("2098-01-01", "2098-04-30"))
    refused = await shared_service.as_("charity").post(PATH, body)
    assert faults(refused) == {("/period/from", "future_date"), ("/period/to", "future_date")}


async def test_every_fault_of_reference_is_named_at_once(service: Service) -> None:
    charity = service.as_("charity")
    early = period("2020-08-01", "2020-08-31")
    body = spring_return(period=early, measures=[{"kpi": "dna", "numerator": 1, "denominator": 2}])
    assert faults(await charity.post(PATH, body)) == {
        ("/period", "outside_term"),
        ("/measures/0/kpi", "not_in_sla"),
        ("/measures", "kpi_not_reported"),
    }
    assert (await charity.get(PATH)).json()["data"] == []


async def test_an_sla_of_another_s_reads_like_one_that_is_not_there(shared_service: Service) -> None:
    charity = shared_service.as_("charity")
    absent = (await charity.post(PATH, spring_return("NO-SUCH"))).json()["errors"]
    assert [fault["pointer"] for fault in absent] == ["/sla_id"]
    for sla in ("SLA-SLT", shared_service.area().slas["SLA-SLT"], shared_service.area("fenmark").slas["SLA-OUTREACH"]):
        assert (await charity.post(PATH, spring_return(sla))).json()["errors"] == absent
    # A commissioner answers returns and sends none.
    assert (await shared_service.as_("commissioner").post(PATH, spring_return())).json()["errors"] == absent


@pytest.mark.parametrize("key", ["school", "trust", "cluster_lead", "finance", "board", "auditor"])
async def test_who_may_not_write_returns_is_told_so(shared_service: Service, key: str) -> None:
    caller = shared_service.as_(key)
    assert (await caller.post(PATH, spring_return())).status_code == 403
    assert (await caller.post(f"{PATH}/{uuid4()}/transitions", {"to": "accepted"}, etag='"1"')).status_code == 403


async def test_another_provider_s_return_reads_as_if_it_were_not_there(service: Service) -> None:
    theirs, charity = await another_provider_s(service), service.as_("charity")
    assert (await service.as_("commissioner").get(f"{PATH}/{theirs}")).status_code == 200
    for caller in (charity, service.as_("charity", "fenmark"), service.as_("commissioner", "fenmark")):
        assert (await caller.get(f"{PATH}/{theirs}")).status_code == 404
        assert (await caller.get(f"{PATH}/{theirs}/transitions")).status_code == 404
        assert (await caller.patch(f"{PATH}/{theirs}", {"cost_pence": 1}, '"1"')).status_code == 404
        assert (await caller.post(f"{PATH}/{theirs}/transitions", {"to": "submitted"}, etag='"1"')).status_code == 404
        for filters in ({}, {"sla": "SLA-SLT"}, {"service": "SLT"}, {"status": "submitted"}):
            listed = (await caller.get(PATH, count="true", **filters)).json()
            assert (listed["data"], listed["count"]) == ([], 0), filters


async def test_an_sla_that_is_not_active_takes_no_return(service: Service) -> None:
    connection = await asyncpg.connect(service.superuser_url)
    await connection.execute("update sla set status = 'agreed' where code = 'SLA-OUTREACH'")
    await connection.close()
    assert faults(await service.as_("charity").post(PATH, spring_return())) == {("/sla_id", "not_active")}


@pytest.mark.parametrize("last_step", ["submitted", "validated", "accepted"])
async def test_a_period_that_overlaps_a_return_that_stands_is_refused_naming_it(
    service: Service, last_step: str
) -> None:
    path = await sent(service)
    for version, to in enumerate(
        ["validated", "accepted"][: ["submitted", "validated", "accepted"].index(last_step)], 1
    ):
        assert (await step(service, "commissioner", path, version, to)).status_code == 201
    for other in (("2025-01-01", "2025-04-30"), ("2025-04-30", "2025-05-31"), ("2024-09-01", "2025-08-31")):
        refused = await service.as_("charity").post(PATH, spring_return(period=period(*other)))
        assert faults(refused) == {("/period", "overlaps")}
        assert path.rpartition("/")[2] in refused.json()["errors"][0]["detail"]
    assert await sent(service, period=period("2025-05-01", "2025-08-31"))


async def test_exactly_one_of_two_returns_for_one_period_at_once_wins(service: Service) -> None:
    charity = service.as_("charity")
    await charity.authorise()
    answers = await asyncio.gather(*[charity.post(PATH, spring_return()) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]
    assert (await charity.get(PATH, count="true")).json()["count"] == 1


async def test_a_return_is_checked_against_its_sla_on_arrival(service: Service) -> None:
    made = await service.as_("charity").post(PATH, spring_return(service.area().slas["SLA-OUTREACH"]))
    report = made.json()
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.headers["Location"] == f"{PATH}/{report['id']}"
    assert (report["status"], report["next"]) == ("submitted", ["validated", "returned"])
    assert (report["sla_id"], report["sla_code"]) == (str(service.area().slas["SLA-OUTREACH"]), "SLA-OUTREACH")
    assert report["period"] == {"from": "2025-01-01", "to": "2025-04-30"}
    assert report["volumes"] == {"sessions": 38, "pupils": 14, "schools": 4}
    assert report["measures"] == [{"kpi": "goals_met", "numerator": 37, "denominator": 41}]
    assert (report["narrative"], report["redacted"]) == ("Robin Ashgrove now speaks in class.", [])
    found = [(one["check"], one["outcome"], one["expected"], one["reported"]) for one in report["checks"]]
    # 120 of 365 days of 120 sessions, 40 pupils and 6,000,000 pence: 39.45, 13.15 and 1,972,602.74.
    assert found == [
        ("sessions_against_sla", "warn", 39, 38),
        ("pupils_against_sla", "ok", 13, 14),
        ("schools_against_sla", "ok", 4, 4),
        ("cost_against_price", "ok", 1_972_603, 1_972_603),
        ("measure_against_target", "ok", 80, 90.2),
        ("period_is_due", "ok", 120, 120),
    ]
    assert report["checks"][0]["detail"] == "38 sessions reported; the SLA expects at least 39 in this period."


async def test_checks_warn_and_refuse_nothing(service: Service) -> None:
    poor = spring_return(
        period=period("2025-01-01", "2025-03-31"),
        volumes={"sessions": 0, "pupils": 0, "schools": 3},
        cost_pence=9_000_000,
        measures=[{"kpi": "goals_met", "numerator": 0, "denominator": 0}],
    )
    made = await service.as_("charity").post(PATH, poor)
    assert made.status_code == 201
    assert [one["outcome"] for one in made.json()["checks"]] == ["warn"] * 6
    assert made.json()["checks"][4]["reported"] is None


async def test_the_terms_that_hold_on_the_first_day_are_what_it_is_checked_against(service: Service) -> None:
    kpis = [
        {"kpi": "dna", "name": "Did not attend", "unit": "percent", "target": 10, "direction": "at_most"},
        {"kpi": "late", "name": "Started late", "unit": "percent", "target": 10, "direction": "at_most"},
        {"kpi": "trained", "name": "Staff trained", "unit": "count", "target": 1_000_000_000},
    ]
    terms = {"sessions": 365, "pupils": 0, "schools": 1, "price_pence": 0}
    change = {"valid_from": "2025-01-01", "terms": terms, "kpis": kpis}
    assert (await service.as_("commissioner").patch("/v1/slas/SLA-OUTREACH", change, '"1"')).status_code == 200
    measures = [
        {"kpi": "dna", "numerator": 10, "denominator": 100},
        {"kpi": "late", "numerator": 11, "denominator": 100},
        {"kpi": "trained", "numerator": 12, "denominator": 12},
    ]
    report = (await service.as_("charity").post(PATH, spring_return(measures=measures))).json()
    assert (report["terms_number"], report["checks"][0]["expected"]) == (2, 120)
    assert [(one["kpi"], one["outcome"], one["reported"]) for one in report["checks"][4:7]] == [
        ("dna", "ok", 10),
        ("late", "warn", 11),
        ("trained", "warn", 12),
    ]
    assert report["checks"][6]["detail"] == "Staff trained: 12 reported; the target is at least 1000000000."
    before = spring_return(period=period("2024-12-31", "2024-12-31"))
    assert (await service.as_("charity").post(PATH, before)).json()["terms_number"] == 1


async def test_a_period_is_due_until_a_return_for_it_stands(service: Service) -> None:
    async def due() -> set[tuple[str, str]]:
        sla = (await service.as_("charity").get("/v1/slas/SLA-OUTREACH")).json()
        return {(one["from"], one["to"]) for one in sla["returns_due"]}

    spring = ("2025-01-01", "2025-04-30")
    assert spring in await due()
    await sent(service, period=period("2025-01-01", "2025-02-28"))
    assert spring in await due()
    path = await sent(service, period=period("2025-03-01", "2025-04-30"))
    assert spring not in await due()
    assert (await step(service, "commissioner", path, 1, "returned", "Cost?")).status_code == 201
    assert spring in await due()


async def test_the_commissioner_accepts_a_return(service: Service) -> None:
    path, commissioner = await sent(service), service.as_("commissioner")
    assert (await commissioner.call("POST", f"{path}/transitions", json={"to": "validated"})).status_code == 428
    illegal = await step(service, "commissioner", path, 1, "accepted")
    assert (illegal.status_code, illegal.json()["legal"]) == (409, ["validated", "returned"])
    own = await step(service, "charity", path, 1, "accepted")
    assert (own.status_code, own.json()["legal"]) == (409, [])
    assert (await step(service, "commissioner", path, 7, "validated")).status_code == 412
    validated = await step(service, "commissioner", path, 1, "validated")
    assert (validated.status_code, validated.json()["next"]) == (201, ["accepted", "returned"])
    done = (await step(service, "commissioner", path, 2, "accepted")).json()
    assert (done["status"], done["next"]) == ("accepted", [])
    assert (await step(service, "commissioner", path, 3, "returned", "Too late.")).json()["legal"] == []
    assert (await service.as_("charity").patch(path, {"cost_pence": 1}, '"3"')).status_code == 409


async def test_the_commissioner_sends_it_back_and_the_provider_mends_it(service: Service) -> None:
    path, charity = await sent(service), service.as_("charity")
    assert (await charity.patch(path, {"cost_pence": 1}, '"1"')).status_code == 409
    assert faults(await step(service, "commissioner", path, 1, "returned")) == {("/reason", "required")}
    returned = await step(service, "commissioner", path, 1, "returned", "Which sessions were these?")
    assert (returned.json()["status"], returned.json()["next"]) == ("returned", ["submitted"])
    illegal = await step(service, "commissioner", path, 2, "submitted")
    assert (illegal.status_code, illegal.json()["legal"]) == (409, [])
    assert (await service.as_("commissioner").patch(path, {"cost_pence": 1}, '"2"')).status_code == 409

    faulty = {"measures": [{"kpi": "dna", "numerator": 1, "denominator": 2}]}
    assert pointers(await charity.patch(path, faulty, '"2"')) == {"/measures/0/kpi", "/measures"}
    assert pointers(await charity.patch(path, {"volumes": None, "period": {}}, '"2"')) == {"/volumes", "/period"}
    mending = {
        "volumes": {"sessions": 40, "pupils": 14, "schools": 4},
        "measures": [{"kpi": "goals_met", "numerator": 10, "denominator": 40}],
        "narrative": None,
    }
    mended = await charity.patch(path, mending, '"2"')
    assert (mended.status_code, mended.headers["ETag"], mended.json()["narrative"]) == (200, '"3"', None)
    outcomes = {one["check"]: one["outcome"] for one in mended.json()["checks"]}
    assert outcomes["sessions_against_sla"] == "ok"
    assert outcomes["measure_against_target"] == "warn"
    assert outcomes["period_is_due"] == "ok"
    assert (await step(service, "charity", path, 3, "submitted")).json()["status"] == "submitted"
    history = (await charity.get(f"{path}/transitions")).json()["data"]
    assert [(one["to"], one["reason"]) for one in history] == [
        ("submitted", None),
        ("returned", "Which sessions were these?"),
        ("submitted", None),
    ]


async def test_a_return_sent_back_stands_again_only_where_no_other_took_its_period(service: Service) -> None:
    path = await sent(service)
    await step(service, "commissioner", path, 1, "returned", "Cost?")
    other = await sent(service)
    refused = await step(service, "charity", path, 2, "submitted")
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert other.rpartition("/")[2] in refused.json()["detail"]


async def test_free_text_is_redacted_where_the_name_is(service: Service) -> None:
    path = await sent(service)
    await step(service, "commissioner", path, 1, "returned", "Robin Ashgrove is named.")
    for key in ("commissioner", "finance", "cluster_lead"):
        for answer in (await service.as_(key).get(path), await service.as_(key).get(PATH)):
            assert "Ashgrove" not in answer.text
        record = (await service.as_(key).get(path)).json()
        assert ("narrative" in record, record["redacted"]) == (False, ["narrative"])
        history = await service.as_(key).get(f"{path}/transitions")
        assert "Ashgrove" not in history.text
        assert all(one["redacted"] == ["reason"] for one in history.json()["data"])
    identifying = (await service.as_("identifying_commissioner").get(path)).json()
    assert (identifying["narrative"], identifying["redacted"]) == ("Robin Ashgrove now speaks in class.", [])


async def test_an_answer_is_not_repeated_to_who_may_no_longer_see_it(service: Service) -> None:
    path = await sent(service)
    commissioner, back = service.as_("identifying_commissioner"), {"to": "returned", "reason": "Count again."}
    once = {"If-Match": '"1"', "Idempotency-Key": "one"}
    first = await commissioner.call("POST", f"{path}/transitions", json=back, headers=once)
    assert (first.status_code, "Ashgrove" in first.text) == (201, True)
    await commissioner.authorise("impact_returns:read", "impact_returns:write")
    again = await commissioner.call("POST", f"{path}/transitions", json=back, headers=once)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert "Ashgrove" not in again.text


async def test_impact_returns_are_found_by_each_filter(service: Service) -> None:
    spring, theirs = (await accepted(service)).rpartition("/")[2], str(await another_provider_s(service))
    summer = (await sent(service, period=period("2025-05-01", "2025-08-31"))).rpartition("/")[2]
    area = service.area()

    async def ids(**filters: Any) -> list[str]:
        answer = await service.as_("commissioner").get(PATH, sort="period_from", **filters)
        return [one["id"] for one in answer.json()["data"]]

    for name, code, key in (
        ("sla", "SLA-OUTREACH", area.slas["SLA-OUTREACH"]),
        ("service", "OUTREACH", area.services["OUTREACH"]),
    ):
        assert await ids(**{name: code}) == await ids(**{name: key}) == [spring, summer]
    assert await ids(provider=area.providers["trust"]) == [theirs]
    assert await ids(status="accepted") == [spring]
    assert await ids(period_from_after="2025-01-01") == [summer]
    assert set(await ids(period_from_before="2025-05-01")) == {spring, theirs}


async def test_a_new_provider_of_the_service_takes_over_its_returns_whole(service: Service) -> None:
    path = await sent(service)
    commissioner, trust_id = service.as_("commissioner"), str(service.area().providers["trust"])
    found = await commissioner.get("/v1/services/OUTREACH")
    moved = await commissioner.patch("/v1/services/OUTREACH", {"provider": trust_id}, found.headers["ETag"])
    assert moved.status_code == 200, moved.text
    assert (await service.as_("charity").get(path)).status_code == 404
    seen = (await commissioner.get(path)).json()
    assert (seen["provider_id"], len(seen["measures"])) == (trust_id, 1)
    assert len((await commissioner.get(f"{path}/transitions")).json()["data"]) == 1
