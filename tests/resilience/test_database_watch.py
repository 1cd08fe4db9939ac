"""The watch over the embedded database: it outlives every error, and never takes "cannot look" for "is dead"."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from support.installation import wait_until

from convenor.configuration_error import ConfigurationError
from convenor.embedded_postgres.process import is_alive, postmaster
from convenor.embedded_postgres.server import open_embedded, revive
from convenor.embedded_postgres.watch import Watch

RUNS_AGAIN = "The database had stopped. It is running again."


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data folder whose database runs."""
    with TemporaryDirectory(prefix="cv-") as folder, open_embedded(Path(folder), say=lambda _sentence: None):
        yield Path(folder).resolve()


@pytest.fixture
def server(data_dir: Path) -> psutil.Process:
    running = postmaster(data_dir / "postgres")
    assert running is not None
    return running


@pytest.fixture
def watch(data_dir: Path, server: psutil.Process) -> Watch:
    """A watch that has seen the database run."""
    watch = Watch(data_dir)
    watch.check()
    return watch


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    held = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(":")[0] for record in caplog.records]


def kill(server: psutil.Process) -> None:
    server.kill()
    wait_until(lambda: not is_alive(server), "the server is gone")


class TestALivingDatabaseIsLeftAlone:
    @pytest.mark.parametrize("known", [True, False])
    def test_a_living_database_is_left_alone_where_no_file_can_be_opened(
        self, data_dir: Path, server: psutil.Process, known: bool
    ) -> None:
        with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
            revive(data_dir, server if known else None)
        assert postmaster(data_dir / "postgres") == server

    def test_a_living_database_is_left_alone_where_its_pid_file_cannot_be_read(
        self, data_dir: Path, server: psutil.Process
    ) -> None:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        aside = pid_file.rename(pid_file.with_name("aside"))
        pid_file.mkdir()
        try:
            with pytest.raises(IsADirectoryError):
                revive(data_dir, None)
            assert revive(data_dir, server) == server
        finally:
            pid_file.rmdir()
            aside.rename(pid_file)
        assert is_alive(server)

    def test_a_living_database_is_left_alone_where_its_pid_file_was_cut_short(
        self, data_dir: Path, server: psutil.Process
    ) -> None:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        whole = pid_file.read_text()
        pid_file.write_text("")
        try:
            assert revive(data_dir, server) == server
        finally:
            pid_file.write_text(whole)

    def test_a_database_of_which_nobody_can_tell_whether_it_lives_is_logged_once(
        self, watch: Watch, server: psutil.Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        with no_descriptor_left():
            watch.check()
            watch.check()
        assert messages(caplog) == ["The database cannot be checked"]
        watch.check()
        assert messages(caplog)[1:] == ["The database is running."]
        assert is_alive(server)


class TestADeadDatabase:
    def test_a_dead_database_is_started_again_and_that_is_logged_once(
        self, watch: Watch, data_dir: Path, server: psutil.Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        kill(server)
        watch.check()
        watch.check()
        assert messages(caplog) == [RUNS_AGAIN]
        assert postmaster(data_dir / "postgres") not in (None, server)

    def test_a_dead_database_that_does_not_start_is_tried_again_and_logged_once(
        self, watch: Watch, data_dir: Path, server: psutil.Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        server_log = data_dir / "postgres.log"
        aside = server_log.rename(data_dir / "aside.log")
        server_log.mkdir()
        kill(server)
        watch.check()
        watch.check()
        assert messages(caplog) == ["The database has stopped and does not start"]
        server_log.rmdir()
        aside.rename(server_log)
        watch.check()
        assert messages(caplog)[1:] == [RUNS_AGAIN]

    def test_a_dead_database_whose_log_cannot_be_written_to_is_refused_in_words(
        self, data_dir: Path, server: psutil.Process
    ) -> None:
        server_log = data_dir / "postgres.log"
        aside = server_log.rename(data_dir / "aside.log")
        server_log.mkdir()
        kill(server)
        try:
            with pytest.raises(ConfigurationError, match=r"cannot be started: Is a directory \(.*postgres\.log\)"):
                revive(data_dir, server)
        finally:
            server_log.rmdir()
            aside.rename(server_log)
        revive(data_dir, server)
