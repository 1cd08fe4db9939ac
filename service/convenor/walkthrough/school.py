"""Act as a school's MIS: check its access, list services, make a referral, and follow it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from convenor.walkthrough.invented import invent_pupil
from convenor.walkthrough.partner import Partner, expect_field_errors, expect_fields
from convenor.walkthrough.transcript import TourEnded

DECIDES = "handovers:decide"
SCOPES = ("services:read", "referrals:read", "referrals:write")


@dataclass
class Referred:
    """A referral on its way through the tour.

    Attributes:
        mis: The software that made it.
        service: The service that it is for, as the school saw it.
        trust: The software of that service's provider, signed in.
        pupil: What the school stated of the pupil.
        referral: As the school got it back.
    """

    mis: Partner
    service: dict[str, Any]
    trust: Partner
    pupil: dict[str, Any]
    referral: dict[str, Any]

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/v1/referrals/{self.referral['id']}"


def refer(mis: Partner, other_mis: Partner, trusts: list[Partner]) -> Referred:
    """Refer an invented pupil to a service of one of the trusts.

    Args:
        mis: A client of the role school_mis with a secret.
        other_mis: One of another cluster.
        trusts: Clients of the role health_system.
    """
    transcript = mis.transcript
    transcript.chapter(f"School MIS: {mis.name}")
    mis.sign_in("A token, by client id and secret", *SCOPES)
    me = mis.get("Who am I?", "/v1/me").json()
    expect_fields(
        transcript,
        me,
        "client_id",
        "organisation",
        "role",
        "scopes",
        "reach.areas",
        "reach.clusters",
        "reach.schools",
        "reach.providers",
        "agreement",
    )
    transcript.expect("it stands for a school, by URN", bool(me["reach"]["schools"]), me["reach"])
    urn = me["reach"]["schools"][0]
    service, trust = _choose(mis, trusts)
    body = {
        "pathway": "service",
        "service_id": service["id"],
        "school_urn": urn,
        "need": "SLCN",
        "priority": "routine",
        "reason": "Hard to follow for strangers; strategies in class for two terms have not been enough.",
        "subject": {"kind": "pupil", "pupil": invent_pupil()},
    }
    _refuse_faults(mis, other_mis, body)
    referral = _submit(mis, body)
    _search(mis, referral)
    referred = Referred(mis, service, trust, body["subject"]["pupil"], referral)
    other_mis.sign_in(f"Another school's MIS ({other_mis.name}) has a token too", "referrals:read")
    other_mis.get("and the referral does not exist for it", referred.path, 404)
    return referred


def follow_referral(referred: Referred) -> None:
    """Follow the referral, as the school sees it after the service's work."""
    mis, transcript = referred.mis, referred.mis.transcript
    transcript.chapter(f"School MIS again: {mis.name}")
    mis.sign_in("A fresh token, for the outcomes as well", "referrals:read", "contacts:read", "outcomes:read")
    seen = mis.get("What became of the referral?", referred.path).json()
    transcript.expect("it is discharged, with nothing to follow", (seen["status"], seen["next"]) == ("discharged", []))
    history = mis.get("and its history", f"{referred.path}/transitions").json()["data"]
    steps = [step["to"] for step in history]
    transcript.expect(
        "every step is there", steps == ["submitted", "accepted", "waiting", "in_progress", "discharged"], steps
    )
    outcomes = mis.get("with the measured outcome", f"{referred.path}/outcomes").json()["data"]
    transcript.expect("one outcome, by TOMs", [each["instrument"] for each in outcomes] == ["TOMs"], outcomes)


def hand_over(referred: Referred, other_mis: Partner) -> None:
    """Hand a second pupil over to another school, which asks for what the first one refers."""
    mis, transcript = referred.mis, referred.mis.transcript
    transcript.chapter(f"A pupil changes school: from {mis.name} to {other_mis.name}")
    mis.sign_in("A token for referrals and handovers", "referrals:read", "referrals:write", DECIDES)
    urn, pupil = referred.referral["school_urn"], invent_pupil()
    about = {"need": "SLCN", "reason": "Hard to follow for strangers.", "subject": {"kind": "pupil", "pupil": pupil}}
    body = {"pathway": "service", "service_id": referred.service["id"], "school_urn": urn, **about}
    earlier = mis.create("A referral of another pupil, who soon moves", "/v1/referrals", body).json()
    other_mis.sign_in("The new school signs in", "referrals:read", "referrals:write")
    theirs = other_mis.get("with its own URN", "/v1/me").json()["reach"]["schools"][0]
    asks = {"school_urn": theirs, "pupil": pupil, "reason": "The family moved; the stammer did not."}
    asked = other_mis.create("It asks for the referrals of the pupil who came", "/v1/handovers", asks)
    handover = asked.json()
    transcript.expect("asked, whoever knows the pupil", handover["status"] == "asked", handover["status"])
    (request,) = mis.wait_for("What is the earlier school asked?", "/v1/handover-requests", handover=handover["code"])
    known = request["known_pupil"]["referrals"]
    transcript.expect("it is asked for its referral", known == [earlier["code"]], known)
    unchanged = other_mis.get("The new school learns nothing of that", asked.headers["location"])
    transcript.expect("the same as before", unchanged.json() == handover)
    path = f"/v1/handovers/{handover['code']}/decisions"
    mis.create("The earlier school agrees", path, {"decision": "complete"}, if_match='"1"')
    passed = other_mis.get("Now the handover names a referral", asked.headers["location"]).json()
    new = other_mis.get("which is the new school's own", f"/v1/referrals/{passed['referrals'][0]}").json()
    kept = [each for each in ("status", "submitted_at", "service_id") if new[each] != earlier[each]]
    transcript.expect("with the state, the service and the wait", not kept, kept)
    ended = mis.get("The earlier school's has ended", f"/v1/referrals/{earlier['id']}").json()
    transcript.expect("as handed over", (ended["status"], ended["next"]) == ("handed_over", []), ended["status"])


def _choose(mis: Partner, trusts: list[Partner]) -> tuple[dict[str, Any], Partner]:
    """Choose a service that the school's cluster buys from one of the trusts; return it with the trust."""
    transcript = mis.transcript
    page = mis.get("What does our cluster offer for communication and interaction?", "/v1/services", area_of_need="C&I")
    offered: list[dict[str, Any]] = page.json()["data"]
    transcript.expect("a page of services", bool(offered) and "next" in page.json(), page.json())
    for each in offered[:1]:
        expect_fields(
            transcript,
            each,
            "id",
            "code",
            "name",
            "area_of_need",
            "offer",
            "level",
            "delivery_mode",
            "provider.id",
            "provider.name",
            "clusters",
            "capacity.places",
            "capacity.in_use",
            "capacity.confirmed_on",
            "wait.waiting",
            "wait.median_days",
            "wait.longest_days",
            "wait.as_at",
        )
    transcript.expect("all of them for that need", {each["area_of_need"] for each in offered} == {"C&I"})
    for trust in trusts:
        trust.sign_in(f"{trust.name}, by a signed assertion ({trust.client['private_key_jwk']['alg']})")
        own = trust.get("Who am I?", "/v1/me").json()["reach"]["providers"]
        for service in offered:
            if service["provider"] and service["provider"]["id"] in own:
                return service, trust
    transcript.expect("one of the services is a trust's", False, [each["code"] for each in offered])
    raise TourEnded


def _refuse_faults(mis: Partner, other_mis: Partner, body: dict[str, Any]) -> None:
    transcript, began = mis.transcript, datetime.now(UTC).isoformat()
    pupil = body["subject"]["pupil"]
    wrong = {"upn": "A999000116001", "nhs_number": "4857773456", "date_of_birth": "2016-02-30"}
    malformed = body | {"school_urn": "90001", "colour": "blue", "subject": {"kind": "pupil", "pupil": pupil | wrong}}
    refused = mis.create("A referral full of faults", "/v1/referrals", malformed, 422)
    expect_field_errors(
        transcript,
        refused,
        "/school_urn",
        "/colour",
        "/subject/pupil/upn",
        "/subject/pupil/nhs_number",
        "/subject/pupil/date_of_birth",
    )
    other_mis.sign_in(f"{other_mis.name} tells us its URN", "services:read")
    theirs = other_mis.get("Who am I?", "/v1/me").json()["reach"]["schools"][0]
    elsewhere = body | {"school_urn": theirs, "service_id": str(uuid4())}
    refused = mis.create("A school not its own, a service that nobody offers", "/v1/referrals", elsewhere, 422)
    expect_field_errors(transcript, refused, "/school_urn", "/service_id")
    stored = mis.get("Nothing was stored", "/v1/referrals", submitted_after=began).json()["data"]
    transcript.expect("no referral since", stored == [], stored)


def _search(mis: Partner, referral: dict[str, Any]) -> None:
    transcript, upn = mis.transcript, referral["subject"]["pupil"]["upn"]
    found = mis.search("The pupil's referrals, by UPN", "/v1/referrals/search", {"upn": upn}).json()["data"]
    transcript.expect("the one just made", [each["id"] for each in found] == [referral["id"]], found)
    refused = mis.get("A UPN in an address, which proxies log", "/v1/referrals", 400, upn=upn).json()
    transcript.expect("is refused as such", refused["code"] == "identifier_in_address", refused["code"])


def _submit(mis: Partner, body: dict[str, Any]) -> dict[str, Any]:
    transcript, key = mis.transcript, str(uuid4())
    made = mis.create("The referral, in order", "/v1/referrals", body, key=key)
    referral: dict[str, Any] = made.json()
    expect_fields(
        transcript,
        referral,
        "id",
        "code",
        "status",
        "pathway",
        "pathway_version",
        "service_id",
        "school_urn",
        "cluster",
        "need",
        "priority",
        "reason",
        "subject.kind",
        "subject.pupil.id",
        "subject.pupil.pseudonym",
        "subject.pupil.upn",
        "subject.pupil.given_name",
        "submitted_at",
        "waiting_days",
        "next",
        "redacted",
    )
    transcript.expect("where it is", made.headers.get("location") == f"/v1/referrals/{referral['id']}")
    transcript.expect("its version, as ETag", bool(made.headers.get("etag")))
    transcript.expect("submitted", referral["status"] == "submitted", referral["status"])
    legal = ["accepted", "returned", "declined", "withdrawn"]
    transcript.expect("the next states are named", referral["next"] == legal, referral["next"])
    transcript.expect(
        "the NHS number, which it sent, is not shown to it",
        "subject.pupil.nhs_number" in referral["redacted"] and "nhs_number" not in referral["subject"]["pupil"],
        referral["redacted"],
    )
    again = mis.create("The same call again, after a broken line", "/v1/referrals", body, key=key)
    transcript.expect("the first answer again", again.content == made.content)
    transcript.expect("and says so", again.headers.get("idempotency-replayed") == "true")
    other = mis.create("The same key with another body", "/v1/referrals", body | {"priority": "urgent"}, 422, key=key)
    transcript.expect("is refused as such", other.json()["code"] == "idempotency_key_reused", other.json()["code"])
    path = made.headers["location"]
    read = mis.get("The referral, read", path)
    transcript.expect("is what was answered", read.json() == referral)
    transcript.expect("with the same ETag", read.headers.get("etag") == made.headers.get("etag"))
    history = mis.get("and its history", f"{path}/transitions").json()["data"]
    transcript.expect("one step so far", [step["to"] for step in history] == ["submitted"], history)
    return referral
