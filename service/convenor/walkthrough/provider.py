"""Act as a provider's portal: read SLAs, send returns, and see one accepted and one sent back."""

from datetime import date, timedelta
from typing import Any

from convenor.domain_types.dates import today
from convenor.walkthrough.partner import Partner, expect_field_errors, expect_fields
from convenor.walkthrough.transcript import TourEnded


def report(provider: Partner, commissioner: Partner) -> None:
    """Report against an SLA twice: the commissioner accepts one return and sends the other back."""
    transcript = provider.transcript
    transcript.chapter(f"Provider portal: {provider.name}")
    provider.sign_in("A token, by client id and secret")
    slas = provider.get("Our SLAs", "/v1/slas", limit=200).json()["data"]
    active = [each for each in slas if each["status"] == "active" and each["kpis"]]
    transcript.expect("one is active and has KPIs", bool(active), [each["code"] for each in slas])
    sla = active[0]
    expect_fields(
        transcript, sla, "id", "code", "service.code", "provider.name", "terms.sessions", "kpis", "returns_due"
    )
    free = _free_days(provider, sla)
    body = _return_of(sla, free.pop())
    _refuse_faults(provider, body)
    first = provider.create("The return, in order", "/v1/impact-returns", body)
    made = first.json()
    transcript.expect("submitted", made["status"] == "submitted", made["status"])
    checks = {check["check"]: check for check in made["checks"]}
    transcript.expect("checked against the SLA on arrival", "sessions_against_sla" in checks, sorted(checks))
    expect_fields(transcript, checks.get("sessions_against_sla", {}), "outcome", "expected", "reported", "detail")
    second = provider.create("And the return of another day", "/v1/impact-returns", _return_of(sla, free.pop()))

    transcript.chapter(f"Commissioner: {commissioner.name}")
    commissioner.sign_in("A token")
    etag = commissioner.get("The return, as the commissioner sees it", first.headers["location"]).headers["etag"]
    for to in ("validated", "accepted"):
        answer = commissioner.step(f"It is {to}", first.headers["location"], {"to": to}, etag)
        transcript.expect(to, answer.json()["status"] == to, answer.json()["status"])
        etag = answer.headers["etag"]
    reason = "The sessions of one school are missing."
    sent_back = commissioner.step(
        "The other is sent back, with the reason",
        second.headers["location"],
        {"to": "returned", "reason": reason},
        second.headers["etag"],
    )
    transcript.expect("returned", sent_back.json()["status"] == "returned", sent_back.json()["status"])
    overlapping = provider.create("The provider reports the accepted day again", "/v1/impact-returns", body, 422)
    expect_field_errors(transcript, overlapping, "/period")


def _refuse_faults(provider: Partner, body: dict[str, Any]) -> None:
    measures = body["measures"]
    unknown = body | {"measures": [*measures, {"kpi": "no_such_kpi", "numerator": 1, "denominator": 2}]}
    refused = provider.create("A measure that the SLA does not have", "/v1/impact-returns", unknown, 422)
    expect_field_errors(provider.transcript, refused, f"/measures/{len(measures)}/kpi")
    above = body | {"measures": [measures[0] | {"numerator": 9, "denominator": 2}, *measures[1:]]}
    refused = provider.create("A numerator above its denominator", "/v1/impact-returns", above, 422)
    expect_field_errors(provider.transcript, refused, "/measures/0/numerator")


def _return_of(sla: dict[str, Any], day: date) -> dict[str, Any]:
    return {
        "sla_id": sla["id"],
        "period": {"from": day.isoformat(), "to": day.isoformat()},
        "volumes": {"sessions": 6, "pupils": 5, "schools": 2},
        "cost_pence": 42_000,
        "measures": [{"kpi": each["kpi"], "numerator": 4, "denominator": 5} for each in sla["kpis"]],
        "narrative": "One day's work, reported alone.",
    }


def _free_days(provider: Partner, sla: dict[str, Any]) -> list[date]:
    """Return the days of the SLA's term until today that no return covers, except one sent back, the latest last."""
    returns = provider.get("What we have reported so far", "/v1/impact-returns", limit=200, sla=sla["code"]).json()[
        "data"
    ]
    taken = [
        (date.fromisoformat(each["period"]["from"]), date.fromisoformat(each["period"]["to"]))
        for each in returns
        if each["status"] != "returned"
    ]
    first, last = date.fromisoformat(sla["starts_on"]), min(today(), date.fromisoformat(sla["ends_on"]))
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    free = [day for day in days if not any(start <= day <= end for start, end in taken)]
    if len(free) < 2:
        provider.transcript.expect("two days are still to be reported", False, len(free))
        raise TourEnded
    return free
