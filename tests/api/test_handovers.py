"""A pupil who moved: what the new school may ask and learn, what the old one decides, and what passes."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.handovers import (
    HANDOVERS,
    REQUESTS,
    Record,
    ask,
    asked,
    body_of,
    completed,
    decide,
    refer,
    requests,
    seen,
    withdraw,
)
from support.pending_work import do_all
from support.referral_steps import load, session
from support.sql_log import statements_of
from support.successors import convert

from convenor.domain_types.dates import today

OTHER_BIRTH = "2015-03-02"


def errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def conflict(answer: Any) -> str:
    assert answer.status_code == 409, answer.text
    return str(answer.json()["code"])


async def change(service: Service, *statements: str) -> None:
    admin = await asyncpg.connect(service.superuser_url)
    for statement in statements:
        await admin.execute(statement)
    await admin.close()


async def later(service: Service, days: int) -> None:
    """Let days pass for handovers."""
    interval = f"interval '{days} days'"
    await change(
        service,
        *(
            f"update {table} set asked_at = asked_at - {interval}, lapses_at = lapses_at - {interval}"
            for table in ("handover", "handover_request")
        ),
    )


async def move(service: Service, by: str, path: str, to: str) -> Record:
    etag = (await service.as_(by).get(path)).headers["ETag"]
    answer = await service.as_(by).post(f"{path}/transitions", {"to": to, "reason": "As agreed."}, etag=etag)
    assert answer.status_code == 201, answer.text
    made: Record = answer.json()
    return made


class TestAsking:
    @pytest.mark.parametrize("who", ["cluster_lead", "finance", "board", "auditor", "commissioner"])
    async def test_only_a_school_asks(self, shared_service: Service, who: str) -> None:
        answer = await shared_service.as_(who).post(HANDOVERS, body_of())
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    async def test_a_school_asks_for_itself_alone_and_states_a_number(self, shared_service: Service) -> None:
        refused = await shared_service.as_("neighbour").post(HANDOVERS, body_of("school"))
        assert errors(refused) == [("/school_urn", "not_found")]
        refused = await ask(shared_service, upn=None, nhs_number=None)
        assert errors(refused) == [("/pupil", "number_required")]
        trust = await shared_service.as_("trust").post(HANDOVERS, body_of())
        assert errors(trust) == [("/school_urn", "not_found")]

    async def test_a_school_with_a_successor_neither_asks_nor_withdraws(self, service: Service) -> None:
        asked_before = await asked(service, "school")
        urn = await convert(service, "far_school")
        child = {"upn": "Q801200005002", "nhs_number": None}
        for by in ("school", "far_school"):
            refused = await service.as_(by).post(HANDOVERS, body_of("school", **child))
            assert errors(refused) == [("/school_urn", "has_successor")]
        assert conflict(await withdraw(service, asked_before, "school")) == "state_conflict"
        assert (await withdraw(service, asked_before, "far_school")).status_code == 201
        successor = body_of("school", **child) | {"school_urn": urn}
        assert (await service.as_("far_school").post(HANDOVERS, successor)).status_code == 201

    async def test_a_statement_that_the_school_s_own_contradict_is_refused(self, service: Service) -> None:
        await refer(service, "SLT", "neighbour", date_of_birth=OTHER_BIRTH)
        assert errors(await ask(service)) == [("/pupil/date_of_birth", "contradicts_earlier")]

    async def test_a_name_and_birth_that_repeat_are_asked_about(self, service: Service) -> None:
        known = await refer(service, "SLT", "neighbour", upn=None, nhs_number=None)
        answer = await ask(service)
        assert (conflict(answer), answer.json()["referrals"]) == ("same_name_and_birth_date", [known["code"]])
        assert (await ask(service, answers={"not_the_same_as": [known["code"]]})).status_code == 201

    async def test_a_child_is_asked_for_once_until_it_is_withdrawn_or_lapses(self, service: Service) -> None:
        first = await asked(service)
        again = await ask(service, upn=None)
        assert (conflict(again), again.json()["handover"]) == ("handover_already_asked", first["code"])
        assert (await ask(service, "far_school")).status_code == 201, "another school is told nothing of it"
        assert (await withdraw(service, first)).json()["status"] == "withdrawn"
        second = await asked(service)
        await later(service, 30)
        assert (await ask(service)).status_code == 201
        assert (await seen(service, f"{HANDOVERS}/{second['code']}", "neighbour"))["status"] == "lapsed"

    async def test_what_is_over_is_not_withdrawn(self, service: Service) -> None:
        handover = await asked(service)
        assert (await withdraw(service, handover)).status_code == 201
        assert conflict(await withdraw(service, handover)) == "state_conflict"
        other = await asked(service)
        await later(service, 30)
        assert conflict(await withdraw(service, other)) == "state_conflict"


class TestTheAskingSchool:
    async def test_unmatched_refused_and_undecided_are_alike_for_ever(self, service: Service) -> None:
        """Three schools ask alike: nobody knows the first's pupil, one is refused, one is not decided."""
        numbers = [("B801200005001", "9990000018"), ("Q801200005002", "9990000026"), ("P80320002601A", "9990000034")]
        for upn, nhs_number in numbers[1:]:
            await refer(service, "SLT", "school", upn=upn, nhs_number=nhs_number, given_name=upn)
        paths = []
        for upn, nhs_number in numbers:
            answer = await ask(service, upn=upn, nhs_number=nhs_number, given_name=upn)
            assert answer.status_code == 201, answer.text
            paths.append(answer.headers["Location"])
        open_ones = {request["pupil"]["upn"]: request for request in await requests(service)}
        assert set(open_ones) == {upn for upn, _ in numbers[1:]}
        assert (await decide(service, open_ones[numbers[1][0]], "refuse")).status_code == 201
        for status, days in (("asked", 0), ("lapsed", 30)):
            await later(service, days)
            answers = [await service.as_("neighbour").get(path) for path in paths]
            assert {answer.headers["ETag"] for answer in answers} == {'"1"'}
            assert {answer.json()["status"] for answer in answers} == {status}
            own = ("id", "code", "pupil", "asked_at", "lapses_at")
            rest = [{name: value for name, value in each.json().items() if name not in own} for each in answers]
            assert rest[0] == rest[1] == rest[2]
            assert "completed_at" not in rest[0] or rest[0]["completed_at"] is None
            listed = await service.as_("neighbour").get(HANDOVERS, status=status, count="true")
            assert listed.json()["count"] == 3

    async def test_its_calls_run_the_same_statements_with_the_same_rows_whatever_another_has_stated(
        self, service: Service
    ) -> None:
        upns, logs = ("B801200005001", "Q801200005002", "E801200005003"), []
        for at, upn in enumerate(upns):
            child = {"upn": upn, "nhs_number": None, "given_name": f"Robin {at}"}
            if another_has_stated := at == 2:
                for code in ("SLT", "OUTREACH"):
                    await refer(service, code, **child)
            with statements_of(service) as log:
                handover = await ask(service, **child)
                again = await ask(service, **child)
            await do_all(service)
            assert len(await requests(service)) == another_has_stated
            if another_has_stated:
                assert (await decide(service, (await requests(service))[0], "refuse")).status_code == 201
            with statements_of(service) as more:
                withdrawn = await withdraw(service, handover.json())
            assert [each.status_code for each in (handover, again, withdrawn)] == [201, 409, 201]
            logs.append([*log, *more])
        _, alone, beside_another = logs
        assert alone == beside_another
        assert sum("handover" in statement for statement, _ in alone) >= 5

    async def test_a_request_is_absent_for_the_asking_school(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        assert await requests(service, "neighbour") == []
        neighbour = service.as_("neighbour")
        assert (await neighbour.get(f"{REQUESTS}/{request['id']}")).status_code == 404
        for name in (request["id"], request["handover"]):
            decision = await neighbour.post(f"{HANDOVERS}/{name}/decisions", {"decision": "complete"}, etag='"1"')
            assert decision.status_code == 404

    async def test_a_decision_names_the_request_by_its_id_or_by_the_code_of_the_handover(
        self, service: Service
    ) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        for etag, name in enumerate((request["handover"], request["id"]), start=1):
            path, body = f"{HANDOVERS}/{name}/decisions", {"decision": "refuse"}
            assert (await service.as_("school").post(path, body, etag=f'"{etag}"')).status_code == 201

    async def test_a_code_that_names_several_requests_names_none(self, service: Service) -> None:
        await refer(service, "SLT", "school", nhs_number=None)
        await refer(service, "OUTREACH", "school", upn=None, given_name="Rowan")
        handover, school = await asked(service), service.as_("school")
        one, other = await requests(service)
        path = f"{HANDOVERS}/{handover['code']}/decisions"
        assert conflict(await school.get(f"{REQUESTS}/{handover['code']}")) == "ambiguous_key"
        assert conflict(await school.post(path, {"decision": "complete"}, etag="*")) == "ambiguous_key"
        query = f'{{ handoverRequest(id: "{handover["code"]}") {{ id }} }}'
        answer = await school.post("/graphql", {"query": query})
        assert [each["extensions"]["code"] for each in answer.json()["errors"]] == ["ambiguous_key"]
        for request in (one, other):
            assert (await decide(service, request, "refuse")).status_code == 201

    async def test_a_completed_handover_names_the_new_referrals_and_none_of_the_earlier_ones(
        self, service: Service
    ) -> None:
        earlier = [await refer(service, code) for code in ("SLT", "OUTREACH")]
        handover = await completed(service)
        assert handover["status"] == "completed"
        assert len(handover["referrals"]) == 2
        for code in handover["referrals"]:
            answer = await service.as_("neighbour").get(f"/v1/referrals/{code}")
            history = await service.as_("neighbour").get(f"/v1/referrals/{code}/transitions")
            for text in (answer.text, history.text):
                assert not any(each["code"] in text or each["id"] in text for each in earlier)
                assert "hard to follow" not in text
                assert "900001" not in text
                assert "Wendshire School 1" not in text
            assert {"continues", "continued_by"} <= set(answer.json()["redacted"])

    async def test_a_withdrawal_ends_the_requests_and_tells_nobody(self, service: Service) -> None:
        await refer(service)
        handover = await asked(service)
        (request,) = await requests(service)
        assert (await withdraw(service, handover)).status_code == 201
        assert [each["status"] for each in await requests(service)] == ["ended"]
        assert conflict(await decide(service, request)) == "state_conflict"


class TestMatching:
    @pytest.mark.parametrize(
        "stated",
        [
            {"upn": None},
            {"nhs_number": None},
            {"upn": None, "given_name": "Rowan", "family_name": "Fell"},
        ],
    )
    async def test_a_pupil_who_shares_a_number_and_differs_in_none_is_put_to_its_school(
        self, service: Service, stated: Record
    ) -> None:
        referral = await refer(service)
        handover = await asked(service, **stated)
        (request,) = await requests(service)
        assert (request["handover"], request["status"]) == (handover["code"], "open")
        assert (request["asking_school_urn"], request["school_urn"]) == ("900002", "900001")
        assert request["known_pupil"]["referrals"] == [referral["code"]]
        assert request["known_pupil"]["id"] == referral["subject"]["pupil"]["id"]
        assert "reason" not in request or request["reason"] is None

    async def test_the_school_that_is_asked_does_not_learn_whom_to_contact(self, service: Service) -> None:
        await refer(service)
        contact = {"parent_name": "Sorrel Fell", "parent_telephone": "01632 960001", "interpreter_language": "Polish"}
        handover = await asked(service, **contact)
        (request,) = await requests(service)
        assert contact.items() <= handover["pupil"].items()
        assert request["pupil"]["given_name"] == handover["pupil"]["given_name"]
        assert contact.keys().isdisjoint(request["pupil"])

    @pytest.mark.parametrize(
        "stated",
        [{"date_of_birth": OTHER_BIRTH}, {"nhs_number": "9990000026"}, {"upn": "Q801200005002", "nhs_number": None}],
    )
    async def test_a_pupil_who_differs_or_shares_nothing_is_put_to_nobody(
        self, service: Service, stated: Record
    ) -> None:
        await refer(service)
        await asked(service, **stated)
        assert await requests(service, "identifying_commissioner") == []

    async def test_a_school_without_an_open_referral_of_the_pupil_is_not_asked(self, service: Service) -> None:
        ended = await refer(service)
        await move(service, "school", f"/v1/referrals/{ended['id']}", "withdrawn")
        await asked(service)
        assert await requests(service) == []
        await refer(service, "OUTREACH")
        assert [each["status"] for each in await requests(service)] == ["open"]

    async def test_a_school_that_handed_a_pupil_over_does_not_learn_of_the_next_school(self, service: Service) -> None:
        await refer(service)
        await completed(service)
        await asked(service, "far_school")
        assert [each["asking_school_urn"] for each in await requests(service)] == ["900002"]
        assert [each["asking_school_urn"] for each in await requests(service, "neighbour")] == ["900003"]

    async def test_a_school_is_not_asked_for_its_own_or_its_predecessor_s_pupil(self, service: Service) -> None:
        await refer(service)
        urn = await convert(service, "neighbour")
        body = body_of() | {"school_urn": urn}
        assert (await service.as_("neighbour").post(HANDOVERS, body)).status_code == 201
        assert await requests(service, "identifying_commissioner") == []

    async def test_a_correction_or_a_later_referral_makes_it_match_and_another_correction_ends_it(
        self, service: Service
    ) -> None:
        await asked(service)
        assert await requests(service) == []
        wrong = await refer(service, date_of_birth=OTHER_BIRTH)
        assert await requests(service) == []
        path = f"/v1/referrals/{wrong['id']}"
        for version, (birth, status) in enumerate(
            [("2016-05-04", "open"), (OTHER_BIRTH, "ended"), ("2016-05-04", "open")], 1
        ):
            corrected = await service.as_("school").patch(path, {"pupil": {"date_of_birth": birth}}, f'"{version}"')
            assert corrected.status_code == 200, corrected.text
            assert [each["status"] for each in await requests(service)] == [status]
        await refer(service, "OUTREACH", "far_school")
        assert [each["school_urn"] for each in await requests(service, "far_school")] == ["900003"]

    async def test_a_refusal_stands_where_the_pupil_did_not_agree_for_a_while(self, service: Service) -> None:
        path = f"/v1/referrals/{(await refer(service))['id']}"
        await asked(service)
        (request,) = await requests(service)
        assert (await decide(service, request, "refuse", reason="Robin still comes to us.")).status_code == 201
        for version, (birth, status) in enumerate([(OTHER_BIRTH, "ended"), ("2016-05-04", "refused")], 1):
            corrected = await service.as_("school").patch(path, {"pupil": {"date_of_birth": birth}}, f'"{version}"')
            assert corrected.status_code == 200, corrected.text
            (request,) = await requests(service)
            assert (request["status"], request["decision"]) == (status, "refuse")
        assert (await decide(service, request)).json()["status"] == "completed"

    async def test_a_match_is_an_event_about_both_statements(self, service: Service) -> None:
        referral = await refer(service)
        await asked(service)
        events = (await service.as_("auditor").get("/v1/audit/events", action="handovers:match")).json()["data"]
        (request,) = await requests(service)
        assert [event["records"][0] for event in events] == [request["id"]]
        pupil = referral["subject"]["pupil"]["id"]
        of_pupil = await service.as_("auditor").get("/v1/audit/events", pupil=pupil, action="handovers:match")
        assert of_pupil.json()["data"] == events


class TestDeciding:
    async def test_a_commissioner_decides_with_pupils_identify_alone(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service, "commissioner")
        assert "given_name" not in request["pupil"]
        refused = await decide(service, request, by="commissioner")
        assert (refused.status_code, refused.json()["scope"]) == (403, "pupils:identify")
        assert (await decide(service, request, by="identifying_commissioner")).status_code == 201

    @pytest.mark.parametrize("who", ["far_school", "trust"])
    async def test_others_find_no_request(self, service: Service, who: str) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        assert (await service.as_("far_school").get(f"{REQUESTS}/{request['id']}")).status_code == 404
        assert await requests(service, who) == []

    async def test_codes_that_cannot_pass_are_named_together(self, service: Service) -> None:
        one, other = await refer(service), await refer(service, "OUTREACH")
        stranger = await refer(service, upn=None, nhs_number=None, given_name="Rowan")
        await move(service, "school", f"/v1/referrals/{other['id']}", "withdrawn")
        await asked(service)
        (request,) = await requests(service)
        codes = [one["code"], other["code"], stranger["code"], "R-NONE"]
        assert errors(await decide(service, request, referrals=codes)) == [
            (f"/referrals/{at}", "not_open") for at in (1, 2, 3)
        ]
        refusal = await decide(service, request, "refuse", referrals=[one["code"]])
        assert errors(refusal) == [("/referrals", "not_for_decision")]
        assert (await decide(service, request, referrals=[one["code"]])).status_code == 201

    async def test_only_what_is_named_passes(self, service: Service) -> None:
        one, other = await refer(service), await refer(service, "OUTREACH")
        handover = await asked(service)
        (request,) = await requests(service)
        assert (await decide(service, request, referrals=[other["code"]])).status_code == 201
        assert (await seen(service, f"/v1/referrals/{one['id']}", "school"))["status"] == "submitted"
        assert (await seen(service, f"/v1/referrals/{other['id']}", "school"))["status"] == "handed_over"
        assert len((await seen(service, f"{HANDOVERS}/{handover['id']}", "neighbour"))["referrals"]) == 1

    async def test_nothing_passes_where_nothing_is_open(self, service: Service) -> None:
        referral = await refer(service)
        await asked(service)
        await move(service, "school", f"/v1/referrals/{referral['id']}", "withdrawn")
        (request,) = await requests(service)
        assert conflict(await decide(service, request)) == "state_conflict"

    async def test_a_refusal_can_be_changed_until_the_handover_lapses(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        refused = await decide(service, request, "refuse", reason="Robin still comes to us.")
        assert (refused.status_code, refused.json()["status"]) == (201, "refused")
        assert refused.json()["reason"] == "Robin still comes to us."
        assert (await decide(service, request)).json()["status"] == "completed"
        assert conflict(await decide(service, request, "refuse")) == "state_conflict"

    async def test_a_request_cannot_be_decided_after_its_days(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        await later(service, 30)
        (request,) = await requests(service)
        assert request["status"] == "lapsed"
        assert conflict(await decide(service, request)) == "state_conflict"

    async def test_two_schools_that_complete_at_once_complete_it_once(self, service: Service) -> None:
        await refer(service)
        await refer(service, "SLT", "far_school")
        handover = await asked(service)
        both = {of: (await requests(service, of))[0] for of in ("school", "far_school")}
        answers = await asyncio.gather(*(decide(service, request, by=of, etag="*") for of, request in both.items()))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert len((await seen(service, f"{HANDOVERS}/{handover['id']}", "neighbour"))["referrals"]) == 1
        statuses = {of: [each["status"] for each in await requests(service, of)] for of in both}
        assert sorted(statuses.values()) == [["completed"], ["ended"]]

    async def test_two_callers_at_one_request_complete_it_once(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        who = ("school", "identifying_commissioner")
        answers = await asyncio.gather(*(decide(service, request, by=each, etag="*") for each in who))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        stale = await decide(service, request, etag='"1"')
        assert stale.status_code == 412

    async def test_a_pupil_who_no_longer_agrees_is_not_handed_over_though_no_worker_has_followed_yet(
        self, service: Service
    ) -> None:
        path = f"/v1/referrals/{(await refer(service))['id']}"
        handover = await asked(service)
        (request,) = await requests(service)
        corrected = await service.as_("school").patch(path, {"pupil": {"date_of_birth": OTHER_BIRTH}}, '"1"')
        assert corrected.status_code == 200, corrected.text
        assert conflict(await decide(service, request)) == "state_conflict"
        assert (await seen(service, path, "school"))["status"] == "submitted"
        assert (await seen(service, f"{HANDOVERS}/{handover['id']}", "neighbour"))["status"] == "asked"
        assert [each["status"] for each in await requests(service)] == ["ended"]

    async def test_a_predecessor_s_client_does_not_decide_once_there_is_a_successor(self, service: Service) -> None:
        await refer(service)
        await asked(service)
        (request,) = await requests(service)
        await convert(service, "far_school")
        assert conflict(await decide(service, request)) == "state_conflict"

    async def test_a_statement_that_the_asking_school_contradicts_meanwhile_completes_nothing(
        self, service: Service
    ) -> None:
        referral = await refer(service)
        await asked(service)
        await refer(service, "OUTREACH", "neighbour", date_of_birth=OTHER_BIRTH)
        (request,) = await requests(service)
        assert conflict(await decide(service, request)) == "state_conflict"
        assert (await seen(service, f"/v1/referrals/{referral['id']}", "school"))["status"] == "submitted"


class TestWhatPasses:
    async def test_the_new_referral_continues_the_earlier_one_and_its_wait(self, service: Service) -> None:
        earlier = await refer(service)
        path = f"/v1/referrals/{earlier['id']}"
        await change(service, "update referral set submitted_at = submitted_at - interval '40 days'")
        await move(service, "trust", path, "returned")
        await change(service, "update referral set returned_at = returned_at - interval '3 days'")
        before = await seen(service, path, "school")
        handover = await completed(service, answers={"reason": "Robin stammers."})
        new = await seen(service, f"/v1/referrals/{handover['referrals'][0]}", "neighbour")
        same = ("service_id", "provider_id", "cluster", "need", "priority", "pathway", "pathway_version", "status")
        for name in (*same, "submitted_at", "waiting_days", "returned_days", "next"):
            assert new[name] == before[name], name
        assert (new["waiting_days"], new["returned_days"], new["status"]) == (40, 3, "returned")
        assert (new["school_urn"], new["reason"]) == ("900002", "Robin stammers.")
        assert new["subject"]["pupil"]["id"] != earlier["subject"]["pupil"]["id"]
        assert new.get("consent") is None
        after = await seen(service, path, "school")
        assert (after["status"], after["next"], after["reason"]) == ("handed_over", [], earlier["reason"])
        assert after["returned_days"] == 3
        assert after["ended_at"]

    async def test_the_service_sees_which_referral_continues_which(self, service: Service) -> None:
        earlier = await refer(service)
        (code,) = (await completed(service))["referrals"]
        old = await seen(service, f"/v1/referrals/{earlier['id']}", "trust")
        new = await seen(service, f"/v1/referrals/{code}", "trust")
        assert old["continued_by"] == {"id": new["id"], "code": code}
        assert new["continues"] == {"id": old["id"], "code": old["code"]}
        assert new["possible_duplicates"] == []
        own = await service.as_("school").get(f"/v1/referrals/{earlier['id']}")
        assert code not in own.text
        assert code not in (await service.as_("school").get(REQUESTS)).text

    async def test_no_step_leads_out_of_a_handed_over_referral(self, service: Service) -> None:
        earlier = await refer(service)
        await completed(service)
        path = f"/v1/referrals/{earlier['id']}"
        for who, to in (("school", "withdrawn"), ("trust", "accepted"), ("trust", "in_progress")):
            etag = (await service.as_(who).get(path)).headers["ETag"]
            step = {"to": to, "reason": "As agreed."}
            answer = await service.as_(who).post(f"{path}/transitions", step, etag=etag)
            assert conflict(answer) == "illegal_transition"

    async def test_the_history_of_each_school_is_its_own(self, service: Service) -> None:
        earlier = await refer(service)
        (code,) = (await completed(service))["referrals"]
        old = (await service.as_("trust").get(f"/v1/referrals/{earlier['id']}/transitions")).json()["data"]
        new = (await service.as_("trust").get(f"/v1/referrals/{code}/transitions")).json()["data"]
        assert [(step["to"], step["by"]) for step in old] == [("submitted", "referrer"), ("handed_over", "referrer")]
        assert [(step.get("from_status"), step["to"], step["by"]) for step in new] == [(None, "submitted", "nobody")]
        assert old[-1]["organisation"] != new[0]["organisation"]

    async def test_an_open_referral_of_the_new_school_to_the_service_collides(self, service: Service) -> None:
        await refer(service)
        own = await refer(service, "SLT", "neighbour")
        (code,) = (await completed(service))["referrals"]
        new = await seen(service, f"/v1/referrals/{code}", "neighbour")
        assert new["collides_with"] == [own["code"]]
        assert (await seen(service, f"/v1/referrals/{own['id']}", "neighbour"))["collides_with"] == [code]
        assert new["subject"]["pupil"]["id"] == own["subject"]["pupil"]["id"], "the older id stays"
        again = await service.as_("neighbour").post("/v1/referrals", pupil_referral("SLT", "900002"))
        assert conflict(again) == "referral_already_open"
        await move(service, "neighbour", f"/v1/referrals/{own['id']}", "withdrawn")
        assert (await seen(service, f"/v1/referrals/{code}", "neighbour"))["collides_with"] == []

    async def test_what_collided_with_a_referral_that_passed_is_released(self, service: Service) -> None:
        one = await refer(service, nhs_number=None)
        other = await refer(service, upn=None, given_name="Robyn")
        path = f"/v1/referrals/{other['id']}"
        joined = await service.as_("school").patch(path, {"pupil": {"upn": "B801200005001"}}, '"1"')
        assert joined.json()["collides_with"] == [one["code"]]
        await asked(service)
        (request,) = await requests(service)
        assert (await decide(service, request, referrals=[one["code"]])).status_code == 201
        assert (await seen(service, path, "school"))["collides_with"] == []

    async def test_colliding_referrals_pass_together(self, service: Service) -> None:
        one = await refer(service, nhs_number=None)
        other = await refer(service, upn=None, given_name="Robyn")
        path = f"/v1/referrals/{other['id']}"
        assert (await service.as_("school").patch(path, {"pupil": {"upn": "B801200005001"}}, '"1"')).status_code == 200
        codes = (await completed(service))["referrals"]
        shown = [await seen(service, f"/v1/referrals/{code}", "neighbour") for code in codes]
        assert [each["collides_with"] for each in shown] == [[codes[1]], [codes[0]]]
        assert (await seen(service, f"/v1/referrals/{one['id']}", "school"))["collides_with"] == []

    async def test_a_pupil_who_moves_twice_keeps_the_wait(self, service: Service) -> None:
        earlier = await refer(service)
        await change(service, "update referral set submitted_at = submitted_at - interval '40 days'")
        await completed(service)
        (code,) = (await completed(service, "far_school", "neighbour"))["referrals"]
        new = await seen(service, f"/v1/referrals/{code}", "trust")
        assert new["waiting_days"] == 40
        middle = await seen(service, f"/v1/referrals/{new['continues']['id']}", "trust")
        assert middle["continues"]["code"] == earlier["code"]

    async def test_a_pupil_comes_back(self, service: Service) -> None:
        earlier = await refer(service)
        await completed(service)
        (code,) = (await completed(service, "school", "neighbour"))["referrals"]
        back = await seen(service, f"/v1/referrals/{code}", "school")
        assert back["subject"]["pupil"]["id"] == earlier["subject"]["pupil"]["id"]

    async def test_who_saw_the_child_is_found_by_the_new_school_s_pupil_too(self, service: Service) -> None:
        await refer(service)
        handover = await completed(service)
        new = await seen(service, f"/v1/referrals/{handover['referrals'][0]}", "neighbour")
        pupil = new["subject"]["pupil"]["id"]
        events = (await service.as_("auditor").get("/v1/audit/events", pupil=pupil, limit=200)).json()["data"]
        assert {"handovers:ask", "handovers:match", "handover_requests:read", "handovers:decide"} <= {
            event["action"] for event in events
        }


class TestFigures:
    async def test_the_child_is_counted_once(self, service: Service) -> None:
        commissioner = service.as_("commissioner")
        for at in range(6):
            child = {"upn": None, "nhs_number": None, "given_name": f"Robin {at}"}
            await refer(service, **child)
        await refer(service)

        async def figures() -> list[Any]:
            months = await commissioner.get("/v1/insights/referrals", group_by="month")
            waits = (await commissioner.get("/v1/insights/waits")).json()
            slt = next(each for each in waits["services"] if each["service"] == "SLT")
            offered = (await commissioner.get("/v1/services/SLT")).json()
            return [months.json()["data"], slt["waiting"], offered["wait"]["waiting"], offered["capacity"]["in_use"]]

        before = await figures()
        await completed(service)
        assert await figures() == before
        assert before[1] == 7

    async def test_the_earlier_referral_is_handed_over_and_the_new_one_alone_is_open(self, service: Service) -> None:
        earlier = await refer(service)
        await completed(service)
        listed = (await service.as_("trust").get("/v1/referrals", status="handed_over")).json()["data"]
        assert [each["id"] for each in listed] == [earlier["id"]]
        assert (await service.as_("trust").get("/v1/referrals", open="true", count="true")).json()["count"] == 1


class TestSessions:
    async def started(self, service: Service) -> tuple[Record, str]:
        """Begin the work on a referral of some days ago, and hand the pupil over."""
        earlier = await refer(service)
        path = f"/v1/referrals/{earlier['id']}"
        await change(service, "update referral set submitted_at = submitted_at - interval '40 days'")
        await move(service, "trust", path, "accepted")
        made = await service.as_("trust").post(f"{path}/contacts", session(days_ago=9))
        assert made.status_code == 201, made.text
        (code,) = (await completed(service))["referrals"]
        return earlier, code

    async def test_a_session_on_or_after_the_day_is_sent_to_the_referral_that_continues(self, service: Service) -> None:
        earlier, code = await self.started(service)
        trust = service.as_("trust")
        refused = await trust.post(f"/v1/referrals/{earlier['id']}/contacts", session(days_ago=0))
        assert errors(refused) == [("/on", "handed_over")]
        assert code in refused.json()["errors"][0]["detail"]
        line = session(days_ago=0, reference="EPR-1") | {"referral_code": earlier["code"]}
        loaded = await load(trust, [line])
        assert code in loaded.text
        assert '"/on"' in loaded.text
        before = await trust.post(f"/v1/referrals/{earlier['id']}/contacts", session(days_ago=2))
        assert conflict(before) == "state_conflict", "as for any referral that has ended"

    async def test_an_outcome_is_measured_at_the_referral_that_continues(self, service: Service) -> None:
        earlier, code = await self.started(service)
        trust = service.as_("trust")
        outcome = {"instrument": "TOMs", "domain": "activity", "baseline": {"on": str(today()), "value": 2}}
        refused = await trust.post(f"/v1/referrals/{earlier['id']}/outcomes", outcome)
        assert conflict(refused) == "state_conflict"
        assert "continued_by" in refused.json()["detail"]
        assert (await trust.post(f"/v1/referrals/{code}/outcomes", outcome)).status_code == 201

    async def test_the_wait_that_the_first_session_ended_stays_ended(self, service: Service) -> None:
        earlier, code = await self.started(service)
        trust = service.as_("trust")
        new = await seen(service, f"/v1/referrals/{code}", "trust")
        assert (new["status"], new["waiting_days"]) == ("in_progress", 31)
        assert (await trust.post(f"/v1/referrals/{code}/contacts", session(days_ago=0))).status_code == 201
        assert (await seen(service, f"/v1/referrals/{code}", "trust"))["waiting_days"] == 31
        line = session(days_ago=0, reference="EPR-2") | {"referral_code": code}
        assert '"created"' in (await load(trust, [line])).text
        assert (await seen(service, f"/v1/referrals/{code}", "trust"))["waiting_days"] == 31
        listed = (await trust.get("/v1/contacts", referral=earlier["code"])).json()["data"]
        assert [each["on"] for each in listed] == [str(today() - timedelta(days=9))]


async def test_each_context_of_the_database_shows_its_own_part_of_a_handover(service: Service) -> None:
    await refer(service)
    await asked(service)
    await asked(service, "far_school", upn="Q801200005002", nhs_number=None)
    await do_all(service)
    area, seen_by = service.area(), {}
    application = await asyncpg.connect(service.app_url)
    for reach, key in (
        ("worker", area.id),
        ("area", area.id),
        ("school", area.schools["900002"]),
        ("school", area.schools["900001"]),
        ("school", area.schools["900004"]),
        ("provider", area.providers["trust"]),
        ("none", area.id),
    ):
        async with application.transaction():
            for name, value in (("areas", f"{{{area.id}}}"), ("reach", reach), ("keys", f"{{{key}}}")):
                await application.execute("select set_config($1, $2, true)", f"convenor.{name}", value)
            seen_by[reach, key] = [
                await application.fetchval(f"select count(*) from {each}")
                for each in ("handover", "handover_statement", "handover_request")
            ]
    await application.close()
    assert list(seen_by.values()) == [[2, 2, 1], [2, 2, 1], [1, 1, 0], [0, 1, 1], [0] * 3, [0] * 3, [0] * 3]
