"""Commissioner, board and auditor: the case without the child, the figures without the few, and who has looked."""

from typing import Any

from convenor.walkthrough.partner import Partner, expect_fields
from convenor.walkthrough.school import Referred

DECIDES = "pupils:identify"
"""The scope of the client that decides which pupils are one child."""


def oversee(referred: Referred, commissioner: Partner, board: Partner, auditor: Partner) -> None:
    """Read what was done, as the roles outside the case."""
    transcript = commissioner.transcript
    transcript.chapter(f"Oversight: {commissioner.name}, {board.name}, {auditor.name}")
    commissioner.sign_in("The commissioner's token")
    _see_no_child(commissioner, referred)
    board.sign_in("The board's token")
    _see_figures(board)
    refused = board.get("A case is not for the board", referred.path, 403).json()
    transcript.expect("it says which scope is missing", refused.get("scope") == "referrals:read", refused.get("scope"))
    auditor.sign_in("The auditor's token")
    _see_who_looked(auditor, referred, commissioner)


def see_matches(decider: Partner) -> None:
    """Read which pupils of several schools are one child, or may be."""
    transcript = decider.transcript
    decider.sign_in("The token of the client that decides which pupils are one child", DECIDES)
    page = decider.get("Which pupils of several schools are one child?", "/v1/pupil-matches", limit=20)
    matches: list[dict[str, Any]] = page.json()["data"]
    for each in matches[:1]:
        expect_fields(transcript, each, "id", "status", "pupils", "agree", "differ", "found_at")
    named = {field for each in matches for field in each["agree"] + each["differ"]}
    fields = {"upn", "nhs_number", "date_of_birth"}
    transcript.expect("the fields are named, and no value of theirs", named <= fields, sorted(named))


def _see_no_child(commissioner: Partner, referred: Referred) -> None:
    seen = commissioner.get("The referral, as the commissioner sees it", referred.path)
    pupil, transcript = seen.json()["subject"]["pupil"], commissioner.transcript
    transcript.expect("a pseudonym", bool(pupil.get("pseudonym")), sorted(pupil))
    stated = [str(value) for name, value in referred.pupil.items() if name != "sen_provision"]
    shown = [value for value in stated if value in seen.text]
    transcript.expect("no details of the pupil", not shown, shown)
    hidden_paths = {"reason", "subject.pupil.upn", "subject.pupil.nhs_number", "subject.pupil.given_name"}
    transcript.expect(
        "the hidden fields are listed", hidden_paths <= set(seen.json()["redacted"]), seen.json()["redacted"]
    )
    transcript.expect(
        "another pseudonym than the school's",
        pupil.get("pseudonym") != referred.referral["subject"]["pupil"]["pseudonym"],
    )


def _see_figures(board: Partner) -> None:
    transcript, query = board.transcript, "group_by=month,cluster&academic_year=2025/26"
    page = board.get("Referrals by month and cluster", f"/v1/insights/referrals?{query}").json()
    figures: list[dict[str, Any]] = page["data"]
    transcript.expect("there are figures", bool(figures))
    for each in figures[:1]:
        expect_fields(transcript, each, "month", "cluster", "value", "status")
    few = [each for each in figures if each["value"] is not None and 1 <= each["value"] <= 4]
    transcript.expect("none of 1 to 4", not few, few)
    hidden = [each for each in figures if each["status"] == "c"]
    transcript.expect("some are suppressed", bool(hidden))
    transcript.expect("and then have no value", all(each["value"] is None for each in hidden))
    waits = board.get("Waits by service and cluster", "/v1/insights/waits").json()["data"]
    transcript.expect("there are waits", bool(waits))


def _see_who_looked(auditor: Partner, referred: Referred, commissioner: Partner) -> None:
    pupil, transcript = referred.referral["subject"]["pupil"]["id"], auditor.transcript
    wanted = {each.client["client_id"] for each in (referred.mis, referred.trust, commissioner)}
    page = auditor.get("Who has seen this pupil?", "/v1/audit/events", pupil=pupil, limit=200)
    events, covered = page.json()["data"], page.json()["pupils"]
    found = {event["client_id"] for event in events}
    transcript.expect("the school, the trust and the commissioner", wanted <= found, sorted(found))
    transcript.expect("the answer says which pupils it covers", bool(covered))
    for each in covered[:1]:
        expect_fields(transcript, each, "id", "school_urn")
    for event in events[:1]:
        expect_fields(transcript, event, "client_id", "organisation", "role", "purpose", "action", "at", "status")
    stated = [value for name, value in referred.pupil.items() if name not in ("sen_provision", "date_of_birth")]
    transcript.expect("and no details of the pupil", not [value for value in stated if value in page.text])
