"""`python -m tests.e2e.cluster [--calm]`: the loop of the demonstration in small on machines that share nothing.

History, a first version trained on the Ray cluster, weeks of callers over both gateways, the policy's own retraining, a canary
with the evidence of both gateways, the promotion, a broken version sent back. Meanwhile each machine is killed in turn
(`--calm`: none is). Prints what was lost, what happened twice, and how long each machine was away; exits non-zero where the
goals are missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.e2e.cluster.balancer import Balancer
from tests.e2e.cluster.boot import boot, say
from tests.e2e.cluster.machines import DRIVER, NETWORK, alone
from tests.e2e.cluster.site import Site
from tests.e2e.cluster.story import tell

MODELS = "tests.e2e.cluster.models"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calm", action="store_true", help="kill no machine")
    parser.add_argument("--keep", action="store_true", help="keep the machines' disks and logs")
    options = parser.parse_args()
    alone(["-m", "tests.e2e.cluster", *(["--calm"] if options.calm else []), *(["--keep"] if options.keep else [])])
    folder = Path(tempfile.mkdtemp(prefix="slipstream-cluster-", dir="/var/tmp"))
    folder.chmod(0o755)  # PostgreSQL's user reaches its own disk
    site = Site(folder, MODELS)
    _join(site, folder)
    try:
        boot(site)
        missed = tell(site, folder, calm=options.calm)
    finally:
        for machine in site.machines.values():
            machine.switch_off()
        if options.keep:
            say(f"kept: {folder}/disks/*/log")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(missed)


def _join(site: Site, folder: Path) -> None:
    """Give this process the machines' names, an empty /srv of its own, and the balancer in front of the gateways."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{to} {name}\n" for name, to in site.hosts.items()))
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/srv"], check=True)
    for name, value in site.person().items():
        os.environ[name] = value
    os.environ["SLIPSTREAM_HOME"] = "/srv/operator"
    Balancer((f"{NETWORK}.{DRIVER}", 8500), [(site.hosts[name], 8500) for name in ("gateway-1", "gateway-2")])


if __name__ == "__main__":
    raise SystemExit(main())
