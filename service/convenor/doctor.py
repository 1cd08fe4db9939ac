"""Check an installation for `convenor doctor`, without changing anything."""

import asyncio
import fcntl
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

from convenor.catalogue import Fault, faults_of
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.demo_mark import holds_demo
from convenor.database.login import examine_login
from convenor.database.pending_work import StuckWork, stuck
from convenor.demo.clients import FILE_NAME as CLIENTS_FILE
from convenor.domain_types.dates import now
from convenor.embedded_postgres.open import Finding, app_role_of, examine
from convenor.embedded_postgres.server import REQUIRED_FREE_BYTES, answers, embedded_server
from convenor.encryption import data_keys_in_use, refuse_lost_keys
from convenor.revision import is_current, newest_revision, present_revision
from convenor.serving import (
    LOCK_FILE,
    OPEN_TO_OTHERS,
    assert_local,
    database_urls,
    hold_port,
    refuse_unfinished_restore,
)
from convenor_auth.clients import has_clients
from convenor_auth.key_check import check_keys
from convenor_auth.keys import (
    KEY_FILES,
    data_key_files,
    load_secret_keys,
    load_signing_keys,
    missing_keys,
)
from convenor_auth.oauth_services import assert_secure

OLDEST_PYTHON = (3, 11)
MAX_CLOCK_DIFFERENCE_SECONDS = 5
SECRET_FILES = (*KEY_FILES, CLIENTS_FILE)


def diagnose(settings: Settings, required_free_bytes: int = REQUIRED_FREE_BYTES) -> list[Finding]:
    """Check one installation, whether or not it is running."""
    data_dir = settings.data_dir.expanduser().resolve()
    urls = database_urls(settings)
    findings = [
        _python(),
        _folder_mode(data_dir),
        *_restore(data_dir),
        *examine(data_dir, *urls),
        *_secret_files(data_dir),
    ]
    findings += [_port(settings, data_dir), _public_address(settings.issuer)]
    if all(finding.ok for finding in findings):
        url = urls[0] or (embedded_server(data_dir).app_url if answers(data_dir) else None)
        findings += asyncio.run(_inside(settings, url, data_dir)) if url else _outside(settings, data_dir)
    return [*findings, _free_space(data_dir, required_free_bytes)]


def _python() -> Finding:
    ok = sys.version_info >= OLDEST_PYTHON
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Finding("Python", ok, sys.version.split()[0], "" if ok else f"Install Python {wanted} or newer.")


def _folder_mode(data_dir: Path) -> Finding:
    if data_dir.exists() and data_dir.stat().st_mode & OPEN_TO_OTHERS:
        return Finding("data folder's mode", False, f"{data_dir} is open to others.", f"chmod 700 {data_dir}")
    return Finding("data folder's mode", True, "closed to others" if data_dir.exists() else "not created yet")


def _restore(data_dir: Path) -> list[Finding]:
    try:
        refuse_unfinished_restore(data_dir)
    except ConfigurationError as error:
        return [Finding("restore", False, error.problem, error.remedy)]
    return []


def _free_space(data_dir: Path, required: int) -> Finding:
    nearest = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    detail = f"{free // 1024**2} MB on the disk of the data folder"
    if free >= required:
        return Finding("free space", True, detail)
    return Finding("free space", False, f"only {detail}", f"Free some: at least {required // 1024**2} MB are needed.")


def _secret_files(data_dir: Path) -> list[Finding]:
    findings = []
    for path in (*(data_dir / name for name in SECRET_FILES), *data_key_files(data_dir).values()):
        if path.exists():
            ok = not path.stat().st_mode & 0o077
            detail = "for its owner only" if ok else f"{path} can be read by others than its owner."
            findings.append(Finding(path.name, ok, detail, "" if ok else f"chmod 600 {path}"))
    return findings


def _port(settings: Settings, data_dir: Path) -> Finding:
    server = _who_serves(data_dir)
    if server:
        return Finding("port", True, f"Convenor is running: {server}")
    try:
        with hold_port(settings.host, settings.port):
            return Finding("port", True, f"{settings.host}, port {settings.port} is free")
    except ConfigurationError as error:
        return Finding("port", False, error.problem, error.remedy)


def _who_serves(data_dir: Path) -> str:
    path = data_dir / LOCK_FILE
    if not path.exists():
        return ""
    with open(path, encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip()
    return ""


def _public_address(issuer: str) -> Finding:
    try:
        assert_secure(issuer)
    except ConfigurationError as error:
        return Finding("public address", False, error.problem, error.remedy)
    return Finding("public address", True, issuer)


def _demo(settings: Settings) -> Finding:
    try:
        assert_local(settings)
    except ConfigurationError as error:
        return Finding("data", False, error.problem, error.remedy)
    return Finding("data", True, "a demo, for this machine only")


def _outside(settings: Settings, data_dir: Path) -> list[Finding]:
    """Check what a stopped embedded database leaves to be seen: the file of a demo's clients tells of a demo."""
    demo = [_demo(settings)] if (data_dir / CLIENTS_FILE).exists() else []
    return [_keys(data_dir, clients_exist=_was_used(data_dir)), *demo]


async def _inside(settings: Settings, url: str, data_dir: Path) -> list[Finding]:
    connection = await asyncpg.connect(url)
    try:
        schema = await _schema(connection, url)
        if any(fault.stops for fault in schema.faults):
            # Whatever else is asked could fail for that reason.
            return schema.findings
        database_time: datetime = await connection.fetchval("select clock_timestamp()")
        late = await stuck(connection) if schema.current else []
    finally:
        await connection.close()
    difference = abs((now() - database_time).total_seconds())
    in_step = difference <= MAX_CLOCK_DIFFERENCE_SECONDS
    return [
        _keys(data_dir, await has_clients(url)),
        await _key_check(url, data_dir),
        *(await _data_keys(url, data_dir) if schema.current else []),
        *schema.findings,
        Finding(
            "clock",
            in_step,
            f"{difference:.0f} seconds from the database's",
            "" if in_step else "Synchronise both machines by NTP: tokens are valid for five minutes only.",
        ),
        *(_late(each, serves=bool(_who_serves(data_dir))) for each in late),
        *([_demo(settings)] if schema.current and await holds_demo(url) else []),
    ]


@dataclass(frozen=True)
class _Schema:
    """The state of the schema, and how the catalogue differs from what is declared, where the schema is current."""

    revision: str | None
    faults: list[Fault]

    @property
    def current(self) -> bool:
        return is_current(self.revision)

    @property
    def findings(self) -> list[Finding]:
        if not self.faults:
            detail = f"revision {self.revision or 'none'}"
            return [Finding("schema", self.current, detail, "" if self.current else "Run `convenor migrate`.")]
        return [Finding(fault.check, False, fault.problem, fault.remedy) for fault in self.faults]


async def _schema(connection: asyncpg.Connection, url: str) -> _Schema:
    try:
        revision = await present_revision(url)
    except asyncpg.InsufficientPrivilegeError:
        revision = newest_revision()  # The comparison names it.
    if not is_current(revision):
        return _Schema(revision, [])
    login = await examine_login(connection)
    return _Schema(revision, await faults_of(connection, login.role if login.is_plain else app_role_of(login)))


async def _key_check(url: str, data_dir: Path) -> Finding:
    try:
        await check_keys(url, data_dir)
    except ConfigurationError as error:
        return Finding("keys of identities", False, error.problem, error.remedy)
    data_keys = len(data_key_files(data_dir))
    return Finding("keys of identities", True, f"{data_keys} data key{'' if data_keys == 1 else 's'}")


def _late(work: StuckWork, *, serves: bool) -> Finding:
    detail = f"{work.count} of the kind {work.kind} wait since {work.due_at:%Y-%m-%d %H:%M} UTC"
    if not serves:
        return Finding("pending work", True, f"{detail}, for the service to be started")
    remedy = "Look for that kind in the service's log. The work is kept, and tried again at the latest every hour."
    return Finding("pending work", False, f"{detail}; the last error is {work.last_error or 'none'}.", remedy)


async def _data_keys(url: str, data_dir: Path) -> list[Finding]:
    """Say which data keys are in use, so that the others can be removed."""
    counted, there = await data_keys_in_use(url), set(data_key_files(data_dir))
    try:
        refuse_lost_keys(counted, data_dir)
    except ConfigurationError as error:
        return [Finding("data keys", False, error.problem, error.remedy)]
    if plain := counted.get(None, 0):
        return [Finding("data keys", False, f"{plain} ciphertexts are not made yet.", "Run `convenor encrypt`.")]
    used = {number for number in counted if number is not None}
    idle = sorted(there - used - {max(there, default=0)})
    detail = f"in use: {', '.join(map(str, sorted(used))) or 'none'}"
    return [Finding("data keys", True, detail + (f"; {_listed(idle)} not in use and can be removed" if idle else ""))]


def _listed(numbers: list[int]) -> str:
    return f"{', '.join(f'{number}.key' for number in numbers)} {'is' if len(numbers) == 1 else 'are'}"


def _was_used(data_dir: Path) -> bool:
    """Say whether a stopped embedded database may have clients, which rely on the keys."""
    return any((data_dir / name).exists() for name in (*SECRET_FILES, "postgres/PG_VERSION"))


def _keys(data_dir: Path, clients_exist: bool) -> Finding:
    if missing_keys(data_dir) and not clients_exist:
        return Finding("keys", True, "not created yet: the first start creates them")
    try:
        load_secret_keys(data_dir)
        return Finding("keys", True, f"{load_signing_keys(data_dir).signing.kid} signs")
    except ConfigurationError as error:
        return Finding("keys", False, error.problem, error.remedy)
