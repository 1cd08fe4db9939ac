"""The database under Convenor: what is refused, what survives a crash, and that no server or secret is left about."""

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
from support.installation import free_port

from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.login import Address, connect
from convenor.doctor import diagnose
from convenor.embedded_postgres.open import Database, assert_app_role, examine, open_database
from convenor.embedded_postgres.passwords import known_passwords, make_passwords
from convenor.embedded_postgres.process import postmaster
from convenor.embedded_postgres.server import SERVER, EmbeddedServer, binaries, check_folder, open_embedded

ROLES_SQL = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
T = TypeVar("T")
SECRET = "sesame-7391"
USE_THE_DATABASE = """
import sys
from pathlib import Path
from convenor.embedded_postgres.open import open_database
with open_database(Path(sys.argv[1]), say=lambda sentence: print(sentence, flush=True)):
    print("ready", flush=True)
    sys.stdin.read()
"""


def on(url: str, use: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await use(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def run(url: str, *statements: str) -> None:
    async def each(connection: asyncpg.Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    on(url, each)


def value(url: str, query: str) -> object:
    return on(url, lambda connection: connection.fetchval(query))


def address(url: str) -> Address:
    return Address.parse(url, "CONVENOR_DATABASE_URL")


def database_of(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def files(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Callable[[], Path]]:
    """Makes folders that are not pytest's: it closes its own to the user that runs PostgreSQL for root, at any time."""
    with ExitStack() as stack:
        yield lambda: Path(stack.enter_context(TemporaryDirectory(prefix="cv-"))).resolve()


@pytest.fixture
def tmp_path(short_folder: Callable[[], Path]) -> Path:
    return short_folder()


@pytest.fixture(scope="module")
def resting(short_folder: Callable[[], Path]) -> Path:
    """A data folder with a cluster that does not run."""
    data_dir = short_folder()
    with open_database(data_dir):
        pass
    return data_dir


@pytest.fixture(scope="module")
def running_dir(short_folder: Callable[[], Path]) -> Path:
    return short_folder()


@pytest.fixture(scope="module")
def server(running_dir: Path) -> Iterator[EmbeddedServer]:
    """A server that runs; it also plays the part of a server of one's own."""
    with open_embedded(running_dir, say=lambda _sentence: None) as opened:
        yield opened
    assert postmaster(running_dir / "postgres") is None


@pytest.fixture
def own(server: EmbeddedServer) -> Iterator[str]:
    """An empty database on a server of one's own, by its superuser's address."""
    run(server.superuser_url, "create database own")
    yield database_of(server.superuser_url, "own")
    run(
        server.superuser_url,
        "drop database own with (force)",
        "drop role if exists own_app",
        "drop role if exists own_owner",
    )


@pytest.fixture
def user_of_the_database(resting: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database open."""
    with start_user(resting) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def start_user(data_dir: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", USE_THE_DATABASE, str(data_dir)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def as_an_ordinary_user(folder: Path, act: Callable[[], None]) -> None:
    """Does something as this user or, for root, as `nobody` in a forked process, to whom `folder/data` is given."""
    if os.geteuid() != 0:
        act()
        return
    for above in (folder, *folder.parents):
        above.chmod(above.stat().st_mode | 0o001)
    if (folder / "data").exists():
        os.chown(folder / "data", 65534, 65534)
    report = folder / "report"
    report.touch()
    report.chmod(0o666)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            act()
        except BaseException:
            report.write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, report.read_text()


class TestAFolderIsRefused:
    def test_a_folder_that_another_version_made_is_refused_and_nothing_in_it_is_touched(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
        before = files(tmp_path)
        with pytest.raises(
            ConfigurationError, match=r"PostgreSQL 16; this Convenor runs PostgreSQL 18.*\n.*pg_upgrade"
        ):
            open_database(tmp_path).__enter__()
        assert files(tmp_path) == before

    def test_a_folder_with_files_that_are_no_database_is_refused_and_they_stay(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "thesis.txt").write_text("three years of work")
        before = files(tmp_path)
        with pytest.raises(ConfigurationError, match=r"not a PostgreSQL database.*\nMove that folder"):
            open_database(tmp_path).__enter__()
        assert files(tmp_path) == before

    def test_a_folder_on_a_full_disk_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "data"
        with pytest.raises(ConfigurationError, match=r"MB free; a new database needs.*\nFree some space"):
            open_embedded(data_dir, say=print, required_free_bytes=2**62).__enter__()
        assert not data_dir.exists()

    def test_a_full_disk_does_not_keep_an_existing_database_from_starting(self, resting: Path) -> None:
        assert "MB free" in check_folder(resting, required_free_bytes=2**62)

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        with pytest.raises(ConfigurationError, match=r"is a file, not a folder.*\nSet CONVENOR_DATA_DIR"):
            open_database(tmp_path / "data").__enter__()

    def test_a_folder_that_cannot_be_written_to_is_refused(self, tmp_path: Path) -> None:
        def refused() -> None:
            with pytest.raises(ConfigurationError, match=r"cannot be written to.*\n.*CONVENOR_DATA_DIR"):
                open_database(tmp_path / "closed" / "data").__enter__()

        (tmp_path / "closed").mkdir(mode=0o555)
        as_an_ordinary_user(tmp_path, refused)

    def test_a_folder_whose_passwords_are_gone_is_refused(self, resting: Path) -> None:
        passwords = resting / "database.json"
        kept = passwords.read_text()
        passwords.unlink()
        try:
            with pytest.raises(ConfigurationError, match=r"passwords .* are missing.*\nRestore that file"):
                open_database(resting).__enter__()
            assert not passwords.exists()
        finally:
            passwords.write_text(kept)
            passwords.chmod(0o600)


class TestAfterACrash:
    def test_what_was_committed_before_the_server_was_killed_is_there(self, resting: Path) -> None:
        with open_database(resting) as database:
            assert database.owner_url is not None
            run(database.owner_url, "create table kept (n int)", "insert into kept values (1)")
            killed = postmaster(resting / "postgres")
            assert killed is not None
            killed.kill()
        with open_database(resting) as database:
            assert database.owner_url is not None
            assert value(database.owner_url, "select n from kept") == 1
            run(database.owner_url, "drop table kept")

    def test_a_server_whose_starter_was_killed_is_taken_over_and_stopped_at_the_end(
        self, resting: Path, user_of_the_database: subprocess.Popen[str]
    ) -> None:
        before = postmaster(resting / "postgres")
        user_of_the_database.kill()
        user_of_the_database.wait()
        assert before is not None
        assert before.is_running()
        with open_database(resting) as database:
            assert postmaster(resting / "postgres") == before
            assert value(database.app_url, "select 1") == 1
        assert postmaster(resting / "postgres") is None

    def test_a_stale_pid_file_whose_number_is_another_process_by_now_does_not_block(self, resting: Path) -> None:
        cluster = resting / "postgres"
        stale = f"{os.getpid()}\n{cluster}\n1700000000\n5432\n{cluster}\n\n 1 1\nready   \n"
        (cluster / "postmaster.pid").write_text(stale)
        (cluster / ".s.PGSQL.5432.lock").write_text(stale)
        with open_database(resting) as database:
            assert value(database.app_url, "select 1") == 1

    def test_a_database_whose_making_was_killed_is_made_again_with_the_same_passwords(self, tmp_path: Path) -> None:
        with start_user(tmp_path) as process:
            while not list(tmp_path.glob("postgres-unfinished-*/PG_VERSION")):
                assert process.poll() is None
            process.kill()
        passwords = known_passwords(tmp_path, SERVER)
        assert not (tmp_path / "postgres").exists()
        with open_database(tmp_path) as database:
            assert value(database.app_url, "select current_user::text") == "convenor_app"
        assert known_passwords(tmp_path, SERVER) == passwords

    def test_roles_that_were_not_made_yet_are_made_by_the_next_start(self, resting: Path) -> None:
        with open_embedded(resting, say=print) as opened:
            run(opened.superuser_url, "drop database convenor", "drop role convenor_app")
        with open_database(resting) as database:
            assert value(database.app_url, "select current_user::text") == "convenor_app"


class TestWhoStopsTheServer:
    def test_a_second_process_joins_and_leaves_it_running(
        self, resting: Path, user_of_the_database: subprocess.Popen[str]
    ) -> None:
        before = postmaster(resting / "postgres")
        with open_database(resting) as database:
            assert value(database.app_url, "select 1") == 1
        assert before is not None
        assert postmaster(resting / "postgres") == before
        user_of_the_database.communicate()
        assert not psutil.pid_exists(before.pid) or before.status() == psutil.STATUS_ZOMBIE

    def test_the_starter_leaves_it_to_those_who_still_use_it(
        self, resting: Path, user_of_the_database: subprocess.Popen[str]
    ) -> None:
        with open_database(resting) as database:
            user_of_the_database.communicate()
            assert value(database.app_url, "select 1") == 1
        assert postmaster(resting / "postgres") is None

    @pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
    def test_the_server_stops_when_its_user_is_interrupted(self, resting: Path, end: type[BaseException]) -> None:
        def use_it() -> None:
            with open_database(resting):
                assert postmaster(resting / "postgres") is not None
                raise end

        with pytest.raises(end):
            use_it()
        assert postmaster(resting / "postgres") is None

    def test_ctrl_c_in_the_terminal_does_not_reach_the_server(self, running_dir: Path, server: EmbeddedServer) -> None:
        running = postmaster(running_dir / "postgres")
        assert running is not None
        assert os.getpgid(running.pid) != os.getpgid(0)
        assert os.getsid(running.pid) != os.getsid(0)

    def test_a_terminated_service_leaves_no_server_behind_once_the_next_has_gone(
        self, resting: Path, user_of_the_database: subprocess.Popen[str]
    ) -> None:
        user_of_the_database.send_signal(signal.SIGTERM)
        user_of_the_database.wait()
        with open_database(resting):
            pass
        assert postmaster(resting / "postgres") is None


class TestWhoGetsIn:
    def test_the_server_lets_nobody_in_without_a_password(self, server: EmbeddedServer) -> None:
        wrong = address(server.superuser_url).logging_in_as("postgres", "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            value(wrong.url, "select 1")

    def test_the_server_lets_nobody_in_over_the_network(self, server: EmbeddedServer) -> None:
        assert value(server.app_url, "show listen_addresses") == ""

    def test_the_server_lets_no_other_system_user_in(self, running_dir: Path, server: EmbeddedServer) -> None:
        modes = {path.name: path.stat().st_mode & 0o777 for path in running_dir.iterdir()}
        assert modes == {"postgres": 0o700, "database.json": 0o600, "postgres.log": 0o600, "postgres.lock": 0o600}

    def test_the_application_owns_nothing_and_row_security_holds_for_it(self, server: EmbeddedServer) -> None:
        on(server.app_url, assert_app_role)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            run(server.app_url, "create table mine (n int)")

    def test_the_application_refuses_to_be_superuser(self, server: EmbeddedServer) -> None:
        with pytest.raises(ConfigurationError, match=r"postgres is a superuser"):
            on(server.superuser_url, assert_app_role)

    def test_the_application_refuses_to_own_the_database(self, server: EmbeddedServer) -> None:
        with pytest.raises(ConfigurationError, match=r"convenor_owner owns the database"):
            on(server.owner_url, assert_app_role)

    @pytest.mark.parametrize(
        ("change", "undo", "fault"),
        [
            ("alter role convenor_app bypassrls", "alter role convenor_app nobypassrls", "bypasses row-level security"),
            ("grant convenor_owner to convenor_app", "revoke convenor_owner from convenor_app", "owns the database"),
        ],
    )
    def test_the_application_refuses_what_would_undo_row_security(
        self, server: EmbeddedServer, change: str, undo: str, fault: str
    ) -> None:
        run(server.superuser_url, change)
        try:
            with pytest.raises(ConfigurationError, match=fault):
                on(server.app_url, assert_app_role)
        finally:
            run(server.superuser_url, undo)

    def test_no_value_of_a_failed_statement_gets_into_the_log(self, running_dir: Path, server: EmbeddedServer) -> None:
        async def fail(connection: asyncpg.Connection) -> None:
            await connection.execute("create temp table pupil (upn text unique check (length(upn) < 20))")
            await connection.execute("insert into pupil values ($1)", SECRET)
            await connection.execute(f"do $$ begin raise warning '{SECRET}'; end $$")
            for statement in (
                f"insert into pupil values ('{SECRET}')",
                f"insert into pupil values ('{SECRET}' || '{SECRET}')",
                f"select '{SECRET}'::date",
            ):
                with pytest.raises(asyncpg.PostgresError) as refusal:
                    await connection.execute(statement)
                assert SECRET in str(refusal.value.as_dict())
            # An administrator who lets errors into the log still gets no statement and no violated key.
            await connection.execute("set log_min_messages = error")
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute(f"insert into pupil values ('{SECRET}')")

        on(server.superuser_url, fail)
        log = (running_dir / "postgres.log").read_text()
        assert "duplicate key value violates unique constraint" in log
        assert SECRET not in log
        assert not any(password in log for password in known_passwords(running_dir, SERVER).values())


class TestAnAddressIsRefused:
    @pytest.mark.parametrize(
        "url",
        [
            f"mysql://app:{SECRET}@localhost/convenor",
            f"postgresql://app:{SECRET}@localhost",
            f"postgresql://app:{SECRET}@localhost:port/convenor",
            f"postgresql://app:12/{SECRET}@localhost/convenor",
            f"postgresql://app:12#{SECRET}@localhost/convenor",
            f"postgresql://app:12@{SECRET}@localhost/convenor",
            f"postgresql://app:{SECRET}@/convenor",
            SECRET,
        ],
    )
    def test_an_address_that_is_malformed_is_refused(self, tmp_path: Path, url: str) -> None:
        self.refused(tmp_path, url, "not the address of a PostgreSQL database", "postgresql://user:password@host")

    @pytest.mark.parametrize(
        "url",
        [
            f"postgresql://app:{SECRET}@127.0.0.1:1/convenor",
            f"postgresql://app:{SECRET}@nowhere.invalid/convenor",
            f"postgresql://app:{SECRET}@/convenor?host=/nowhere",
        ],
    )
    def test_an_address_where_nothing_answers_is_refused(self, tmp_path: Path, url: str) -> None:
        self.refused(tmp_path, url, "No PostgreSQL can be reached at", "correct the host and the port")

    def test_an_address_with_a_wrong_password_is_refused(self, tmp_path: Path, server: EmbeddedServer) -> None:
        url = address(server.app_url).logging_in_as("convenor_app", SECRET).url
        self.refused(tmp_path, url, "refuses the login", "Correct the user and the password in CONVENOR_DATABASE_URL")

    def test_an_address_whose_database_is_missing_is_refused(self, tmp_path: Path, server: EmbeddedServer) -> None:
        self.refused(tmp_path, database_of(server.superuser_url, "nothing"), "no such database", "roles.sql")

    def test_an_address_of_a_server_that_is_too_old_is_refused(self, server: EmbeddedServer) -> None:
        with pytest.raises(ConfigurationError, match=r"is PostgreSQL 18\.\n.*PostgreSQL 99 or newer"):
            asyncio.run(connect(address(server.app_url), oldest_major_version=99))

    def refused(self, data_dir: Path, url: str, problem: str, remedy: str) -> None:
        with pytest.raises(ConfigurationError) as refusal:
            open_database(data_dir, url).__enter__()
        assert problem in refusal.value.problem
        assert remedy in refusal.value.remedy
        assert SECRET not in "".join(traceback.format_exception(refusal.value))
        assert [finding.detail for finding in examine(data_dir, url, None) if not finding.ok] == [refusal.value.problem]
        assert list(data_dir.iterdir()) == []


class TestAServerOfOnesOwn:
    def test_an_owners_login_makes_the_applications_role_once(self, own: str, tmp_path: Path) -> None:
        with open_database(tmp_path, own) as first, open_database(tmp_path, own) as second:
            assert first == second
            assert first.app_role == "own_app"
            assert first.owner_url == own
            on(first.app_url, assert_app_role)

    def test_an_applications_role_whose_password_is_not_known_is_left_alone(self, own: str, tmp_path: Path) -> None:
        run(own, f"create role own_app login password '{SECRET}'")
        with pytest.raises(ConfigurationError, match=r"password is not known here.*\n.*CONVENOR_OWNER_DATABASE_URL"):
            open_database(tmp_path, own).__enter__()
        assert value(address(own).logging_in_as("own_app", SECRET).url, "select 1") == 1

    def test_an_owner_who_may_not_make_roles_is_sent_to_the_administrator(self, own: str, tmp_path: Path) -> None:
        run(own, f"create role own_owner login password '{SECRET}'", "alter database own owner to own_owner")
        with pytest.raises(
            ConfigurationError, match=r"may not create the role own_app.*\n.*deploy/postgres/roles\.sql"
        ):
            open_database(tmp_path, address(own).logging_in_as("own_owner", SECRET).url).__enter__()

    def test_the_owners_login_is_refused_as_the_applications_where_it_has_both(self, own: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"postgres is not suitable for the application"):
            open_database(tmp_path, own, own).__enter__()

    def test_the_roles_of_the_administrators_script_serve(
        self, own: str, server: EmbeddedServer, tmp_path: Path
    ) -> None:
        run(server.superuser_url, "drop database own")
        for _again in range(2):
            self.run_script(server.superuser_url)
        app, owner = (address(own).logging_in_as(role, f"{SECRET}@/'").url for role in ("own_app", "own_owner"))
        with open_database(tmp_path, app, owner) as database:
            assert database == Database(owner, app, "own_app", embedded=False)
            run(owner, "create table mine (n int)")
            on(database.app_url, assert_app_role)
        with open_database(tmp_path, app) as database:
            assert database.owner_url is None
        assert [finding for finding in examine(tmp_path, app, owner) if not finding.ok] == []

    def run_script(self, url: str) -> None:
        names = ("--set=database=own", "--set=owner=own_owner", "--set=app=own_app")
        subprocess.run(
            [binaries() / "psql", url, "--no-psqlrc", f"--file={ROLES_SQL}", *names],
            env={"CONVENOR_OWNER_PASSWORD": f"{SECRET}@/'", "CONVENOR_APP_PASSWORD": f"{SECRET}@/'"},
            check=True,
            capture_output=True,
        )


class TestWhatTheDoctorSays:
    def test_the_doctor_finds_all_well_before_the_first_start_and_makes_nothing(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "data"
        assert [finding.ok for finding in examine(data_dir, None, None)] == [True, True]
        assert not data_dir.exists()

    def test_the_doctor_finds_a_running_database(self, running_dir: Path, server: EmbeddedServer) -> None:
        findings = examine(running_dir, None, None)
        assert [finding.name for finding in findings if finding.ok] == [
            "data folder",
            "embedded database",
            "database passwords",
            "application's login",
        ]

    def test_the_doctor_finds_that_the_keys_of_a_stopped_database_are_gone(self, resting: Path) -> None:
        wrong = [found for found in diagnose(Settings(data_dir=resting, port=free_port())) if not found.ok]
        assert [found.name for found in wrong] == ["keys"]

    def test_the_doctor_finds_passwords_that_others_can_read(self, tmp_path: Path) -> None:
        make_passwords(tmp_path, SERVER, ["postgres"])
        (tmp_path / "database.json").chmod(0o644)
        assert [finding.remedy for finding in examine(tmp_path, None, None) if not finding.ok] == [
            f"chmod 600 {tmp_path / 'database.json'}"
        ]

    def test_no_password_is_shown_where_an_address_is_printed(self, server: EmbeddedServer) -> None:
        database = Database(server.owner_url, server.app_url, "convenor_app", embedded=True)
        shown = f"{server!r} {database!r} {address(server.app_url)!r}"
        for url in (server.owner_url, server.app_url, server.superuser_url):
            assert str(urlsplit(url).password) not in shown


class TestWhereItRuns:
    def test_a_folder_too_deep_for_a_socket_gets_one_elsewhere_for_its_owner_only(self, tmp_path: Path) -> None:
        with open_database(tmp_path / ("deep" * 30)) as database:
            folder = Path(parse_qs(urlsplit(database.app_url).query)["host"][0])
            assert tmp_path not in folder.parents
            assert folder.stat().st_mode & 0o777 == 0o700
            assert value(database.app_url, "select 1") == 1
        assert not folder.exists()

    def test_an_ordinary_user_runs_it_as_well_as_root_does(self, tmp_path: Path) -> None:
        def use_it() -> None:
            with open_database(tmp_path / "data") as database:
                assert value(database.app_url, "select 1") == 1
                assert (tmp_path / "data" / "postgres").stat().st_uid == os.geteuid()
            assert postmaster(tmp_path / "data" / "postgres") is None

        (tmp_path / "data").mkdir()
        as_an_ordinary_user(tmp_path, use_it)

    def test_root_runs_it_as_somebody_else(self, running_dir: Path, server: EmbeddedServer) -> None:
        running = postmaster(running_dir / "postgres")
        assert running is not None
        assert running.uids().effective != 0
