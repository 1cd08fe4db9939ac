"""Pupils of different schools who are one child: linked after the commit, or a match for a person to decide."""

import asyncio
from typing import Any

import asyncpg
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.held_rows import holding
from support.pending_work import do_all

from convenor.database.pending_work import wait_for_turn
from convenor.pupil_matches.linking import KIND

MATCHES = "/v1/pupil-matches"
OTHER_BIRTH = "2015-03-02"
NUMBERS = ("9990000107", "9990000204")


async def refer(service: Service, school: str, urn: str, code: str = "SLT", **pupil: Any) -> dict[str, Any]:
    made = await service.as_(school).post("/v1/referrals", pupil_referral(code, urn, **pupil))
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def commissioner(service: Service) -> Caller:
    return service.as_("identifying_commissioner")


async def matches(service: Service, **filters: str) -> list[dict[str, Any]]:
    await do_all(service)
    answer = await commissioner(service).get(MATCHES, **filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def only_match(service: Service) -> dict[str, Any]:
    (match,) = await matches(service)
    return match


def codes_of(match: dict[str, Any]) -> list[str]:
    return [code for pupil in match["pupils"] for code in pupil["referrals"]]


async def decide(service: Service, match: dict[str, Any], decision: str, **more: Any) -> Any:
    path = f"{MATCHES}/{match['id']}"
    etag = (await commissioner(service).get(path)).headers["ETag"]
    body = {"decision": decision, "reason": "The mother of Robin Ashgrove confirmed it.", **more}
    return await commissioner(service).post(f"{path}/decisions", body, etag=etag)


async def duplicates(service: Service, who: str, referral: dict[str, Any]) -> Any:
    await do_all(service)
    return (await service.as_(who).get(f"/v1/referrals/{referral['id']}")).json().get("possible_duplicates")


@pytest.mark.parametrize("who", ["school", "trust", "charity", "cluster_lead", "commissioner", "finance", "auditor"])
async def test_only_a_commissioner_who_may_identify_pupils_reads_matches_and_decides(
    shared_service: Service, who: str
) -> None:
    caller = shared_service.as_(who)
    body = {"decision": "link", "reason": "It is one child."}
    for answer in (
        await caller.get(MATCHES),
        await caller.get(f"{MATCHES}/{shared_service.area().id}"),
        await caller.get(f"{MATCHES}/{shared_service.area().id}/decisions"),
        await caller.post(f"{MATCHES}/{shared_service.area().id}/decisions", body, etag='"1"'),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), answer.text


async def test_pupils_who_share_a_number_and_do_not_differ_are_linked(service: Service) -> None:
    one = await refer(service, "school", "900001", nhs_number=None)
    other = await refer(service, "neighbour", "900002", nhs_number=None)
    match = await only_match(service)
    assert (match["status"], match["agree"], match["differ"]) == ("linked", ["upn", "date_of_birth"], [])
    assert {pupil["referrals"][0] for pupil in match["pupils"]} == {one["code"], other["code"]}
    assert {pupil["person"] for pupil in match["pupils"]} == {1}


async def test_a_match_names_fields_and_never_values(service: Service) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH, given_name="Wren", family_name="Holt")
    await do_all(service)
    answer = await commissioner(service).get(MATCHES)
    assert answer.json()["data"]
    for value in ("B801200005001", "9990000018", "Robin", "Ashgrove", "Wren", "Holt", OTHER_BIRTH, "2016-05-04"):
        assert value not in answer.text


async def test_pupils_who_differ_are_a_match_that_a_link_closes_and_its_withdrawal_opens_again(
    service: Service,
) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (match["status"], match["agree"]) == ("open", ["upn", "nhs_number"])
    assert match["differ"] == ["date_of_birth"]
    assert {pupil["person"] for pupil in match["pupils"]} == {1, 2}
    linked = await decide(service, match, "link")
    assert linked.status_code == 201, linked.text
    assert linked.json()["status"] == "linked"
    assert {pupil["person"] for pupil in linked.json()["pupils"]} == {1}
    withdrawn = (await decide(service, match, "unlink")).json()
    assert (withdrawn["status"], {pupil["person"] for pupil in withdrawn["pupils"]}) == ("open", {1, 2})
    assert [each["status"] for each in await matches(service, status="open")] == ["open"]
    assert await matches(service, status="linked") == []
    decisions = (await commissioner(service).get(f"{MATCHES}/{match['id']}/decisions")).json()["data"]
    assert [(each["decision"], bool(each.get("withdrawn_at"))) for each in decisions] == [
        ("link", True),
        ("unlink", False),
    ]
    assert {pupil["id"] for pupil in decisions[0]["pupils"]} == {pupil["id"] for pupil in match["pupils"]}
    assert {code for pupil in match["pupils"] for code in pupil["referrals"]} == {one["code"], other["code"]}
    assert decisions[0]["reason"] == "The mother of Robin Ashgrove confirmed it."


async def test_pupils_whom_a_number_links_wrongly_are_kept_apart_whatever_is_stated_later(service: Service) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002")
    match = await only_match(service)
    assert (await decide(service, match, "keep_apart")).json()["status"] == "kept_apart"
    assert await duplicates(service, "trust", one) == []
    await refer(service, "school", "900001", "OUTREACH")
    await refer(service, "neighbour", "900002", "OUTREACH")
    kept = await only_match(service)
    assert (kept["id"], kept["status"]) == (match["id"], "kept_apart")
    assert await duplicates(service, "trust", other) == []
    assert (await decide(service, match, "unlink")).json()["status"] == "linked"
    assert await duplicates(service, "trust", other) == [one["code"]]


async def test_a_link_is_open_again_once_one_of_its_pupils_turns_out_to_be_another_child(service: Service) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (await decide(service, match, "link")).json()["status"] == "linked"
    path = f"/v1/referrals/{one['id']}"
    added = await service.as_("school").patch(path, {"pupil": {"home_la_code": "802"}}, '"1"')
    assert added.status_code == 200, added.text
    assert (await only_match(service))["status"] == "linked"
    another = {
        "upn": "E801200005003",
        "nhs_number": NUMBERS[0],
        "given_name": "Wren",
        "family_name": "Holt",
        "date_of_birth": "2014-07-19",
    }
    corrected = await service.as_("school").patch(path, {"pupil": another}, '"2"')
    assert corrected.status_code == 200, corrected.text
    opened = await only_match(service)
    assert (opened["id"], opened["status"], opened["agree"]) == (match["id"], "open", [])
    assert opened["differ"] == ["upn", "nhs_number", "date_of_birth"]
    assert {pupil["person"] for pupil in opened["pupils"]} == {1, 2}
    (decision,) = (await commissioner(service).get(f"{MATCHES}/{match['id']}/decisions")).json()["data"]
    assert decision["withdrawn_at"] is None
    await service.as_("trust").get(f"/v1/referrals/{other['id']}")
    pupil = one["subject"]["pupil"]["id"]
    read = await service.as_("auditor").get("/v1/audit/events", pupil=pupil, action="referrals:read")
    assert read.json()["data"] == []
    apart = await decide(service, match, "keep_apart")
    assert (apart.status_code, apart.json()["status"]) == (201, "kept_apart")


async def test_a_link_that_no_longer_holds_is_decided_again(service: Service) -> None:
    one = await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (await decide(service, match, "link")).json()["status"] == "linked"
    path = f"/v1/referrals/{one['id']}"
    corrected = await service.as_("school").patch(path, {"pupil": {"upn": None}}, '"1"')
    assert corrected.status_code == 200, corrected.text
    assert (await only_match(service))["status"] == "open"
    again = await decide(service, match, "link")
    assert (again.status_code, again.json()["status"]) == (201, "linked")
    restored = await service.as_("school").patch(path, {"pupil": {"upn": "B801200005001"}}, '"2"')
    assert restored.status_code == 200, restored.text
    assert (await only_match(service))["status"] == "linked"


async def test_a_link_does_not_hold_once_the_oldest_referral_of_its_pupil_turns_out_to_be_of_another_child(
    service: Service,
) -> None:
    oldest = await refer(service, "school", "900001")
    later = await refer(service, "school", "900001", "OUTREACH")
    other = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (await decide(service, match, "link")).json()["status"] == "linked"
    another = {"upn": "E801200005003", "nhs_number": NUMBERS[0], "given_name": "Wren", "date_of_birth": "2014-07-19"}
    corrected = await service.as_("school").patch(f"/v1/referrals/{oldest['id']}", {"pupil": another}, '"1"')
    assert corrected.status_code == 200, corrected.text
    opened = await only_match(service)
    assert opened["status"] == "open"
    assert {pupil["referrals"][0]: pupil["person"] for pupil in opened["pupils"]}.keys() == {
        each["code"] for each in (oldest, later, other)
    }
    assert len({pupil["person"] for pupil in opened["pupils"]}) == 3


async def test_a_decision_about_some_pupils_names_their_referrals_and_leaves_the_others(service: Service) -> None:
    one = await refer(service, "school", "900001")
    two = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    three = await refer(service, "far_school", "900003", nhs_number=None)
    match = await only_match(service)
    assert match["status"] == "open"
    about = [one["code"], two["code"]]
    assert (await decide(service, match, "keep_apart", referrals=about)).json()["status"] == "open"
    about = [two["code"], three["code"]]
    apart = (await decide(service, match, "keep_apart", referrals=about)).json()
    assert apart["status"] == "kept_apart"
    persons = {pupil["referrals"][0]: pupil["person"] for pupil in apart["pupils"]}
    assert persons[one["code"]] == persons[three["code"]] != persons[two["code"]]


async def test_a_decision_stands_with_the_match_that_its_pupils_have_once_a_number_joins_two_matches(
    service: Service,
) -> None:
    for at, (code, number, day) in enumerate(
        [("SLT", "9990000018", "2016-05-04"), ("OUTREACH", "9990000026", OTHER_BIRTH)]
    ):
        for school, urn, birth in (("school", "900001", day), ("neighbour", "900002", f"2014-01-0{at + 1}")):
            await refer(service, school, urn, code, upn=None, nhs_number=number, date_of_birth=birth)
    for match in await matches(service):
        assert (await decide(service, match, "link")).status_code == 201
    third = "B801200005001"
    made = (await service.as_("school").get("/v1/referrals")).json()["data"]
    path = f"/v1/referrals/{made[0]['id']}"
    etag = (await service.as_("school").get(path)).headers["ETag"]
    assert (await service.as_("school").patch(path, {"pupil": {"upn": third}}, etag)).status_code == 200
    await refer(service, "far_school", "900003", upn=third, nhs_number="9990000018")
    (going_on,) = [match for match in await matches(service) if match["status"] != "ended"]
    assert len(going_on["pupils"]) == 5
    decisions = (await commissioner(service).get(f"{MATCHES}/{going_on['id']}/decisions")).json()["data"]
    assert [each["decision"] for each in decisions] == ["link", "link"]


async def test_a_decision_stands_with_the_match_that_its_pupils_have_once_a_correction_parts_a_match(
    service: Service,
) -> None:
    one = await refer(service, "school", "900001", upn=None, nhs_number=NUMBERS[0])
    other = await refer(service, "school", "900001", "OUTREACH", upn=None, nhs_number=NUMBERS[1], given_name="Elm")
    beside_one = await refer(service, "neighbour", "900002", nhs_number=NUMBERS[0])
    beside_other = await refer(service, "far_school", "900003", nhs_number=NUMBERS[1])
    pairs = [sorted(each["code"] for each in pair) for pair in ((one, beside_one), (other, beside_other))]
    match = await only_match(service)
    for pair in pairs:
        made = await decide(service, match, "link", referrals=pair)
        assert made.status_code == 201, made.text
    path = f"/v1/referrals/{beside_one['id']}"
    assert (await service.as_("neighbour").patch(path, {"pupil": {"upn": None}}, '"1"')).status_code == 200
    parted = await matches(service)
    assert sorted(sorted(codes_of(each)) for each in parted) == sorted(pairs)
    for each in parted:
        decisions = (await commissioner(service).get(f"{MATCHES}/{each['id']}/decisions")).json()["data"]
        (decision,) = decisions
        pupils = {pupil["id"] for pupil in decision["pupils"]}
        assert pupils == {pupil["id"] for pupil in each["pupils"]}


async def test_a_number_that_a_service_traced_links_pupils_and_its_withdrawal_parts_them(service: Service) -> None:
    one = await refer(service, "school", "900001", nhs_number=None)
    other = await refer(service, "neighbour", "900002", "OUTREACH", upn=None)
    assert await matches(service) == []
    path = f"/v1/referrals/{one['id']}"
    traced = await service.as_("trust").call(
        "PUT", f"{path}/nhs-number", json={"nhs_number": "9990000018"}, headers={"If-Match": '"1"'}
    )
    assert traced.status_code == 200, traced.text
    match = await only_match(service)
    assert (match["status"], match["agree"], match["differ"]) == ("linked", ["nhs_number", "date_of_birth"], [])
    assert {code for pupil in match["pupils"] for code in pupil["referrals"]} == {one["code"], other["code"]}
    withdrawn = await service.as_("trust").call(
        "PUT", f"{path}/nhs-number", json={"nhs_number": None}, headers={"If-Match": '"1"'}
    )
    assert withdrawn.status_code == 200, withdrawn.text
    assert (await only_match(service))["status"] == "ended"


async def test_a_number_that_a_service_traced_beside_another_of_the_school_is_shown_until_one_is_corrected(
    service: Service,
) -> None:
    one = await refer(service, "school", "900001")
    path = f"/v1/referrals/{one['id']}/nhs-number"
    for number, status in (("9990000026", "open"), ("9990000018", "ended")):
        headers = {"If-Match": '"1"'}
        traced = await service.as_("trust").call("PUT", path, json={"nhs_number": number}, headers=headers)
        assert traced.status_code == 200, traced.text
        match = await only_match(service)
        assert match["status"] == status
        refused = await decide(service, match, "link")
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")


async def test_a_decision_that_contradicts_an_earlier_one_is_refused_until_that_is_withdrawn(service: Service) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (await decide(service, match, "link")).status_code == 201
    refused = await decide(service, match, "keep_apart")
    assert (refused.status_code, refused.json()["code"]) == (409, "contradicts_decision")
    assert (await decide(service, match, "unlink")).status_code == 201
    nothing_left = await decide(service, match, "unlink")
    assert (nothing_left.status_code, nothing_left.json()["code"]) == (409, "state_conflict")
    assert (await decide(service, match, "keep_apart")).status_code == 201


async def test_a_decision_that_is_withdrawn_for_some_pupils_still_holds_for_the_others(service: Service) -> None:
    codes = [
        (await refer(service, school, urn, date_of_birth=birth))["code"]
        for school, urn, birth in (
            ("school", "900001", "2016-05-04"),
            ("neighbour", "900002", OTHER_BIRTH),
            ("far_school", "900003", "2014-07-19"),
        )
    ]
    match = await only_match(service)

    async def persons() -> list[int]:
        shown = (await commissioner(service).get(f"{MATCHES}/{match['id']}")).json()["pupils"]
        return [each["person"] for code in codes for each in shown if code in each["referrals"]]

    assert (await decide(service, match, "keep_apart")).status_code == 201
    contradicting = await decide(service, match, "link", referrals=codes[:2])
    assert contradicting.json()["code"] == "contradicts_decision"
    assert (await decide(service, match, "unlink", referrals=codes[:1])).json()["status"] == "open"
    linked = await decide(service, match, "link", referrals=codes[:2])
    assert linked.status_code == 201, linked.text
    apart = await decide(service, match, "keep_apart", referrals=[codes[0], codes[2]])
    assert apart.json()["status"] == "kept_apart"
    one, beside_one, other = await persons()
    assert one == beside_one != other
    decisions = (await commissioner(service).get(f"{MATCHES}/{match['id']}/decisions")).json()["data"]
    assert [each["withdrawn_at"] for each in decisions] == [None] * 4
    assert sorted(bool(pupil["withdrawn_at"]) for pupil in decisions[0]["pupils"]) == [False, False, True]


async def test_pupils_who_are_kept_apart_are_no_person_once_a_school_says_that_those_linked_to_them_are_one(
    service: Service,
) -> None:
    one = await refer(service, "school", "900001", upn=None, nhs_number=NUMBERS[0])
    two = await refer(service, "school", "900001", "OUTREACH", nhs_number=None, given_name="Elm")
    beside_one = await refer(service, "neighbour", "900002", nhs_number=NUMBERS[0])
    beside_two = await refer(service, "far_school", "900003", nhs_number=NUMBERS[1])
    for decision, *pair in (
        ("keep_apart", beside_one, beside_two),
        ("link", one, beside_one),
        ("link", two, beside_two),
    ):
        (match,) = [each for each in await matches(service) if {p["code"] for p in pair} <= set(codes_of(each))]
        made = await decide(service, match, decision, referrals=[each["code"] for each in pair])
        assert made.status_code == 201, made.text
    joined = await service.as_("school").patch(
        f"/v1/referrals/{two['id']}", {"pupil": {"nhs_number": NUMBERS[0]}}, '"1"'
    )
    assert joined.status_code == 200, joined.text
    (match,) = [each for each in await matches(service) if each["status"] != "ended"]
    assert match["status"] == "open"
    assert [pupil["person"] for pupil in sorted(match["pupils"], key=lambda each: each["person"])] == [1, 2, 3]


async def test_a_decision_names_two_pupils_of_the_match(service: Service) -> None:
    one = await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    elsewhere = await refer(service, "school", "900001", upn=None, nhs_number=None, family_name="Holt")
    match = await only_match(service)
    stranger = await decide(service, match, "link", referrals=[one["code"], elsewhere["code"]])
    assert [error["pointer"] for error in stranger.json()["errors"]] == ["/referrals/1"]
    for about in ([one["code"], one["code"]], [one["code"]]):
        alone = await decide(service, match, "link", referrals=about)
        assert [error["pointer"] for error in alone.json()["errors"]] == ["/referrals"]


async def test_a_decision_about_a_match_that_has_changed_since_is_412(service: Service) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    path = f"{MATCHES}/{match['id']}"
    seen = (await commissioner(service).get(path)).headers["ETag"]
    await refer(service, "far_school", "900003")
    await do_all(service)
    body = {"decision": "link", "reason": "It is one child."}
    assert (await commissioner(service).post(f"{path}/decisions", body, etag=seen)).status_code == 412


async def test_a_decision_about_pupils_whom_their_school_has_joined_and_nobody_has_linked_yet_is_412(
    service: Service,
) -> None:
    await refer(service, "school", "900001", upn=None, nhs_number=NUMBERS[0])
    younger = await refer(service, "school", "900001", "OUTREACH", nhs_number=None, given_name="Elm")
    await refer(service, "neighbour", "900002", nhs_number=None, date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    assert (await decide(service, match, "link")).json()["status"] == "linked"
    async with holding(service) as holder:
        await wait_for_turn(holder.connection, KIND, service.area().id)
        path = f"/v1/referrals/{younger['id']}"
        joined = await service.as_("school").patch(path, {"pupil": {"nhs_number": NUMBERS[0]}}, '"1"')
        assert joined.status_code == 200, joined.text
        deciding = asyncio.create_task(decide(service, match, "keep_apart"))
        await holder.is_waited_for(deciding)
    assert (await deciding).status_code == 412
    assert len(codes_of(await only_match(service))) == 3
    refused = await decide(service, match, "keep_apart")
    assert (refused.status_code, refused.json()["code"]) == (409, "contradicts_decision")


async def test_a_correction_ends_a_match(service: Service) -> None:
    await refer(service, "school", "900001", nhs_number=None)
    wrong = await refer(service, "neighbour", "900002", nhs_number=None, date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    path = f"/v1/referrals/{wrong['id']}"
    corrected = await service.as_("neighbour").patch(path, {"pupil": {"upn": None}}, '"1"')
    assert corrected.status_code == 200, corrected.text
    ended = await only_match(service)
    assert (ended["id"], ended["status"], ended["pupils"]) == (match["id"], "ended", [])
    refused = await decide(service, match, "link")
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")


async def test_a_pupil_of_two_later_joined_referrals_stays_in_its_match(service: Service) -> None:
    await refer(service, "school", "900001", nhs_number=None)
    by_number = await refer(service, "school", "900001", "OUTREACH", upn=None)
    await refer(service, "neighbour", "900002", nhs_number=None)
    assert len((await only_match(service))["pupils"]) == 2
    path = f"/v1/referrals/{by_number['id']}"
    joined = await service.as_("school").patch(path, {"pupil": {"upn": "B801200005001"}}, '"1"')
    assert joined.status_code == 200, joined.text
    match = await only_match(service)
    assert sorted(len(pupil["referrals"]) for pupil in match["pupils"]) == [1, 2]
    assert match["status"] == "linked"


async def test_the_service_is_shown_possible_duplicates_and_a_school_is_not(service: Service) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    elsewhere = await refer(service, "far_school", "900003", "OUTREACH")
    assert await duplicates(service, "trust", one) == [other["code"]]
    assert await duplicates(service, "trust", other) == [one["code"]]
    assert await duplicates(service, "charity", elsewhere) == []
    assert await duplicates(service, "commissioner", one) == [other["code"]]
    seen = (await service.as_("school").get(f"/v1/referrals/{one['id']}")).json()
    assert "possible_duplicates" not in seen
    assert "possible_duplicates" in seen["redacted"]


async def test_a_service_declines_a_referral_of_a_child_that_it_already_has(service: Service) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002")
    step = {"to": "declined", "reason_code": "already_with_service"}
    trust, path = service.as_("trust"), f"/v1/referrals/{other['id']}"
    early = await trust.post(f"{path}/transitions", step | {"to": "accepted"}, etag='"1"')
    assert [error["pointer"] for error in early.json()["errors"]] == ["/reason_code"]
    declined = await trust.post(f"{path}/transitions", step, etag='"1"')
    assert (declined.status_code, declined.json()["status"]) == (201, "declined")
    history = (await service.as_("neighbour").get(f"{path}/transitions")).json()["data"]
    assert history[-1]["reason_code"] == "already_with_service"
    assert await duplicates(service, "trust", one) == []


async def test_the_audit_finds_who_saw_a_child_by_the_id_that_any_school_has_for_it(service: Service) -> None:
    one = await refer(service, "school", "900001")
    other = await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    await service.as_("trust").get(f"/v1/referrals/{other['id']}")
    ids = [each["subject"]["pupil"]["id"] for each in (one, other)]

    async def reads(pupil: str) -> list[str]:
        answer = await service.as_("auditor").get("/v1/audit/events", pupil=pupil, action="referrals:read")
        return [event["records"][0] for event in answer.json()["data"]]

    match = await only_match(service)
    assert [await reads(each) for each in ids] == [[], [other["id"]]]
    await decide(service, match, "link")
    assert [await reads(each) for each in ids] == [[other["id"]]] * 2
    await decide(service, match, "unlink")
    assert [await reads(each) for each in ids] == [[], [other["id"]]]
    shown = await service.as_("auditor").get("/v1/audit/events", pupil=ids[0], action="pupil_matches:decide")
    assert len(shown.json()["data"]) == 2


async def test_a_match_of_another_area_is_absent(service: Service) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    match = await only_match(service)
    stranger = service.as_("identifying_commissioner", "fenmark")
    body = {"decision": "link", "reason": "It is one child."}
    path = f"{MATCHES}/{match['id']}"
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(f"{path}/decisions", body, etag='"1"')).status_code == 404
    assert (await stranger.get(MATCHES)).json()["data"] == []


async def test_links_and_decisions_are_visible_to_the_worker_the_area_and_the_service_that_holds_the_referral(
    service: Service,
) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002", date_of_birth=OTHER_BIRTH)
    await refer(service, "far_school", "900003", "OUTREACH")
    await decide(service, await only_match(service), "link")
    await refer(service, "far_school", "900003", "SLT", upn=None, nhs_number=None, family_name="Holt")
    area = service.area()
    seen = {}
    application = await asyncpg.connect(service.app_url)
    tables = ("person_link", "pupil_match", "pupil_decision", "decided_pupil")
    for reach, key in (
        ("worker", area.id),
        ("area", area.id),
        ("provider", area.providers["trust"]),
        ("provider", area.providers["charity"]),
        ("school", area.schools["900001"]),
        ("cluster", area.clusters["1"]),
        ("none", area.id),
    ):
        async with application.transaction():
            for name, value in (("areas", f"{{{area.id}}}"), ("reach", reach), ("keys", f"{{{key}}}")):
                await application.execute("select set_config($1, $2, true)", f"convenor.{name}", value)
            seen[reach, key] = [await application.fetchval(f"select count(*) from {each}") for each in tables]
            pending = await application.fetchval("select count(*) from pending_work")
            assert pending == 0 or reach == "worker"
    await application.close()
    assert list(seen.values()) == [[3, 1, 1, 3], [3, 1, 1, 3], [2, 0, 0, 0], [1, 0, 0, 0], *[[0] * 4] * 3]


async def test_a_service_cannot_change_who_is_one_person(service: Service) -> None:
    await refer(service, "school", "900001")
    await refer(service, "neighbour", "900002")
    await only_match(service)
    area = service.area()
    application = await asyncpg.connect(service.app_url)
    async with application.transaction():
        for name, value in (("areas", area.id), ("keys", area.providers["trust"])):
            await application.execute("select set_config($1, $2, true)", f"convenor.{name}", f"{{{value}}}")
        await application.execute("select set_config('convenor.reach', 'provider', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with application.transaction():
                await application.execute("update person_link set person_id = pupil_id")
    await application.close()
