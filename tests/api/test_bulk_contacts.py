"""Sessions in bulk: what a line may be, what a load does as a whole, and that repeating it changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from support.api_client import Caller, Service
from support.clients import add_colleague, owner_session
from support.referral_steps import ACCEPTED, PAUSED, WAITING, line, load, moved, outcomes, referred, results, session
from support.sealed import opened

from convenor import bulk_import
from convenor.security.principal import Grant, RowAccess
from convenor_auth.keys import load_secret_keys


async def rows(service: Service, sql: str, *values: Any) -> list[Any]:
    admin = await asyncpg.connect(service.superuser_url)
    found: list[Any] = await admin.fetch(sql, *values)
    await admin.close()
    return found


async def stored(service: Service) -> int:
    return (await rows(service, "select count(*)::int as n from contact"))[0]["n"]  # type: ignore[no-any-return]


async def test_who_may_not_record_sessions_may_not_load_them(shared_service: Service) -> None:
    for who in ("school", "commissioner", "board"):
        refused = await load(shared_service.as_(who), [])
        assert (refused.status_code, refused.json()["scope"]) == (403, "contacts:write")


async def test_only_newline_delimited_json_is_taken(shared_service: Service) -> None:
    refused = await shared_service.as_("trust").call("POST", "/v1/bulk/contacts", json=[])
    assert (refused.status_code, refused.json()["code"]) == (415, "wrong_media_type")


async def test_unknown_and_malformed_parameters_are_named_at_once(shared_service: Service) -> None:
    refused = await load(shared_service.as_("trust"), [], dry_run="yes", on_error="carry_on", colour="blue")
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {
        "/query/dry_run",
        "/query/on_error",
        "/query/colour",
    }


async def test_a_load_past_its_limit_is_refused_while_it_streams(shared_service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(101):
            yield b" " * 1_000_000

    refused = await shared_service.as_("trust").call(
        "POST", "/v1/bulk/contacts", content=endless(), headers={"Content-Type": "application/x-ndjson"}
    )
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "unreadable"),
        (b"\xff\xfe{}", "unreadable"),
        (b"[]", "unreadable"),
        (b"null", "unreadable"),
        (b'"a contact"', "unreadable"),
        (b"[" * 60_000, "unreadable"),
        (b'{"on":' + b"[" * 40 + b"]" * 40 + b"}", "unreadable"),
        (b"9" * 10_000, "unreadable"),
        (b'{"reference": "' + b"x" * 64_000 + b'"}', "unreadable"),
        (b'{"reference": "a\\u0000b"}', "invalid"),
        (b'{"reference": "\\ud800"}', "invalid"),
        (b'{"reference": "a", "reference": "b"}', "invalid"),
        (b"{}", "invalid"),
    ],
)
async def test_a_line_that_cannot_be_read_is_invalid_and_its_neighbours_are_not(
    service: Service, raw: bytes, code: str
) -> None:
    referral = await referred(service, *ACCEPTED)
    good = [json.dumps(line(referral, reference)).encode() for reference in ("A", "B")]
    answer = await load(service.as_("trust"), b"\n".join([good[0], raw, good[1]]), on_error="skip")
    assert answer.status_code == 200
    assert outcomes(answer) == ["created", "invalid", "created"]
    assert results(answer)[1]["problem"]["code"] == code


async def test_a_value_of_another_json_type_is_refused_alike_in_a_line_and_alone(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    wrong = [
        ("on", 1462320000, "date_format"),
        ("on", "1462320000", "date_format"),
        ("on", "2026-01-20T00:00:00", "date_format"),
        ("on", None, "date_format"),
        ("on", "9999-12-31", "date_format"),
        ("mode", 1, "enum"),
        ("duration_minutes", True, "int_type"),
        ("duration_minutes", "45", "int_type"),
        ("duration_minutes", 45.5, "int_type"),
        ("group_size", None, "int_type"),
        ("reference", 7, "string_type"),
    ]
    loaded = await load(trust, [line(referral, "A") | {field: value} for field, value, _ in wrong])
    for (field, value, code), result in zip(wrong, results(loaded), strict=True):
        alone = await trust.post(f"/v1/referrals/{referral['id']}/contacts", session(**{field: value}))
        faults = alone.json()["errors"]
        assert [(fault["pointer"], fault["code"]) for fault in faults] == [(f"/{field}", code)], value
        assert result["problem"]["errors"] == faults


async def test_a_whole_number_is_one_however_it_is_written(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    for number, written in enumerate(["45", "45.0", "4.5e1"]):
        raw = json.dumps(line(referral, f"{number}", duration_minutes=0)).replace(": 0", f": {written}").encode()
        assert outcomes(await load(trust, raw)) == ["created"]
        alone = await trust.call(
            "POST",
            f"/v1/referrals/{referral['id']}/contacts",
            content=json.dumps(session(duration_minutes=0)).replace(": 0", f": {written}").encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": f"{number}"},
        )
        assert (alone.status_code, alone.json().get("duration_minutes")) == (201, 45)
    assert await rows(service, "select distinct duration_minutes as n from contact") == [(45,)]


async def test_every_fault_of_a_line_is_named(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    faulty = line(referral, "A", -1, mode="telepathy", colour="blue")
    del faulty["reference"]
    answer = await load(service.as_("trust"), [faulty])
    problem = results(answer)[0]["problem"]
    assert (answer.status_code, problem["code"]) == (422, "invalid")
    assert {fault["pointer"] for fault in problem["errors"]} == {"/on", "/mode", "/colour", "/reference"}


async def test_each_line_is_held_to_what_a_single_contact_is(service: Service) -> None:
    trust = service.as_("trust")
    open_one = await referred(service, *ACCEPTED, days_ago=10)
    submitted = await referred(service, upn=None, nhs_number="9990000026")
    paused = await referred(service, *PAUSED, upn=None, nhs_number="9990000034")
    ended = await referred(service, upn=None, nhs_number="9990000042")
    await moved(trust, ended["code"], "declined")
    theirs = await referred(service, code="OT", upn=None, nhs_number="9990000050")
    answer = await load(
        trust,
        [
            line(open_one, "early", 11),
            line(submitted, "before acceptance"),
            line(paused, "while paused"),
            line(ended, "after the end"),
            line(theirs, "another provider's"),
            line({"code": "R000000000000"}, "nobody's"),
            line(open_one, "good", 10),
        ],
        on_error="skip",
    )
    found = results(answer)
    assert outcomes(answer) == ["invalid"] * 6 + ["created"]
    assert [result["problem"]["code"] for result in found[:6]] == ["invalid", *["state_conflict"] * 3, *["invalid"] * 2]
    assert found[0]["problem"]["errors"][0]["pointer"] == "/on"
    assert found[4]["problem"] == found[5]["problem"]
    assert found[4]["problem"]["errors"][0] == {
        "pointer": "/referral_code",
        "code": "not_found",
        "detail": "There is no such referral, or it is not yours to use.",
    }
    assert await stored(service) == 1


async def test_abort_stores_nothing_unless_every_line_is_good(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *WAITING)
    lines = [line(referral, "A"), line(referral, "B", mode="telepathy"), line(referral, "C")]
    answer = await load(trust, lines)
    assert answer.status_code == 422
    assert outcomes(answer) == ["unchanged", "invalid", "unchanged"]
    assert [(result["id"], result["problem"]["code"]) for result in results(answer)] == [
        (None, "not_stored"),
        (None, "invalid"),
        (None, "not_stored"),
    ]
    assert await stored(service) == 0
    assert (await trust.get(f"/v1/referrals/{referral['id']}")).json()["status"] == "waiting"


async def test_abort_undoes_the_batches_before_the_fault(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    lines = [line(referral, str(at)) for at in range(4)] + [line(referral, "0")]
    assert outcomes(await load(trust, lines)) == ["unchanged"] * 4 + ["invalid"]
    assert await stored(service) == 0
    skipped = await load(trust, lines, on_error="skip")
    assert outcomes(skipped) == ["created"] * 4 + ["invalid"]
    assert [result["line"] for result in results(skipped)] == [1, 2, 3, 4, 5]
    assert await stored(service) == 4


async def test_a_reference_stands_once_in_a_load(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    twice = [line(referral, "A"), line(referral, "A", 2)]
    answer = await load(service.as_("trust"), twice, on_error="skip")
    assert outcomes(answer) == ["created", "invalid"]
    assert "line 1" in results(answer)[1]["problem"]["errors"][0]["detail"]


async def test_a_reference_stays_with_its_referral(service: Service) -> None:
    trust, one = service.as_("trust"), await referred(service, *ACCEPTED)
    other = await referred(service, *ACCEPTED, upn=None, nhs_number="9990000026")
    await load(trust, [line(one, "A")])
    answer = await load(trust, [line(other, "A")])
    assert outcomes(answer) == ["invalid"]
    assert results(answer)[0]["problem"]["errors"][0]["pointer"] == "/reference"


async def test_a_reference_that_another_call_takes_meanwhile_is_a_fault_of_its_line(service: Service) -> None:
    trust, one = service.as_("trust"), await referred(service, *ACCEPTED)
    other = await referred(service, *ACCEPTED, upn=None, nhs_number="9990000026")
    await load(trust, [line(other, "theirs")])
    holder = await asyncpg.connect(service.superuser_url)
    waiting = "select count(*)::int as n from pg_stat_activity where datname = current_database()"
    async with asyncio.timeout(240), asyncio.TaskGroup() as group, holder.transaction():
        taken = load_secret_keys(service.data_dir).sealer.hash("reference", "A")
        await holder.execute("update contact set reference_hash = $1", taken)
        loading = group.create_task(load(trust, [line(one, "A"), line(one, "B")], on_error="skip"))
        while not (await rows(service, f"{waiting} and wait_event_type = 'Lock'"))[0]["n"] and not loading.done():
            pass
    await holder.close()
    assert outcomes(loading.result()) == ["invalid", "created"]
    fault = results(loading.result())[0]["problem"]["errors"][0]
    assert (fault["pointer"], fault["code"]) == ("/reference", "already_exists")
    assert await rows(service, "select count(*) from contact where referral_id = $1", UUID(one["id"])) == [(1,)]
    assert {each["reference"] for each in await opened(service, "contact")} == {"theirs", "B"}


async def test_a_dry_run_answers_as_the_load_would_and_stores_nothing(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *WAITING)
    assert (await load(trust, [line(referral, "A", 3)])).status_code == 200
    lines = [line(referral, "A", 3), line(referral, "B"), line(referral, "C", mode="telepathy")]
    dry = await load(trust, lines, dry_run="true", on_error="skip")
    assert outcomes(dry) == ["unchanged", "created", "invalid"]
    assert results(dry)[1]["id"] is None
    assert await stored(service) == 1
    assert (await load(trust, lines, dry_run="true")).status_code == 422
    assert outcomes(await load(trust, lines, on_error="skip")) == outcomes(dry)
    assert await stored(service) == 2
    actions = [recorded["action"] for recorded in await rows(service, "select action from audit_event order by at, id")]
    assert actions.count("contacts:load_dry_run") == 2


async def test_a_repeated_load_changes_nothing(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    lines = [line(referral, reference, days_ago) for reference, days_ago in (("A", 5), ("B", 3))]
    first = await load(trust, lines)
    assert outcomes(first) == ["created", "created"]
    before = await rows(service, "select * from contact order by id"), await rows(service, "select * from referral")
    again = await load(trust, lines)
    assert outcomes(again) == ["unchanged", "unchanged"]
    assert [result["id"] for result in results(again)] == [result["id"] for result in results(first)]
    assert (
        await rows(service, "select * from contact order by id"),
        await rows(service, "select * from referral"),
    ) == before
    await moved(trust, referral["code"], "discharged")
    assert outcomes(await load(trust, lines)) == ["unchanged", "unchanged"]
    assert outcomes(await load(trust, [line(referral, "A", 4)])) == ["invalid"]


async def test_changed_fields_are_updated_and_audited_by_name(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    made = results(await load(trust, [line(referral, "A"), line(referral, "B")]))
    changed = [line(referral, "A"), line(referral, "B", duration_minutes=30, setting="clinic")]
    answer = await load(trust, changed)
    assert outcomes(answer) == ["unchanged", "updated"]
    seen = await trust.get(f"/v1/contacts/{made[1]['id']}")
    assert (seen.json()["duration_minutes"], seen.json()["setting"], seen.headers["ETag"]) == (30, "clinic", '"2"')
    recorded = (
        await rows(service, "select * from audit_event where action = 'contacts:load' order by at desc limit 1")
    )[0]
    assert set(json.loads(recorded["changes"])) == {"duration_minutes", "setting"}
    assert {str(record) for record in recorded["records"]} == {result["id"] for result in made}


async def test_one_event_names_the_records_and_the_pupils_of_a_load(service: Service) -> None:
    trust, one = service.as_("trust"), await referred(service, *ACCEPTED)
    other = await referred(service, *ACCEPTED, upn=None, nhs_number="9990000026")
    made = results(await load(trust, [line(one, "A"), line(other, "B"), line(one, "C")]))
    await load(trust, [line(one, "D"), line(other, "E", mode="telepathy")])
    events = await rows(service, "select * from audit_event where action = 'contacts:load' order by at, id")
    statements = await rows(service, "select id from pupil_statement")
    assert [(recorded["status"], recorded["problem"]) for recorded in events] == [(200, None), (422, "invalid")]
    assert {str(record) for record in events[0]["records"]} == {result["id"] for result in made}
    assert set(events[0]["subjects"]) == {statement["id"] for statement in statements}
    assert (events[1]["records"], events[1]["subjects"]) == ([], [])


async def test_the_first_attended_session_of_each_referral_starts_its_work(service: Service) -> None:
    trust, school = service.as_("trust"), service.as_("school")
    seen = await referred(service, *WAITING)
    missed = await referred(service, *WAITING, upn=None, nhs_number="9990000026")
    lines = [
        line(seen, "A", 9, attendance="did_not_attend"),
        line(seen, "B", 4),
        line(seen, "C", 6),
        line(missed, "D", 6, attendance="cancelled_by_family"),
    ]
    assert outcomes(await load(trust, lines)) == ["created"] * 4
    begun = (await school.get(f"/v1/referrals/{seen['id']}")).json()
    waits = (await school.get(f"/v1/referrals/{missed['id']}")).json()
    assert (begun["status"], begun["waiting_days"]) == ("in_progress", 24)
    assert (waits["status"], waits["started_at"]) == ("waiting", None)
    history = (await school.get(f"/v1/referrals/{seen['id']}/transitions")).json()["data"]
    assert [(step["to"], step["by"]) for step in history][-1] == ("in_progress", "nobody")

    lines[2] = line(seen, "C", 6, attendance="did_not_attend")
    assert outcomes(await load(trust, lines)) == ["unchanged", "unchanged", "updated", "unchanged"]
    assert (await school.get(f"/v1/referrals/{seen['id']}")).json()["waiting_days"] == 26


async def test_a_correction_that_leaves_no_attended_session_lets_the_wait_run_on(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *WAITING)
    path = f"/v1/referrals/{referral['id']}"
    await load(trust, [line(referral, "A", 4)])
    begun = await trust.get(path)
    await load(trust, [line(referral, "A", 4, attendance="did_not_attend")])
    corrected = await trust.get(path)
    assert (begun.json()["waiting_days"], corrected.json()["waiting_days"]) == (26, 30)
    assert (corrected.json()["status"], corrected.json()["started_at"]) == ("in_progress", None)
    assert begun.headers["ETag"] != corrected.headers["ETag"]


async def test_every_batch_commits_with_its_own_event(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 2)
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    made = results(await load(trust, [line(referral, str(at)) for at in range(3)], on_error="skip"))
    recorded = await rows(service, "select * from audit_event where action = 'contacts:load' order by at, id")
    assert [[str(record) for record in event["records"]] for event in recorded] == [
        [made[0]["id"], made[1]["id"]],
        [made[2]["id"]],
    ]
    assert len({event["request_id"] for event in recorded}) == 1


async def colleagues(service: Service, count: int) -> list[Caller]:
    """Return more clients of the trust: one client has one import at a time."""
    area = service.area()
    grants = [Grant(area.id, RowAccess.PROVIDER, area.providers["trust"])]
    async with owner_session(service.superuser_url) as session:
        return [Caller(service.http, await add_colleague(session, area.clients["trust"], grants)) for _ in range(count)]


async def test_two_equal_loads_at_once_store_each_session_once(service: Service) -> None:
    one, two, three = await colleagues(service, 3)
    referrals = [
        await referred(service, *ACCEPTED, upn=None, nhs_number=number) for number in ("9990000018", "9990000026")
    ]
    lines = [line(referrals[at % 2], str(at)) for at in range(40)]
    answers = await asyncio.gather(load(one, lines), load(two, lines[::-1]), load(three, lines, on_error="skip"))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert sorted(outcomes(answer)[0] for answer in answers) == ["created", "unchanged", "unchanged"]
    assert await stored(service) == 40
    steps = await rows(service, "select count(*)::int as n from referral_transition where to_status = 'in_progress'")
    assert steps[0]["n"] == 2


async def test_blank_lines_are_counted_and_get_no_result(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    body = b"\n  \r\n" + json.dumps(line(referral, "A")).encode() + b"\r\n\n"
    answer = await load(service.as_("trust"), body)
    assert [(result["line"], result["result"]) for result in results(answer)] == [(3, "created")]
    assert (await load(service.as_("trust"), b"")).content == b""


async def test_a_batch_costs_the_same_statements_however_many_lines_it_has(service: Service) -> None:
    trust = service.as_("trust")
    numbers = ("9990000018", "9990000026", "9990000034", "9990000042")
    alone, *others = [await referred(service, *WAITING, upn=None, nhs_number=number) for number in numbers]
    counted: list[str] = []
    engine = service.services.sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: counted.append(statement))
    costs = []
    for group, size in (([alone], 1), (others, 300)):
        counted.clear()
        lines = [line(group[at % len(group)], f"{size}/{at}") for at in range(size)]
        assert outcomes(await load(trust, lines)) == ["created"] * size
        costs.append(len(counted))
    assert costs[0] == costs[1] > 0


async def test_loads_that_meet_in_opposite_orders_do_not_lock_each_other_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 1)
    going, coming = await colleagues(service, 2)
    one, other = [
        await referred(service, *ACCEPTED, upn=None, nhs_number=number) for number in ("9990000018", "9990000026")
    ]
    forth = [line(one, f"1/{at}") for at in range(10)] + [line(other, f"2/{at}") for at in range(10)]
    back = [line(other, f"3/{at}") for at in range(10)] + [line(one, f"4/{at}") for at in range(10)]
    answers = await asyncio.gather(load(going, forth), load(coming, back))
    assert [outcomes(answer) for answer in answers] == [["created"] * 20] * 2
