"""`python -m tests.e2e.cluster.smoke FOLDER`: two machines; one is killed and boots again. Prints what was seen, as JSON."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.e2e.cluster.machines import DISK, NETWORK, Machine, Service, alone

PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
SERVER = f"echo served >> {DISK}/starts; exec {sys.executable} -m http.server --bind {NETWORK}.1 --directory {DISK} 8000"


def main(folder: Path) -> None:
    alone(["-m", "tests.e2e.cluster.smoke", str(folder)])
    hosts = {"one": f"{NETWORK}.1", "other": f"{NETWORK}.2"}
    one = Machine("one", 1, folder / "disks" / "one", hosts, [Service("http", ["sh", "-c", SERVER], PLAIN)], ("include",))
    other = Machine("other", 2, folder / "disks" / "other", hosts)
    for machine in (one, other):
        machine.start()
    before = _starts()
    looked = f"hostname; ls {folder}/disks; ls -A /tmp; {sys.executable} -c \"import urllib.request as r; print(r.urlopen('http://one:8000/starts').status)\""
    seen = other.run(["sh", "-c", looked], PLAIN).stdout.split()
    one.kill()
    dead = _answer()
    one.start()
    after = _starts()
    for machine in (one, other):
        machine.switch_off()
    print(json.dumps({"before": before, "other": seen, "dead": dead, "after": after, "off": not (one.alive or other.alive)}))


def _answer() -> str:
    try:
        with urllib.request.urlopen(f"http://{NETWORK}.1:8000/starts", timeout=2.0) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""


def _starts(patience: float = 60.0) -> str:
    until = time.monotonic() + patience
    while not (found := _answer()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
