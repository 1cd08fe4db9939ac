"""Backup and restore: what survives them, what they refuse, and that a refusal leaves nothing behind."""

import asyncio
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from pydantic import SecretStr
from support.api_client import pupil_referral
from support.backups import CATALOGUE, ask, rewrite_keys, rows
from support.databases import Server, named, serve_database
from support.empty_databases import downgrade
from support.installation import COMMAND, Installation
from support.own_installation import Own, database_of, environment, owner_of, say
from support.own_server import PASSWORD, backup_url

from convenor.backup import back_up, keys_path, making, restore
from convenor.backup.files import Backup, drafted, publish
from convenor.backup.programs import ProgramError
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.login import Address
from convenor.migrate import migrate
from convenor.revision import newest_revision, present_revision
from convenor_auth.keys import PSEUDONYM_FILE, SIGNING_KEYS_FILE, make_keys


class TestOnAServerOfOnesOwn:
    async def test_every_row_and_rule_survives_and_partners_go_on_with_their_tokens(
        self, own: Own, target: Settings
    ) -> None:
        school = own.service.as_("school")
        made = await school.post("/v1/referrals", pupil_referral("SLT"))
        assert made.status_code == 201
        referrals = (await school.get("/v1/referrals")).json()
        backup = await own.backed_up()
        before = await rows(own.service.superuser_url)
        await asyncio.to_thread(restore, target, backup, say)
        superuser_url = named(own.server.superuser_url, database_of(target))
        assert await rows(superuser_url) == before
        assert await ask(superuser_url, CATALOGUE) == await ask(own.service.superuser_url, CATALOGUE)
        there = Server(own.server.superuser_url, own.server.owner_url, own.server.app_url, target.data_dir)
        async with serve_database(there, database_of(target), own.service.dataset) as service:
            restored = service.as_("school")
            restored.token, restored.asked_at = school.token, school.asked_at
            assert (await restored.get("/v1/referrals")).json() == referrals
            await restored.authorise()
            assert (await restored.post("/v1/referrals", pupil_referral("OT"))).status_code == 201

    async def test_an_installation_that_was_ready_but_never_used_is_replaced(self, own: Own, target: Settings) -> None:
        backup = await own.backed_up()
        await asyncio.to_thread(migrate, owner_of(target), "convenor_app")
        there = Server(own.server.superuser_url, own.server.owner_url, own.server.app_url, own.settings.data_dir)
        async with serve_database(there, database_of(target), own.service.dataset) as service:
            assert (await service.http.get("/health/ready")).status_code == 200
        await asyncio.to_thread(restore, target, backup, say)
        for name in (SIGNING_KEYS_FILE, PSEUDONYM_FILE):
            assert (target.data_dir / name).read_bytes() == (own.settings.data_dir / name).read_bytes()
            assert stat.S_IMODE((target.data_dir / name).stat().st_mode) == 0o600
        assert await ask(named(own.server.superuser_url, database_of(target)), "select count(*) > 0 from client") == (
            True,
        )

    async def test_a_folder_that_is_open_to_others_is_closed_before_keys_lie_in_it(
        self, own: Own, target: Settings
    ) -> None:
        target.data_dir.mkdir(parents=True, exist_ok=True)
        target.data_dir.chmod(0o755)
        sentences: list[str] = []
        await asyncio.to_thread(restore, target, await own.backed_up(), sentences.append)
        assert f"The data folder {target.data_dir} was open to others; it is closed to them now." in sentences
        assert stat.S_IMODE(target.data_dir.stat().st_mode) == 0o711

    async def test_a_backup_of_an_older_schema_is_migrated_afterwards(self, own: Own, target: Settings) -> None:
        admin = await asyncpg.connect(own.service.superuser_url)
        await admin.execute(
            f"alter database {database_of(own.settings)} owner to {urlsplit(own.server.owner_url).username}"
        )
        await admin.close()
        await downgrade(owner_of(own.settings), "0007")
        await asyncio.to_thread(restore, target, await own.backed_up(), say)
        assert await present_revision(owner_of(target)) == newest_revision()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
async def test_a_backup_that_was_ended_leaves_no_program_and_no_rows_after_the_next(
    own: Own, how: signal.Signals
) -> None:
    admin = await asyncpg.connect(own.service.superuser_url)
    # Outside schema public, a lock stops pg_dump alone.
    await admin.execute("create schema side; create table side.t (); grant usage on schema side to convenor_backup")
    await admin.execute("grant select on side.t to convenor_backup")
    async with admin.transaction():
        await admin.execute("lock table side.t")
        command = await asyncio.create_subprocess_exec(
            COMMAND,
            "backup",
            own.folder / "backup",
            env=Installation(own.settings.data_dir, settings=environment(own.settings)).environment,
            stdout=subprocess.DEVNULL,
        )
        while not await admin.fetchval(
            "select count(*) from pg_locks where relation = 'side.t'::regclass and not granted"
        ):
            assert command.returncode is None
        programs = psutil.Process(command.pid).children()
        command.send_signal(how)
        await command.wait()
        assert (len(programs), psutil.wait_procs(programs, 30)[1]) == (1, [])
    # One that is killed cannot remove its draft; the next one does.
    assert len(list(own.folder.iterdir())) == (1 if how is signal.SIGKILL else 0)
    await admin.execute("drop schema side cascade")
    await admin.close()
    await own.backed_up()
    assert sorted(path.name for path in own.folder.iterdir()) == ["backup", "backup.keys"]


def test_two_backups_of_one_name_end_with_one_that_is_whole(tmp_path: Path) -> None:
    path, backup = tmp_path / "backup", Backup("1", 18, "", {})
    with drafted(path) as first, drafted(path) as second:
        first.write_text("first")
        second.write_text("second")
        publish(first, path, backup)
        with pytest.raises(ConfigurationError, match="exists already"):
            publish(second, path, backup)
    assert path.read_text() == "first"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup", "backup.keys"]


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("postgresql://a%40b:c%2Fd@host:5433/db?sslmode=require", "postgresql://a%40b@host:5433/db?sslmode=require"),
        ("postgresql://a:c%2Fd@/db?host=/some%20where", "postgresql://a@/db?host=/some%20where"),
        ("postgresql:///db?host=/here&user=a&password=c%2Fd", "postgresql:///db?host=/here&user=a"),
    ],
)
def test_programs_get_an_address_without_the_password(url: str, without: str) -> None:
    assert Address.parse(url, "CONVENOR_BACKUP_DATABASE_URL").without_password() == (without, "c/d")


class TestABackupIsRefused:
    async def refused(self, settings: Settings, path: Path, why: str) -> None:
        before = sorted(path.parent.glob("*")) if path.parent.exists() else []
        with pytest.raises(ConfigurationError, match=why) as refusal:
            await asyncio.to_thread(back_up, settings, path, say)
        assert refusal.value.remedy
        assert (sorted(path.parent.glob("*")) if path.parent.exists() else []) == before

    @pytest.mark.parametrize("taken", ["backup", "backup.keys"])
    async def test_a_backup_under_a_name_that_is_taken_is_refused(self, own: Own, taken: str) -> None:
        (own.folder / taken).write_text("another")
        await self.refused(own.settings, own.folder / "backup", f"{taken} exists already")
        assert (own.folder / taken).read_text() == "another"

    async def test_a_backup_into_a_folder_that_there_is_not_is_refused(self, own: Own) -> None:
        await self.refused(own.settings, own.folder / "nowhere" / "backup", "cannot be written to .* No such file")

    @pytest.mark.parametrize("name", [SIGNING_KEYS_FILE, PSEUDONYM_FILE])
    async def test_a_backup_without_its_keys_is_refused(self, own: Own, name: str) -> None:
        data_dir = own.folder / "keys"
        make_keys(data_dir)
        (data_dir / name).unlink()
        await self.refused(own.with_(data_dir=data_dir), own.folder / "backup", f"{name} is missing")

    async def test_a_backup_without_a_login_that_is_set_is_refused(self, own: Own) -> None:
        settings = own.with_(backup_database_url=None)
        await self.refused(settings, own.folder / "backup", "CONVENOR_BACKUP_DATABASE_URL is not set")

    @pytest.mark.parametrize("login", ["database_url", "owner_database_url"])
    async def test_a_backup_with_a_login_that_does_not_see_every_row_is_refused(self, own: Own, login: str) -> None:
        settings = own.with_(backup_database_url=getattr(own.settings, login))
        await self.refused(settings, own.folder / "backup", r"does not see every row.*\n.*roles\.sql")

    async def test_the_login_of_the_backup_reads_no_password_of_the_server(self, own: Own) -> None:
        connection = await asyncpg.connect(backup_url(owner_of(own.settings)))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch("select rolpassword from pg_authid")
        finally:
            await connection.close()

    async def test_a_backup_with_a_login_that_may_not_read_is_refused(self, own: Own) -> None:
        admin = await asyncpg.connect(own.service.superuser_url)
        await admin.execute(f"create role narrow login bypassrls password $${PASSWORD}$$")
        try:
            url = owner_of(own.settings).replace("convenor_owner", "narrow", 1)
            settings = own.with_(backup_database_url=SecretStr(url))
            await self.refused(settings, own.folder / "backup", "cannot be read: permission denied")
        finally:
            await admin.execute("drop role narrow")
            await admin.close()

    async def test_a_backup_with_the_login_of_another_database_is_refused(self, own: Own) -> None:
        settings = own.with_(backup_database_url=SecretStr(backup_url(own.server.owner_url)))
        await self.refused(settings, own.folder / "backup", "is about another database")

    async def test_a_backup_that_waits_too_long_for_a_locked_table_is_refused(
        self, own: Own, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(making, "_LOCK_SECONDS", 1)
        admin = await asyncpg.connect(own.service.superuser_url)
        async with admin.transaction():
            await admin.execute("lock table school")
            await self.refused(own.settings, own.folder / "backup", r"waited 1 seconds for a table.*\nWait for")
        await admin.close()

    async def test_a_backup_whose_server_ends_its_session_says_so(
        self, own: Own, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def die(*_arguments: Any) -> None:
            admin = await asyncpg.connect(own.service.superuser_url)
            await admin.execute(
                "select pg_terminate_backend(pid, 100000) from pg_stat_activity where usename = 'convenor_backup'"
            )
            await admin.close()
            raise ProgramError("pg_dump: error: the server ended the session")

        monkeypatch.setattr(making, "run", die)
        await self.refused(own.settings, own.folder / "backup", "the server ended the session")

    async def test_a_backup_of_a_database_that_was_never_migrated_is_refused(self, own: Own, target: Settings) -> None:
        await self.refused(target.model_copy(update={"data_dir": own.settings.data_dir}), own.folder / "b", "never mig")

    async def test_a_backup_to_a_full_disk_is_refused(self, own: Own) -> None:
        # A limit on the size of files ends the writing as a full disk does.
        installation = Installation(own.settings.data_dir, settings=environment(own.settings))
        done = await asyncio.to_thread(
            subprocess.run,
            [COMMAND, "backup", str(own.folder / "backup")],
            env=installation.environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "cannot be written to" in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
        assert list(own.folder.iterdir()) == []


class TestARestoreIsRefused:
    @pytest.fixture
    async def backup(self, own: Own) -> Path:
        return await own.backed_up()

    async def refused(self, settings: Settings, path: Path, why: str) -> None:
        with pytest.raises(ConfigurationError, match=why) as refusal:
            await asyncio.to_thread(restore, settings, path, say)
        assert refusal.value.remedy
        assert await present_revision(owner_of(settings)) is None
        assert not (settings.data_dir / SIGNING_KEYS_FILE).exists()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda whole: whole[:-1],
            lambda whole: whole[: len(whole) // 4],
            lambda whole: whole[: len(whole) // 2],
            lambda whole: whole[: len(whole) * 3 // 4],
            lambda whole: whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :],
            lambda _whole: b"",
        ],
        ids=["cut", "a quarter", "a half", "three quarters", "changed", "empty"],
    )
    async def test_a_restore_of_a_damaged_file_is_refused(
        self, backup: Path, target: Settings, damage: Callable[[bytes], bytes]
    ) -> None:
        whole = await asyncio.to_thread(backup.read_bytes)
        await asyncio.to_thread(backup.write_bytes, damage(whole))
        await self.refused(target, backup, "is damaged, or")

    @pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 2}', "[" * 100_000], ids=lambda each: each[:9])
    async def test_a_restore_of_damaged_keys_is_refused(self, backup: Path, target: Settings, content: str) -> None:
        keys_path(backup).write_text(content)
        await self.refused(target, backup, r"\.keys is damaged")

    async def test_a_restore_without_its_keys_is_refused(self, backup: Path, target: Settings) -> None:
        keys_path(backup).unlink()
        await self.refused(target, backup, r"\.keys is missing.*\n.*into its folder")

    async def test_a_restore_with_the_keys_of_another_backup_is_refused(
        self, own: Own, backup: Path, target: Settings
    ) -> None:
        await own.service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
        keys_path(await own.backed_up("other")).replace(keys_path(backup))
        await self.refused(target, backup, "was written with another file")

    async def test_a_restore_of_a_file_that_there_is_not_is_refused(self, own: Own, target: Settings) -> None:
        await self.refused(target, own.folder / "nothing", "nothing cannot be read: No such file")

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("revision", "9999", "revision 9999, which this version of Convenor does not know"),
            ("postgresql", 99, "made on PostgreSQL 99"),
            ("format", 3, "written by another version"),
        ],
    )
    async def test_a_restore_of_what_is_too_new_is_refused(
        self, backup: Path, target: Settings, field: str, value: object, why: str
    ) -> None:
        rewrite_keys(backup, **{field: value})
        await self.refused(target, backup, why)

    async def test_a_restore_into_an_installation_with_data_is_refused_and_the_data_stay(
        self, own: Own, backup: Path
    ) -> None:
        before = await rows(own.service.superuser_url)
        keys = (own.settings.data_dir / SIGNING_KEYS_FILE).read_bytes()
        with pytest.raises(ConfigurationError, match=r"has data already.*\nRestore into a new one"):
            await asyncio.to_thread(restore, own.settings, backup, say)
        assert await rows(own.service.superuser_url) == before
        assert (own.settings.data_dir / SIGNING_KEYS_FILE).read_bytes() == keys

    async def test_a_restore_over_the_keys_of_another_installation_is_refused_before_anything_is_touched(
        self, backup: Path, target: Settings
    ) -> None:
        make_keys(target.data_dir)
        (target.data_dir / SIGNING_KEYS_FILE).unlink()
        before = (target.data_dir / PSEUDONYM_FILE).read_bytes()
        await self.refused(target, backup, r"pseudonym\.key exists already.*\nSet CONVENOR_DATA_DIR")
        assert (target.data_dir / PSEUDONYM_FILE).read_bytes() == before

    async def test_a_restore_that_the_database_refuses_is_explained(self, backup: Path, target: Settings) -> None:
        await asyncio.to_thread(migrate, owner_of(target), "convenor_app")
        owner = await asyncpg.connect(owner_of(target))
        await owner.execute("create view report as select * from cluster")
        await owner.close()
        with pytest.raises(ConfigurationError, match=r"cannot be restored: .*other objects depend on it\.\n"):
            await asyncio.to_thread(restore, target, backup, say)

    async def test_a_restore_with_the_application_s_login_alone_is_refused(
        self, backup: Path, target: Settings
    ) -> None:
        settings = target.model_copy(update={"owner_database_url": None})
        with pytest.raises(ConfigurationError, match="CONVENOR_OWNER_DATABASE_URL"):
            await asyncio.to_thread(restore, settings, backup, say)

    async def test_a_restore_leaves_nothing_where_the_database_fails_halfway(
        self, backup: Path, target: Settings
    ) -> None:
        owner = await asyncpg.connect(owner_of(target))
        await owner.execute("create table school (somebody_s text)")
        with pytest.raises(ConfigurationError, match=r"none of its rows was stored: .*already exists"):
            await asyncio.to_thread(restore, target, backup, say)
        tables = await owner.fetch("select tablename from pg_tables where schemaname = 'public'")
        assert [row[0] for row in tables] == ["school"]
        await owner.execute("drop table school")
        await owner.close()
        await asyncio.to_thread(restore, target, backup, say)
        assert await present_revision(owner_of(target)) == newest_revision()
