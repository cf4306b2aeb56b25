"""The process supervisor (PyPI's supervisor): its configuration, its daemon, and its control socket."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from include.core.errors import UnreachableError
from include.core.private_files import write_private
from include.local import environment
from include.local.components import Component
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.rights import RIGHTS

START_TIMEOUT = 10.0  # seconds
STOP_TIMEOUT = 40.0  # longer than any component's stop_timeout

DAEMON = """\
[supervisord]
logfile={logs}/supervisord.log
pidfile={run}/supervisord.pid
childlogdir={logs}
umask=077
minfds=4096
{user}
[unix_http_server]
file={socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command={python} -m include.local.launch {name}
directory={project}
autostart=false
autorestart={restart}
startsecs={startsecs}
startretries=10
stopsignal={signal}
stopasgroup={asgroup}
killasgroup=true
stopwaitsecs={stop}
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


def render(platform: Platform, components: Sequence[Component]) -> str:
    """supervisord.conf. Holds no secret: each program builds its own environment (include.local.launch)."""
    user = "user=root\n" if os.geteuid() == 0 else ""
    daemon = DAEMON.format(logs=_text(platform.logs), run=_text(platform.run), socket=_text(platform.socket), user=user)
    return daemon + "".join(_program(platform, each) for each in components)


def _text(path: Path | str) -> str:
    """As the configuration wants it: % begins an expansion there."""
    return str(path).replace("%", "%%")


def _program(platform: Platform, component: Component) -> str:
    fast_shutdown = component.name == "postgres"  # SIGINT: roll back and leave; its children are its own business
    return PROGRAM.format(
        name=component.name,
        python=_text(sys.executable),
        project=_text(platform.project),
        logs=_text(platform.logs),
        restart="false" if component.once else "true",
        startsecs=0 if component.once else 1,
        signal="INT" if fast_shutdown else "TERM",
        asgroup="false" if fast_shutdown else "true",
        stop=component.stop_timeout,
    )


class Supervisor:
    """The daemon of one platform, over its control socket."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def running(self) -> bool:
        try:
            return bool(self._call("getState")["statecode"] == 1)
        except UnreachableError:
            return False

    def start_daemon(self, components: Sequence[Component], credentials: Credentials) -> None:
        """Start it with every component stopped. Raises UnreachableError if it does not come up."""
        config = self.platform.run / "supervisord.conf"
        for folder in (self.platform.run, self.platform.logs):
            folder.mkdir(parents=True, exist_ok=True)
        write_private(config, render(self.platform, components))
        self.platform.socket.unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        subprocess.run(
            command, check=True, env=environment.common(self.platform, RIGHTS["supervisor"]), cwd=self.platform.project
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not self.running():
            if time.monotonic() > deadline:
                raise UnreachableError("The supervisor did not start.", hint=f"read {self.platform.logs}/supervisord.log.")
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Start a component without waiting. Nothing happens if it runs."""
        try:
            self._call("startProcess", name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def states(self) -> dict[str, dict[str, Any]]:
        """By component: statename, pid, start (Unix time), exitstatus, spawnerr ... as supervisor gives them."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def stop(self, names: Collection[str]) -> None:
        """Ask all of these to end at once (a shutdown would ask one after the other); returns when they have."""
        for name in names:
            with contextlib.suppress(Fault):  # it does not run
                self._call("stopProcess", name, False)
        self._wait_until(lambda: not any(self.states()[name]["pid"] for name in names))

    def shutdown(self) -> None:
        """Stop what still runs, and the daemon; returns when it is gone."""
        pid = int(self._call("getPID"))
        self._call("shutdown")
        self._wait_until(lambda: not _exists(pid))

    def _wait_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT
        while not done():
            if time.monotonic() > deadline:
                raise UnreachableError("The supervisor did not stop its processes in time.", hint="run `make down` again.")
            time.sleep(0.1)

    def _call(self, method: str, *arguments: object) -> Any:
        # A transport that once failed to connect stays broken: a new one each time.
        transport = SupervisorTransport(serverurl=f"unix://{self.platform.socket}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault:
            raise
        except (OSError, HTTPException) as error:
            raise UnreachableError(
                f"The process supervisor does not answer at {self.platform.socket}.", seen=str(error), hint="`make up` starts it."
            ) from error


def _exists(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)  # nobody may be there to reap it
    except psutil.NoSuchProcess:
        return False
