"""Every field of every body is stored and read back, with values made from the shapes: nothing accepted is lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel
from support.api_client import Service, pupil_referral
from support.filled_bodies import differences, filled
from support.pending_work import do_all
from support.referral_steps import ACCEPTED, load, referred

from convenor.areas.schemas import AreaCreate, AreaUpdate
from convenor.clusters.schemas import ClusterCreate, ClusterUpdate
from convenor.commissioned_services.schemas import PromotionCreate, ServiceCreate, ServiceUpdate
from convenor.contacts.schemas import ContactCreate, ContactLine
from convenor.features import FEATURES
from convenor.handovers.schemas import HandoverCreate, HandoverDecisionCreate, HandoverTransitionCreate
from convenor.impact_returns.schemas import (
    ImpactReturnCreate,
    ImpactReturnUpdate,
    PeriodCreate,
    ReturnTransitionCreate,
)
from convenor.memberships.schemas import (
    ClusterInto,
    ClusterRoleCreate,
    ClusterRoleUpdate,
    MembershipCreate,
    MembershipUpdate,
    MergeCreate,
    SplitCreate,
    SplitInto,
    SuccessorCreate,
)
from convenor.outcomes.schemas import MeasureCreate, OutcomeCreate
from convenor.providers.schemas import ProviderCreate, ProviderUpdate
from convenor.pupil_matches.schemas import PupilDecisionCreate
from convenor.referrals.schemas import (
    GroupSubjectCreate,
    NhsNumberUpdate,
    PupilCreate,
    PupilUpdate,
    ReferralCreate,
    ReferralUpdate,
    TransitionCreate,
)
from convenor.schools.schemas import SchoolCreate, SchoolUpdate
from convenor.slas.schemas import KpiCreate, SlaCreate, SlaTransitionCreate, SlaUpdate

REFERENCES = {
    "area",
    "clusters",
    "not_the_same_as",
    "provider",
    "referral_code",
    "referrals",
    "same_as",
    "school",
    "school_urn",
    "schools",
    "service_id",
    "sla_id",
}
"""Fields that name another record by one of its keys; the record that is read names it by another."""

INSTRUCTIONS = {"for_all_referrals_of_the_pupil"}
"""Fields that say how the others are stored."""

NOT_IN_A_DRAFT = {SlaUpdate: {"valid_from"}}
"""The field that begins a new version of the terms, once an SLA is agreed."""

Body = dict[str, Any]
Case = Callable[[Service], Awaitable[tuple[Body, Any]]]
CASES: dict[type[BaseModel], Case] = {}
"""By shape, what sends a body with every field and reads back what it stored."""


def sends(shape: type[BaseModel]) -> Callable[[Case], Case]:
    def register(case: Case) -> Case:
        CASES[shape] = case
        return case

    return register


async def created(service: Service, caller: str, path: str, body: Body) -> tuple[Body, Any]:
    """Create a record, and read it."""
    answer = await service.as_(caller).post(path, body)
    assert answer.status_code == 201, answer.text
    return body, (await service.as_(caller).get(answer.headers["Location"])).json()


async def updated(service: Service, caller: str, path: str, body: Body) -> tuple[Body, Any]:
    """Update a record as it is, and read it."""
    etag = (await service.as_(caller).get(path)).headers["ETag"]
    answer = await service.as_(caller).patch(path, body, etag)
    assert answer.status_code == 200, answer.text
    return body, (await service.as_(caller).get(path)).json()


async def moved(service: Service, caller: str, path: str, body: Body) -> None:
    """Make a step."""
    etag = (await service.as_(caller).get(path)).headers["ETag"]
    answer = await service.as_(caller).post(f"{path}/transitions", body, etag=etag)
    assert answer.status_code == 201, answer.text


async def step_of(service: Service, caller: str, path: str, to: str) -> Any:
    """Read a step in the history, as somebody from whom nothing of it is hidden."""
    steps = (await service.as_(caller).get(f"{path}/transitions")).json()["data"]
    return next(step for step in steps if step["to"] == to)


@sends(AreaCreate)
async def create_area(service: Service) -> tuple[Body, Any]:
    return await created(service, "operator", "/v1/areas", filled(AreaCreate, la_code="997"))


@sends(AreaUpdate)
async def update_area(service: Service) -> tuple[Body, Any]:
    return await updated(service, "commissioner", "/v1/areas/999", filled(AreaUpdate))


@sends(ProviderCreate)
async def create_provider(service: Service) -> tuple[Body, Any]:
    return await created(service, "commissioner", "/v1/providers", filled(ProviderCreate, area="999"))


@sends(ProviderUpdate)
async def update_provider(service: Service) -> tuple[Body, Any]:
    _, provider = await create_provider(service)
    return await updated(service, "commissioner", f"/v1/providers/{provider['id']}", filled(ProviderUpdate, variant=1))


@sends(ClusterCreate)
async def create_cluster(service: Service) -> tuple[Body, Any]:
    return await created(service, "commissioner", "/v1/clusters", filled(ClusterCreate, area="999"))


@sends(ClusterUpdate)
async def update_cluster(service: Service) -> tuple[Body, Any]:
    _, cluster = await create_cluster(service)
    return await updated(service, "commissioner", f"/v1/clusters/{cluster['id']}", filled(ClusterUpdate, variant=1))


@sends(SchoolCreate)
async def create_school(service: Service) -> tuple[Body, Any]:
    body = filled(SchoolCreate, area="999", urn="900077", closed_on="2026-08-31")
    return await created(service, "commissioner", "/v1/schools", body)


@sends(SchoolUpdate)
async def update_school(service: Service) -> tuple[Body, Any]:
    await create_school(service)
    body = filled(SchoolUpdate, variant=1, urn="900077", closed_on="2026-08-30")
    return await updated(service, "commissioner", "/v1/schools/900077", body)


@sends(SuccessorCreate)
async def convert_school(service: Service) -> tuple[Body, Any]:
    body = filled(SuccessorCreate, urn="900077")
    _, school = await created(service, "commissioner", "/v1/schools/900001/successor", body)
    return body, school | {"on": school["opened_on"]}


@sends(ServiceCreate)
async def create_service(service: Service) -> tuple[Body, Any]:
    trust = str(service.area().providers["trust"])
    body = filled(ServiceCreate, area="999", provider=trust, clusters=["1"], valid_to="2027-08-31")
    return await created(service, "commissioner", "/v1/services", body)


@sends(ServiceUpdate)
async def update_service(service: Service) -> tuple[Body, Any]:
    _, offered = await create_service(service)
    charity = str(service.area().providers["charity"])
    body = filled(ServiceUpdate, variant=1, provider=charity, clusters=["1", "2"], valid_to="2027-08-30")
    return await updated(service, "commissioner", f"/v1/services/{offered['id']}", body)


@sends(PromotionCreate)
async def promote_service(service: Service) -> tuple[Body, Any]:
    body = filled(PromotionCreate)
    answer = await service.as_("commissioner").post("/v1/services/OT/promotion", body)
    assert answer.status_code == 201, answer.text
    return body, answer.json() | {"evidence": answer.json()["promotion_evidence"]}


@sends(MembershipCreate)
async def join_cluster(service: Service) -> tuple[Body, Any]:
    school = filled(SchoolCreate, area="999", urn="900078", status="open", closed_on=None)
    await created(service, "commissioner", "/v1/schools", school)
    body = filled(MembershipCreate, school="900078", valid_to="2026-08-31")
    return await created(service, "commissioner", "/v1/clusters/1/schools", body)


@sends(MembershipUpdate)
async def end_membership(service: Service) -> tuple[Body, Any]:
    _, membership = await join_cluster(service)
    path = f"/v1/cluster-memberships/{membership['id']}"
    return await updated(service, "commissioner", path, filled(MembershipUpdate, variant=1))


@sends(ClusterRoleCreate)
async def take_up_role(service: Service) -> tuple[Body, Any]:
    body = filled(ClusterRoleCreate, school="900001", valid_to="2026-08-31")
    return await created(service, "commissioner", "/v1/clusters/1/roles", body)


@sends(ClusterRoleUpdate)
async def give_up_role(service: Service) -> tuple[Body, Any]:
    _, role = await take_up_role(service)
    path = f"/v1/cluster-roles/{role['id']}"
    return await updated(service, "commissioner", path, filled(ClusterRoleUpdate, variant=1))


@sends(MergeCreate)
async def merge_clusters(service: Service) -> tuple[Body, Any]:
    body = filled(MergeCreate, clusters=["1", "2"], into=filled(ClusterInto))
    _, cluster = await created(service, "commissioner", "/v1/clusters/merge", body)
    return body, {"into": cluster, "on": cluster["valid_from"]}


@sends(SplitCreate)
async def split_cluster(service: Service) -> tuple[Body, Any]:
    halves = [
        filled(SplitInto, code="half a", schools=["900001"]),
        filled(SplitInto, variant=1, code="half b", schools=["900002"]),
    ]
    body = filled(SplitCreate, into=halves)
    answer = await service.as_("commissioner").post("/v1/clusters/1/split", body)
    assert answer.status_code == 201, answer.text
    shown = [(await service.as_("commissioner").get(f"/v1/clusters/{half['code']}")).json() for half in halves]
    return body, {"into": shown, "on": shown[0]["valid_from"]}


@sends(SlaCreate)
async def create_sla(service: Service) -> tuple[Body, Any]:
    sent, sla = await created(service, "commissioner", "/v1/slas", sla_body(service, "OUTREACH", "charity"))
    return sent, sla | {"provider_id": sla["provider"]["id"]}


@sends(SlaUpdate)
async def update_sla(service: Service) -> tuple[Body, Any]:
    _, draft = await create_sla(service)
    body = sla_body(service, "SLT", "trust", variant=1)
    sent, sla = await updated(service, "commissioner", f"/v1/slas/{draft['id']}", body)
    return sent, sla | {"provider_id": sla["provider"]["id"]}


def sla_body(service: Service, commissioned: str, provider: str, *, variant: int = 0) -> Body:
    return filled(
        SlaCreate,
        variant=variant,
        service_id=commissioned,
        provider_id=str(service.area().providers[provider]),
        clusters=["1"],
        ends_on=f"2027-08-3{variant}",
        kpis=[filled(KpiCreate, variant=variant)],
    )


@sends(SlaTransitionCreate)
async def agree_sla(service: Service) -> tuple[Body, Any]:
    _, sla = await create_sla(service)
    body = filled(SlaTransitionCreate, to="agreed")
    await moved(service, "commissioner", f"/v1/slas/{sla['id']}", body)
    return body, await step_of(service, "charity", f"/v1/slas/{sla['id']}", "agreed")


@sends(ImpactReturnCreate)
async def submit_return(service: Service) -> tuple[Body, Any]:
    return await created(service, "charity", "/v1/impact-returns", return_body())


def return_body() -> Body:
    period = filled(PeriodCreate) | {"from": "2025-01-01", "to": "2025-04-30"}
    measures = [{"kpi": "goals_met", "numerator": 37, "denominator": 41}]
    return filled(ImpactReturnCreate, sla_id="SLA-OUTREACH", period=period, measures=measures)


@sends(ImpactReturnUpdate)
async def update_return(service: Service) -> tuple[Body, Any]:
    _, report = await submit_return(service)
    path = f"/v1/impact-returns/{report['id']}"
    await moved(service, "commissioner", path, {"to": "returned", "reason": "Count the sessions again."})
    measures = [{"kpi": "goals_met", "numerator": 38, "denominator": 42}]
    return await updated(service, "charity", path, filled(ImpactReturnUpdate, variant=1, measures=measures))


@sends(ReturnTransitionCreate)
async def send_return_back(service: Service) -> tuple[Body, Any]:
    _, report = await submit_return(service)
    await moved(service, "commissioner", f"/v1/impact-returns/{report['id']}", {"to": "validated"})
    body = filled(ReturnTransitionCreate, to="returned")
    await moved(service, "commissioner", f"/v1/impact-returns/{report['id']}", body)
    return body, await step_of(service, "charity", f"/v1/impact-returns/{report['id']}", "returned")


@sends(ReferralCreate)
async def submit_referral(service: Service) -> tuple[Body, Any]:
    sent, shown = await created(service, "school", "/v1/referrals", referral_body() | await answers(service))
    # The NHS number is hidden from schools, and the UPN from trusts.
    to_trust = (await service.as_("trust").get(f"/v1/referrals/{shown['id']}")).json()
    shown["subject"]["pupil"]["nhs_number"] = to_trust["subject"]["pupil"]["nhs_number"]
    return sent, shown


async def answers(service: Service, **of_both: str) -> Body:
    """Say of which other referrals a pupil is the same and is not."""
    unnumbered = {"code": "OUTREACH", "upn": None, "nhs_number": None} | of_both
    same = await referred(service, given_name="Ash", **unnumbered)
    other = await referred(service, given_name="Briar", **unnumbered)
    return {"same_as": same["code"], "not_the_same_as": [other["code"]]}


def referral_body(subject: Body | None = None) -> Body:
    about = subject or {"kind": "pupil", "pupil": filled(PupilCreate, date_of_birth="2016-05-04")}
    body = filled(ReferralCreate, pathway="service", service_id="SLT", school_urn="900001", subject=about)
    return {name: value for name, value in body.items() if name not in ("same_as", "not_the_same_as")}


@sends(ReferralUpdate)
async def update_referral(service: Service) -> tuple[Body, Any]:
    _, referral = await created(service, "school", "/v1/referrals", referral_body())
    born = {"date_of_birth": "2016-05-05"}
    pupil = filled(PupilUpdate, variant=1, upn="Q801200005002", nhs_number="9990000026", **born)
    body = filled(ReferralUpdate, variant=1, pupil=pupil, **await answers(service, **born))
    _, shown = await updated(service, "school", f"/v1/referrals/{referral['id']}", body)
    to_trust = (await service.as_("trust").get(f"/v1/referrals/{referral['id']}")).json()["subject"]["pupil"]
    return body, shown | {"pupil": shown["subject"]["pupil"] | {"nhs_number": to_trust["nhs_number"]}}


@sends(NhsNumberUpdate)
async def state_nhs_number(service: Service) -> tuple[Body, Any]:
    _, referral = await submit_referral(service)
    body, trust = filled(NhsNumberUpdate, nhs_number="9990000026"), service.as_("trust")
    answer = await trust.put(f"/v1/referrals/{referral['id']}/nhs-number", body, "*")
    assert answer.status_code == 200, answer.text
    shown = (await trust.get(f"/v1/referrals/{referral['id']}")).json()["subject"]["pupil"]
    return body, {"nhs_number": shown["traced_nhs_number"]}


@sends(TransitionCreate)
async def decline_referral(service: Service) -> tuple[Body, Any]:
    _, referral = await submit_referral(service)
    body = filled(TransitionCreate, to="declined")
    await moved(service, "trust", f"/v1/referrals/{referral['id']}", body)
    return body, await step_of(service, "school", f"/v1/referrals/{referral['id']}", "declined")


@sends(PupilDecisionCreate)
async def decide_pupil_match(service: Service) -> tuple[Body, Any]:
    referrals = []
    for maker, urn in (("school", "900001"), ("neighbour", "900002")):
        made = await service.as_(maker).post("/v1/referrals", pupil_referral("SLT", urn))
        referrals.append(made.json()["code"])
    await do_all(service)
    commissioner = service.as_("identifying_commissioner")
    (match,) = (await commissioner.get("/v1/pupil-matches")).json()["data"]
    path = f"/v1/pupil-matches/{match['id']}/decisions"
    body = filled(PupilDecisionCreate, decision="keep_apart", referrals=referrals)
    decided = await commissioner.post(path, body, etag='"1"')
    assert decided.status_code == 201, decided.text
    return body, (await commissioner.get(path)).json()["data"][0]


@sends(HandoverCreate)
async def ask_handover(service: Service) -> tuple[Body, Any]:
    pupil = filled(PupilCreate, date_of_birth="2016-05-04")
    body = filled(HandoverCreate, school_urn="900001", pupil=pupil) | await answers(service)
    sent, shown = await created(service, "school", "/v1/handovers", body)
    # The NHS number is hidden from schools.
    whole = (await service.as_("identifying_commissioner").get(f"/v1/handovers/{shown['id']}")).json()
    assert shown["pupil"] == {name: value for name, value in whole["pupil"].items() if name != "nhs_number"}
    return sent, whole


@sends(HandoverTransitionCreate)
async def withdraw_handover(service: Service) -> tuple[Body, Any]:
    _, handover = await ask_handover(service)
    body = filled(HandoverTransitionCreate)
    path = f"/v1/handovers/{handover['id']}"
    await moved(service, "school", path, body)
    return body, {"to": (await service.as_("school").get(path)).json()["status"]}


@sends(HandoverDecisionCreate)
async def decide_handover(service: Service) -> tuple[Body, Any]:
    made = await service.as_("neighbour").post("/v1/referrals", pupil_referral("SLT", "900002"))
    body = {"school_urn": "900001", "pupil": pupil_referral("SLT")["subject"]["pupil"]}
    assert (await service.as_("school").post("/v1/handovers", body)).status_code == 201
    await do_all(service)
    (request,) = (await service.as_("neighbour").get("/v1/handover-requests")).json()["data"]
    body = filled(HandoverDecisionCreate, decision="complete", referrals=[made.json()["code"]])
    decided = await service.as_("neighbour").post(f"/v1/handovers/{request['id']}/decisions", body, etag='"1"')
    assert decided.status_code == 201, decided.text
    return body, (await service.as_("neighbour").get(f"/v1/handover-requests/{request['id']}")).json()


@sends(ContactCreate)
async def add_contact(service: Service) -> tuple[Body, Any]:
    referral = await referred(service, *ACCEPTED, days_ago=900)
    return await created(service, "trust", f"/v1/referrals/{referral['id']}/contacts", filled(ContactCreate))


@sends(ContactLine)
async def load_and_correct_contact(service: Service) -> tuple[Body, Any]:
    referral = await referred(service, *ACCEPTED, days_ago=900)
    for variant in (0, 1):
        body = filled(ContactLine, variant=variant, referral_code=referral["code"], reference="bulk 1")
        answer = await load(service.as_("trust"), [body])
        assert answer.status_code == 200, answer.text
        shown = (await service.as_("trust").get("/v1/contacts")).json()["data"][0]
        assert not lost(body, shown), variant
    return body, shown


@sends(OutcomeCreate)
async def add_outcome(service: Service) -> tuple[Body, Any]:
    referral = await referred(service, *ACCEPTED)
    body = filled(OutcomeCreate, baseline=filled(MeasureCreate), later=filled(MeasureCreate, variant=1))
    return await created(service, "trust", f"/v1/referrals/{referral['id']}/outcomes", body)


def lost(sent: Body, shown: Any) -> list[str]:
    kept = {name: value for name, value in sent.items() if name not in REFERENCES | INSTRUCTIONS}
    if isinstance(into := kept.get("into"), list):
        kept["into"] = [{name: value for name, value in half.items() if name not in REFERENCES} for half in into]
    return differences(kept, shown)


@pytest.mark.parametrize("shape", CASES, ids=lambda shape: shape.__name__)
async def test_every_field_of_a_body_is_stored_and_read_back(service: Service, shape: type[BaseModel]) -> None:
    sent, shown = await CASES[shape](service)
    assert sent.keys() == _wire_names(shape) - NOT_IN_A_DRAFT.get(shape, set())
    assert not lost(sent, shown)


async def test_every_field_of_a_group_is_stored_and_read_back(service: Service) -> None:
    body = referral_body(filled(GroupSubjectCreate))
    sent, shown = await created(service, "school", "/v1/referrals", body)
    assert not lost(sent, shown)


def test_every_body_of_the_api_is_among_the_shapes() -> None:
    routes = [route for feature in FEATURES for route in feature.router.routes if isinstance(route, APIRoute)]
    bodies = {route.body_field.field_info.annotation for route in routes if route.body_field}
    assert bodies | {ContactLine} == CASES.keys()


def _wire_names(shape: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in shape.model_fields.items()}
