"""Backups with wrong names or damaged keys, and backups and restores that are stopped or killed."""

import asyncio
import base64
import json
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from support.backups import ask, rewrite_keys, rows
from support.databases import named
from support.installation import COMMAND, Installation
from support.own_installation import Own, database_of, environment, owner_of, say
from support.own_server import backup_url

from convenor.backup import back_up, keys_path, restore
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.migrate import SCHEMA_LOCK, migrate
from convenor.revision import newest_revision, present_revision
from convenor.serving import RESTORE_MARK
from convenor_auth.keys import KEY_FILES, PSEUDONYM_FILE, SIGNING_KEYS_FILE

WAITS_FOR = "select count(*) from pg_locks where locktype = $1 and not granted"


def ran(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return Installation(settings.data_dir, settings=environment(settings)).run(*map(str, arguments))


@asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def start(settings: Settings, *arguments: str | Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env=Installation(settings.data_dir, settings=environment(settings)).environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def until(command: asyncio.subprocess.Process, admin: asyncpg.Connection, kind: str) -> None:
    """Return once a session waits for a lock of this kind, and fail where the command ends before."""
    while not await admin.fetchval(WAITS_FOR, kind):
        assert command.returncode is None


class TestANameThatIsNoNewFile:
    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("/", "/ is a folder"),
            ("", "is a folder"),
            ("..", "is a folder"),
            ("folder", "folder is a folder"),
            ("/proc/backup", "cannot be written to /proc/backup"),
            ("x" * 240, "cannot be written to .*name too long"),
            ("dangling", "dangling exists already"),
        ],
    )
    async def test_a_backup_to_it_is_refused(self, own: Own, name: str, why: str) -> None:
        (own.folder / "folder").mkdir()
        (own.folder / "dangling").symlink_to("nowhere")
        before = sorted(own.folder.iterdir())
        with pytest.raises(ConfigurationError, match=why):
            await asyncio.to_thread(back_up, own.settings, own.folder / name, say)
        assert sorted(own.folder.iterdir()) == before

    @pytest.mark.parametrize("name", ["/", "", "folder", "/dev/null"])
    async def test_a_restore_of_it_is_refused(self, target: Settings, own: Own, name: str) -> None:
        (own.folder / "folder").mkdir()
        with pytest.raises(ConfigurationError, match="is not a file"):
            await asyncio.to_thread(restore, target, own.folder / name, say)
        assert not target.data_dir.exists()

    def test_the_command_explains_it(self, tmp_path: Path) -> None:
        for command in ("backup", "restore"):
            for name in ("/", ""):
                done = Installation(tmp_path).run(command, name)
                assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr

    @pytest.mark.parametrize("folder", ["nowhere", "empty"])
    def test_a_backup_of_a_folder_without_an_installation_says_so(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / "empty" / "postgres").mkdir(parents=True)
        done = Installation(tmp_path / folder).run("backup", str(tmp_path / "backup"))
        assert (done.returncode, "There is no database in" in done.stderr) == (2, True), done.stderr
        assert "--new-keys" not in done.stderr
        assert [each.name for each in tmp_path.iterdir()] == ["empty"]

    async def test_a_backup_of_a_data_folder_that_there_is_not_says_so(self, own: Own) -> None:
        with pytest.raises(ConfigurationError, match="There is no folder"):
            await asyncio.to_thread(back_up, own.with_(data_dir=own.folder / "nowhere"), own.folder / "backup", say)


class TestDamagedKeys:
    """`FILE.keys`, whose loss would end every token or change every pseudonym."""

    async def refused(self, target: Settings, backup: Path, why: str) -> None:
        with pytest.raises(ConfigurationError, match=why) as refusal:
            await asyncio.to_thread(restore, target, backup, say)
        assert "another copy of the backup" in refusal.value.remedy
        assert await present_revision(owner_of(target)) is None
        assert not target.data_dir.exists()

    @pytest.mark.parametrize("name", KEY_FILES)
    async def test_a_restore_of_a_key_with_a_changed_bit_is_refused(
        self, own: Own, target: Settings, name: str
    ) -> None:
        backup = await own.backed_up()
        written = json.loads(keys_path(backup).read_text())
        content = bytearray(base64.b64decode(written["files"][name]))
        content[len(content) // 2] ^= 1
        written["files"][name] = base64.b64encode(content).decode()
        keys_path(backup).write_text(json.dumps(written))
        await self.refused(target, backup, r"backup\.keys is damaged")

    @pytest.mark.parametrize("quarters", [1, 2, 3])
    async def test_a_restore_of_cut_keys_is_refused(self, own: Own, target: Settings, quarters: int) -> None:
        backup = await own.backed_up()
        keys = keys_path(backup)
        os.truncate(keys, keys.stat().st_size * quarters // 4)
        await self.refused(target, backup, r"backup\.keys is damaged")

    async def test_a_restore_of_another_backup_s_metadata_is_refused(self, own: Own, target: Settings) -> None:
        backup = await own.backed_up()
        written = json.loads(keys_path(backup).read_text())
        keys_path(backup).write_text(json.dumps(written | {"postgresql": 15}))
        await self.refused(target, backup, r"backup\.keys is damaged")

    @pytest.mark.parametrize(
        ("name", "damage"),
        [
            (PSEUDONYM_FILE, lambda _content: b""),
            (PSEUDONYM_FILE, lambda content: content[:-1]),
            (SIGNING_KEYS_FILE, lambda content: content[: len(content) // 2]),
            (SIGNING_KEYS_FILE, lambda content: content.replace(b'"d"', b'"e"')),
            (SIGNING_KEYS_FILE, lambda content: content.replace(b'"signing"', b'"retired"')),
        ],
    )
    async def test_a_restore_of_keys_that_no_service_could_use_is_refused(
        self, own: Own, target: Settings, name: str, damage: Callable[[bytes], bytes]
    ) -> None:
        backup = await own.backed_up()
        files = json.loads(keys_path(backup).read_text())["files"]
        content = damage(base64.b64decode(files[name]))
        rewrite_keys(backup, files=files | {name: base64.b64encode(content).decode()})
        await self.refused(target, backup, f"{name} ")


class TestAnInterruptedBackup:
    async def test_only_its_owner_can_read_a_backup_whatever_the_umask(self, own: Own) -> None:
        before = os.umask(0)
        try:
            backup = await own.backed_up()
        finally:
            os.umask(before)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (backup, keys_path(backup))] == [0o600, 0o600]

    async def test_the_next_backup_removes_the_keys_that_a_killed_one_left(self, own: Own) -> None:
        left = own.folder / ".backup.abcdefgh.draft"
        left.mkdir()
        (left / ".keys.12345678").write_text("keys")
        other = own.folder / ".backup.old.abcdefgh.draft"
        other.mkdir()
        await own.backed_up()
        assert {path.name for path in own.folder.iterdir()} == {"backup", "backup.keys", other.name}

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    async def test_a_backup_that_is_stopped_leaves_nothing(self, own: Own, how: signal.Signals) -> None:
        async with session(own.service.superuser_url) as admin:
            # Outside schema public, a lock stops pg_dump alone.
            await admin.execute("create schema side; create table side.t (); grant usage on schema side to public")
            await admin.execute("grant select on side.t to public")
            async with admin.transaction():
                await admin.execute("lock table side.t")
                command = await start(own.settings, "backup", own.folder / "backup")
                await until(command, admin, "relation")
                command.send_signal(how)
                assert await command.wait() != 0
            assert list(own.folder.iterdir()) == []


class TestAnInterruptedRestore:
    async def start(self, target: Settings, backup: Path, admin: asyncpg.Connection) -> asyncio.subprocess.Process:
        """Start a restore, and return while another session's table, not yet committed, stops it."""
        await admin.execute("begin; create table public.school ()")
        command = await start(target, "restore", backup)
        await until(command, admin, "transactionid")
        return command

    async def kill(self, command: asyncio.subprocess.Process) -> None:
        command.kill()
        await command.wait()

    async def test_no_service_starts_on_a_killed_restore_and_the_next_one_completes_it(
        self, own: Own, target: Settings
    ) -> None:
        backup, superuser_url = await own.backed_up(), named(own.server.superuser_url, database_of(target))
        before = await rows(own.service.superuser_url)
        async with session(superuser_url) as admin:
            await self.kill(await self.start(target, backup, admin))
            await admin.execute("rollback")
        target = target.model_copy(update={"backup_database_url": SecretStr(backup_url(owner_of(target)))})
        for command in (["serve"], ["migrate"], ["backup", own.folder / "other"]):
            done = await asyncio.to_thread(ran, target, *command)
            assert (done.returncode, "has not finished" in done.stderr) == (2, True), done.stderr
        done = await asyncio.to_thread(ran, target, "doctor")
        assert (done.returncode, "has not finished" in " ".join(done.stdout.split())) == (1, True), done.stdout
        await asyncio.to_thread(restore, target, backup, say)
        assert await rows(superuser_url) == before
        assert not (target.data_dir / RESTORE_MARK).exists()
        assert (await asyncio.to_thread(ran, target, "migrate")).returncode == 0

    async def test_a_restore_that_is_killed_after_its_last_row_is_completed(self, own: Own, target: Settings) -> None:
        backup, superuser_url = await own.backed_up(), named(own.server.superuser_url, database_of(target))
        before = await rows(own.service.superuser_url)
        async with session(superuser_url) as admin, session(superuser_url) as next_one:
            command = await self.start(target, backup, admin)
            # It waits for the lock that the restore holds, and keeps the restore from its last step.
            taken = asyncio.create_task(next_one.execute("select pg_advisory_lock($1)", SCHEMA_LOCK))
            await until(command, admin, "advisory")
            await admin.execute("rollback")
            await taken
            await self.kill(command)
        assert await rows(superuser_url) == before
        with pytest.raises(ConfigurationError, match="has not finished"):
            await asyncio.to_thread(back_up, target, own.folder / "other", say)
        await asyncio.to_thread(restore, target, backup, say)
        assert await rows(superuser_url) == before
        assert not (target.data_dir / RESTORE_MARK).exists()
        app_url = target.database_url.get_secret_value() if target.database_url else ""
        assert await ask(app_url, "select count(*) from referral") == (0,), "the application may read"

    async def test_a_mark_of_another_database_lets_no_restore_pass_over_its_data(
        self, own: Own, target: Settings
    ) -> None:
        backup, superuser_url = await own.backed_up(), named(own.server.superuser_url, database_of(target))
        async with session(superuser_url) as admin:
            await self.kill(await self.start(target, backup, admin))
            await admin.execute("rollback")
        settings = own.with_(data_dir=target.data_dir)
        with pytest.raises(ConfigurationError, match="has data already"):
            await asyncio.to_thread(restore, settings, backup, say)


async def test_a_restore_into_a_database_that_a_service_uses_is_refused(own: Own, target: Settings) -> None:
    backup = await own.backed_up()
    await asyncio.to_thread(migrate, owner_of(target), "convenor_app")
    assert target.database_url is not None
    async with session(target.database_url.get_secret_value()):
        with pytest.raises(ConfigurationError, match=r"A service uses this database.*\nStop every Convenor"):
            await asyncio.to_thread(restore, target, backup, say)
    assert await present_revision(owner_of(target)) == newest_revision()
    assert not (target.data_dir / SIGNING_KEYS_FILE).exists()
