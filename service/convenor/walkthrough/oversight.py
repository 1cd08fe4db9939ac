"""Commissioner, board and auditor: the case without the child, the figures without the few, and who has looked."""

import time
from typing import Any

from convenor.walkthrough.partner import Partner, expect_fields
from convenor.walkthrough.school import Referred

LOOK_UP_SECONDS = 5
"""Events are durable at once; finding them by pupil may lag a second."""


def look_on(referred: Referred, commissioner: Partner, board: Partner, auditor: Partner) -> None:
    """Looks at what was done from outside the case."""
    journal = commissioner.journal
    journal.chapter(f"Oversight: {commissioner.name}, {board.name}, {auditor.name}")
    commissioner.sign_in("The commissioner's token")
    _see_no_child(commissioner, referred)
    board.sign_in("The board's token")
    _see_figures(board)
    refused = board.get("A case is not for the board", referred.path, 403).json()
    journal.expect("it says which scope is missing", refused.get("scope") == "referrals:read", refused.get("scope"))
    auditor.sign_in("The auditor's token")
    _see_who_looked(auditor, referred, commissioner)


def _see_no_child(commissioner: Partner, referred: Referred) -> None:
    seen = commissioner.get("The referral, as the commissioner sees it", referred.path)
    pupil, journal = seen.json()["subject"]["pupil"], commissioner.journal
    journal.expect("a pseudonym", bool(pupil.get("pseudonym")), sorted(pupil))
    stated = [str(value) for name, value in referred.pupil.items() if name != "sen_provision"]
    shown = [value for value in stated if value in seen.text]
    journal.expect("nothing of who the pupil is", not shown, shown)
    walled = {"reason", "subject.pupil.upn", "subject.pupil.nhs_number", "subject.pupil.given_name"}
    journal.expect("and it says what is kept back", walled <= set(seen.json()["redacted"]), seen.json()["redacted"])
    journal.expect(
        "another pseudonym than the school's",
        pupil.get("pseudonym") != referred.referral["subject"]["pupil"]["pseudonym"],
    )


def _see_figures(board: Partner) -> None:
    journal, query = board.journal, "group_by=month,cluster&academic_year=2025/26"
    page = board.get("Referrals by month and cluster", f"/v1/insights/referrals?{query}").json()
    figures: list[dict[str, Any]] = page["data"]
    journal.expect("there are figures", bool(figures))
    for each in figures[:1]:
        expect_fields(journal, each, "month", "cluster", "value", "status")
    few = [each for each in figures if each["value"] is not None and 1 <= each["value"] <= 4]
    journal.expect("none of 1 to 4", not few, few)
    hidden = [each for each in figures if each["status"] == "c"]
    journal.expect("some are suppressed", bool(hidden))
    journal.expect("and then have no value", all(each["value"] is None for each in hidden))
    waits = board.get("Waits by service and cluster", "/v1/insights/waits").json()["data"]
    journal.expect("there are waits", bool(waits))


def _see_who_looked(auditor: Partner, referred: Referred, commissioner: Partner) -> None:
    pupil, journal = referred.referral["subject"]["pupil"]["id"], auditor.journal
    wanted = {each.client["client_id"] for each in (referred.mis, referred.trust, commissioner)}
    deadline = time.monotonic() + LOOK_UP_SECONDS
    while True:
        page = auditor.get("Who has seen this pupil?", "/v1/audit/events", pupil=pupil, limit=200)
        events = page.json()["data"]
        found = {event["client_id"] for event in events}
        if wanted <= found or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    journal.expect("the school, the trust and the commissioner", wanted <= found, sorted(found))
    for event in events[:1]:
        expect_fields(journal, event, "client_id", "organisation", "role", "purpose", "action", "at", "status")
    stated = [value for name, value in referred.pupil.items() if name not in ("sen_provision", "date_of_birth")]
    journal.expect("and nothing of who the pupil is", not [value for value in stated if value in page.text])
