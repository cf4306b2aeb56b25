"""Starts a Python process warm: forked from the node's fork server (fork_server.py), or cold where there is none.

    python -S -E -P fork_client.py ARGUMENTS...          as `python ARGUMENTS...` would run it

Ray is told to start its workers, and we our jobs, by this file. It imports the standard library alone, takes hundredths of a
second, and stays as the process that others know: what it is sent is passed on, when it dies the other dies, and it ends as the
other ended. Until the forked process was told to go nothing has run; from then on nothing is started cold. So whatever happens,
it runs once.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from types import FrameType

SOCKET = "SLIPSTREAM_WARM_SOCKET"  # of this process's environment: a node's own setting
PATIENCE = 5.0  # seconds for the forked process to say that it is ready
READY, REFUSED, GO = b"Y", b"N", b"G"
KILLED = 128 + signal.SIGKILL
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(argv: list[str]) -> int:
    path = os.environ.get(SOCKET, "")
    claimed = claim(path, argv) if path and os.path.exists(path) else None
    if claimed is None:
        os.execv(sys.executable, [sys.executable, *argv])
    return follow(*claimed)


def claim(path: str, argv: list[str]) -> tuple[socket.socket, int] | None:
    """A forked process that has begun to run `argv`: the way to it, and its pidfd. None: nothing was run."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(path)
        _send(connection, argv)
        answer, handles = _answer(connection)
    except OSError as error:
        _cold(connection, str(error))
        return None
    if answer[:1] != READY or not handles:
        _cold(connection, answer[1:].decode(errors="replace") or "the server closed the connection")
        return None
    # A signal that comes from here on is for the other process.
    for number in PASSED_ON:
        signal.signal(number, partial(_pass_on, handles[0]))
    try:
        connection.sendall(GO)
    except OSError:  # it was killed since: as a process that is killed at its start
        return connection, handles[0]
    return connection, handles[0]


def follow(connection: socket.socket, process: int) -> int:
    """Wait for its end, and return its exit status; as of one that was killed, where it could not say."""
    select.select([process], [], [])
    connection.setblocking(False)
    try:
        said = connection.recv(1)
    except OSError:
        said = b""
    return said[0] if said else KILLED


def _send(connection: socket.socket, argv: list[str]) -> None:
    mask = os.umask(0)
    os.umask(mask)
    blocked = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
    with open("/proc/self/oom_score_adj") as file:
        oom = file.read()
    given = {
        "argv": argv,
        "environ": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": mask,
        "blocked": blocked,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "oom": oom,
        "executable": sys.executable,
    }
    text = json.dumps(given).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", (0, 1, 2)))]
    connection.sendmsg([len(text).to_bytes(4, "big")], rights)
    connection.sendall(text)


def _answer(connection: socket.socket) -> tuple[bytes, list[int]]:
    text, rights, _, _ = connection.recvmsg(1024, socket.CMSG_SPACE(4))
    handles = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            handles.frombytes(data[: len(data) - len(data) % handles.itemsize])
    return text, list(handles)


def _cold(connection: socket.socket, why: str) -> None:
    connection.close()
    print(f"starts cold: {why}", file=sys.stderr, flush=True)


def _pass_on(process: int, number: int, frame: FrameType | None) -> None:
    del frame
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
