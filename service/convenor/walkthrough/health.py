"""A trust's system: its referrals, the steps of one, contacts and outcomes, singly and in bulk."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from convenor.domain_types.dates import today
from convenor.walkthrough.partner import Partner, expect_field_errors, expect_fields
from convenor.walkthrough.school import Referred


def treat(referred: Referred) -> None:
    """Take the referral from the waiting list to discharge."""
    trust = referred.trust
    trust.transcript.chapter(f"Health system: {trust.name}")
    etag = _find(referred)
    etag = _accept(trust, referred.path, etag)
    _begin(trust, referred)
    _measure(trust, referred.path)
    _load_contacts(trust, referred.referral["code"])
    etag = trust.get("The referral once more, for its ETag", referred.path).headers["etag"]
    ended = trust.step("The goals are met", referred.path, {"to": "discharged", "reason": "goals_met"}, etag).json()
    trust.transcript.expect("discharged", ended["status"] == "discharged", ended["status"])


def _find(referred: Referred) -> str:
    trust, transcript = referred.trust, referred.trust.transcript
    page = trust.get(
        "Which referrals wait for an answer?",
        "/v1/referrals",
        service=referred.service["id"],
        status="submitted",
        sort="-submitted_at",
    ).json()["data"]
    mine = next((each for each in page if each["id"] == referred.referral["id"]), None)
    transcript.expect("the school's is among them", mine is not None, [each["code"] for each in page])
    services = {each["service_id"] for each in page}
    transcript.expect("all are to that service", services == {referred.service["id"]}, sorted(services))
    read = trust.get("The referral, as the service sees it", referred.path)
    pupil = read.json()["subject"]["pupil"]
    known = {name: referred.pupil[name] for name in ("nhs_number", "given_name", "family_name", "date_of_birth")}
    transcript.expect("with NHS number, name and date of birth", known.items() <= pupil.items(), sorted(pupil))
    transcript.expect(
        "without the UPN, and it says so",
        "upn" not in pupil and read.json()["redacted"] == ["subject.pupil.upn"],
        read.json()["redacted"],
    )
    return str(read.headers["etag"])


def _accept(trust: Partner, path: str, etag: str) -> str:
    transcript = trust.transcript
    trust.step("A step without the version that was seen", path, {"to": "accepted"}, None, 428)
    illegal = trust.step(
        "A step that the pathway does not have", path, {"to": "discharged", "reason": "goals_met"}, etag, 409
    )
    legal = illegal.json().get("legal")
    transcript.expect("the possible next states are named", legal == ["accepted", "returned", "declined"], legal)
    contact = trust.create("A contact before it is accepted", f"{path}/contacts", contact_today(), 409)
    transcript.expect(
        "is a conflict with the state", contact.json()["code"] == "state_conflict", contact.json()["code"]
    )
    accepted = trust.step("The service accepts", path, {"to": "accepted"}, etag)
    transcript.expect("accepted", accepted.json()["status"] == "accepted", accepted.json()["status"])
    trust.step("A step on a version that has passed", path, {"to": "waiting"}, etag, 412)
    waiting = trust.step("It joins the waiting list", path, {"to": "waiting"}, accepted.headers["etag"])
    transcript.expect("waiting", waiting.json()["status"] == "waiting", waiting.json()["status"])
    return str(waiting.headers["etag"])


def _begin(trust: Partner, referred: Referred) -> None:
    transcript, contacts = trust.transcript, f"{referred.path}/contacts"
    for sentence, on in (
        ("A contact before the referral", today() - timedelta(days=400)),
        ("A contact in the future", today() + timedelta(days=7)),
    ):
        refused = trust.create(sentence, contacts, contact_today() | {"on": on.isoformat()}, 422)
        expect_field_errors(transcript, refused, "/on")
    made = trust.create("The first session", contacts, contact_today()).json()
    expect_fields(
        transcript,
        made,
        "id",
        "on",
        "mode",
        "setting",
        "reference",
        "duration_minutes",
        "attendance",
        "staff_role",
        "group_size",
    )
    begun = trust.get("Has the work begun?", referred.path).json()
    transcript.expect("the first attended contact began it", begun["status"] == "in_progress", begun["status"])
    transcript.expect("and ended the wait", bool(begun["started_at"]), begun.get("started_at"))


def _measure(trust: Partner, path: str) -> None:
    on = today().isoformat()
    body = {
        "instrument": "TOMs",
        "domain": "activity",
        "baseline": {"on": on, "value": 2},
        "later": {"on": on, "value": 3.5},
    }
    made = trust.create("What changed, by an instrument", f"{path}/outcomes", body).json()
    expect_fields(trust.transcript, made, "id", "instrument", "domain", "baseline.value", "later.value")


def _load_contacts(trust: Partner, code: str) -> None:
    lines = [contact_today() | {"referral_code": code} for _ in range(2)]
    for sentence, wanted in (("A day's sessions in one load", "created"), ("The same load again", "unchanged")):
        results = trust.bulk(sentence, "/v1/bulk/contacts", lines)
        found = [(each["line"], each["result"]) for each in results]
        trust.transcript.expect(f"one result a line: {wanted}", found == [(1, wanted), (2, wanted)], results)


def contact_today() -> dict[str, Any]:
    """Make a session of today, with its own reference."""
    return {
        "on": today().isoformat(),
        "mode": "face_to_face",
        "setting": "school",
        "reference": f"EPR-{uuid4()}",
        "duration_minutes": 45,
        "attendance": "attended",
        "staff_role": "speech_and_language_therapist",
        "group_size": 1,
    }
