"""Choose the system user that runs the embedded PostgreSQL, which refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from convenor.configuration_error import ConfigurationError

NAME = "convenor-postgres"


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.run` that change the user; empty for the caller."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class SystemUser:
    """The user that PostgreSQL runs as.

    Attributes:
        ids: User id and group id.
    """

    ids: tuple[int, int]

    @property
    def _is_caller(self) -> bool:
        return self.ids[0] == os.geteuid()

    def for_subprocess(self) -> Identity:
        """Return the arguments with which `subprocess.run` runs a program as this user."""
        return {} if self._is_caller else {"user": self.ids[0], "group": self.ids[1], "extra_groups": []}

    def take_ownership(self, folder: Path) -> None:
        """Make this user the owner of a folder, which no other user but root can open."""
        if not self._is_caller:
            os.chown(folder, *self.ids)
        folder.chmod(0o700)

    def allow_traversal(self, folder: Path) -> None:
        """Allow other users to pass through a folder and its parents, without listing their content."""
        for above in (folder, *folder.parents):
            if not self._is_caller and not above.stat().st_mode & 0o001 and above.stat().st_uid != self.ids[0]:
                above.chmod(above.stat().st_mode | 0o001)

    def grant_access(self, data_dir: Path, binaries: Path, say: Callable[[str], None]) -> None:
        """Give this user access to the data folder, and to PostgreSQL's programs if they were installed for root only.

        Args:
            data_dir: Convenor's data folder.
            binaries: The folder of PostgreSQL's programs.
            say: Prints a sentence when the permissions of programs change.
        """
        if self._is_caller:
            return
        self.allow_traversal(data_dir)
        self.allow_traversal(binaries)
        if not (binaries / "postgres").stat().st_mode & 0o004:
            say(f"Allowing {NAME} to read PostgreSQL's programs in {binaries.parent} ...")
            for path in (binaries.parent, *binaries.parent.rglob("*")):
                mode = path.stat().st_mode
                path.chmod(mode | (0o005 if mode & 0o100 else 0o004))


def system_user_for(cluster: Path) -> SystemUser:
    """Choose the user: the caller; for root, the cluster's owner or a system user created for it.

    Args:
        cluster: The folder of the cluster, which may not exist yet.

    Raises:
        ConfigurationError: The cluster belongs to another user, or root cannot create the system user.
    """
    owner = (cluster.stat().st_uid, cluster.stat().st_gid) if (cluster / "PG_VERSION").exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner[0] != os.geteuid():
            raise ConfigurationError(
                f"{cluster} belongs to another system user.", "Run Convenor as the same user as before."
            )
        return SystemUser((os.geteuid(), os.getegid()))
    if owner is not None and owner[0] != 0:
        return SystemUser(owner)
    entry = _entry() or _create()
    return SystemUser((entry.pw_uid, entry.pw_gid))


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd:
    remedy = "Run Convenor as an ordinary user, or create that user yourself."
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise ConfigurationError(
            f"PostgreSQL must not run as root, and useradd, which could create the user {NAME}, is missing.", remedy
        )
    options = (
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
    )
    done = subprocess.run([useradd, *options, NAME], capture_output=True, text=True, check=False)  # noqa: S603 (no input)
    # Another process may have created it in the meantime.
    entry = _entry()
    if entry is None:
        raise ConfigurationError(
            f"PostgreSQL must not run as root, and {NAME} cannot be created: {done.stderr.strip()}", remedy
        )
    return entry
