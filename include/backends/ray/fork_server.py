"""The fork server of a node: one process that has the vendors' libraries imported, of which jobs and Ray's workers are forked.

    python -P fork_server.py SOCKET [LIBRARY ...]

Importing torch, Lightning and what they need is most of what a fit's start costs. Here it is done once: what is forked has them,
and shares their memory. The server itself runs nothing and is told nothing. It forks before it reads, so a job's arguments,
environment and logins are never in it, nor in what is forked later. It never imports `include`: our code is imported after the
fork, from where the asking process's path says, and is checked as ever (include/core/code_check.py, arrive.py).

Whoever asks is of the same user, and starts cold where anything differs that counted when the libraries were imported. A server
whose installed packages have changed since ends by itself; whoever supervises it starts the next.
"""

from __future__ import annotations

import array
import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import site
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

# In the order in which they depend on each other. Each may be missing. Left out: onnxruntime, which starts a thread that a fork
# would leave behind (OpenBLAS and jemalloc know of forks); Ray itself, whose extension reads the numbers of the job and of the
# raylet when it is loaded, and checks them. What Ray imports is here.
LIBRARIES = (
    "numpy", "pandas", "pyarrow.parquet", "pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "pydantic", "sqlalchemy", "httpx",
    "duckdb", "onnx", "cryptography.hazmat.primitives.ciphers.aead",
    "torch", "torch.distributed", "torch.utils.data", "torch.optim", "pytorch_lightning",
    "aiohttp", "requests", "google.protobuf.json_format", "jsonschema", "psutil", "msgpack", "yaml", "click", "filelock", "tqdm",
    "uvloop", "colorful", "isoduration", "wcwidth", "stringprep", "mimetypes", "pdb", "tracemalloc", "logging.config",
)  # fmt: skip
# What is read when a library is imported: it must be the same here and there.
COUNTS = ("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "LD_", "MALLOC_", "PYTHON", "TORCH", "PYTORCH_", "GLIBC_", "LANG", "LC_")
OWN = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONSAFEPATH", "PYTHONBREAKPOINT"})  # of each process: done below
SWITCH = "SLIPSTREAM_WARM"
READY, REFUSED, GO = b"Y", b"N", b"G"
STALE = 3  # exit status
OTHER = 4


def main(argv: list[str]) -> int:
    path, libraries = argv[0], argv[1:] or LIBRARIES
    if os.environ.get(SWITCH, "1") == "0":
        _say(f"switched off by {SWITCH}")
        signal.pause()
    server = _listen(path)
    if server is None:
        _say(f"another fork server has {path}")
        return OTHER
    known, before = installed(), dict(os.environ)
    seconds = preload(libraries)
    gc.collect()
    gc.freeze()  # else the collector's marks would copy every page that is shared
    _say(f"imported {len(seconds)} libraries in {sum(seconds.values()):.1f} s, {memory_mb():.0f} MB; forks for {path}")
    connection = _serve(server, known)
    if connection is not None:
        _become(connection, before)
    _say("the installed packages have changed: ends, to be started anew")
    return STALE


def preload(names: Sequence[str]) -> dict[str, float]:
    """Import each; the seconds of those that could be."""
    seconds: dict[str, float] = {}
    for name in names:
        began = time.monotonic()
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - a library that is not there is imported by nobody else either
            _say(f"without {name}: {type(error).__name__}: {error}")
        else:
            seconds[name] = time.monotonic() - began
    return seconds


def installed() -> str:
    """What is installed where libraries are imported from: the names and times of its entries."""
    seen = []
    for folder in sorted({*site.getsitepackages(), site.getusersitepackages()}):
        with suppress(OSError), os.scandir(folder) as entries:
            seen += sorted(f"{each.path} {each.stat().st_mtime_ns}" for each in entries if each.name.endswith(("-info", ".pth")))
    return "\n".join(seen)


def memory_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """The variables that counted when the libraries were imported, and are others there."""

    def counts(name: str) -> bool:
        return name.startswith(COUNTS) and name not in OWN

    return sorted(name for name in {*ours, *theirs} if counts(name) and ours.get(name) != theirs.get(name))


def _listen(path: str) -> socket.socket | None:
    """The socket at `path`, which only this user reaches; None while another server has it."""
    os.umask(0o077)
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    _Held.lock = lock
    with suppress(FileNotFoundError):
        os.unlink(path)  # of one that was killed
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    return server


class _Held:
    """The lock of the path, while this process lives."""

    lock: int = -1


def _serve(server: socket.socket, known: str) -> socket.socket | None:
    """In the server: does not return until its packages are others. In what was forked: the way to whoever asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what was forked: its asker does
    server.listen(64)  # only now: who came earlier was refused, and started cold
    while True:
        connection, _ = server.accept()
        with connection:
            if installed() != known:
                return None
            _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if user == os.getuid() and _forked():
                os.close(_Held.lock)
                server.close()
                return connection.dup()


def _forked() -> bool:
    """Whether this is the forked process. The server lives on where the machine has room for no other."""
    try:
        return os.fork() == 0
    except OSError as error:
        _say(f"could not fork: {error}")
        return False


def _become(connection: socket.socket, before: Mapping[str, str]) -> NoReturn:
    """In what was forked: run what is asked for, as a Python that was started for it would."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    given, files = _given(connection)
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    if refused := _refusal(given, before, imported):
        connection.sendall(REFUSED + refused.encode())
        os._exit(0)
    own = array.array("i", [os.pidfd_open(os.getpid())])
    connection.sendmsg([READY], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, own)])
    os.close(own[0])
    if connection.recv(1) != GO:  # it has started cold
        os._exit(0)
    _die_with(connection)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    _settle(given, imported)
    _run(given["argv"], connection)


def _refusal(given: Mapping[str, Any], before: Mapping[str, str], imported: Mapping[str, str]) -> str:
    """Why it must start cold; empty where it need not. What libraries set when they are imported, a warm parent hands on."""
    if given["executable"] != sys.executable:
        return f"the fork server is of {sys.executable}"
    theirs = {name: value for name, value in given["environ"].items() if imported.get(name) != value}
    other = differing({name: value for name, value in before.items() if name not in imported}, theirs)
    return f"the fork server was started with other values of {', '.join(other)}" if other else ""


def _given(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, rights, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(12))
    files = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(data)
    left, text = int.from_bytes(head, "big"), b""
    while left and (part := connection.recv(min(left, 1 << 16))):
        text, left = text + part, left - len(part)
    if left or len(files) != 3:
        os._exit(0)  # whoever asked is gone
    return json.loads(text), list(files)


def _die_with(connection: socket.socket) -> None:
    """The kernel kills this process and those of its group once whoever asked is gone, be it by SIGKILL."""
    fcntl.fcntl(connection, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):  # there is nothing to read while it lives
        connection.recv(1)
        os._exit(0)


def _settle(given: Mapping[str, Any], imported: Mapping[str, str]) -> None:
    """What a new process of these arguments, this environment and this folder finds. `imported`: the variables that libraries set
    when they are imported."""
    servers = _python_path()
    os.environ.clear()
    os.environ.update({**imported, **given["environ"]})
    os.chdir(given["cwd"])
    os.umask(given["umask"])
    # What Ray gives its workers, so that the machine's own processes come first.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, given["nice"])
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(given["oom"])
    signal.pthread_sigmask(signal.SIG_SETMASK, given["blocked"])
    if os.environ.get("PYTHONUNBUFFERED"):
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    paths = _python_path()
    sys.path[:] = [*paths, *(path for path in sys.path if path not in (*servers, *paths))]
    importlib.invalidate_caches()
    tempfile.tempdir = None  # what libraries had found when they were imported
    time.tzset()
    if "numpy" in sys.modules:  # its own generator was seeded when it was imported; Python's is seeded at each fork
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules and (threads := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        sys.modules["torch"].set_num_threads(int(threads))


def _python_path() -> list[str]:
    return [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _run(argv: Sequence[str], connection: socket.socket) -> NoReturn:
    """`python ARGUMENTS`: options, then a file, or -m and a module. Ends this process, and says as what."""
    status = _status(lambda: _main(argv))
    status = max(status, _status(_wind_up))
    with suppress(OSError):
        connection.sendall(bytes([status & 0xFF]))
    os._exit(status & 0xFF)  # destructors of libraries would wait for threads that only the server has


def _wind_up() -> None:
    """What the interpreter does at its end."""
    threading._shutdown()  # type: ignore[attr-defined] # there is no other name for it
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _main(argv: Sequence[str]) -> None:
    rest = list(argv)
    while rest and rest[0] in ("-u", "-B"):
        rest.pop(0)
    if rest[0] == "-m":
        sys.argv = rest[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = rest
        sys.path.insert(0, os.path.dirname(os.path.realpath(rest[0])))
        runpy.run_path(rest[0], run_name="__main__")


def _status(body: Callable[[], None]) -> int:
    try:
        body()
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return left.code or 0
        print(left.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter itself does with what nobody caught
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _say(text: str) -> None:
    print(f"fork server {os.getpid()}: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
