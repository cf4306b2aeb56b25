"""The images that compose names, where no registry can be reached: made of Debian's packages, under the names of docker/.env.

They answer as the official ones do in what compose asks of them: PostgreSQL takes its password from a file and runs the scripts
of its folder once, Redis runs as 999, Prometheus' program is the image's own. Grafana is in no Debian: it is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POSTGRES = r"""#!/bin/bash
set -euo pipefail
data=/var/lib/postgresql/data bin=$(echo /usr/lib/postgresql/*/bin)
install -d -o postgres -g postgres -m 700 "$data"; install -d -o postgres -g postgres /run/postgresql
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
if [ ! -f "$data/PG_VERSION" ]; then
  as "$bin/initdb" -D "$data" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 \
    --auth-local=trust
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  as "$bin/pg_ctl" -D "$data" -w -o "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*.sql; do as "$bin/psql" -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -f "$script"; done
  as "$bin/pg_ctl" -D "$data" -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$data" -c 'listen_addresses=*'
"""

PROMETHEUS = '["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'


@dataclass(frozen=True)
class StandIn:
    suite: str
    packages: str
    changes: tuple[str, ...] = ()
    script: str = ""
    folder: str = ""  # of user 999


STANDINS = {
    "PYTHON_IMAGE": StandIn("bookworm", "ca-certificates,python3,python3-venv,python3-pip", ("CMD python3",)),
    "POSTGRES_IMAGE": StandIn("trixie", "postgresql", ('ENTRYPOINT ["/entrypoint"]',), POSTGRES),
    "REDIS_IMAGE": StandIn("trixie", "redis-server", ("WORKDIR /data",), folder="data"),
    "PROMETHEUS_IMAGE": StandIn(
        "trixie", "prometheus,wget",
        (f"ENTRYPOINT {PROMETHEUS}", "USER 999"),
        folder="prometheus",
    ),
}  # fmt: skip


def make(name: str, image: str, folder: Path, docker: Callable[..., str]) -> None:
    """Make the stand-in of an image and give it the image's name."""
    made, root = STANDINS[name], folder / name.lower()
    if not root.exists():
        draft = root.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={made.packages}", made.suite, str(draft)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        _furnish(draft, made)
        draft.rename(root)
    archive = folder / f"{name.lower()}.tar"
    subprocess.run(["tar", "-C", str(root), "--exclude=./proc/*", "--exclude=./sys/*", "-cf", str(archive), "."], check=True)
    docker("import", *(part for change in made.changes for part in ("--change", change)), str(archive), image)
    archive.unlink()


def _furnish(root: Path, made: StandIn) -> None:
    if made.script:
        (root / "entrypoint").write_text(made.script)
        (root / "entrypoint").chmod(0o755)
    if made.folder:
        (root / made.folder).mkdir()
        subprocess.run(["chown", "999:999", str(root / made.folder)], check=True)
    if "python3" in made.packages:
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")  # a mirror's authority may be this machine's own
        shutil.copyfile(certificates, root / "etc/ssl/certs/ca-certificates.crt")
