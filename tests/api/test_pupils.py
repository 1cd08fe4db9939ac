"""A school's pupils: which referrals are of one child, what is asked or refused, what corrections join or part."""

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest
from support.api_client import Service, pupil_referral
from support.held_rows import holding
from support.sealed import opened

from convenor.domain_types.codes import nhs_check_digit, upn_check_letter

UPN, OTHER_UPN, TEMPORARY = "B801200005001", "Q801200005002", "P80320002601A"
NHS, OTHER_NHS = "9990000018", "9990000026"
Record = dict[str, Any]


async def refer(service: Service, code: str = "SLT", by: str = "school", /, **how: Any) -> httpx2.Response:
    """Refer a pupil without numbers, unless they are given; `answers` go into the body."""
    answers, urn = how.pop("answers", {}), {"school": "900001", "neighbour": "900002"}[by]
    body = pupil_referral(code, urn, **{"upn": None, "nhs_number": None} | how)
    return await service.as_(by).post("/v1/referrals", body | answers)


async def referred(service: Service, code: str = "SLT", by: str = "school", /, **how: Any) -> Record:
    """Refer a pupil, and return the referral."""
    answer = await refer(service, code, by, **how)
    assert answer.status_code == 201, answer.text
    made: Record = answer.json()
    return made


async def correct(service: Service, referral: Record, **pupil: Any) -> httpx2.Response:
    """Correct the details of a referral's pupil; `answers` go into the body."""
    path, answers = f"/v1/referrals/{referral['id']}", pupil.pop("answers", {})
    etag = (await service.as_("school").get(path)).headers["ETag"]
    return await service.as_("school").patch(path, ({"pupil": pupil} if pupil else {}) | answers, etag)


async def corrected(service: Service, referral: Record, **pupil: Any) -> Record:
    answer = await correct(service, referral, **pupil)
    assert answer.status_code == 200, answer.text
    made: Record = answer.json()
    return made


async def seen(service: Service, referral: Record, by: str = "school") -> Record:
    answer: Record = (await service.as_(by).get(f"/v1/referrals/{referral['id']}")).json()
    return answer


async def pupil_of(service: Service, referral: Record) -> str:
    pupil: str = (await seen(service, referral))["subject"]["pupil"]["id"]
    return pupil


async def move(service: Service, by: str, referral: Record, to: str) -> Record:
    path = f"/v1/referrals/{referral['id']}"
    etag = (await service.as_(by).get(path)).headers["ETag"]
    answer = await service.as_(by).post(f"{path}/transitions", {"to": to, "reason": "As agreed."}, etag=etag)
    assert answer.status_code == 201, answer.text
    made: Record = answer.json()
    return made


def errors(answer: httpx2.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def stored(service: Service, query: str) -> Any:
    connection = await asyncpg.connect(service.superuser_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


class TestAnotherSchool:
    async def test_a_school_learns_nothing_of_another_s_referral(self, service: Service) -> None:
        theirs = await referred(service, "SLT", "neighbour", upn=UPN, nhs_number=NHS, given_name="Victim")
        ours = await referred(service, "SLT", upn=UPN, nhs_number=NHS, date_of_birth="2012-01-01")
        assert ours["subject"]["pupil"]["id"] != theirs["subject"]["pupil"]["id"]
        assert ours["collides_with"] == []

    async def test_a_school_cannot_keep_another_s_pupil_from_a_service(self, service: Service) -> None:
        await referred(service, upn=UPN)
        assert (await refer(service, "SLT", "neighbour", upn=UPN)).status_code == 201

    async def test_a_school_joins_no_two_pupils_of_another(self, service: Service) -> None:
        one = await referred(service, "SLT", "neighbour", upn=UPN)
        await referred(service, "OUTREACH", upn=UPN, nhs_number=NHS)
        other = await referred(service, "OUTREACH", "neighbour", nhs_number=NHS)
        assert one["subject"]["pupil"]["id"] != other["subject"]["pupil"]["id"]

    async def test_the_id_of_a_pupil_has_no_time_in_it(self, service: Service) -> None:
        assert (await referred(service, upn=UPN))["subject"]["pupil"]["id"][14] == "4"


class TestContradictions:
    @pytest.mark.parametrize(
        ("first", "second", "pointer"),
        [
            ({"upn": UPN}, {"upn": UPN, "date_of_birth": "2015-01-01"}, "date_of_birth"),
            ({"upn": UPN, "nhs_number": NHS}, {"upn": UPN, "nhs_number": OTHER_NHS}, "nhs_number"),
            ({"upn": UPN, "nhs_number": NHS}, {"upn": OTHER_UPN, "nhs_number": NHS}, "upn"),
            ({"nhs_number": NHS}, {"nhs_number": NHS, "date_of_birth": "2015-01-01"}, "date_of_birth"),
        ],
    )
    async def test_two_values_for_one_pupil_are_refused_by_field_and_nothing_is_stored(
        self, service: Service, first: Record, second: Record, pointer: str
    ) -> None:
        earlier = await referred(service, **first)
        refused = await refer(service, "OUTREACH", **second)
        assert errors(refused) == [(f"/subject/pupil/{pointer}", "contradicts_earlier")]
        assert earlier["code"] in refused.json()["errors"][0]["detail"]
        assert await stored(service, "select count(*) from pupil_statement") == 1

    async def test_a_number_that_would_join_two_different_pupils_is_refused(self, service: Service) -> None:
        await referred(service, upn=UPN)
        await referred(service, nhs_number=NHS, date_of_birth="2014-02-01")
        assert errors(await refer(service, "OUTREACH", upn=UPN, nhs_number=NHS)) == [
            ("/subject/pupil/date_of_birth", "contradicts_earlier")
        ]

    async def test_a_refusal_is_an_event_about_the_pupil(self, service: Service) -> None:
        earlier = await referred(service, upn=UPN)
        refused = await refer(service, "OUTREACH", upn=UPN, date_of_birth="2015-01-01")
        pupil = earlier["subject"]["pupil"]["id"]
        events = (await service.as_("auditor").get("/v1/audit/events", pupil=pupil, status=422)).json()["data"]
        assert [event["request_id"] for event in events] == [refused.headers["x-request-id"]]

    async def test_a_placeholder_is_refused_wherever_a_number_is_taken(self, service: Service) -> None:
        upn = f"{upn_check_letter('111111111111')}111111111111"
        nhs_number = f"111111111{nhs_check_digit('111111111')}"
        assert errors(await refer(service, upn=upn, nhs_number=nhs_number)) == [
            ("/subject/pupil/upn", "upn_placeholder"),
            ("/subject/pupil/nhs_number", "nhs_number_placeholder"),
        ]
        refused = await correct(service, await referred(service), nhs_number="0123456789")
        assert errors(refused) == [("/pupil/nhs_number", "nhs_number_placeholder")]


class TestWithoutNumbers:
    async def test_a_name_and_birth_that_repeat_are_asked_about(self, service: Service) -> None:
        first = await referred(service, given_name="Anna-Lena", family_name="O'Hara")
        asked = await refer(service, "OUTREACH", given_name="OHARA", family_name="anna lena")
        assert (asked.status_code, asked.json()["code"]) == (409, "same_name_and_birth_date")
        assert asked.json()["referral"] == first["code"]
        assert await stored(service, "select count(*) from referral") == 1

    async def test_the_same_pupil_is_said_to_be_the_same(self, service: Service) -> None:
        first = await referred(service)
        again = await referred(service, "OUTREACH", answers={"same_as": first["code"]})
        assert again["subject"]["pupil"]["id"] == first["subject"]["pupil"]["id"]
        third = await refer(service, answers={"same_as": again["code"]})
        assert (third.status_code, third.json()["referral"]) == (409, first["code"])

    async def test_another_pupil_is_said_to_be_another(self, service: Service) -> None:
        first = await referred(service)
        twin = await referred(service, answers={"not_the_same_as": [first["code"]]})
        assert twin["subject"]["pupil"]["id"] != first["subject"]["pupil"]["id"]
        asked = await refer(service, answers={"not_the_same_as": [first["code"]]})
        assert (asked.status_code, asked.json()["referral"]) == (409, twin["code"])

    @pytest.mark.parametrize("differs", [{"given_name": "Róbin"}, {"date_of_birth": "2016-05-05"}])
    async def test_nothing_is_asked_where_something_differs(self, service: Service, differs: Record) -> None:
        await referred(service)
        await referred(service, "OUTREACH", **differs)

    async def test_nothing_is_asked_where_both_pupils_have_a_number(self, service: Service) -> None:
        await referred(service, upn=UPN)
        await referred(service, "OUTREACH", upn=OTHER_UPN)

    @pytest.mark.parametrize(("first", "second"), [({}, {"upn": UPN}), ({"upn": UPN}, {})])
    async def test_the_sender_is_asked_whichever_of_two_referrals_has_the_number(
        self, service: Service, first: Record, second: Record
    ) -> None:
        known = await referred(service, **first)
        asked = await refer(service, "OUTREACH", **second)
        assert (asked.status_code, asked.json()["referrals"]) == (409, [known["code"]])

    async def test_one_answer_settles_it_for_all_pupils_of_the_name(self, service: Service) -> None:
        one = await referred(service, upn=UPN)
        await referred(service, "OUTREACH", upn=UPN)
        other = await referred(service, upn=OTHER_UPN)
        asked = await refer(service, "OUTREACH")
        assert asked.json()["referrals"] == [one["code"], other["code"]], "one of each pupil"
        assert "are about" in asked.json()["detail"]
        await referred(service, "OUTREACH", answers={"not_the_same_as": asked.json()["referrals"]})

    @pytest.mark.parametrize(
        "spelt",
        ["Anna\u2013Lena O\u2018Hara", "Anna\u00a0Lena O\u00b4Hara", "Anna\u2010Lena O`Hara", "Annalena O\u2032Hara"],
    )
    async def test_a_name_is_the_same_with_every_hyphen_space_and_apostrophe(
        self, service: Service, spelt: str
    ) -> None:
        await referred(service, given_name="Anna-Lena", family_name="O'Hara")
        given, family = spelt.split(" ")
        assert (await refer(service, "OUTREACH", given_name=given, family_name=family)).status_code == 409

    async def test_a_correction_that_makes_two_pupils_alike_is_asked_about(self, service: Service) -> None:
        one, other = await referred(service), await referred(service, given_name="Rowan")
        asked = await correct(service, other, given_name="Robin")
        assert (asked.status_code, asked.json()["referrals"]) == (409, [one["code"]])
        await corrected(service, other, given_name="Robin", answers={"not_the_same_as": [one["code"]]})
        assert await pupil_of(service, one) != await pupil_of(service, other)
        await corrected(service, other, parent_name="Ash")
        assert (await correct(service, other, answers={"not_the_same_as": None})).status_code == 409

    async def test_a_school_takes_back_that_two_referrals_are_about_one_pupil(self, service: Service) -> None:
        one = await referred(service, upn=UPN)
        other = await referred(service, "OUTREACH", answers={"same_as": one["code"]})
        assert errors(await correct(service, other, upn=OTHER_UPN)) == [("/pupil/upn", "contradicts_earlier")]
        parted = await corrected(service, other, upn=OTHER_UPN, answers={"same_as": None})
        assert parted["subject"]["pupil"]["id"] != one["subject"]["pupil"]["id"]
        joined = await corrected(service, other, upn=None, answers={"same_as": one["code"]})
        assert joined["subject"]["pupil"]["id"] == one["subject"]["pupil"]["id"]

    async def test_a_school_does_not_say_both_that_a_pupil_is_the_same_and_another(self, service: Service) -> None:
        one = await referred(service, upn=UPN)
        both = {"same_as": one["code"], "not_the_same_as": [one["code"]]}
        assert errors(await refer(service, "OUTREACH", answers=both)) == [("/not_the_same_as/0", "contradicts_same_as")]
        apart = {"not_the_same_as": [one["code"]]}
        assert errors(await refer(service, "OUTREACH", upn=UPN, answers=apart)) == [
            ("/not_the_same_as", "contradicts_earlier")
        ]
        other = await referred(service, "OUTREACH", upn=OTHER_UPN, answers=apart)
        refused = await correct(service, other, upn=UPN)
        assert errors(refused) == [("/not_the_same_as", "contradicts_earlier")]
        assert one["code"] in refused.json()["errors"][0]["detail"]
        itself = {"same_as": other["code"]}
        assert errors(await correct(service, other, answers=itself)) == [("/same_as", "itself")]

    async def test_a_pupil_may_have_one_name(self, service: Service) -> None:
        first = await referred(service, given_name="Suharto", family_name=None)
        assert first["subject"]["pupil"]["family_name"] is None
        asked = await refer(service, "OUTREACH", given_name="suharto", family_name=None)
        assert (asked.status_code, asked.json()["referral"]) == (409, first["code"])

    async def test_the_answers_name_referrals_of_the_school_about_a_pupil(self, service: Service) -> None:
        theirs = await referred(service, "SLT", "neighbour")
        unknown = {"same_as": theirs["code"], "not_the_same_as": ["R000000000000"]}
        assert errors(await refer(service, answers=unknown)) == [
            ("/same_as", "not_found"),
            ("/not_the_same_as/0", "not_found"),
        ]
        whole = pupil_referral("SLT") | {"subject": {"kind": "school"}, "same_as": theirs["code"]}
        assert errors(await service.as_("school").post("/v1/referrals", whole)) == [("/same_as", "not_about_a_pupil")]


class TestAtOnce:
    async def test_one_of_two_referrals_of_one_pupil_at_once_is_refused_with_the_other_s_code(
        self, service: Service
    ) -> None:
        await service.as_("school").authorise()
        answers = await asyncio.gather(refer(service, upn=UPN), refer(service, upn=UPN))
        taken, refused = sorted(answers, key=lambda answer: answer.status_code)
        assert (taken.status_code, refused.status_code) == (201, 409)
        assert refused.json()["referral"] == taken.json()["code"]

    async def test_two_corrections_that_join_each_other_s_pupils_at_once_end_in_one_pupil(
        self, service: Service
    ) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        answers = await asyncio.gather(correct(service, one, nhs_number=NHS), correct(service, other, upn=UPN))
        # The second correction meets a referral that the first one has changed.
        assert sorted(answer.status_code for answer in answers) in ([200, 200], [200, 412])
        assert await pupil_of(service, one) == await pupil_of(service, other) == one["subject"]["pupil"]["id"]

    async def test_a_correction_holds_no_referral_while_it_waits_for_another_of_the_pupil(
        self, service: Service
    ) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        async with holding(service) as holder:
            await holder.hold("referral", f"id = '{one['id']}'")
            correction = asyncio.create_task(correct(service, other, upn=UPN))
            await holder.is_waited_for(correction)
            await holder.connection.execute(f"select from referral where id = '{other['id']}' for update nowait")
        assert (await correction).status_code == 200


class TestCorrections:
    async def test_numbers_and_names_are_corrected_after_acceptance_and_the_wait_runs_on(
        self, service: Service
    ) -> None:
        made = await referred(service, upn=TEMPORARY)
        await move(service, "trust", made, "accepted")
        changed = await corrected(
            service, made, upn=UPN, nhs_number=NHS, given_name="Rowan", date_of_birth="2016-05-05", parent_name="Ash"
        )
        assert changed["subject"]["pupil"] | {"upn": UPN, "given_name": "Rowan"} == changed["subject"]["pupil"]
        assert (changed["status"], changed["submitted_at"]) == ("accepted", made["submitted_at"])
        assert (await seen(service, made, "trust"))["subject"]["pupil"]["nhs_number"] == NHS
        assert (await correct(service, made, sen_provision="E")).status_code == 409

    async def test_only_the_school_corrects(self, service: Service) -> None:
        made = await referred(service)
        refused = await service.as_("trust").patch(f"/v1/referrals/{made['id']}", {"pupil": {"upn": UPN}}, '"1"')
        assert refused.status_code == 409

    async def test_a_correction_is_a_new_statement_and_the_earlier_one_stays(self, service: Service) -> None:
        made = await referred(service)
        await corrected(service, made, given_name="Rowan")
        statements = await opened(service, "pupil_statement", "stated_at")
        assert [each["given_name"] for each in statements] == ["Robin", "Rowan"]
        for change in ("given_name = 'Ash'", "upn_hash = 'other'", "sen_provision = 'E'"):
            with pytest.raises(asyncpg.RaiseError, match="never changes"):
                await stored(service, f"update pupil_statement set {change}")
        with pytest.raises(asyncpg.RaiseError, match="never changes"):
            await stored(service, "update pupil_statement set superseded_at = null")

    async def test_a_permanent_upn_follows_a_temporary_one_which_stays_known(self, service: Service) -> None:
        made = await referred(service, upn=TEMPORARY)
        assert made["subject"]["pupil"]["upn"] == TEMPORARY
        await corrected(service, made, upn=UPN)
        by_temporary = await referred(service, "OUTREACH", upn=TEMPORARY)
        assert by_temporary["subject"]["pupil"]["id"] == made["subject"]["pupil"]["id"]

    async def test_a_later_number_joins_two_pupils_under_the_older_id(self, service: Service) -> None:
        older, younger = await referred(service, upn=UPN), await referred(service, "OUTREACH", nhs_number=NHS)
        await corrected(service, older, nhs_number=NHS)
        assert await pupil_of(service, younger) == older["subject"]["pupil"]["id"]
        for known in (older, younger):
            events = await service.as_("auditor").get("/v1/audit/events", pupil=known["subject"]["pupil"]["id"])
            assert {each for event in events.json()["data"] for each in event["records"]} == {
                older["id"],
                younger["id"],
            }

    async def test_a_correction_parts_two_referrals_and_joins_one_of_them_to_a_pupil_that_is_new(
        self, service: Service
    ) -> None:
        first = await referred(service, "SLT", upn=UPN)
        await corrected(service, first, upn=OTHER_UPN)
        second, third = await referred(service, "OUTREACH", upn=OTHER_UPN), await referred(service, "OT", upn=UPN)
        await corrected(service, second, upn=UPN)
        pupils = [await pupil_of(service, each) for each in (first, second, third)]
        assert pupils[0] != pupils[1] == pupils[2]

    async def test_a_temporary_upn_takes_the_place_of_no_permanent_one(self, service: Service) -> None:
        made = await referred(service, upn=UPN)
        assert errors(await correct(service, made, upn=TEMPORARY)) == [("/pupil/upn", "contradicts_earlier")]
        await corrected(service, made, upn=None)
        assert (await corrected(service, made, upn=TEMPORARY))["subject"]["pupil"]["upn"] == TEMPORARY

    @pytest.mark.parametrize("wrong", [{"date_of_birth": "2015-01-01"}, {"upn": OTHER_UPN}])
    async def test_what_several_referrals_of_a_pupil_state_wrongly_is_corrected_at_once(
        self, service: Service, wrong: Record
    ) -> None:
        right = {"date_of_birth": "2016-05-04", "upn": UPN}
        stated = right | {"nhs_number": NHS} | wrong
        ended = await referred(service, **stated)
        await move(service, "school", ended, "withdrawn")
        referrals = [await referred(service, **stated), await referred(service, "OUTREACH", **stated), ended]
        before = [
            await stored(service, f"select version from referral where id = '{each['id']}'") for each in referrals
        ]
        correction = {name: right[name] for name in wrong}
        refused = await correct(service, referrals[0], **correction)
        assert "for_all_referrals_of_the_pupil" in refused.json()["errors"][0]["detail"]
        await corrected(service, referrals[0], **correction, answers={"for_all_referrals_of_the_pupil": True})
        for each, version in zip(referrals, before, strict=True):
            assert (await seen(service, each))["subject"]["pupil"] | correction == (await seen(service, each))[
                "subject"
            ]["pupil"]
            etag = (await service.as_("school").get(f"/v1/referrals/{each['id']}")).headers["ETag"]
            assert etag == f'"{version + 1}"'
        assert await stored(service, "select count(*) from pupil_statement") == 6
        assert len({await pupil_of(service, each) for each in referrals}) == 1
        (event,) = (await service.as_("auditor").get("/v1/audit/events", action="referrals:update", status=200)).json()[
            "data"
        ]
        in_force = await stored(service, "select array_agg(statement_id::text) from referral")
        assert (set(event["records"]), set(event["subjects"])) == ({each["id"] for each in referrals}, set(in_force))

    async def test_what_is_of_the_time_of_a_referral_is_corrected_in_it_alone(self, service: Service) -> None:
        made, everywhere = await referred(service, upn=UPN), {"for_all_referrals_of_the_pupil": True}
        refused = await correct(service, made, sen_provision="E", answers=everywhere)
        assert errors(refused) == [("/pupil/sen_provision", "of_one_referral")]
        assert errors(await correct(service, made, answers=everywhere)) == [("/pupil", "required")]

    async def test_the_home_authority_is_corrected_in_every_state(self, service: Service) -> None:
        made = await referred(service)
        await move(service, "trust", made, "accepted")
        assert (await corrected(service, made, home_la_code="801"))["subject"]["pupil"]["home_la_code"] == "801"

    async def test_the_event_of_a_change_names_the_referrals_that_it_moves(self, service: Service) -> None:
        async def events_of(referral: Record) -> list[str]:
            found = await service.as_("auditor").get("/v1/audit/events", record=referral["id"])
            return [event["action"] for event in found.json()["data"] if event["action"] != "referrals:read"]

        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        third = await referred(service, "OUTREACH", upn=UPN, nhs_number=NHS)
        assert (await events_of(one), await events_of(other)) == (["referrals:submit"] * 2,) * 2
        await corrected(service, third, upn=None)
        assert await events_of(other) == ["referrals:update", "referrals:submit", "referrals:submit"]
        await corrected(service, third, upn=UPN)
        await move(service, "school", one, "withdrawn")
        assert (await events_of(other))[0] == "referrals:transition"

    async def test_a_search_by_number_finds_all_referrals_of_the_pupil(self, service: Service) -> None:
        ended = await referred(service, upn=UPN, nhs_number=NHS)
        await move(service, "school", ended, "withdrawn")
        again, elsewhere = await referred(service, upn=UPN), await referred(service, "OUTREACH", upn=UPN)
        await referred(service, "SLT", "neighbour", upn=OTHER_UPN)
        by_school = (await service.as_("school").search({"upn": UPN})).json()["data"]
        assert {each["code"] for each in by_school} == {each["code"] for each in (ended, again, elsewhere)}
        by_trust = (await service.as_("trust").search({"nhs_number": NHS})).json()["data"]
        assert {each["code"] for each in by_trust} == {ended["code"], again["code"]}

    async def test_a_correction_parts_what_a_slip_joined(self, service: Service) -> None:
        one = await referred(service, upn=UPN)
        other = await referred(service, "OUTREACH", upn=OTHER_UPN)
        slip = await referred(service, "OUTREACH", upn=UPN)
        await corrected(service, slip, upn="E801200005003")
        assert await pupil_of(service, slip) not in (await pupil_of(service, one), await pupil_of(service, other))
        joined = await corrected(service, slip, upn=UPN)
        assert joined["subject"]["pupil"]["id"] == await pupil_of(service, one)

    async def test_a_parted_pupil_has_its_own_id_and_events_again(self, service: Service) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, "OUTREACH", upn=OTHER_UPN)
        await corrected(service, other, upn=UPN)
        await corrected(service, other, upn=OTHER_UPN)
        assert await pupil_of(service, other) == other["subject"]["pupil"]["id"]
        for known in (one, other):
            events = await service.as_("auditor").get("/v1/audit/events", pupil=known["subject"]["pupil"]["id"])
            assert {each for event in events.json()["data"] for each in event["records"]} == {known["id"]}

    async def test_a_correction_that_contradicts_is_refused(self, service: Service) -> None:
        one = await referred(service, upn=UPN)
        other = await referred(service, "OUTREACH", upn=OTHER_UPN, date_of_birth="2015-01-01")
        refused = await correct(service, other, upn=UPN)
        assert errors(refused) == [("/pupil/date_of_birth", "contradicts_earlier")]
        assert one["code"] in refused.text
        assert (await seen(service, other))["subject"]["pupil"]["upn"] == OTHER_UPN
        events = await service.as_("auditor").get("/v1/audit/events", pupil=one["subject"]["pupil"]["id"])
        assert 422 in [event["status"] for event in events.json()["data"]], "the refusal tells of this pupil too"

    async def test_referrals_that_a_join_leaves_open_name_each_other_until_one_ends(self, service: Service) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        await corrected(service, other, upn=UPN)
        assert (await seen(service, one))["collides_with"] == [other["code"]]
        assert (await seen(service, other))["collides_with"] == [one["code"]]
        third = await refer(service, upn=UPN)
        assert (third.status_code, third.json()["referral"]) == (409, one["code"])
        gone = await move(service, "school", one, "withdrawn")
        assert gone["collides_with"] == (await seen(service, other))["collides_with"] == []
        fourth = await refer(service, upn=UPN)
        assert (fourth.status_code, fourth.json()["referral"]) == (409, other["code"])
        await move(service, "school", other, "withdrawn")
        await referred(service, upn=UPN)

    async def test_referrals_that_collide_end_at_once_without_a_deadlock(
        self, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        for upn in (UPN, OTHER_UPN, "E801200005003"):
            one, other = await referred(service, upn=upn), await referred(service, nhs_number=NHS)
            await corrected(service, other, upn=upn, nhs_number=None)
            paths = [f"/v1/referrals/{each['id']}/transitions" for each in (one, other)]
            withdrawn = {"to": "withdrawn", "reason": "As agreed."}
            ended = await asyncio.gather(*(service.as_("school").post(path, withdrawn, etag="*") for path in paths))
            assert [answer.status_code for answer in ended] == [201, 201]
        assert [message for message in caplog.messages if "deadlock" in message] == []

    async def test_a_correction_that_parts_referrals_ends_their_collision(self, service: Service) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        await corrected(service, other, upn=UPN)
        parted = await corrected(service, other, upn=None)
        assert parted["collides_with"] == (await seen(service, one))["collides_with"] == []

    async def test_the_database_refuses_a_third_open_referral_beside_two_that_collide(self, service: Service) -> None:
        one, other = await referred(service, upn=UPN), await referred(service, nhs_number=NHS)
        await corrected(service, other, upn=UPN)
        third = await referred(service, "SLT", upn=OTHER_UPN)
        with pytest.raises(asyncpg.UniqueViolationError, match="one_open_referral"):
            await stored(
                service,
                "update referral set pupil_id = (select pupil_id from referral where id = '" + one["id"] + "')"
                " where id = '" + third["id"] + "'",
            )
