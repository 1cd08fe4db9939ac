"""The demo: the same each time, true to the rules that a partner's writes obey, and about nobody who exists."""

import asyncio
import json
import re
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import TypeAdapter
from support.databases import Server, new_database
from support.empty_databases import Empty, downgrade

from convenor.areas.models import area_id_of
from convenor.configuration_error import ConfigurationError
from convenor.database.demo_mark import DemoMark
from convenor.demo import DemoClient, DemoSummary, assert_same_demo, load_demo, loaded_demo, write_demo_clients
from convenor.demo.catalogue import REASONS
from convenor.demo.load import invent
from convenor.demo.seeded_random import SeededRandom
from convenor.domain_types.codes import NhsNumber, Upn
from convenor.domain_types.dates import AcademicYear, london_date, start_of
from convenor.importers.rows import Rows
from convenor.migrate import migrate
from convenor.read_model.sealed_fields import SEALED_TABLES
from convenor.referrals.models import Referral
from convenor.revision import migrations_folder
from convenor.security.principal import Role
from convenor.security.sealing import Sealer

AS_AT, SEED = date(2026, 2, 11), 7
SEALER = Sealer(bytes(32), lambda: {1: bytes(32)}, lambda: 0)
WENDSHIRE = "area_id = (select area_id from area where la_code = '999')"
REAL = "area_id <> (select area_id from area where la_code = '999')"
SEALED = ("sealed_identity", "sealed_upn", "sealed_nhs_number")
FRESH = {
    "client": ("secret_hash", "created_at"),
    "client_key": ("public_jwk", "created_at"),
    "pending_work": ("id", "due_at"),
    "referral_month": ("id",),
    **dict.fromkeys(SEALED_TABLES, SEALED),
}
"""What must never repeat: secrets, keys and ciphertexts, and when they were made; and what triggers name."""


@dataclass
class Loaded(Empty):
    """A database with the demo in it."""

    summary: DemoSummary


async def load(database: Empty, **more: Any) -> DemoSummary:
    options = {"as_at": AS_AT, "seed": SEED, "sealer": SEALER, "progress": lambda _step, _share: None} | more
    return await asyncio.to_thread(load_demo, database.owner_url, **options)


async def which(database: Empty) -> DemoMark | None:
    return await asyncio.to_thread(loaded_demo, database.owner_url)


async def tables(database: Empty) -> list[str]:
    rows = await database.rows("select tablename from pg_tables where schemaname = 'public' order by 1")
    return [row["tablename"] for row in rows]


async def digests(database: Empty) -> dict[str, str]:
    """A digest of all rows of each table."""
    found = {}
    for table in await tables(database):
        row = "to_jsonb(t)" + "".join(f" - '{column}'" for column in FRESH.get(table, ()))
        query = f"select md5(string_agg(r, '' order by r)) from (select ({row})::text as r from \"{table}\" t) x"
        found[table] = (await database.rows(query))[0][0]
    return found


@pytest.fixture(scope="module")
async def demo(server: Server, migrated: str) -> AsyncIterator[Loaded]:
    async with new_database(server, migrated) as name:
        empty = Empty.of(server, name)
        yield Loaded(empty.owner_url, empty.superuser_url, await load(empty))


async def test_a_demo_of_a_version_that_did_not_mark_it_is_marked_by_the_migration(
    server: Server, migrated: str, demo: Loaded
) -> None:
    role = urlsplit(server.app_url).username or ""
    (script,) = (migrations_folder() / "versions").glob("*_the_mark_of_a_demo.py")
    before = f"{int(script.name.partition('_')[0]) - 1:04}"
    for template, mark in ((urlsplit(demo.owner_url).path[1:], DemoMark()), (migrated, None)):
        async with new_database(server, template) as name:
            database = Empty.of(server, name)
            # No migration goes back behind what is sealed.
            await database.rows(f"truncate {', '.join(SEALED_TABLES)} cascade")
            await downgrade(database.owner_url, before)
            await asyncio.to_thread(migrate, database.owner_url, role)
            assert await which(database) == mark


@pytest.fixture(scope="module")
async def referrals(demo: Loaded) -> Sequence[Any]:
    return await demo.rows("select * from referral order by id")


async def test_a_day_before_the_school_year_that_is_always_shown_is_refused(empty: Empty) -> None:
    with pytest.raises(ConfigurationError, match="2025/26"):
        await load(empty, as_at=date(2025, 9, 1))


async def test_a_second_demo_is_refused(demo: Loaded) -> None:
    with pytest.raises(ConfigurationError, match="holds a demo already"):
        await load(demo)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("insert into area (area_id, la_code, name, version) values ($1, '803', 'South Gloucestershire', 1)", "areas"),
        ("insert into area (area_id, la_code, name, version) values ($1, '000', 'Nowhere', 1)", "areas"),
        ("insert into organisation (id, name, kind) values ($1, 'Harbour Bridge School', 'school')", "organisations"),
    ],
)
async def test_a_demo_is_not_loaded_into_an_installation(empty: Empty, statement: str, what: str) -> None:
    la_code = "803" if "803" in statement else "000"
    await empty.rows(statement, area_id_of(la_code))
    before = await digests(empty)
    with pytest.raises(ConfigurationError, match=f"holds {what} that do not belong to a demo"):
        await load(empty)
    assert await digests(empty) == before


@pytest.mark.parametrize(("as_at", "seed"), [(None, None), (AS_AT, None), (None, SEED), (AS_AT, SEED)])
def test_the_demo_that_is_there_is_used(as_at: date | None, seed: int | None) -> None:
    assert_same_demo(DemoMark(seed=SEED, as_at=AS_AT), as_at, seed)
    if (as_at, seed) == (None, None):
        assert_same_demo(DemoMark(), as_at, seed)


@pytest.mark.parametrize(
    ("loaded", "as_at", "seed", "reason"),
    [
        (DemoMark(seed=SEED, as_at=AS_AT), None, SEED + 1, f"--seed {SEED} --as-at {AS_AT}"),
        (DemoMark(seed=SEED, as_at=AS_AT), date(2026, 2, 12), SEED, f"--seed {SEED} --as-at {AS_AT}"),
        (DemoMark(seed=0, as_at=AS_AT), None, 1, "--seed 0"),
        (DemoMark(), None, SEED, "an older version"),
        (DemoMark(), AS_AT, None, "an older version"),
    ],
)
def test_another_demo_than_the_one_that_is_there_is_refused(
    loaded: DemoMark, as_at: date | None, seed: int | None, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refusal:
        assert_same_demo(loaded, as_at, seed)
    assert "CONVENOR_DATA_DIR" in refusal.value.remedy
    assert "--reset" in refusal.value.remedy


async def test_a_reset_leaves_an_installation_as_it_is(empty: Empty) -> None:
    await empty.rows(
        "insert into area (area_id, la_code, name, version) values ($1, '998', 'Otherham', 1)", area_id_of("998")
    )
    before = await digests(empty)
    with pytest.raises(ConfigurationError, match="holds areas that do not belong to a demo"):
        await load(empty, reset=True)
    assert await digests(empty) == before


async def test_a_reset_that_fails_leaves_the_demo_and_one_that_succeeds_nothing_of_it(
    server: Server, migrated: str, demo: Loaded
) -> None:
    async with new_database(server, migrated) as name:
        database = Empty.of(server, name)
        await load(database, seed=SEED + 1)
        await database.rows("update school set name = 'Changed since'")
        before = await digests(database)

        def fail(_clients: Sequence[DemoClient]) -> None:
            raise OSError("no place for the file")

        with pytest.raises(OSError, match="no place"):
            await load(database, reset=True, save_clients=fail)
        assert await digests(database) == before
        await load(database, reset=True)
        assert await digests(database) == await digests(demo)


async def test_an_interrupted_load_leaves_nothing_and_the_next_one_is_as_if_it_had_not_been(
    empty: Empty, demo: Loaded
) -> None:
    before = await digests(empty)

    def interrupt(_clients: Sequence[DemoClient]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await load(empty, save_clients=interrupt)
    assert await digests(empty) == before
    assert await which(empty) is None

    await load(empty)
    assert await which(empty) == DemoMark(seed=SEED, as_at=AS_AT)
    assert await digests(empty) == await digests(demo)


async def test_another_seed_invents_another_wendshire_and_no_secret_repeats(demo: Loaded) -> None:
    other = Rows()
    invent(other, SeededRandom(SEED + 1, AS_AT), AS_AT)
    ids = {row["id"] for row in await demo.rows("select id from referral")}
    assert ids.isdisjoint(row["id"] for row in other.of[Referral])


@pytest.mark.parametrize(
    ("as_at", "shown"),
    [
        (date(2025, 9, 5), {"2023/24", "2024/25", "2025/26"}),
        (date(2029, 3, 1), {"2025/26", "2026/27", "2027/28", "2028/29"}),
    ],
)
def test_2025_26_is_shown_and_nothing_is_later_than_the_demo_s_day(as_at: date, shown: set[str]) -> None:
    rows = Rows()
    invent(rows, SeededRandom(SEED, as_at), as_at)
    years = {AcademicYear.of(london_date(row["submitted_at"])) for row in rows.of[Referral]}
    assert {str(year) for year in years} == shown
    for kept in rows.of.values():
        for row in kept:
            times = [value for name, value in row.items() if isinstance(value, datetime) and name != "lapses_at"]
            assert all(value < start_of(as_at) for value in times)


async def test_there_is_as_much_as_a_demo_needs(demo: Loaded) -> None:
    counted = demo.summary.rows
    assert 5_800 <= counted["referral"] <= 6_200
    assert 22_000 <= counted["contact"] <= 28_000
    assert counted["school"] == 121
    empty = {table for table in await tables(demo) if not await demo.rows(f'select from "{table}" limit 1')}
    by_partners = {"audit_event", "audit_mention", "idempotency_record", "spent_assertion", "traced_number"}
    derived = {"handover_request", "person_link", "pupil_match"}
    by_the_service = derived | {"decided_pupil", "key_check", "pupil_decision"}
    assert empty == by_partners | by_the_service


async def dumped(database: Empty, *names: str) -> str:
    """All rows of some tables, as text."""
    return "\n".join([row[0] for name in names for row in await database.rows(f'select t::text from "{name}" t')])


async def test_a_dump_of_the_demo_shows_nobody(demo: Loaded) -> None:
    statement = SEALED_TABLES["pupil_statement"]
    pupils = [statement.open(SEALER, row) for row in await demo.rows("select * from pupil_statement")]
    everything, cases = await dumped(demo, *await tables(demo), "pg_stats"), await dumped(demo, *SEALED_TABLES)
    known = {each[name] for each in pupils for name in ("upn", "nhs_number", "parent_name") if each[name]}
    assert len(known) > 5_000
    tokens = set(re.findall(r"[\w'-]+", everything))
    assert known & tokens == set()
    words = set(re.findall(r"[\w'-]+", cases))
    assert {each[name] for each in pupils for name in ("given_name", "family_name", "date_of_birth")} & words == set()
    assert {text for texts in REASONS.values() for text in texts if text in everything} == set()


async def test_every_number_of_a_pupil_is_valid_and_issued_to_nobody(demo: Loaded) -> None:
    upn, nhs_number = TypeAdapter[str](Upn), TypeAdapter[str](NhsNumber)
    stored = await demo.rows("select * from pupil_statement")
    # Two schools state the same child alike.
    alike = {(row["upn_hash"], row["nhs_number_hash"]): row for row in stored}.values()
    pupils = [SEALED_TABLES["pupil_statement"].open(SEALER, row) for row in alike]
    upns = [upn.validate_python(row["upn"]) for row in pupils if row["upn"]]
    numbers = [nhs_number.validate_python(row["nhs_number"]) for row in pupils if row["nhs_number"]]
    assert len(set(upns)) == len(upns) > 3_000
    assert len(set(numbers)) == len(numbers) > 1_500
    assert {value[1:4] for value in upns} == {"999"}
    assert {value[:3] for value in numbers} == {"999"}
    assert "9990000018" not in numbers


async def test_urns_begin_with_900001_in_cluster_2(demo: Loaded) -> None:
    rows = await demo.rows(
        "select s.urn, c.code from school s join cluster_membership m on m.school_id = s.id and m.valid_to is null"
        " join cluster c on c.id = m.cluster_id order by s.urn"
    )
    assert tuple(rows[0]) == ("900001", "2")
    assert {row["code"] for row in rows} == {"1", "2", "3", "4.5", "6"}
    assert all("900001" <= row["urn"] <= "900121" for row in rows)


async def test_every_referral_has_gone_along_its_pathway(demo: Loaded, referrals: Sequence[Any]) -> None:
    (pathway,) = await demo.rows("select states, transitions from pathway")
    states = {state["state"]: state for state in json.loads(pathway["states"])}
    legal = {(step["source"], step["to"], step["by"]): step["requires"] for step in json.loads(pathway["transitions"])}
    steps = await demo.rows("select * from referral_transition order by referral_id, at, id")
    history = {key: list(own) for key, own in groupby(steps, lambda step: step["referral_id"])}
    for referral in referrals:
        first, *later = own = history[referral["id"]]
        assert (first["from_status"], first["to_status"]) == (None, "submitted")
        assert first["at"] == referral["submitted_at"]
        for before, step in pairwise(own):
            assert (step["from_status"], step["at"] > before["at"]) == (before["to_status"], True)
        for step in later:
            stated = {**step, **SEALED_TABLES["referral_transition"].open(SEALER, step)}
            assert all(stated[name] for name in legal[step["from_status"], step["to_status"], step["by"]])
        assert (own[-1]["to_status"], len(own)) == (referral["status"], referral["version"])
        assert referral["ended_at"] == (None if states[referral["status"]]["open"] else own[-1]["at"])
        assert (referral["started_at"] is not None) == any(step["to_status"] == "in_progress" for step in own)
        assert (referral["returned_at"] is not None) == (referral["status"] == "returned")


async def test_contacts_are_recorded_where_the_pathway_allows_and_the_first_attended_one_ends_the_wait(
    demo: Loaded,
) -> None:
    wrong = await demo.rows(
        """
        select from contact c join referral r on r.area_id = c.area_id and r.id = c.referral_id
        where c.on < (r.submitted_at at time zone 'Europe/London')::date or (
            select t.to_status from referral_transition t
            where t.area_id = r.area_id and t.referral_id = r.id and t.at < c.recorded_at
            order by t.at desc limit 1
        ) not in ('accepted', 'waiting', 'in_progress')
        """
    )
    assert wrong == []
    started = await demo.rows(
        "select r.submitted_at, r.started_at, min(c.on) filter (where c.attendance = 'attended') as first"
        " from referral r left join contact c on c.area_id = r.area_id and c.referral_id = r.id"
        " group by r.area_id, r.id"
    )
    for row in started:
        assert row["started_at"] == (start_of(row["first"]) if row["first"] else None)
        if row["first"]:
            assert 10 <= (row["first"] - london_date(row["submitted_at"])).days <= 120


async def test_some_children_are_known_to_two_schools_and_of_a_few_one_has_another_date_of_birth(demo: Loaded) -> None:
    twice = await demo.rows(
        "select one.date_of_birth_hash = other.date_of_birth_hash as alike"
        " from pupil_statement one join pupil_statement other"
        " on other.upn_hash = one.upn_hash and other.school_id > one.school_id"
    )
    assert len(twice) > 10
    assert {row["alike"] for row in twice} == {True, False}


async def test_a_pupil_has_one_referral_to_a_service_at_a_time(referrals: Sequence[Any]) -> None:
    later = datetime.combine(AS_AT, datetime.min.time(), UTC) + timedelta(days=1)
    about = sorted(
        (row for row in referrals if row["pupil_id"]),
        key=lambda row: (row["pupil_id"], row["service_id"], row["submitted_at"]),
    )
    again = 0
    for before, after in pairwise(about):
        if (before["pupil_id"], before["service_id"]) == (after["pupil_id"], after["service_id"]):
            again += 1
            assert (before["ended_at"] or later) < after["submitted_at"]
    assert again > 0


async def test_a_school_is_in_one_cluster_at_a_time_and_its_referrals_keep_it(demo: Loaded) -> None:
    overlapping = await demo.rows(
        "select from cluster_membership a join cluster_membership b on a.school_id = b.school_id and a.id < b.id"
        " where daterange(a.valid_from, a.valid_to) && daterange(b.valid_from, b.valid_to)"
    )
    assert overlapping == []
    elsewhere = await demo.rows(
        "select from referral r where not exists (select from cluster_membership m where m.school_id = r.school_id"
        " and m.cluster_id = r.cluster_id and daterange(m.valid_from, m.valid_to) @> r.submitted_at::date)"
    )
    assert elsewhere == []
    unbought = await demo.rows(
        "select from referral r where not exists (select from service_cluster c"
        " where c.service_id = r.service_id and c.cluster_id = r.cluster_id)"
    )
    assert unbought == []


async def test_waits_can_be_shown_for_what_cluster_2_buys_and_some_are_too_small(demo: Loaded) -> None:
    rows = await demo.rows(
        "select s.code, count(*) filter (where r.started_at is null and r.ended_at is null) as waiting,"
        " exists (select from service_cluster sc join cluster c on c.id = sc.cluster_id"
        "  where sc.service_id = s.id and c.code = '2') as of_cluster_2"
        " from commissioned_service s join referral r on r.service_id = s.id"
        f" where s.{WENDSHIRE} group by s.id, s.area_id"
    )
    assert all(row["waiting"] >= 5 for row in rows if row["of_cluster_2"])
    assert any(1 <= row["waiting"] <= 4 for row in rows)


async def test_the_service_that_the_walkthrough_refers_to_is_the_first_trust_s_and_has_room(demo: Loaded) -> None:
    (first, *_) = await demo.rows(
        "select s.name, p.name as provider, s.places - count(r.id) filter (where r.started_at is not null) as room"
        " from commissioned_service s join provider p on p.id = s.provider_id"
        " join service_cluster sc on sc.service_id = s.id join cluster c on c.id = sc.cluster_id and c.code = '2'"
        " left join referral r on r.service_id = s.id and r.ended_at is null"
        f" where s.{WENDSHIRE} and s.area_of_need = 'C&I' group by s.area_id, s.id, p.area_id, p.id order by s.code"
    )
    trust = next(client for client in demo.summary.clients if client.role is Role.HEALTH_SYSTEM)
    assert first["provider"] == trust.organisation
    assert "Speech and language" in first["name"]
    assert first["room"] >= 20


async def test_slas_and_returns_stand_where_the_day_puts_them(demo: Loaded) -> None:
    slas = await demo.rows("select status, starts_on, ends_on from sla")
    for sla in slas:
        expected = "draft" if sla["starts_on"] > AS_AT else "ended" if sla["ends_on"] < AS_AT else "active"
        assert sla["status"] == expected
    returns = await demo.rows("select status, count(*) from impact_return group by 1")
    assert {row["status"] for row in returns} == {"submitted", "validated", "accepted", "returned"}
    latest = await demo.rows(
        "select distinct on (s.service_id) r.status from impact_return r join sla s on s.id = r.sla_id"
        " order by s.service_id, r.period_from desc"
    )
    assert {row["status"] for row in latest} == {"submitted"}
    unknown = await demo.rows(
        "select from impact_return_measure m join impact_return r on r.id = m.impact_return_id where not exists"
        " (select from sla_kpi k where k.sla_id = r.sla_id and k.number = r.terms_number and k.kpi = m.kpi)"
    )
    assert unknown == []


async def test_nothing_invented_is_attached_to_a_real_area(demo: Loaded) -> None:
    stated = {
        "area": 2,
        "benchmark": 51,
        "cluster": 5,
        "cluster_membership": 39,
        "commissioned_service": 48,
        "network": 15,
        "practice": 54,
        "school": 39,
        "service_cluster": 84,
    }
    with_area = await demo.rows("select table_name from information_schema.columns where column_name = 'area_id'")
    names = {row["table_name"] for row in with_area} & set(await tables(demo)) - {"client_grant"}
    counted = {name: len(await demo.rows(f'select from "{name}" where {REAL}')) for name in names}
    assert {name: count for name, count in counted.items() if count} == stated
    assert await demo.rows(f"select from area where {REAL} and num_nonnulls(icb_name, icb_ods_code) > 0") == []
    school = "urn, ukprn, laestab, opened_on, closed_on, successor_id"
    assert await demo.rows(f"select from school where {REAL} and num_nonnulls({school}) > 0") == []
    service = "provider_id, level, audience, delivery_mode, setting, eligibility, evidence, places"
    assert await demo.rows(f"select from commissioned_service where {REAL} and num_nonnulls({service}) > 0") == []


async def test_the_clients_are_those_of_the_walkthrough(demo: Loaded, tmp_path: Path) -> None:
    path = write_demo_clients(tmp_path / "data", demo.summary.clients)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["demo-clients.json"]
    clients = json.loads(path.read_text())
    fields = ["client_id", "client_secret", "private_key_jwk", "role", "organisation", "scopes", "note"]
    assert all(list(client) == fields for client in clients)
    assert [client["role"] for client in clients] == [
        *["school_mis", "school_mis", "health_system", "health_system", "provider_portal", "provider_portal"],
        *["cluster_lead", "commissioner", "finance", "board", "auditor", "school_mis", "commissioner", "commissioner"],
        "commissioner",
    ]
    keys = [(client["role"], client["private_key_jwk"]["alg"]) for client in clients if client["private_key_jwk"]]
    assert keys == [("health_system", "ES384"), ("health_system", "RS512"), ("school_mis", "ES256")]
    assert all((client["client_secret"] is None) == (client["private_key_jwk"] is not None) for client in clients)
    identifying = [client["client_id"] for client in clients if "pupils:identify" in client["scopes"]]
    assert identifying == ["matching-wendshire"]
    grants = await demo.rows(
        "select distinct g.client_id, a.name from client_grant g join area a on a.area_id = g.area_id"
        " where g.client_id = any($1)",
        [client["client_id"] for client in clients],
    )
    where = {row["client_id"]: row["name"] for row in grants}
    places = [where[client["client_id"]] for client in clients]
    assert places == ["Wendshire"] * 13 + ["South Gloucestershire", "Cornwall"]
    ends = await demo.rows("select from data_sharing_agreement where ends_on is null or ends_on < $1", AS_AT)
    assert ends == []
