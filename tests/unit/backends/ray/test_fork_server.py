"""A process that is started warm: it is what a cold one would be, runs once, and lives and dies with whoever asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from include.backends.ray import fork_client, fork_server
from include.backends.ray.jobs import WARM
from include.core.digest import PROJECT

SERVER = PROJECT / "include" / "backends" / "ray" / "fork_server.py"
LIBRARY = "sqlite3"  # stands for those that take long
TELLS = f"import sys; print({LIBRARY!r} in sys.modules, *sys.argv[1:])"


class Node:
    """A machine with a fork server, as its jobs and workers meet it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "warm.sock"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(fork_server.COUNTS)}
        self.environ[fork_client.SOCKET] = str(self.socket)
        self.server = self.serve()

    def serve(self, library: str = LIBRARY, **more: str) -> subprocess.Popen[str]:
        """Another one; returns once it answers, or has ended."""
        server = subprocess.Popen(
            [sys.executable, "-P", str(SERVER), str(self.socket), library],
            env={**self.environ, **more}, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert server.stderr is not None
        self.said = server.stderr.readline()
        return server

    def script(self, text: str) -> str:
        path = self.folder / "body.py"
        path.write_text(text)
        return str(path)

    def start(self, text: str, *arguments: str, environ: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*WARM, self.script(text), *arguments], env={**self.environ, **environ}, cwd=self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, text: str, *arguments: str, **environ: str) -> tuple[str, str, int]:
        process = self.start(text, *arguments, environ=environ)
        said, complained = process.communicate()
        return said.strip(), complained.strip(), process.returncode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.server.kill()
    node.server.communicate()


def wait_for(path: Path) -> str:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return path.read_text()


def is_gone(pid: int) -> bool:
    """Waits for its end; a test's own time limit is what ends a wait in vain."""
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)
    return True


def test_it_has_the_libraries_and_all_else_is_its_own(node: Node) -> None:
    text = f"""
import os, signal, sys, tempfile, time
print(tempfile.gettempdir(), time.tzname[0])
print({LIBRARY!r} in sys.modules, sys.argv[1:], os.getcwd(), os.environ['GIVEN'], 'SECRET' in os.environ, __name__)
print(sys.path[0], 'here' in sys.path, sys.stdin.read(), signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL)
print('to the errors', file=sys.stderr)
"""
    process = node.start(
        text, "a b", "c", environ={"GIVEN": "1", "PYTHONPATH": "/there", "TMPDIR": str(node.folder), "TZ": "XYZ5"}
    )
    said, complained = process.communicate("from the input")
    folder = str(node.folder)
    assert said.splitlines() == [
        f"{folder} XYZ5"[:-1],
        f"True ['a b', 'c'] {folder} 1 False __main__",
        f"{folder} False from the input True",
    ]
    assert complained == "to the errors\n"
    assert process.returncode == 0


def test_what_one_was_given_is_not_in_the_next(node: Node) -> None:
    assert node.run("import os, sys; sys.secret = os.environ['SECRET']; print('ok')", SECRET="hunter2")[0] == "ok"
    assert node.run("import os, sys; print(hasattr(sys, 'secret'), os.environ.get('SECRET'))")[0] == "False None"
    assert b"hunter2" not in Path(f"/proc/{node.server.pid}/environ").read_bytes()


def test_random_numbers_are_each_processes_own(node: Node) -> None:
    drawn = {node.run("import random; print(random.random())")[0] for _ in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("text", "status", "complains"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('words')", 1, "words"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import atexit; atexit.register(print, 'wound up')", 0, ""),
        ("import os; os.kill(os.getpid(), 9)", fork_client.KILLED, ""),
        ("import os; os._exit(3)", fork_client.KILLED, ""),
    ],
)
def test_it_ends_as_a_cold_one_ends(node: Node, text: str, status: int, complains: str) -> None:
    said, complained, returned = node.run(text)
    assert (returned, complained.rpartition("\n")[2]) == (status, complains)
    assert said == ("wound up" if "atexit" in text else "")


def test_a_module_is_run_from_where_the_path_says(node: Node) -> None:
    (node.folder / "lies_here.py").write_text("import sys; print(__name__, sys.argv[1:], sys.path[0])")
    asked = subprocess.run(
        [*WARM, "-m", "lies_here", "x"], env=node.environ, cwd=node.folder, capture_output=True, text=True, check=True
    )
    assert asked.stdout == f"__main__ ['x'] {node.folder}\n"


def test_whoever_kills_the_one_that_was_started_kills_the_other_and_its_children(node: Node) -> None:
    text = """
import os, subprocess, time
child = subprocess.Popen(['sleep', '600'])
open('pids', 'w').write(f'{os.getpid()} {child.pid}')
time.sleep(600)
"""
    process = node.start(text)
    pids = [int(each) for each in wait_for(node.folder / "pids").split()]
    process.kill()
    process.communicate()
    assert all(is_gone(pid) for pid in pids)


def test_a_signal_is_passed_on(node: Node) -> None:
    text = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
open('ready', 'w').write('1')
time.sleep(600)
"""
    process = node.start(text)
    wait_for(node.folder / "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 5


def test_what_runs_goes_on_when_the_server_is_killed(node: Node) -> None:
    text = "import sys; open('ready', 'w').write('1'); sys.stdin.read(); print('went on'); sys.exit(4)"
    process = node.start(text)
    wait_for(node.folder / "ready")
    node.server.kill()
    node.server.wait()
    assert process.communicate("go")[0] == "went on\n"
    assert process.returncode == 4
    said, complained, status = node.run(TELLS, "cold")  # the socket is still there, and nobody behind it
    assert (said, status) == ("False cold", 0)
    assert "starts cold" in complained


@pytest.mark.parametrize("environ", [{"OMP_NUM_THREADS": "3"}, {"LD_PRELOAD": ""}], ids=["threads", "preloaded"])
def test_what_counted_at_the_import_must_be_the_same(node: Node, environ: Mapping[str, str]) -> None:
    said, complained, status = node.run(TELLS, **environ)
    assert (said, status) == ("False", 0)
    assert f"other values of {next(iter(environ))}" in complained


def test_a_process_that_was_started_warm_may_start_others_warm(node: Node) -> None:
    """Some libraries set variables of these names when they are imported, which its children then have."""
    (node.folder / "servers").mkdir()
    (node.folder / "servers" / "sets.py").write_text("import os; os.environ['TORCH_SAID'] = 'so'")
    node.server.kill()
    node.server.communicate()
    node.server = node.serve("sets", PYTHONPATH=str(node.folder / "servers"))
    inner = node.folder / "inner.py"
    inner.write_text(
        "import os, sys; print('sets' in sys.modules, os.environ['TORCH_SAID'], any('servers' in path for path in sys.path))"
    )
    text = f"import subprocess; subprocess.run({[*WARM, str(inner)]!r}, check=True)"
    said, complained, status = node.run(text)
    assert (said, complained, status) == ("True so False", "", 0)
    assert "other values of TORCH_SAID" in node.run(TELLS, TORCH_SAID="otherwise")[1]


def test_without_a_server_it_starts_cold_and_silent(tmp_path: Path) -> None:
    path = tmp_path / "body.py"
    path.write_text(TELLS)
    environ = {**os.environ, fork_client.SOCKET: str(tmp_path / "nothing.sock")}
    asked = subprocess.run([*WARM, str(path), "x"], env=environ, capture_output=True, text=True, check=True)
    assert (asked.stdout, asked.stderr) == ("False x\n", "")


def test_one_socket_has_one_server(node: Node) -> None:
    second = node.serve()
    assert second.wait() == fork_server.OTHER
    second.communicate()
    assert node.run(TELLS)[0] == "True"


def test_a_server_whose_packages_have_changed_runs_nothing_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter(["before", "after"])
    monkeypatch.setattr(fork_server, "installed", lambda: next(found))
    known = fork_server.installed()
    server = fork_server._listen(str(tmp_path / "s"))
    assert server is not None
    server.listen()
    former = signal.getsignal(signal.SIGCHLD)
    try:
        with fork_server.socket.socket(fork_server.socket.AF_UNIX) as asker:
            asker.connect(str(tmp_path / "s"))
            assert fork_server._serve(server, known) is None
            assert asker.recv(1) == b""  # it starts cold
    finally:
        signal.signal(signal.SIGCHLD, former)
        server.close()
        os.close(fork_server._Held.lock)


def test_what_is_installed_is_seen_by_its_names_and_times() -> None:
    assert "numpy-" in fork_server.installed()
