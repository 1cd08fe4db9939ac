"""What the commissioner sees and decides of the pupils that schools stated, beside the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any

import httpx2
from support.api_client import Service
from support.identity_model import (
    Decision,
    Organisation,
    Persons,
    Pupil,
    Refused,
    Statement,
    derive,
    differ,
    pupils_of,
    resolved,
    withdraw,
)
from support.identity_model import decide as decide_in_model
from support.pending_work import do_all

MATCHES = "/v1/pupil-matches"
_serial = count(1)

Codes = frozenset[str]
"""The codes of the referrals of a pupil, or of those that are one person."""


@dataclass
class PlayedPersons:
    """What was decided so far, in the service and in the model."""

    service: Service
    schools: Mapping[str, Organisation]
    decisions: list[Decision] = field(default_factory=list)
    traced: dict[str, str] = field(default_factory=dict)
    """The NHS number that the trust traced, by the code of the referral."""

    async def trace(self, code: str, path: str, number: str | None, sent: str | None) -> None:
        """Let the trust state the NHS number that it traced for a referral, or withdraw it."""
        trust = self.service.as_("trust")
        headers = {"If-Match": (await trust.get(path)).headers["ETag"]}
        answer = await trust.call("PUT", f"{path}/nhs-number", json={"nhs_number": sent}, headers=headers)
        assert answer.status_code == 200, answer.text
        self.traced.pop(code, None)
        if number:
            self.traced[code] = number

    async def check(self) -> None:
        """Compare who is one person, and which matches are open, with the model."""
        pupils = self._said()
        linked, open_groups = self._by_codes(derive(pupils, resolved(self.decisions, self.schools)))
        in_themselves = frozenset(frozenset([each]) for each, said in pupils.items() if differ(said))
        # A number that the trust traced beside another of the school is shown by itself, too.
        open_groups |= self._by_codes(Persons(in_themselves, frozenset()))[0] & linked
        everybody = {code for organisation in self.schools.values() for code in organisation.said}
        found: set[Codes] = set()
        for match in await self.matches():
            persons: dict[int, set[str]] = {}
            for pupil in match["pupils"]:
                persons.setdefault(pupil["person"], set()).update(pupil["referrals"])
            found |= {frozenset(each) for each in persons.values()}
            within = {code for pupil in match["pupils"] for code in pupil["referrals"]}
            # A pupil that nothing connects with another is in no match.
            assert len(match["pupils"]) > 1 or within in open_groups
            assert (match["status"] == "open") == any(group <= within for group in open_groups)
            assert (match["status"] == "linked") == (len(persons) == 1 and match["status"] != "open")
            everybody -= within
        assert all(len([group for group in linked if code in group]) == 1 for code in everybody)
        assert found | {group for group in linked if group <= everybody} == linked
        assert not any(group <= everybody for group in open_groups)

    async def decide(self, at: int, first: int, how_many: int, decision: str) -> None:
        """Decide about pupils of a match, where there is one, and compare the answer with the model's."""
        matches = await self.matches()
        if not matches:
            return
        match = matches[at % len(matches)]
        pupils = match["pupils"]
        codes = [pupils[place % len(pupils)]["referrals"][0] for place in range(first, first + how_many)]
        path = f"{MATCHES}/{match['id']}"
        caller = self.service.as_("identifying_commissioner")
        etag = (await caller.get(path)).headers["ETag"]
        body = {"decision": decision, "reason": "The school telephoned.", "referrals": codes}
        answer = await caller.post(f"{path}/decisions", body, etag=etag)
        named = {(self._school_of(code), self.schools[self._school_of(code)].pupil_of(code)) for code in codes}
        if len(pupils) == 1:
            assert answer.status_code == 409, answer.text
        elif decision == "unlink":
            self._withdraw(named, answer)
        elif len(named) == 1:
            assert answer.status_code == 422, answer.text
        else:
            self._decide(named, decision == "link", answer)

    def _withdraw(self, named: set[Pupil], answer: httpx2.Response) -> None:
        now = {each: resolved([each], self.schools) for each in self.decisions}
        left = withdraw([each for present in now.values() for each in present], named)
        kept = [each for each, present in now.items() if left.issuperset(present)]
        assert answer.status_code == (201 if len(kept) < len(now) else 409), answer.text
        self.decisions = kept

    def _decide(self, named: set[Pupil], link: bool, answer: httpx2.Response) -> None:
        now = decided = frozenset(resolved(self.decisions, self.schools))
        made = next(_serial)
        try:
            for one, other in combinations(named, 2):
                decided = decide_in_model(decided, Decision(one, other, link, made=made), self._said())
        except Refused:
            assert (answer.status_code, answer.json()["code"]) == (409, "contradicts_decision")
        else:
            assert answer.status_code == 201, answer.text
            self.decisions += decided - now

    async def matches(self) -> list[dict[str, Any]]:
        """Return the matches of these schools' pupils that have not ended, after all pending work."""
        await do_all(self.service)
        caller, found = self.service.as_("identifying_commissioner"), list[dict[str, Any]]()
        ours = {code for organisation in self.schools.values() for code in organisation.said}
        following: str | None = f"{MATCHES}?limit=200"
        while following:
            answer = await caller.get(following)
            found += [
                match
                for match in answer.json()["data"]
                if any(code in ours for pupil in match["pupils"] for code in pupil["referrals"])
            ]
            following = answer.headers.get("Link", "<").split(">")[0][1:] or None
        return found

    def _said(self) -> dict[Pupil, list[Statement]]:
        """Return what is said of each pupil, with what the trust traced for its referrals."""
        said = pupils_of(self.schools)
        for code, number in self.traced.items():
            school = self._school_of(code)
            said[school, self.schools[school].pupil_of(code)].append(Statement(None, nhs_number=number))
        return said

    def _school_of(self, code: str) -> str:
        return next(name for name, organisation in self.schools.items() if code in organisation.said)

    def _by_codes(self, persons: Persons) -> tuple[set[Codes], set[Codes]]:
        def codes(group: frozenset[tuple[str, str]]) -> Codes:
            return frozenset(
                code
                for school, pupil in group
                for code in self.schools[school].said
                if self.schools[school].pupil_of(code) == pupil
            )

        return {codes(each) for each in persons.linked}, {codes(each) for each in persons.matches}
