"""Whatever two schools state and correct: their pupils are the model's, and neither's answers tell of the other."""

from collections.abc import AsyncIterator, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import asyncpg
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.api_client import Service, pupil_referral
from support.databases import Server, serve
from support.dataset import Dataset
from support.identity_model import Contradiction, Organisation, SameNameAndBirth, Statement, put_to
from support.pending_work import do_all
from support.played_persons import PlayedPersons
from support.sql_log import statements_of
from support.successors import convert
from support.tiers import size

from convenor.domain_types.codes import nhs_check_digit, upn_check_letter

SCHOOLS = {"school": "900001", "neighbour": "900002"}
SERVICES = ("SLT", "OUTREACH")
POINTERS = {"temporary_upn": "{pupil}/upn", "not_the_same_as": "/not_the_same_as"}
_serial = count(1)

Said = dict[str, Any]
SAID = st.fixed_dictionaries(
    {
        "upn": st.sampled_from([None, "first", "second", "temporary"]),
        "nhs_number": st.sampled_from([None, None, "first", "second"]),
        "date_of_birth": st.sampled_from(["2016-05-04", "2016-05-04", "2016-05-04", "2015-03-02"]),
        "given_name": st.sampled_from(["Robin", "Rowan"]),
    }
)
"""What may be said of a child: few values, so that they meet."""
REFER = st.tuples(st.just("refer"), SAID, st.sampled_from(SERVICES), st.sampled_from([None, "same", "not the same"]))
CORRECT = st.tuples(
    st.just("correct"),
    SAID,
    st.sets(st.sampled_from(["upn", "nhs_number", "date_of_birth", "given_name"]), min_size=1),
    st.sampled_from([None, None, "same", "not the same", "neither"]),
    st.booleans(),
)
WITHDRAW = st.tuples(st.just("withdraw"))
DECIDE = st.tuples(
    st.just("decide"), st.integers(0, 9), st.integers(1, 3), st.sampled_from(["link", "keep_apart", "unlink"])
)
HAND_OVER = st.tuples(st.just("hand over"), st.one_of(st.integers(0, 9), st.integers(0, 9), SAID))
"""A handover of a child whom the other school has referred, in the same words; or of whomever the words mean."""
WHO = st.tuples(st.sampled_from(list(SCHOOLS)), st.integers(0, 9))
EVENTS = st.lists(st.tuples(WHO, st.one_of(REFER, CORRECT, CORRECT, WITHDRAW)), min_size=2, max_size=8)
TRACE = st.tuples(st.just("trace"), st.sampled_from(["first", "second", None]))
EVENTS_WITH_HANDOVERS = st.lists(
    st.tuples(WHO, st.one_of(REFER, CORRECT, WITHDRAW, HAND_OVER, HAND_OVER, HAND_OVER)), min_size=4, max_size=9
)
EVENTS_WITH_DECISIONS = st.lists(
    st.tuples(WHO, st.one_of(REFER, REFER, CORRECT, TRACE, DECIDE, HAND_OVER)), min_size=3, max_size=10
)


def number(stem: int) -> str:
    """Return an NHS number of the test range: the first valid one from a stem onwards."""
    first = next(f"999{each:06}" for each in range(stem, stem + 3) if nhs_check_digit(f"999{each:06}") is not None)
    return f"{first}{nhs_check_digit(first)}"


@dataclass
class Played:
    """What two schools have done so far, in the service and in the model. Its children are in no other one."""

    service: Service
    serial: int = field(default_factory=lambda: next(_serial))
    schools: dict[str, Organisation] = field(default_factory=lambda: {name: Organisation() for name in SCHOOLS})
    referrals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By code, with the service that each is to; those that are open."""
    ids: dict[str, str] = field(default_factory=dict)
    """The id of each pupil, by its oldest referral."""

    def written(self, said: Said) -> Said:
        """Return what is said as it is sent, with values of this one's own."""
        of_kind = {"first": f"8012{self.serial:06}01", "second": f"8012{self.serial:06}02"}
        upns = of_kind | {"temporary": f"8012{self.serial:07}A"}
        numbers = {"first": number(6 * self.serial), "second": number(6 * self.serial + 3)}
        sent = dict(said)
        if said.get("upn"):
            sent["upn"] = upn_check_letter(upns[said["upn"]]) + upns[said["upn"]]
        if said.get("nhs_number"):
            sent["nhs_number"] = numbers[said["nhs_number"]]
        if "given_name" in said:
            sent["given_name"] = f"{said['given_name']} {self.serial}"
        return sent

    async def refer(self, school: str, said: Said, service: str, answers: str | None) -> None:
        model = deepcopy(self.schools[school])
        answered = _answers(list(model.said), answers)
        statement = _statement(said)._replace(**_of_model(answered))
        body = pupil_referral(service, SCHOOLS[school], **{"family_name": None} | self.written(said)) | {
            name: value for name, value in answered.items() if value
        }
        answer = await self.service.as_(school).post("/v1/referrals", body)
        refusal = _refusal(partial(model.refer, "new", statement))
        if refusal:
            _assert_refused(answer, refusal, "/subject/pupil")
        elif beside := self.open_beside(model, "new", service):
            assert _conflict(answer) == ("referral_already_open", beside[0])
        else:
            assert answer.status_code == 201, answer.text
            code = answer.json()["code"]
            self.schools[school].refer(code, statement)
            self.referrals[code] = {"path": answer.headers["Location"], "service": service}

    async def correct(
        self, school: str, code: str, said: Said, corrected: set[str], answers: str | None, for_all: bool
    ) -> None:
        model, path = self.schools[school], self.referrals[code]["path"]
        answered = _answers([each for each in model.said if each != code], answers)
        body = {"pupil": self.written({name: said[name] for name in sorted(corrected)}), **answered}
        body["for_all_referrals_of_the_pupil"] = for_all
        etag = (await self.service.as_(school).get(path)).headers["ETag"]
        answer = await self.service.as_(school).patch(path, body, etag)
        earlier, after = model.said[code], _statement(said)
        fields = {"name" if name == "given_name" else name for name in corrected - {"upn"}}
        if "upn" in corrected:
            # One field of the body for both kinds: a permanent UPN leaves a temporary one known.
            fields |= {"upn"} if after.upn else {"upn", "temporary_upn"}
        statement = earlier._replace(**{name: getattr(after, name) for name in fields}, **_of_model(answered))
        refusal = _refusal(partial(model.correct, code, statement, for_all=fields if for_all else ()))
        if refusal:
            _assert_refused(answer, refusal, "/pupil")
        else:
            assert answer.status_code == 200, answer.text

    async def withdraw(self, school: str, code: str) -> None:
        path = self.referrals[code]["path"]
        etag = (await self.service.as_(school).get(path)).headers["ETag"]
        step = {"to": "withdrawn", "reason": "Moved away."}
        answer = await self.service.as_(school).post(f"{path}/transitions", step, etag=etag)
        assert answer.status_code == (201 if self.referrals[code]["service"] else 409), answer.text
        self.referrals[code]["service"] = None

    async def hand_over(self, school: str, said: Said) -> None:
        """Let a school ask for a child, and the other complete what is put to it, if anything is."""
        model, statement, caller = self.schools[school], _statement(said), self.service.as_(school)
        stated = pupil_referral("SLT", SCHOOLS[school], **{"family_name": None} | self.written(said))
        body = {"school_urn": SCHOOLS[school], "pupil": stated["subject"]["pupil"]}
        answer = await caller.post("/v1/handovers", body)
        if not statement.has_identifier:
            assert [error["code"] for error in answer.json()["errors"]] == ["number_required"]
            return
        if refusal := _refusal(partial(model.judge, statement)):
            _assert_refused(answer, refusal, "/pupil")
            return
        assert answer.status_code == 201, answer.text
        handover, path = answer.json(), answer.headers["Location"]
        await do_all(self.service)
        (other,) = SCHOOLS.keys() - {school}
        listed = await self.service.as_(other).get("/v1/handover-requests", handover=handover["code"])
        shown = listed.json()["data"]
        put = {self.ids[pupil]: pupil for _, pupil in put_to(statement, school, self.schools)}
        open_ones = [code for code in self.schools[other].said if self.referrals[code]["service"]]
        passing_of = {
            each: passing
            for each, first in put.items()
            for pupil in self.schools[other].pupils()
            if first in pupil and (passing := [code for code in open_ones if code in pupil])
        }
        assert {each["known_pupil"]["id"] for each in shown} == passing_of.keys()
        unchanged = await caller.get(path)
        assert (unchanged.json(), unchanged.headers["ETag"]) == (handover, answer.headers["ETag"])
        for request in shown:
            at = f"/v1/handovers/{request['id']}/decisions"
            decided = await self.service.as_(other).post(at, {"decision": "complete"}, etag="*")
            assert decided.status_code == 201, decided.text
            await self._passed(school, statement, passing_of[request["known_pupil"]["id"]], path)
            return
        step = await caller.post(f"{path}/transitions", {"to": "withdrawn"}, etag=answer.headers["ETag"])
        assert step.status_code == 201, step.text

    async def _passed(self, school: str, statement: Statement, passing: list[str], path: str) -> None:
        codes = (await self.service.as_(school).get(path)).json()["referrals"]
        assert len(codes) == len(passing)
        self.schools[school].take_over(codes, statement)
        for code in codes:
            shown = (await self.service.as_("commissioner").get(f"/v1/referrals/{code}")).json()
            earlier = shown["continues"]["code"]
            passing.remove(earlier)
            self.referrals[code] = {"path": f"/v1/referrals/{shown['id']}", "service": shown["service_code"]}
            assert self.referrals[earlier]["service"] == shown["service_code"]
            self.referrals[earlier]["service"] = None

    def open_beside(self, model: Organisation, code: str, service: str | None) -> list[str]:
        """Return the open referrals of a referral's pupil to a service, the oldest first."""
        (group,) = (each for each in model.pupils() if code in each)
        return [
            each
            for each in model.said
            if each in group and each != code and service and self.referrals[each]["service"] == service
        ]

    async def check(self) -> None:
        """Compare the pupils that schools see with the model's."""
        pupils: set[str] = set()
        for school, model in self.schools.items():
            shown = {code: await self.shown(school, code) for code in model.said}
            for group in model.pupils():
                oldest = model.pupil_of(next(iter(group)))
                (pupil,) = {shown[code]["subject"]["pupil"]["id"] for code in group}
                assert self.ids.setdefault(oldest, pupil) == pupil, "the id is that of the oldest referral"
                assert pupil not in pupils, "two children have one pupil"
                pupils.add(pupil)
            for code in model.said:
                beside = self.open_beside(model, code, self.referrals[code]["service"])
                assert shown[code]["collides_with"] == beside

    async def shown(self, school: str, code: str) -> dict[str, Any]:
        answer = await self.service.as_(school).get(self.referrals[code]["path"], fields="subject,collides_with")
        found: dict[str, Any] = answer.json()
        return found


def _statement(said: Said) -> Statement:
    is_temporary = said["upn"] == "temporary"
    return Statement(
        said["date_of_birth"],
        said["given_name"],
        None if is_temporary else said["upn"],
        "temporary" if is_temporary else None,
        said["nhs_number"],
    )


def _as_said(statement: Statement) -> Said:
    return {
        "upn": statement.upn or statement.temporary_upn,
        "nhs_number": statement.nhs_number,
        "date_of_birth": statement.date_of_birth,
        "given_name": statement.name,
    }


def _answers(others: list[str], answers: str | None) -> dict[str, Any]:
    """Return what the sender says of other referrals; null takes back what was said before."""
    match answers:
        case "same" if others:
            return {"same_as": others[0], "not_the_same_as": None}
        case "not the same":
            return {"same_as": None, "not_the_same_as": others}
        case "neither":
            return {"same_as": None, "not_the_same_as": None}
    return {}


def _of_model(answered: dict[str, Any]) -> dict[str, Any]:
    return {name: frozenset(value or ()) if name == "not_the_same_as" else value for name, value in answered.items()}


def _refusal(event_of_model: Callable[[], Any]) -> Contradiction | SameNameAndBirth | None:
    """Let the model take an event, and return its refusal."""
    try:
        event_of_model()
    except (Contradiction, SameNameAndBirth) as refusal:
        return refusal
    return None


def _conflict(answer: httpx2.Response) -> tuple[str, str]:
    assert answer.status_code == 409, answer.text
    return answer.json()["code"], answer.json()["referral"]


def _assert_refused(answer: httpx2.Response, refusal: Contradiction | SameNameAndBirth, pupil: str) -> None:
    """Compare a refusal with that of the model, with `pupil` as the pointer of the pupil in the body."""
    if isinstance(refusal, SameNameAndBirth):
        assert _conflict(answer) == ("same_name_and_birth_date", refusal.referrals[0])
        assert tuple(answer.json()["referrals"]) == refusal.referrals
        return
    assert answer.status_code == 422, answer.text
    assert {error["code"] for error in answer.json()["errors"]} == {"contradicts_earlier"}
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {POINTERS.get(name, f"{pupil}/{name}").format(pupil=pupil) for name in refusal.fields}


@pytest.fixture(scope="module")
async def stating(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    async with serve(server, dataset) as service:
        yield service


async def _play(played: Played, who: tuple[str, int], what: str, how: Sequence[Any]) -> None:
    """Let a school refer, or correct or withdraw what it has referred, if it has."""
    school, at = who
    made = list(played.schools[school].said)
    if what == "refer":
        await played.refer(school, *how)
    elif what == "hand over":
        await played.check()
        (said,) = how
        if not isinstance(said, dict):
            (other,) = SCHOOLS.keys() - {school}
            theirs = [*played.schools[other].said.values()]
            if not theirs:
                return
            said = _as_said(theirs[said % len(theirs)])
        await played.hand_over(school, said)
    elif made and what == "correct":
        await played.correct(school, made[at % len(made)], *how)
    elif made:
        await played.withdraw(school, made[at % len(made)])


@settings(
    max_examples=size(25, 500), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(events=EVENTS)
async def test_the_pupils_of_schools_are_those_of_the_model_after_every_event(
    stating: Service, events: Sequence[tuple[tuple[str, int], Any]]
) -> None:
    played = Played(stating)
    for who, (what, *how) in events:
        await _play(played, who, what, how)
        await played.check()


@settings(
    max_examples=size(25, 500), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(events=EVENTS_WITH_HANDOVERS)
async def test_the_pupils_of_schools_are_those_of_the_model_whoever_is_handed_over(
    stating: Service, events: Sequence[tuple[tuple[str, int], Any]]
) -> None:
    played = Played(stating)
    for who, (what, *how) in events:
        await _play(played, who, what, how)
        await played.check()


@settings(
    max_examples=size(20, 500), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(events=EVENTS_WITH_DECISIONS)
async def test_persons_and_matches_are_those_of_the_model_whatever_is_stated_corrected_and_decided(
    stating: Service, events: Sequence[tuple[tuple[str, int], Any]]
) -> None:
    played = Played(stating)
    persons = PlayedPersons(stating, played.schools)
    for who, (what, *how) in events:
        if what == "decide":
            await persons.decide(who[1], *how)
            await persons.check()
        elif what == "trace":
            made = [code for code in played.schools[who[0]].said if played.referrals[code]["service"] == "SLT"]
            if made:
                code, (number_of,) = made[who[1] % len(made)], how
                sent = played.written({"nhs_number": number_of})["nhs_number"]
                await persons.trace(code, played.referrals[code]["path"], number_of, sent)
        else:
            await _play(played, who, what, how)
    await persons.check()


@pytest.mark.parametrize("converted", [False, True])
async def test_a_school_s_calls_run_the_same_statements_with_the_same_rows_whatever_another_has_stated(
    service: Service, converted: bool
) -> None:
    urn = await convert(service, "school") if converted else "900001"
    school, neighbour = service.as_("school"), service.as_("neighbour")
    logs: list[list[tuple[str, int]]] = []
    for day, another_has_stated in enumerate((False, False, True), 1):
        played = Played(service)
        child = played.written({"upn": "first", "nhs_number": "first", "given_name": "Robin"})
        child["date_of_birth"] = f"2016-05-0{day}"
        unnumbered = child | {"upn": None, "nhs_number": None}
        if another_has_stated:
            for stated in (child, unnumbered, child | {"upn": played.written({"upn": "second"})["upn"]}):
                for code in SERVICES:
                    await neighbour.post("/v1/referrals", pupil_referral(code, "900002", **stated))
        with statements_of(service) as log:
            contradicting = pupil_referral("OUTREACH", urn, **child | {"date_of_birth": "2014-01-01"})
            made = await school.post("/v1/referrals", pupil_referral("SLT", urn, **child))
            answers = [
                made,
                await school.post("/v1/referrals", pupil_referral("SLT", urn, **child)),
                await school.post("/v1/referrals", contradicting),
                await school.post("/v1/referrals", pupil_referral("OUTREACH", urn, **unnumbered)),
                await school.patch(made.headers["Location"], {"pupil": played.written({"upn": "second"})}, '"1"'),
            ]
        assert [answer.status_code for answer in answers] == [201, 409, 422, 409, 200]
        logs.append(log)
    _, alone, beside_another = logs
    assert alone == beside_another
    assert sum("pupil_statement" in statement for statement, _ in alone) >= 8


async def test_a_school_sees_no_pupil_of_another_in_the_database(service: Service) -> None:
    for school, urn in SCHOOLS.items():
        made = await service.as_(school).post("/v1/referrals", pupil_referral("SLT", urn))
        assert made.status_code == 201, made.text
    area = service.area()
    seen = {}
    application = await asyncpg.connect(service.app_url)
    for reach, key in (("school", area.schools["900001"]), ("provider", area.providers["trust"]), ("none", area.id)):
        async with application.transaction():
            for name, value in (("areas", f"{{{area.id}}}"), ("reach", reach), ("keys", f"{{{key}}}")):
                await application.execute("select set_config($1, $2, true)", f"convenor.{name}", value)
            seen[reach] = [
                await application.fetchval(f"select count(*) from {t}") for t in ("pupil", "pupil_statement")
            ]
    await application.close()
    assert seen == {"school": [1, 1], "provider": [0, 2], "none": [0, 0]}
