"""The process that collects all tests once, and is forked for each worker of pytest-xdist."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from _pytest.config import ExitCode, _prepareconfig
from _pytest.tmpdir import TempPathFactory

from include.core.digest import PROJECT, code_digest
from tests.support.later import Later
from tests.support.workers.stub import FORKED

xdist = Later("xdist.remote")  # pytest wants to be the first to import its plugins
# What the workers would import and read each, where they run most of the tests.
LIBRARIES = (
    "great_expectations",
    "evidently.presets",
    "pytorch_lightning",
    "onnxscript",
    "include.backends.great_expectations.expectations",
)
MANY = 2_000  # tests
PLANTED: list[Seed] = []  # once this process has collected: for remote.py


class Seed:
    """A plugin of the session that collects. Its children return into that session as workers; it does not."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._listening = socket.socket(fileno=given["listening"])
        self._skipped: list[dict[str, Any]] = []  # what a worker reports of the collection
        self._warned: list[dict[str, Any]] = []
        self.config: pytest.Config
        self.session: pytest.Session

    # -- while it collects

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._skipped.append(self.config.hook.pytest_report_to_serializable(config=self.config, report=report))

    @pytest.hookimpl
    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        data = xdist.serialize_warning_message(warning_message)
        self._warned.append({"warning_message_data": data, "when": when, "nodeid": nodeid, "location": location})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> NoReturn:
        """Wait for stubs. What a session does at its end, a worker does for itself."""
        self.session = session
        if len(session.items) >= MANY:
            _prepare()
        if _other_threads() or session.testsfailed:
            self.refuse()
        PLANTED.append(self)
        self._wait()

    def refuse(self) -> NoReturn:
        """Let the stubs become workers themselves, which then say why nothing could be collected."""
        self._listening.close()
        os._exit(1)

    # -- as the process that is forked

    def _wait(self) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # its end is the controller's
        waiting = selectors.DefaultSelector()
        waiting.register(self._listening, selectors.EVENT_READ)
        waiting.register(self._given["end"], selectors.EVENT_READ)
        workers: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that says that the worker has ended
        while True:
            for key, _ in waiting.select():
                if key.fd == self._given["end"]:
                    os._exit(0)
                elif key.fileobj is self._listening:
                    stub, _ = self._listening.accept()
                    pid, ended = self._fork(stub, waiting, workers)
                    workers[ended] = (pid, stub)
                    waiting.register(ended, selectors.EVENT_READ)
                    waiting.register(stub, selectors.EVENT_READ, pid)
                elif key.fd in workers:
                    pid, stub = workers.pop(key.fd)
                    _tell(stub, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                    if stub in {each.fileobj for each in waiting.get_map().values()}:
                        waiting.unregister(stub)
                    stub.close()
                else:  # a stub was killed: so is its worker
                    waiting.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)

    def _fork(self, stub: socket.socket, waiting: selectors.BaseSelector, workers: Mapping[int, Any]) -> tuple[int, int]:
        _, streams, *_ = socket.recv_fds(stub, 16, 3)
        pid = os.fork()
        if pid == 0:
            waiting.close()
            os.close(self._given["end"])
            for ended, (_, other) in workers.items():
                os.close(ended)
                other.close()
            self._listening.close()
            stub.close()
            self._live(streams)
        for stream in streams:
            os.close(stream)
        stub.sendall(FORKED)
        return pid, os.pidfd_open(pid)

    # -- as a worker

    def _live(self, streams: list[int]) -> NoReturn:
        """Be the interpreter that execnet started: it sends the code that serves its gateway, which has the worker `work`."""
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._capture.stop_global_capturing()  # its files are the seed's
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            sys.stdin = open(0, closefd=False)  # noqa: SIM115
            exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
            status = 0
        except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
            sys.excepthook(*sys.exc_info())
        finally:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def work(self, channel: Any) -> None:
        """Run the tests that the controller names: what a worker of pytest-xdist does from its collection on."""
        given, arguments, options, _ = channel.receive()
        assert list(arguments) == list(self._given["arguments"])
        self._name(given, options["basetemp"])
        worker = xdist.WorkerInteractor(self.config, channel)
        sys.modules["xdist.remote"].interactor = worker  # type: ignore[attr-defined] # where it looks for itself to report an internal error
        self._capture.start_global_capturing()
        self._capture.suspend_global_capture()
        worker.pytest_sessionstart(self.session)
        worker.pytest_collection()
        for data in self._skipped:
            worker.sendevent("collectreport", data=data)
        for words in self._warned:
            worker.sendevent("warning_recorded", **words)
        worker.pytest_collection_finish(self.session)
        self._run(worker)

    def _name(self, given: dict[str, Any], basetemp: str) -> None:
        os.environ["PYTEST_XDIST_TESTRUNUID"] = given["testrunuid"]
        os.environ["PYTEST_XDIST_WORKER"] = given["workerid"]
        os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(given["workercount"])
        self.config.workerinput.update(given)  # type: ignore[attr-defined]
        self.config.option.basetemp = basetemp
        self.config._tmp_path_factory = TempPathFactory.from_config(self.config, _ispytest=True)  # type: ignore[attr-defined]
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # Python's own generator is seeded anew at a fork, numpy's is not

    def _run(self, worker: Any) -> None:
        session = self.session
        try:
            worker.pytest_runtestloop(session)
            session.exitstatus = ExitCode.TESTS_FAILED if session.testsfailed else ExitCode.OK
        except (session.Failed, session.Interrupted):
            session.exitstatus = ExitCode.TESTS_FAILED
        except (KeyboardInterrupt, pytest.exit.Exception):
            session.exitstatus = ExitCode.INTERRUPTED
        except BaseException:  # noqa: BLE001 - the controller is told
            session.exitstatus = ExitCode.INTERNAL_ERROR
            self.config.notify_exception(pytest.ExceptionInfo.from_current(), self.config.option)
        finally:
            os.chdir(session.startpath)
            self.config.hook.pytest_sessionfinish(session=session, exitstatus=session.exitstatus)
            self.config._ensure_unconfigure()

    @property
    def _capture(self) -> Any:
        return self.config.pluginmanager.getplugin("capturemanager")


def _prepare() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            importlib.import_module(name)
    for path in sorted((PROJECT / "include").glob("*/*_step.py")):  # their sources are parsed once for all requests
        code_digest(f"include.{path.parent.name}.{path.stem}:run")
    gc.freeze()  # else the first look for garbage in a worker copies every page of what was imported


def _tell(stub: socket.socket, status: int) -> None:
    with suppress(OSError):  # the stub was killed
        stub.sendall(str(status).encode())


def _other_threads() -> bool:
    """Whether a module started a thread when it was imported: a fork would have its locks, and not the thread.

    Of Python's own. Arrow's allocator and onnxruntime have one each by then, and know what a fork is: the chaos trials and the
    tests' gateways have always been forked beside them.
    """
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if names:
        print(f"Each process of the tests collects for itself: after the imports threads run, {names}.", file=sys.stderr)
    return bool(names)


def main() -> NoReturn:
    """As pytest-xdist's own worker begins, up to the collection."""
    given = json.loads(sys.argv.pop())
    seed = Seed(given)
    try:
        config = seed.config = _prepareconfig(list(given["arguments"]), None)
        xdist.setup_config(config, given["basetemp"])
        config._parser.prog = os.path.basename(given["argv"][0])
        config.workerinput = {  # type: ignore[attr-defined]
            "workerid": "seed",
            "workercount": given["workers"],
            "testrunuid": "",
            "mainargv": given["argv"],
        }
        config.workeroutput = {}  # type: ignore[attr-defined]
        config.pluginmanager.register(seed)
        config.hook.pytest_cmdline_main(config=config)
    finally:
        seed.refuse()
