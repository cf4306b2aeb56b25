"""Machines as namespaces: each has processes, a network, mounts and a name of its own, and a disk that nobody else sees.

The program itself must run in a network namespace of its own (`alone`): the bridge that joins the machines is made there, so
that nothing of this is on the network of the machine that it runs on. A machine's first process is a supervisor, which starts
its services and starts them again; killing it kills all of the machine at once, as a power cut does.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from include.core.digest import PROJECT
from include.core.private_files import write_private

BRIDGE, NETWORK, DRIVER = "slip0", "10.77.0", 254
ALONE = "SLIPSTREAM_E2E_ALONE"
DISK = "/srv/machine"  # where a machine has its disk
PATIENCE = 30.0  # seconds for a machine to start, or to be gone
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child")


def alone(arguments: Sequence[str]) -> None:
    """Go on as a process in namespaces of its own, with the bridge in it. Everything that is started there ends with it."""
    if os.environ.get(ALONE):
        _ip("link", "set", "lo", "up")
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{NETWORK}.{DRIVER}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        return
    if PROJECT.is_relative_to("/tmp"):
        sys.exit(
            f"Each machine has a /tmp of its own, so it would not see the project in {PROJECT}: move it. Nothing was started."
        )
    if os.geteuid() != 0:
        sys.exit("Machines are made of network and mount namespaces, which need root. Nothing was started.")
    os.execvpe("unshare", ["unshare", *NAMESPACES, sys.executable, *arguments], {**os.environ, ALONE: "1"})


@dataclass(frozen=True)
class Service:
    """A program of a machine, with all of its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass
class Machine:
    """One machine: `folder` is its disk, which outlives it."""

    name: str
    number: int
    folder: Path
    hosts: Mapping[str, str]  # names of all machines, with their addresses
    services: Sequence[Service] = ()
    without: Sequence[str] = ()  # folders of the project that it has not
    init: int = 0  # the supervisor, as this namespace numbers it
    _outside: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    @property
    def alive(self) -> bool:
        return self._outside is not None and self._outside.poll() is None

    def start(self) -> None:
        """Boot: namespaces, network, mounts, then the supervisor and its services."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in ("log", "services"):
            (self.folder / part).mkdir(exist_ok=True)
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{to} {name}\n" for name, to in self.hosts.items()))
        (self.folder / "supervisor.conf").write_text(_supervisor(self.services))
        for each in self.services:
            write_private(self.folder / "services" / f"{each.name}.sh", _script(each))
        go = self.folder / "go"
        go.unlink(missing_ok=True)
        boot = self.folder / "boot.sh"
        boot.write_text(_boot(self.name, self.folder, self.without))
        log = (self.folder / "log" / "boot.log").open("ab")
        self._outside = subprocess.Popen(["unshare", *NAMESPACES, "sh", str(boot)], stdout=log, stderr=log)
        self.init = _child(self._outside)
        self._plug_in()
        go.touch()

    def _plug_in(self) -> None:
        cable = f"v{self.number}"
        subprocess.run(["ip", "link", "del", cable], stderr=subprocess.DEVNULL, check=False)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.init))
        _ip("link", "set", cable, "master", BRIDGE)
        _ip("link", "set", cable, "up")
        inside = ("nsenter", f"--target={self.init}", "--net", "ip")
        for order in (
            ("link", "set", "lo", "up"),
            # Its own, or others would look for the one that it had before it was killed, for half a minute.
            ("link", "set", "eth0", "address", f"02:00:0a:4d:00:{self.number:02x}"),
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            subprocess.run([*inside, *order], check=True)

    def kill(self) -> None:
        """As a power cut: every process of it is gone at once."""
        assert self._outside is not None
        os.kill(self.init, signal.SIGKILL)
        self._outside.wait(PATIENCE)

    def switch_off(self) -> None:
        """The same, of one that may be off already."""
        if self.alive:
            self.kill()

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """A command on the machine, as one who is logged in there."""
        inside = [
            "nsenter",
            f"--target={self.init}",
            "--all",
            "env",
            "-i",
            *(f"{name}={value}" for name, value in environment.items()),
        ]
        return subprocess.run([*inside, *command], capture_output=True, text=True, timeout=timeout, check=False)


def _boot(name: str, folder: Path, without: Sequence[str]) -> str:
    """What a machine does before its supervisor: its name, its disk, and out of sight with what is not its own.

    The project is there as an image has it: to read. Its folder of state, /tmp and /dev/shm are empty and the machine's own;
    the disks of all machines lie in one folder (not under /tmp), which each of them sees as empty; so is the folder `made`
    beside it, where the secrets of all of them are.
    """
    disk, all_disks = shlex.quote(str(folder)), shlex.quote(str(folder.parent))
    return f"""set -e
hostname {name}
mount --make-rprivate /
mkdir -p {DISK}
mount --bind {disk} {DISK}
mount --bind {disk}/hosts /etc/hosts
while [ ! -e {DISK}/go ]; do sleep .05; done
mount -t tmpfs tmpfs {all_disks}
if [ -d {all_disks}/../made ]; then mount -t tmpfs tmpfs {all_disks}/../made; fi
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
for state in .slipstream .git {" ".join(without)}; do
  if [ -d {shlex.quote(str(PROJECT))}/$state ]; then mount -t tmpfs tmpfs {shlex.quote(str(PROJECT))}/$state; fi
done
exec {shlex.quote(str(Path(sys.executable).parent / "supervisord"))} --nodaemon --configuration {DISK}/supervisor.conf
"""


def _supervisor(services: Sequence[Service]) -> str:
    head = f"[supervisord]\nlogfile={DISK}/log/supervisord.log\npidfile={DISK}/supervisord.pid\nuser=root\n"
    return head + "".join(_program(each) for each in services)


def _program(service: Service) -> str:
    values = {
        "command": f"sh {DISK}/services/{service.name}.sh",
        "directory": "/",
        "stdout_logfile": f"{DISK}/log/{service.name}.log",
        "stdout_logfile_maxbytes": "0",
        "redirect_stderr": "true",
        "stopasgroup": "true",
        "killasgroup": "true",
        "startretries": "1000",
    }
    return f"\n[program:{service.name}]\n" + "".join(f"{name}={value}\n" for name, value in values.items())


def _script(service: Service) -> str:
    """Exactly its environment, then the program in the shell's place."""
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in service.environment.items())
    return f"exec env -i {given} {shlex.join(service.command)}\n"


def _child(outside: subprocess.Popen[bytes]) -> int:
    """The process that `unshare` forked."""
    path = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    until = time.monotonic() + PATIENCE
    while not (found := path.read_text().split()):
        if outside.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"a machine did not start: unshare ended with {outside.poll()}")
        time.sleep(0.02)
    return int(found[0])


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
