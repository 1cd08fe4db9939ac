"""A disk without room: a start ends in words, a running service is not ready, and both go on once there is room."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
from support.installation import Installation, wait_until

from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.doctor import diagnose
from convenor.embedded_postgres.server import open_embedded
from convenor.startup_errors import explain_failure

NO_ROOM = "No space left on device"
FREE_SOME = "Free some space on the disk"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk that is small enough to fill")


@pytest.fixture
def folder() -> Iterator[Path]:
    # A short path: the database's socket is in it.
    with TemporaryDirectory(prefix="cv-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def installation(folder: Path) -> Iterator[Installation]:
    installation = Installation(folder / "data")
    yield installation
    installation.leave()


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The installation's data folder, as a disk of its own with room for little more than a new database."""
    data_dir = folder / "data"
    data_dir.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250m,mode=0700", "tmpfs", data_dir], check=True)
    yield data_dir
    subprocess.run(["umount", "--lazy", data_dir], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leaves no room at all on a disk."""
    filling = disk / "filling"
    with open(filling, "wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    yield
    filling.unlink()


def assert_refused_in_words(refused: subprocess.CompletedProcess[str], *problems: str) -> None:
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.count("Problem ") == 1
    assert "What to do " in refused.stderr
    assert "Traceback" not in refused.stderr
    for problem in problems:
        assert problem in refused.stderr


class TestAStartIsRefusedInWords:
    """With files that may not grow, as any user can have them; a disk that is full needs root."""

    @pytest.mark.parametrize("command", ["serve", "demo"])
    @pytest.mark.parametrize("file_size", [0, 100_000])
    def test_a_start_is_refused_where_a_new_database_has_no_room(
        self, installation: Installation, command: str, file_size: int
    ) -> None:
        installation.limits[resource.RLIMIT_FSIZE] = file_size
        assert_refused_in_words(installation.run(command), str(installation.data_dir))
        assert installation.processes() == []

    def test_a_demo_without_room_is_refused_and_the_database_stays_whole(self, installation: Installation) -> None:
        assert installation.run("migrate").returncode == 0
        installation.limits[resource.RLIMIT_FSIZE] = 1_000_000
        assert_refused_in_words(installation.run("demo", "--no-serve"))
        assert installation.processes() == []
        installation.limits.clear()
        assert installation.run("migrate").returncode == 0

    def test_a_start_on_a_full_disk_is_refused_with_the_advice_to_free_some(self) -> None:
        with (
            pytest.raises(ConfigurationError) as refusal,
            explain_failure("It cannot be done", "Never mind."),
            open("/dev/full", "w", encoding="ascii") as file,
        ):
            file.write("x")
        assert refusal.value.problem == f"It cannot be done: {NO_ROOM}."
        assert refusal.value.remedy.startswith(FREE_SOME)

    @only_root
    def test_a_start_is_refused_where_an_existing_database_s_disk_is_full(
        self, small_disk: Path, installation: Installation
    ) -> None:
        with open_embedded(small_disk, say=lambda _sentence: None):
            pass
        with filled(small_disk):
            assert_refused_in_words(installation.run("serve"), NO_ROOM, FREE_SOME)
        installation.start()
        assert installation.stop() == 0


class TestARunningService:
    @only_root
    def test_a_service_is_not_ready_while_its_disk_is_full_and_ready_again_with_room(
        self, small_disk: Path, installation: Installation
    ) -> None:
        def readiness() -> tuple[int, str]:
            answer = httpx2.get(f"{installation.url}/health/ready", trust_env=False)
            return answer.status_code, answer.json()["checks"]["audit"]

        installation.start()
        with filled(small_disk):
            wait_until(lambda: readiness() == (503, "failed"), "the service is not ready")
            assert installation.answers()
            assert "wrong  free space" in installation.run("doctor").stdout
        wait_until(lambda: readiness() == (200, "ok"), "the service is ready again")
        assert installation.stop() == 0


class TestTheDoctor:
    def test_the_doctor_finds_a_disk_with_too_little_room(self, folder: Path) -> None:
        settings = Settings(data_dir=folder / "data")
        wrong = [finding for finding in diagnose(settings, required_free_bytes=2**62) if not finding.ok]
        assert [(finding.name, "at least" in finding.remedy) for finding in wrong] == [("free space", True)]
        assert not (folder / "data").exists()

    def test_the_doctor_asks_for_no_more_room_than_there_is(self, folder: Path) -> None:
        assert all(finding.ok for finding in diagnose(Settings(data_dir=folder / "data"), required_free_bytes=1))
