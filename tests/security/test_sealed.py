"""What identifies a pupil is stored sealed: for its row alone, under keys that are replaced while it is served."""

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.databases import Server, named
from support.handovers import asked, refer, requests
from support.referral_steps import line, load, referred, results
from support.sealed import store_plain

from convenor import encryption
from convenor.configuration_error import ConfigurationError
from convenor.encryption import _WRITING, data_keys_in_use, encrypt
from convenor_auth.keys import DATA_KEYS_FOLDER, load_secret_keys, make_data_key, make_keys

FORGED = 'Her "$0":"00" says: \\"$0\\":\\"00\\" \n {"sealed":1}'


async def change(service: Service, *statements: str) -> None:
    admin = await asyncpg.connect(service.superuser_url)
    for statement in statements:
        await admin.execute(statement)
    await admin.close()


async def read(service: Service, code: str, by: str = "school") -> Any:
    return (await service.as_(by).get(f"/v1/referrals/{code}")).json()


def encrypted(service: Service, server: Server) -> int:
    owner = named(server.owner_url, urlsplit(service.app_url).path[1:])
    return encrypt(service.app_url, owner, load_secret_keys(service.data_dir).sealer).rows


@pytest.fixture
def own_keys(server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the test's own, which it may add to. Name it before the application."""
    make_keys(tmp_path)
    monkeypatch.setattr(server, "data_dir", tmp_path)


async def test_no_text_can_forge_a_ciphertext(service: Service) -> None:
    body = pupil_referral("SLT", given_name=FORGED.replace("\n", " ")) | {"reason": FORGED}
    made = await service.as_("school").post("/v1/referrals", body)
    assert made.status_code == 201, made.text
    assert made.json()["reason"] == FORGED
    assert made.json()["subject"]["pupil"]["given_name"] == FORGED.replace("\n", " ")


@pytest.mark.parametrize(
    "tampering",
    [
        "update pupil_statement s set sealed_identity = o.sealed_identity from pupil_statement o where o.id <> s.id",
        "update pupil_statement set sealed_identity = set_byte(sealed_identity, 40, get_byte(sealed_identity, 40) # 1)",
        "update pupil_statement set sealed_identity = set_byte(sealed_identity, 3, 9)",
    ],
    ids=["copied from another row", "changed by a bit", "of a data key that is missing"],
)
async def test_a_ciphertext_that_does_not_open_ends_the_answer_and_is_explained_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture, tampering: str
) -> None:
    codes = [(await referred(service, upn=None, nhs_number=None, given_name=name))["code"] for name in ("Ash", "Elm")]
    await change(service, tampering)
    for path in (f"/v1/referrals/{codes[0]}", "/v1/referrals"):
        answer = await service.as_("school").get(path)
        assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
        assert "Ash" not in answer.text
    explained = [record.getMessage() for record in caplog.records if "data key" in record.getMessage()]
    assert len(explained) == 2
    assert (await service.as_("commissioner").get("/v1/referrals")).status_code == 200, "it shows nobody"


async def test_what_does_not_open_is_never_sealed_anew(own_keys: None, service: Service, server: Server) -> None:
    await referred(service)
    make_data_key(service.data_dir)
    changed = "set_byte(sealed_identity, 40, get_byte(sealed_identity, 40) # 1)"
    await change(service, f"update pupil_statement set sealed_identity = {changed}")
    with pytest.raises(ConfigurationError, match="does not open with data key 1"):
        await asyncio.to_thread(encrypted, service, server)


async def test_what_an_older_release_stored_is_read_found_matched_and_then_sealed(
    service: Service, server: Server
) -> None:
    first = await referred(service, "accepted")
    trust, school = service.as_("trust"), service.as_("school")
    lines = [line(first, "a session")]
    assert [each["result"] for each in results(await load(trust, lines))] == ["created"]
    shown = [await read(service, first["code"], by) for by in ("school", "trust", "identifying_commissioner")]
    await store_plain(service)
    assert [await read(service, first["code"], by) for by in ("school", "trust", "identifying_commissioner")] == shown
    numbers = {"upn": shown[0]["subject"]["pupil"]["upn"]}
    assert [each["code"] for each in (await school.search(numbers)).json()["data"]] == [first["code"]]
    assert [each["result"] for each in results(await load(trust, lines))] == ["unchanged"]
    again = await school.post("/v1/referrals", pupil_referral("SLT"))
    assert (again.status_code, again.json()["referral"]) == (409, first["code"])
    await store_plain(service)
    assert await asyncio.to_thread(encrypted, service, server) > 0
    assert await asyncio.to_thread(encrypted, service, server) == 0
    assert set(await data_keys_in_use(service.app_url)) == {1}
    assert [await read(service, first["code"], by) for by in ("school", "trust", "identifying_commissioner")] == shown
    assert [each["code"] for each in (await school.search(numbers)).json()["data"]] == [first["code"]]


async def test_a_handover_that_is_put_to_a_school_leaves_nothing_to_seal(service: Service) -> None:
    await refer(service)
    await asked(service)
    assert len(await requests(service)) == 1
    assert None not in await data_keys_in_use(service.app_url)
    await store_plain(service)
    assert None in await data_keys_in_use(service.app_url)


async def test_a_data_key_is_replaced_while_the_service_runs(own_keys: None, service: Service, server: Server) -> None:
    before = await referred(service, upn=None, nhs_number=None, given_name="Ash")
    assert make_data_key(service.data_dir) == 2
    after = await referred(service, upn=None, nhs_number=None, given_name="Elm")
    assert set(await data_keys_in_use(service.app_url)) == {1, 2}
    reading = asyncio.create_task(_read_on(service, before["code"]))
    assert await asyncio.to_thread(encrypted, service, server) > 0
    reading.cancel()
    assert set(await data_keys_in_use(service.app_url)) == {2}
    (service.data_dir / DATA_KEYS_FOLDER / "1.key").unlink()
    names = [(await read(service, each["code"]))["subject"]["pupil"]["given_name"] for each in (before, after)]
    assert names == ["Ash", "Elm"]
    assert reading.cancelled() or reading.exception() is None


@pytest.mark.parametrize("fault", ["damaged", "missing"])
async def test_nothing_is_written_while_a_data_key_is_damaged_or_missing_and_the_log_says_what_to_do(
    own_keys: None, service: Service, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    kept = await referred(service)
    folder = service.data_dir / DATA_KEYS_FOLDER
    if fault == "damaged":
        (folder / "2.key").write_bytes(b"short")
    else:
        folder.rename(folder.with_name("elsewhere"))
    refused = await service.as_("school").post("/v1/referrals", pupil_referral("OUTREACH"))
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    (explained,) = [each for each in map(logging.LogRecord.getMessage, caplog.records) if ".key is" in each]
    assert f"key is {fault}" in explained
    assert "Restore it from" in explained
    assert (await read(service, kept["code"]))["code"] == kept["code"], "the keys that are known still open"


async def test_a_write_that_began_before_the_rotation_is_sealed_anew_too(
    own_keys: None, service: Service, server: Server
) -> None:
    school = service.as_("school")
    admin, watcher = [await asyncpg.connect(service.superuser_url) for _ in range(2)]
    assert (await school.get("/v1/referrals")).status_code == 200, "it has its token"
    waits = "select count(*) from pg_locks where relation = 'audit_event'::regclass and not granted"
    async with admin.transaction():
        await admin.execute("lock table audit_event in share mode")
        writing = asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT")))
        while not await watcher.fetchval(waits):
            assert not writing.done()
        make_data_key(service.data_dir)
        encrypting = asyncio.create_task(asyncio.to_thread(encrypted, service, server))
        # Its question to the database shows that it waits.
        while not encrypting.done() and not await watcher.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and query = $1", _WRITING
        ):
            assert not writing.done()
    assert (await writing).status_code == 201
    assert await encrypting > 0
    assert set(await data_keys_in_use(service.app_url)) == {2}
    for connection in (admin, watcher):
        await connection.close()


async def test_writes_that_do_not_end_are_named(
    own_keys: None, service: Service, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "WRITES_SECONDS", 0)
    admin = await asyncpg.connect(service.superuser_url)
    async with admin.transaction():
        await admin.execute("create table of_another ()")
        with pytest.raises(ConfigurationError, match="have been writing for 0 seconds"):
            await asyncio.to_thread(encrypted, service, server)
    await admin.close()


async def _read_on(service: Service, code: str) -> None:
    while True:
        assert (await read(service, code))["subject"]["pupil"]["given_name"] == "Ash"
