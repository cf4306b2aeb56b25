from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.core import places
from include.core.author import TEXT, as_slipstream_error, describe, is_permanent
from include.core.digest import PROJECT
from include.core.errors import CodeError, DataError, JobFailedError, SlipstreamError, TransientError
from include.core.ledger import Ledger
from include.core.reference import load
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.task import Task, perform

HERE = __name__


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OutOfMemoryError(RuntimeError):  # as torch names it
    pass


class Waits(TransientError):
    """An author's own error, of a class that only the author's module knows."""


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


WRONG = [
    ValueError("x"), TypeError("x"), KeyError("x"), IndexError("x"), AttributeError("x"), ImportError("x"),
    ModuleNotFoundError("x"), SyntaxError("x"), AssertionError(), ZeroDivisionError("x"), NameError("x"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), RecursionError("x"), NotImplementedError("x"), SystemExit(3),
]  # fmt: skip
MAY_PASS = [
    MemoryError(), OSError(28, "full"), ConnectionResetError("x"), TimeoutError("x"), BrokenPipeError("x"),
    OutOfMemoryError("CUDA out of memory"), RuntimeError("Connection closed by peer"), Mute(),
    caused(ValueError("no answer"), ConnectionError("x")),
]  # fmt: skip


@pytest.mark.parametrize("error", WRONG, ids=repr)
def test_what_the_same_code_would_raise_again_is_permanent(error: BaseException) -> None:
    assert is_permanent(error)
    assert isinstance(as_slipstream_error(error), CodeError)


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert isinstance(as_slipstream_error(error), JobFailedError)


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (ValueError("array([" + "0.5, " * 1_000_000), "ValueError: array([0.5, "),
        (KeyError("a\nb"), "KeyError: 'a\\nb'"),
        (RuntimeError("\n\nfirst\n  second\n"), "RuntimeError: first second"),
        (AssertionError(), "AssertionError: (no message)"),
        (Mute(), "Mute: (its message cannot be shown: RuntimeError)"),
    ],
    ids=["huge", "key", "lines", "empty", "mute"],
)
def test_a_message_leads_with_type_and_text_in_one_short_line(error: Exception, begins: str) -> None:
    told = describe(error)
    assert told.startswith(begins)
    assert len(told) < TEXT + 100
    assert "\n" not in told


def test_a_huge_value_seen_is_cut() -> None:
    assert len(str(DataError("No.", seen=list(range(100_000))))) < 3000


def breaks(task: Task) -> Outcome:
    raise WHICH[task.params["which"]]


def local_class() -> Exception:
    class Local(ValueError):
        def __reduce__(self) -> str:
            raise TypeError("cannot be pickled")

    return Local("rows " + "9" * 100_000)


WHICH: dict[str, BaseException] = {"local": local_class(), "exit": SystemExit("enough"), "waits": Waits("Not yet.")}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}).root))


@pytest.mark.parametrize(("which", "begins"), [("local", "Local: rows 999"), ("exit", "SystemExit: enough")])
def test_a_step_ends_in_one_of_our_errors_that_names_the_line(which: str, begins: str, ledger: Ledger, tmp_path: Path) -> None:
    request = Request("break", f"{HERE}:breaks", "toy", {"which": which}, {})
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    with pytest.raises(CodeError) as raised:
        perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    assert str(raised.value).startswith(begins)
    assert "tests/unit/core/test_author.py" in str(raised.value)
    assert raised.value.__suppress_context__  # the task's log does not end in the whole array


def test_an_authors_own_subclass_keeps_its_meaning_across_processes(ledger: Ledger) -> None:
    attempt = ledger.open_attempt("break/k", 0)
    ledger.record_error(attempt, Waits("Not yet.", seen=1))
    known = ledger.error(attempt)
    assert type(known) is TransientError
    assert "Not yet." in str(known)


def test_a_job_records_the_error_of_an_authors_code(ledger: Ledger, tmp_path: Path) -> None:
    request = Request("break", f"{HERE}:breaks", "toy", {"which": "local"}, {})
    ledger.record(request)
    attempt = ledger.open_attempt(request.key, 0)
    command = [sys.executable, "-m", "include.core.task", request.key, "--generation", "0", "--attempt", str(attempt.number)]
    done = subprocess.run(
        command, cwd=PROJECT, env={"SLIPSTREAM_HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr) < 10_000
    error = ledger.error(attempt)
    assert isinstance(error, CodeError)
    assert error.what.startswith("Local: rows 999")


@pytest.mark.parametrize("body", ["def", "1 / 0", "raise KeyError('x')", "import no_such_library"])
def test_a_module_that_cannot_be_imported_is_an_error_of_the_spec(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authors_module.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SlipstreamError, match="'authors_module:x' cannot be imported: "):
        load("authors_module:x")
    sys.modules.pop("authors_module", None)


def test_an_error_in_a_place_outside_the_project_names_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "ant"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "train.py").write_text("def fit(job):\n    return job / 0\n")
    places.activate(str(folder.parent))
    try:
        with pytest.raises(ZeroDivisionError) as raised:
            load("include.models.ant.train:fit")(1)
        assert f"(at {folder / 'train.py'}:2, in fit)" in as_slipstream_error(raised.value).what
    finally:
        places.activate("include.models")
