"""Who am I: what each client is told about itself, and nothing about anybody else."""

from datetime import datetime

import asyncpg
from joserfc.jwk import ECKey
from support.api_client import Service

from convenor.domain_types.dates import today
from convenor.http.middleware.limits import REQUEST_SECONDS
from convenor.request_limits import MAX_BODY, MAX_BULK
from convenor_auth.roles import ROLES


async def row_access(service: Service, key: str, area: str = "wendshire") -> dict[str, list[str]]:
    answer = await service.as_(key, area).get("/v1/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, list[str]] = answer.json()["reach"]
    return found


async def as_superuser(service: Service, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(service.superuser_url)
    await connection.execute(statement, *values)
    await connection.close()


async def test_a_caller_without_a_token_is_nobody(shared_service: Service) -> None:
    refused = await shared_service.http.get("/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


async def test_the_caller_s_own_record_takes_no_parameter(shared_service: Service) -> None:
    refused = await shared_service.as_("board").get("/v1/me", client_id="school-999")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/query/client_id"]


async def test_every_client_is_told_its_role_and_the_scopes_of_its_token(service: Service) -> None:
    for key, client in service.area().clients.items():
        caller = service.as_(key)
        one = min(client.scopes)
        for scopes in ([one], sorted(client.scopes)):
            await caller.authorise(*scopes)
            me = (await caller.get("/v1/me")).json()
            assert (me["client_id"], me["role"], me["scopes"]) == (client.client_id, client.role, scopes)
            assert me["organisation"] == f"Organisation of {client.client_id}"
            assert set(me["scopes"]) <= ROLES[client.role].scopes


async def test_each_is_told_what_it_stands_for(shared_service: Service) -> None:
    trust = str(shared_service.area().providers["trust"])
    whole = {"areas": ["999"], "clusters": [], "schools": [], "providers": []}
    assert await row_access(shared_service, "school") == whole | {"clusters": ["1"], "schools": ["900001"]}
    assert await row_access(shared_service, "far_school") == whole | {"clusters": ["2"], "schools": ["900003"]}
    assert await row_access(shared_service, "trust") == whole | {"providers": [trust]}
    assert await row_access(shared_service, "cluster_lead") == whole | {"clusters": ["1"]}
    assert await row_access(shared_service, "commissioner") == whole
    assert await row_access(shared_service, "operator") == whole | {"areas": []}
    assert await row_access(shared_service, "school", "fenmark") == whole | {
        "areas": ["998"],
        "clusters": ["1"],
        "schools": ["900101"],
    }


async def test_a_school_is_in_the_cluster_it_is_in_today(service: Service) -> None:
    of = service.area()
    await as_superuser(
        service, "update cluster_membership set valid_to = $2 where school_id = $1", of.schools["900001"], today()
    )
    assert (await row_access(service, "school"))["clusters"] == []
    await as_superuser(
        service,
        "insert into cluster_membership (area_id, id, cluster_id, school_id, valid_from, version)"
        " values ($1, uuidv7(), $2, $3, $4, 1)",
        of.id,
        of.clusters["2"],
        of.schools["900001"],
        today(),
    )
    assert (await row_access(service, "school"))["clusters"] == ["2"]


async def test_a_school_without_a_urn_is_named_by_its_id(service: Service) -> None:
    school = service.area().schools["900001"]
    await as_superuser(service, "update school set urn = null where id = $1", school)
    assert (await row_access(service, "school"))["schools"] == [str(school)]


async def test_a_trust_of_schools_in_two_areas_is_told_of_all_of_them(service: Service) -> None:
    fenmark = service.area("fenmark")
    await as_superuser(
        service,
        "insert into client_grant (client_id, kind, area_id, key) values ('school-999', 'school', $1, $2)",
        fenmark.id,
        fenmark.schools["900103"],
    )
    assert await row_access(service, "school") == {
        "areas": ["998", "999"],
        "clusters": ["1", "2"],
        "schools": ["900001", "900103"],
        "providers": [],
    }


async def test_the_agreement_is_named_with_its_end(service: Service) -> None:
    await as_superuser(
        service,
        "update data_sharing_agreement set ends_on = '2099-07-31' where reference = 'DSA-school-999'",
    )
    (with_end, without) = [(await service.as_(key).get("/v1/me")).json()["agreement"] for key in ("school", "trust")]
    assert with_end == {
        "reference": "DSA-school-999",
        "purpose": "direct support",
        "purposes": ["direct support", "triage meeting"],
        "legal_basis": "public task",
        "ends_on": "2099-07-31",
    }
    assert without["ends_on"] is None


async def test_the_limits_are_those_that_are_kept(shared_service: Service) -> None:
    school = shared_service.as_("school")
    limits = (await school.get("/v1/me")).json()["limits"]
    assert (limits["body_bytes"], limits["bulk_bytes"]) == (MAX_BODY, MAX_BULK)
    assert limits["request_seconds"] == REQUEST_SECONDS
    assert (await school.get("/v1/services", limit=limits["page_records"])).status_code == 200
    assert (await school.get("/v1/services", limit=limits["page_records"] + 1)).status_code == 422


async def test_keys_are_listed_while_they_are_open_and_never_their_private_half(service: Service) -> None:
    public = ECKey.generate_key("P-384").as_dict(private=False)
    for kid, ended in (("in-use", None), ("retired", datetime(2026, 1, 1).astimezone())):
        await as_superuser(
            service,
            "insert into client_key (client_id, kid, alg, public_jwk, ended_at)"
            " values ('trust-999', $1, 'ES384', $2::text::jsonb, $3)",
            kid,
            str(public).replace("'", '"'),
            ended,
        )
    (key,) = (await service.as_("trust").get("/v1/me")).json()["keys"]
    assert (key["kid"], key["alg"]) == ("in-use", "ES384")
    assert datetime.fromisoformat(key["created_at"]).tzinfo
    assert set(key) == {"kid", "alg", "created_at"}
    assert (await service.as_("school").get("/v1/me")).json()["keys"] == []


async def test_the_caller_s_own_record_is_audited_as_any_other_read(service: Service) -> None:
    answer = await service.as_("school").get("/v1/me")
    found = (await service.as_("auditor").get("/v1/audit/events", action="me:read")).json()["data"]
    assert [(event["client_id"], event["status"], event["request_id"]) for event in found] == [
        ("school-999", 200, answer.headers["X-Request-ID"])
    ]
