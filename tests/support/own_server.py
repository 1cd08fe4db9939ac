"""A PostgreSQL server of one's own, of either version in the wheel, with the roles of the administrator's script."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from support.databases import Server

from convenor.embedded_postgres.server import MAJOR_VERSION, binaries
from convenor.embedded_postgres.system_user import system_user_for
from convenor.private_files import replace_file
from convenor_auth.keys import make_keys

ROLES_SQL = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
PASSWORD = "a test's p@ssword/'"
PASSWORDS = {f"CONVENOR_{role}_PASSWORD": PASSWORD for role in ("OWNER", "APP", "BACKUP")}


@contextmanager
def own_server(major_version: int) -> Iterator[Server]:
    """Make a server that listens on a socket in its own folder only, and take it away."""
    programs = binaries(major_version)
    # A short path: the socket is in it.
    with tempfile.TemporaryDirectory(prefix="cv-") as name, tempfile.TemporaryDirectory(prefix="cv-") as data:
        folder = Path(name).resolve()
        user = system_user_for(folder / "cluster")
        user.take_ownership(folder)
        user.grant_access(folder, programs, say=lambda _sentence: None)
        replace_file(folder / "password", PASSWORD, owner=user.ids)

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, f"--pgdata={folder / 'cluster'}", *arguments],
                **user.for_subprocess(),
                cwd="/",
                check=True,
                stdout=subprocess.DEVNULL,
            )

        run("initdb", "--username=postgres", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "start", "--wait", "--silent", f"--log={folder / 'log'}", f"--options={options}")
        try:
            superuser_url = _url(folder, "postgres")
            run_roles_script(superuser_url)
            make_keys(Path(data))
            yield Server(superuser_url, _url(folder, "convenor_owner"), _url(folder, "convenor_app"), Path(data))
        finally:
            run("pg_ctl", "stop", "--wait", "--silent", "--mode=fast")


def run_roles_script(superuser_url: str) -> None:
    """Make the roles and an empty database `convenor`."""
    subprocess.run(
        [binaries(MAJOR_VERSION) / "psql", superuser_url, "--no-psqlrc", f"--file={ROLES_SQL}"],
        env=PASSWORDS,
        check=True,
        capture_output=True,
    )


def backup_url(owner_url: str) -> str:
    """Return the login of the backup's role at the database of another one's."""
    return owner_url.replace("convenor_owner", "convenor_backup", 1)


def _url(folder: Path, role: str) -> str:
    database = "postgres" if role == "postgres" else "convenor"
    return f"postgresql://{role}:{quote(PASSWORD, safe='')}@/{database}?host={folder}&port=5432"
