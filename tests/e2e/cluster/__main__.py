"""`python -m tests.e2e.cluster`: see the package."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from include.authoring.new import make
from include.core.places import PACKAGE
from tests.e2e.cluster.balancer import Balancer
from tests.e2e.cluster.boot import boot, say
from tests.e2e.cluster.machines import DRIVER, NETWORK, alone
from tests.e2e.cluster.site import Site

MODEL = "my_eta"


def main() -> int:
    alone(["-m", "tests.e2e.cluster"])
    folder = Path(tempfile.mkdtemp(prefix="slipstream-cluster-", dir="/var/tmp"))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    models = folder / "models"
    make(MODEL, "eta", models, PACKAGE)
    site = Site(folder, models)
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{to} {name}\n" for name, to in site.hosts.items()))
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/srv"], check=True)
    try:
        Balancer((f"{NETWORK}.{DRIVER}", 8500), [(site.hosts[name], 8500) for name in ("gateway-1", "gateway-2")])
        boot(site)
        return 0
    finally:
        for machine in site.machines.values():
            machine.stop()
        say(f"logs: {folder}/disks/*/log")


if __name__ == "__main__":
    raise SystemExit(main())
