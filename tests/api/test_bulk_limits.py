"""What a load may cost the others, and what it leaves behind when it breaks off half way."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.referral_steps import ACCEPTED, line, load, moved, outcomes, referred, results, session
from support.sealed import opened

from convenor import bulk_import
from convenor.contacts.bulk import CONTACTS_BULK_IMPORT
from convenor.http import bulk
from convenor.request_limits import MAX_LINES
from convenor.security.principal import Principal
from convenor_auth.keys import load_secret_keys


async def rows(service: Service, sql: str, *values: Any) -> list[Any]:
    admin = await asyncpg.connect(service.superuser_url)
    found: list[Any] = await admin.fetch(sql, *values)
    await admin.close()
    return found


async def references(service: Service) -> list[str]:
    return sorted(row["reference"] for row in await opened(service, "contact"))


async def refuse_to_store(service: Service, reference: str) -> None:
    """Has the database refuse one reference as it refuses whoever waited too long for a lock."""
    taken = load_secret_keys(service.data_dir).sealer.hash("reference", reference)
    await rows(
        service,
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'no' using errcode = 'lock_not_available'; end $$",
    )
    await rows(
        service,
        f"create trigger refuse before insert on contact for each row when (new.reference_hash = '\\x{taken.hex()}')"
        " execute function refuse()",
    )


@asynccontextmanager
async def held(service: Service, *referrals: dict[str, Any]) -> AsyncIterator[asyncpg.Connection]:
    """Holds the rows of referrals, so that loads into them stay under way."""
    holder = await asyncpg.connect(service.superuser_url)
    try:
        async with holder.transaction():
            codes = [referral["code"] for referral in referrals]
            await holder.execute("select from referral where code = any($1) for update", codes)
            yield holder
    finally:
        await holder.close()


async def blocked(service: Service) -> int:
    waiting = "select count(*)::int as n from pg_stat_activity where datname = current_database()"
    return (await rows(service, f"{waiting} and wait_event_type = 'Lock'"))[0]["n"]  # type: ignore[no-any-return]


async def single(caller: Caller, referral: dict[str, Any]) -> int:
    return (await caller.post(f"/v1/referrals/{referral['id']}/contacts", session())).status_code


async def test_a_load_of_too_many_lines_stores_nothing(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    first = json.dumps(line(referral, "A")).encode()
    for rest in (b"\n" * MAX_LINES + b"x", b"\nx" * MAX_LINES):
        refused = await load(service.as_("trust"), first + rest, on_error="skip")
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert "200,000 lines" in refused.json()["detail"]
    assert await references(service) == []


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_load_may_have_as_many_lines_as_it_says(service: Service, end: bytes) -> None:
    referral = await referred(service, *ACCEPTED)
    body = b"\n" * (MAX_LINES - 1) + json.dumps(line(referral, "A")).encode() + end
    answer = await load(service.as_("trust"), body)
    assert [(result["line"], result["result"]) for result in results(answer)] == [(200_000, "created")]


@pytest.mark.parametrize(
    ("body", "turns"),
    [
        (b"\n" * 20_000, 100),
        (b"x\n" * 20_000, 100),
        (b"{}\n" * 2_000, 10),
        ((b"[" + b"1," * 30_000 + b"1]\n") * 20, 10),
        (b"x" * 70_000 + b"\n" + b"x" * 70_000, 2),
    ],
    ids=["blank", "unreadable", "invalid", "long", "too long"],
)
async def test_reading_lets_others_have_their_turn(body: bytes, turns: int) -> None:
    had = 0

    async def others() -> None:
        nonlocal had
        while True:
            had += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    with bulk.Spool(bulk.IN_MEMORY) as spool:
        spool.write(body)
        spool.seek(0)
        async for _ in bulk.read_lines(spool, CONTACTS_BULK_IMPORT):
            pass
    beside.cancel()
    assert had >= turns


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({str(at): 1 for at in range(5_000)}).encode(),
        json.dumps({"x" * 60_000: 1}).encode(),
        json.dumps({"x" * 9_000 + str(at): "\x00" for at in range(6)}).encode(),
        b'{"reference": [' + b'"\\u0000",' * 6_000 + b"1]}",
    ],
    ids=["many faults", "a long name", "long names", "many faults of text"],
)
async def test_what_is_told_of_a_line_is_short_however_much_is_wrong_with_it(
    shared_service: Service, raw: bytes
) -> None:
    answer = await load(shared_service.as_("trust"), raw)
    problem = results(answer)[0]["problem"]
    assert problem["code"] == "invalid"
    assert 1 <= len(problem["errors"]) <= 10
    assert len(answer.content) < 4_000


async def test_a_line_with_more_errors_than_are_listed_says_how_many(shared_service: Service) -> None:
    answer = await load(shared_service.as_("trust"), b'{"reference": [' + b'"\\u0000",' * 6_000 + b"1]}")
    assert results(answer)[0]["problem"]["detail"] == "The line has 6,000 errors; `errors` lists the first 10."


async def test_a_load_that_breaks_off_says_which_lines_to_send_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    lines = [line(referral, reference) for reference in "ABCDEFG"]
    lines[4]["mode"] = "telepathy"
    await refuse_to_store(service, "D")
    answer = await load(trust, lines, on_error="skip")
    assert answer.status_code == 200
    assert outcomes(answer) == ["created"] * 2 + ["invalid"] * 5
    assert [result["line"] for result in results(answer)] == [1, 2, 3, 4, 5, 6, 7]
    problems = [result["problem"] for result in results(answer)[2:]]
    assert [problem["code"] for problem in problems] == ["unavailable"] * 2 + ["invalid"] + ["unavailable"] * 2
    assert "Send it again" in problems[0]["detail"]
    assert await references(service) == ["A", "B"]

    await rows(service, "drop trigger refuse on contact")
    again = await load(trust, lines, on_error="skip")
    assert outcomes(again) == ["unchanged"] * 2 + ["created"] * 2 + ["invalid"] + ["created"] * 2
    events = await rows(service, "select records from audit_event where action = 'contacts:load' and status = 200")
    assert {record for recorded in events for record in recorded["records"]} == {
        row["id"] for row in await rows(service, "select id from contact")
    }


@pytest.mark.parametrize("how", [{"on_error": "abort"}, {"on_error": "skip", "dry_run": "true"}])
async def test_a_load_that_breaks_off_with_nothing_stored_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch, how: dict[str, str]
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    referral = await referred(service, *ACCEPTED)
    await refuse_to_store(service, "D")
    refused = await load(service.as_("trust"), [line(referral, reference) for reference in "ABCD"], **how)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    assert await references(service) == []


async def test_a_first_batch_that_cannot_be_stored_refuses_the_load(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    referral = await referred(service, *ACCEPTED)
    await refuse_to_store(service, "A")
    refused = await load(service.as_("trust"), [line(referral, at) for at in "ABCD"], on_error="skip")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert await references(service) == []


async def test_a_load_whose_time_is_up_answers_for_what_it_stored(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    monkeypatch.setattr(bulk, "IMPORT_SECONDS", 0)
    referral = await referred(service, *ACCEPTED)
    answer = await load(service.as_("trust"), [line(referral, at) for at in "ABCD"], on_error="skip")
    assert (answer.status_code, outcomes(answer)) == (200, ["created"] * 2 + ["invalid"] * 2)
    assert results(answer)[3]["problem"]["code"] == "unavailable"
    assert await references(service) == ["A", "B"]


async def referrals_of_three(service: Service) -> list[tuple[Caller, dict[str, Any]]]:
    """Return three clients, each with a referral that it has accepted."""
    found = []
    for number, (who, code) in enumerate([("trust", "SLT"), ("second_trust", "OT"), ("charity", "OUTREACH")]):
        nhs_number = ("9990000026", "9990000034", "9990000042")[number]
        referral = await referred(service, code=code, upn=None, nhs_number=nhs_number)
        await moved(service.as_(who), referral["code"], "accepted")
        found.append((service.as_(who), referral))
    return found


async def test_a_third_load_at_once_is_refused_and_single_sessions_are_still_stored(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "WAIT_SECONDS", 0)
    *two, (charity, third) = await referrals_of_three(service)
    async with asyncio.TaskGroup() as group, held(service, *(referral for _, referral in two)):
        under_way = [group.create_task(load(caller, [line(referral, "A")])) for caller, referral in two]
        while await blocked(service) < 2 and not any(task.done() for task in under_way):
            pass
        refused = [await load(charity, [line(third, at)]) for at in "CD"]
        assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "unavailable")] * 2
        assert all("Other loads" in answer.json()["detail"] and answer.headers["Retry-After"] for answer in refused)
        assert await single(charity, third) == 201
    assert [outcomes(task.result()) for task in under_way] == [["created"]] * 2
    assert outcomes(await load(charity, [line(third, "C")])) == ["created"]


async def test_loads_of_several_clients_wait_for_each_other_and_leave_connections_to_the_rest(
    service: Service,
) -> None:
    three = await referrals_of_three(service)
    other = await referred(service, *ACCEPTED)
    async with asyncio.TaskGroup() as group, held(service, *(referral for _, referral in three)):
        loads = [group.create_task(load(caller, [line(referral, "A")])) for caller, referral in three]
        while await blocked(service) < 2 and not any(task.done() for task in loads):
            pass
        assert await asyncio.gather(*(single(service.as_("trust"), other) for _ in range(6))) == [201] * 6
        assert await blocked(service) == 2
    assert [outcomes(task.result()) for task in loads] == [["created"]] * 3


async def test_a_second_load_of_one_client_is_refused_until_the_first_is_answered(service: Service) -> None:
    referral, begun, may_end = await referred(service, *ACCEPTED), asyncio.Event(), asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        yield json.dumps(line(referral, "A")).encode()
        begun.set()
        await may_end.wait()

    trust = service.as_("trust")
    headers = {"Content-Type": "application/x-ndjson"}
    async with asyncio.TaskGroup() as group:
        first = group.create_task(trust.call("POST", "/v1/bulk/contacts", content=unfinished(), headers=headers))
        await begun.wait()
        second = await load(trust, [line(referral, "B")])
        assert (second.status_code, second.json()["code"]) == (409, "bulk_import_still_running")
        assert second.headers["Retry-After"]
        assert (await load(service.as_("charity"), [])).status_code == 200
        may_end.set()
    assert outcomes(first.result()) == ["created"]
    assert outcomes(await load(trust, [line(referral, "B")])) == ["created"]


async def test_a_load_that_was_refused_does_not_keep_its_client_from_the_next(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    refused = await load(service.as_("trust"), b"\n" * (MAX_LINES + 1))
    assert refused.status_code == 413
    assert outcomes(await load(service.as_("trust"), [line(referral, "A")])) == ["created"]


async def test_the_audit_s_digests_of_a_load_cannot_be_found_by_trying_values(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    made = [UUID(result["id"]) for result in results(await load(trust, [line(referral, at) for at in "BA"]))]
    await load(trust, [line(referral, at, duration_minutes=30) for at in "AB"])
    sql = "select changes from audit_event where action = 'contacts:load' and changes is not null"
    recorded = json.loads((await rows(service, sql))[0]["changes"])
    principal: Principal = await service.services.verifier.verify(trust.token)

    def digest(who: Principal) -> str:
        each = [who.digest(record, "duration_minutes", 30) for record in sorted(made)]
        return hashlib.sha256("".join(each).encode()).hexdigest()[:16]

    assert recorded == {"duration_minutes": digest(principal)}
    assert recorded != {"duration_minutes": digest(replace(principal, pseudonym_key=b"another"))}


async def test_the_event_of_each_area_names_its_own_sessions_and_statements_of_an_import(service: Service) -> None:
    there = service.area("fenmark")
    await rows(
        service,
        "insert into client_grant (client_id, kind, area_id, key) values ('trust-999', 'provider', $1, $2)",
        there.id,
        there.providers["trust"],
    )
    referrals = []
    for area, urn in (("wendshire", "900001"), ("fenmark", "900101")):
        made = await service.as_("school", area).post("/v1/referrals", pupil_referral("SLT", urn))
        await moved(service.as_("trust", area), made.json()["code"], "accepted")
        referrals.append(made.json())
    here, other = results(
        await load(service.as_("trust"), [line(referral, referral["code"], 0) for referral in referrals])
    )
    recorded = await rows(service, "select area_id, records, subjects from audit_event where action = 'contacts:load'")
    codes = [referral["code"] for referral in referrals]
    in_force = await rows(service, "select code, statement_id from referral where code = any($1::text[])", codes)
    statements = {row["code"]: row["statement_id"] for row in in_force}
    assert {event["area_id"]: (event["records"], event["subjects"]) for event in recorded} == {
        service.area().id: ([UUID(here["id"])], [statements[codes[0]]]),
        there.id: ([UUID(other["id"])], [statements[codes[1]]]),
    }
