"""Which port each server listens on, and a clear refusal where somebody else holds it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

import psutil

from include.core.environment import PORTS
from include.core.errors import ConflictError, SpecError

DEFAULT_PORTS: dict[str, int] = {name: int(variable.default) for name, variable in PORTS.items()}


def setting(name: str) -> str:
    """The environment variable that moves a port."""
    return PORTS[name].name


def read_ports(environ: Mapping[str, str], running: Mapping[str, int] | None = None) -> dict[str, int]:
    """All ports: the environment's, else the running platform's, else the defaults. Raises SpecError for a bad one."""
    fallback = {**DEFAULT_PORTS, **(running or {})}
    return {
        name: _read(name, PORTS[name].read(environ) if PORTS[name].is_set(environ) else str(fallback[name]))
        for name in DEFAULT_PORTS
    }


def _read(name: str, text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise SpecError(f"{setting(name)} is no port number.", seen=text, hint="use 1024 to 65535.")
    return int(text)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago: for tests, and for a second platform beside the first."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def is_free(port: int) -> bool:
    """Whether a server could listen there. A port in TIME_WAIT is free, as servers set SO_REUSEADDR."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """Who listens on a port, as far as this user may see."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or connection.laddr.port != port or connection.pid is None:
            continue
        try:
            command = " ".join(psutil.Process(connection.pid).cmdline())
        except psutil.Error:
            command = "?"
        return f"process {connection.pid} ({command:.120})"
    return "a process that this user cannot see"


def refuse_taken(names: Iterable[str], ports: Mapping[str, int]) -> None:
    """Raise ConflictError naming every wanted port that someone else holds."""
    taken = [name for name in names if not is_free(ports[name])]
    if taken:
        lines = [f"port {ports[name]} (wanted by {name}) is held by {holder(ports[name])}" for name in taken]
        raise ConflictError(
            f"{'; '.join(lines)}.",
            safe="nothing was started.",
            hint=f"stop it, or choose another port: {' '.join(f'{setting(name)}=<port>' for name in taken)} make up.",
        )
