"""What a change empties and what it keeps: exactly as the contract says, for every record that can be changed."""

from collections.abc import Iterator
from typing import Any

from support.api_client import Caller, Service, pupil_referral

from convenor.domain_types.dates import today

FILLED: dict[str, dict[str, Any]] = {
    "/v1/areas/{area_id}": {"gss_code": "E06000999", "icb_name": "Wend and Fell ICB", "icb_ods_code": "QWE"},
    "/v1/clusters/{cluster_id}": {"development": "pilot", "note": "Began with two schools."},
    "/v1/schools/{urn}": {
        "phase": "primary",
        "ukprn": "10099901",
        "laestab": "9992001",
        "opened_on": "1990-09-01",
        "closed_on": "2030-08-31",
    },
    "/v1/providers/{provider_id}": {"ods_code": "RW1", "ukprn": "10099902", "company_number": "09999901"},
    "/v1/services/{service_id}": {
        "level": "targeted",
        "audience": "pupils",
        "delivery_mode": "in_school",
        "setting": "In school",
        "eligibility": "Years 1 to 6.",
        "evidence": "robust",
        "valid_from": "2024-09-01",
        "valid_to": "2030-08-31",
    },
    "/v1/cluster-memberships/{membership_id}": {"valid_to": "2030-08-31"},
    "/v1/cluster-roles/{role_id}": {"valid_to": "2030-08-31"},
    "/v1/slas/{sla_id}": {},
    "/v1/referrals/{referral_id}": {
        "consent": {"basis": "consent", "on": str(today())},
        "pupil": {
            "upn": "B801200005001",
            "nhs_number": "9990000018",
            "family_name": "Ashgrove",
            "parent_name": "Rowan Ashgrove",
            "parent_telephone": "01632 960001",
            "parent_email": "rowan@example.org",
            "interpreter_language": "Polish",
            "home_la_code": "998",
        },
    },
    "/v1/impact-returns/{return_id}": {"narrative": "A good start."},
}
"""By the path of each change: a value for everything that can be emptied."""


WRITE_ONLY = {("same_as",), ("not_the_same_as",)}
"""What no answer shows: a service would learn of another service's referral."""


async def changeable(service: Service) -> dict[str, tuple[Caller, str]]:
    """By the path of each change: who may make it, and a record in a state that takes it."""
    commissioner, area = service.as_("commissioner"), service.area()
    memberships = (await commissioner.get("/v1/cluster-memberships")).json()["data"]
    role = {"role": "lead_senco", "holder": "Rowan Fell", "valid_from": "2024-09-01"}
    sla = {
        "code": "SLA-NEW",
        "service_id": "OUTREACH",
        "provider_id": str(area.providers["charity"]),
        "clusters": ["1"],
        "starts_on": "2024-09-01",
        "ends_on": "2027-08-31",
        "cadence": "termly",
        "terms": {"sessions": 360, "pupils": 90, "schools": 12, "price_pence": 4_500_000},
        "kpis": [{"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 80}],
    }
    report = {
        "sla_id": "SLA-OUTREACH",
        "period": {"from": "2025-01-01", "to": "2025-04-30"},
        "volumes": {"sessions": 38, "pupils": 14, "schools": 4},
        "cost_pence": 1_972_603,
        "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
    }

    async def made(key: str, path: str, body: dict[str, Any]) -> str:
        answer = await service.as_(key).post(path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])

    returned = await made("charity", "/v1/impact-returns", report)
    sent_back = {"to": "returned", "reason": "Which sessions were these?"}
    assert (await commissioner.post(f"{returned}/transitions", sent_back, etag="*")).status_code == 201
    return {
        "/v1/areas/{area_id}": (commissioner, f"/v1/areas/{area.id}"),
        "/v1/clusters/{cluster_id}": (commissioner, "/v1/clusters/1"),
        "/v1/schools/{urn}": (commissioner, "/v1/schools/900001"),
        "/v1/providers/{provider_id}": (commissioner, f"/v1/providers/{area.providers['trust']}"),
        "/v1/services/{service_id}": (commissioner, "/v1/services/SLT"),
        "/v1/cluster-memberships/{membership_id}": (commissioner, f"/v1/cluster-memberships/{memberships[0]['id']}"),
        "/v1/cluster-roles/{role_id}": (commissioner, await made("commissioner", "/v1/clusters/1/roles", role)),
        "/v1/slas/{sla_id}": (commissioner, await made("commissioner", "/v1/slas", sla)),
        "/v1/referrals/{referral_id}": (
            service.as_("school"),
            await made("school", "/v1/referrals", pupil_referral("SLT")),
        ),
        "/v1/impact-returns/{return_id}": (service.as_("charity"), returned),
    }


def shape_of(contract: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    shape: dict[str, Any] = contract["components"]["schemas"][name] if name else schema
    return shape


def places(contract: dict[str, Any], schema: dict[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every field of an update shape, and of the update shapes in it: whether the contract lets it be null."""
    for name, field in shape_of(contract, schema)["properties"].items():
        yield (*above, name), {"type": "null"} in field.get("anyOf", [])
        if shape_of(contract, field).get("title", "").endswith("Update"):
            yield from places(contract, field, *above, name)


def nothing_at(place: tuple[str, ...]) -> Any:
    """A body with null at a place."""
    return {place[0]: nothing_at(place[1:])} if place else None


def leaves(value: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a record that is no object, with the names that lead to it."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, *above, name)
    else:
        yield above, value


def differing(before: Any, after: Any) -> set[tuple[str, ...]]:
    """The places at which two readings of a record differ, but for the time of a wait; null is as good as absent."""
    first, second = dict(leaves(before)), dict(leaves(after))
    return {
        member for member in first | second if first.get(member) != second.get(member) and member != ("wait", "as_at")
    }


async def test_null_empties_exactly_what_the_contract_says_and_what_is_left_out_is_kept(service: Service) -> None:
    contract, records = service.app.openapi(), await changeable(service)
    reader = service.as_("identifying_commissioner")
    changes = {path: methods["patch"] for path, methods in contract["paths"].items() if "patch" in methods}
    assert set(records) == set(changes)
    for path, operation in changes.items():
        caller, record = records[path]
        if FILLED[path]:
            filled = await caller.patch(record, FILLED[path], "*")
            assert filled.status_code == 200, f"{path}: {filled.text}"
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        emptied = 0
        for place, may_be_null in places(contract, schema):
            before = await reader.get(record)
            answer = await caller.patch(record, nothing_at(place), before.headers["ETag"])
            after, what = await reader.get(record), f"{path} {'.'.join(place)}"
            changed = differing(before.json(), after.json())
            if may_be_null:
                assert answer.status_code == 200, f"{what}: {answer.text}"
                assert changed or place in WRITE_ONLY, what
                assert all(place[-1] in leaf for leaf in changed), f"{what} changed {changed}"
                emptied += place not in WRITE_ONLY
            else:
                assert answer.status_code == 422, f"{what}: {answer.text}"
                assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{'/'.join(place)}"]
                assert (changed, after.headers["ETag"]) == (set(), before.headers["ETag"]), what
        assert emptied == sum(len(value) if name == "pupil" else 1 for name, value in FILLED[path].items()), path
