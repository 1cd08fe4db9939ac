"""Measured changes: when they may be recorded, by whom, and how they are read."""

from typing import Any

import pytest
from support.api_client import Service
from support.referral_steps import ACCEPTED, PAUSED, day, moved, referred, session

from convenor.outcomes.models import DOMAINS


def measured(**fields: Any) -> dict[str, Any]:
    return {
        "instrument": "TOMs",
        "domain": "activity",
        "baseline": {"on": day(20), "value": 2},
        "later": {"on": day(2), "value": 3.5},
    } | fields


async def test_nothing_is_measured_before_the_service_has_accepted(service: Service) -> None:
    referral = await referred(service)
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/outcomes", measured())
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")


@pytest.mark.parametrize(("who", "end"), [("trust", "declined"), ("school", "withdrawn")])
async def test_nothing_is_measured_where_there_was_no_work(service: Service, who: str, end: str) -> None:
    referral = await referred(service)
    await moved(service.as_(who), referral["code"], end)
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/outcomes", measured())
    assert refused.status_code == 409


async def test_a_later_value_before_the_baseline_is_a_fault(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/outcomes"
    refused = await service.as_("trust").post(path, measured(later={"on": day(21), "value": 3}))
    assert (refused.status_code, [fault["pointer"] for fault in refused.json()["errors"]]) == (422, ["/later/on"])
    assert (await service.as_("trust").post(path, measured(later={"on": day(20), "value": 3}))).status_code == 201


async def test_every_fault_of_shape_is_named_at_once(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    body = measured(instrument="ruler", baseline={"on": day(-1)}, later={"on": day(-1), "value": 1, "n": 3}, n=0)
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/outcomes", body)
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {
        "/instrument",
        "/baseline/on",
        "/baseline/value",
        "/later/on",
        "/later/n",
        "/n",
    }


@pytest.mark.parametrize(
    ("instrument", "domain", "known"),
    [
        ("TOMs", "Robin Ashgrove", "impairment, activity, participation, wellbeing, other"),
        ("TOMs", "reading", "impairment, activity, participation, wellbeing, other"),
        ("TOMs", 1, "impairment, activity, participation, wellbeing, other"),
        ("goal_based", "goal_4", "goal_1, goal_2, goal_3, other"),
        ("other", "activity", "other"),
    ],
)
async def test_a_domain_is_one_of_its_instrument_s(
    service: Service, instrument: str, domain: object, known: str
) -> None:
    referral = await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/outcomes"
    refused = await service.as_("trust").post(path, measured(instrument=instrument, domain=domain))
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["pointer"], error["code"]) == (422, "/domain", "domain")
    assert error["detail"] == f"The domains of {instrument} are: {known}."


async def test_every_domain_of_every_instrument_is_stored(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    path, trust = f"/v1/referrals/{referral['id']}/outcomes", service.as_("trust")
    sent = [(str(instrument), str(domain)) for instrument, domains in DOMAINS.items() for domain in domains]
    for instrument, domain in sent:
        made = await trust.post(path, measured(instrument=instrument, domain=domain))
        assert made.status_code == 201, made.text
    shown = (await trust.get(path, limit=200)).json()["data"]
    assert {(each["instrument"], each["domain"]) for each in shown} == set(sent)


async def test_another_provider_s_referral_reads_as_if_it_were_not_there(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/outcomes"
    made = await service.as_("trust").post(path, measured())
    other = service.as_("second_trust")
    assert (await other.post(path, measured())).status_code == 404
    assert (await other.get(path)).status_code == 404
    assert (await other.get(made.headers["Location"])).status_code == 404
    assert (await other.get("/v1/outcomes")).json()["data"] == []
    assert (await service.as_("school").post(path, measured())).json()["scope"] == "outcomes:write"


@pytest.mark.parametrize("steps", [ACCEPTED, PAUSED])
async def test_a_change_is_recorded_and_read_as_it_was_sent(service: Service, steps: tuple[str, ...]) -> None:
    trust, referral = service.as_("trust"), await referred(service, *steps)
    path = f"/v1/referrals/{referral['id']}/outcomes"
    made = await trust.post(path, measured(baseline={"on": day(400), "value": 2}))
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"/v1/outcomes/{made.json()['id']}"
    seen = (await service.as_("school").get(made.headers["Location"])).json()
    assert seen == made.json()
    assert (seen["baseline"], seen["later"]) == ({"on": day(400), "value": 2}, {"on": day(2), "value": 3.5})
    assert (seen["referral_id"], seen["referral_code"], seen["n"]) == (referral["id"], referral["code"], 1)

    await trust.post(path, measured(instrument="SDQ", domain="impact", later=None))
    listed = (await trust.get(path)).json()["data"]
    assert [(found["instrument"], found["later"]) for found in listed] == [
        ("SDQ", None),
        ("TOMs", {"on": day(2), "value": 3.5}),
    ]
    for filters in ({"instrument": "SDQ"}, {"referral": referral["code"], "service": "SLT", "instrument": "SDQ"}):
        assert len((await trust.get("/v1/outcomes", **filters)).json()["data"]) == 1
    assert (await trust.get("/v1/outcomes", service="OT")).json()["data"] == []


async def test_a_change_is_still_measured_after_discharge(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    await trust.post(f"/v1/referrals/{referral['id']}/contacts", session())
    await moved(trust, referral["code"], "discharged")
    assert (await trust.post(f"/v1/referrals/{referral['id']}/outcomes", measured())).status_code == 201
