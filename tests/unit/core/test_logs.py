"""Lines of JSON: the same fields in every process, errors of ours taken apart, no secret in any."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from include.core import logs, tracing
from include.core.digest import PROJECT
from include.core.errors import DataError, SpecError


def line(monkeypatch: pytest.MonkeyPatch, message: str, *args: object, **more: Any) -> dict[str, Any]:
    monkeypatch.setattr(tracing, "_tracer", None)
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.ERROR, "shop.py", 1, message, args, more.pop("exc_info", None), extra=more
    )
    told: dict[str, Any] = json.loads(logs.JsonLines("gateway").format(record))
    return told


def test_a_line_says_when_who_and_what(monkeypatch: pytest.MonkeyPatch) -> None:
    told = line(monkeypatch, "%d rows", 3, model="m", request_id="r-1")
    assert (told["level"], told["logger"], told["program"], told["message"]) == ("ERROR", "shop", "gateway", "3 rows")
    assert (told["model"], told["request_id"]) == ("m", "r-1")
    assert told["time"].endswith("+00:00")
    assert "error" not in told


def test_what_the_work_around_gives_stands_in_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with logs.fields(dag_id="d", run_id="r"), logs.fields(task_id="t", try_number=2):
        told = line(monkeypatch, "in the task")
    assert {name: told[name] for name in ("dag_id", "run_id", "task_id", "try_number")} == {
        "dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 2,
    }  # fmt: skip
    assert "dag_id" not in line(monkeypatch, "after it")


def test_a_job_receives_the_fields_of_its_task() -> None:
    with logs.fields(dag_id="d", map_index=-1):
        handed_on = logs.handed_on()
    assert logs.received(handed_on) == {"dag_id": "d", "map_index": -1}
    assert logs.handed_on() == {}
    assert logs.received({"SLIPSTREAM_LOG_FIELDS": "no json"}) == {}
    assert logs.received({"SLIPSTREAM_LOG_FIELDS": "[1]"}) == {}


def test_an_error_of_ours_has_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    error = DataError("No rows.", seen=3, safe="nothing was written.", hint="land some.")
    fields = {"type": "DataError", "what": "No rows.", "seen": "3", "safe": "nothing was written.", "hint": "land some."}
    raised = line(monkeypatch, "failed", exc_info=(DataError, error, None))
    assert raised["error"] == fields
    assert "No rows." in raised["traceback"]
    named = line(monkeypatch, "failed: %s", error)
    assert named["error"] == fields
    assert "traceback" not in named


def test_another_error_has_its_class_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    told = line(monkeypatch, "failed", exc_info=(KeyError, KeyError("x"), None))
    assert told["error"] == {"type": "KeyError", "what": "'x'"}


def test_no_secret_stands_in_any_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", 'kept-"quiet"')
    error = DataError('refused kept-"quiet"', seen={"password": 'kept-"quiet"'})
    told = line(monkeypatch, 'with kept-"quiet"', exc_info=(DataError, error, None), given=['kept-"quiet"'])
    assert "quiet" not in json.dumps(told)
    assert told["message"] == "with ***"


def test_what_has_no_form_in_json_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    told = line(monkeypatch, "odd", path=PROJECT, many={1})
    assert (told["path"], told["many"]) == (str(PROJECT), [1])


def test_a_form_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_LOG_FORMAT", "xml")
    with pytest.raises(SpecError, match="text or json"):
        logs.configure("gateway")


def run(code: str, form: str) -> str:
    environ = {"PYTHONPATH": str(PROJECT), "SLIPSTREAM_LOG_FORMAT": form, "PATH": "/usr/bin:/bin"}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    return ended.stderr


CODE = (
    "import logging, warnings; from include.core import logs; from include.core.errors import DataError;"
    "logs.configure('job', text=logs.OF_A_JOB); logging.getLogger('x').info('begun'); warnings.warn('old', stacklevel=1);"
    "raise DataError('No rows.', hint='land some.')"
)


def test_every_line_of_a_process_is_json_its_last_words_too() -> None:
    begun, warned, ended = (json.loads(each) for each in run(CODE, "json").splitlines())
    assert (begun["message"], begun["program"]) == ("begun", "job")
    assert "old" in warned["message"]
    assert (ended["level"], ended["error"]["hint"]) == ("CRITICAL", "land some.")


def test_plain_lines_are_as_they_were() -> None:
    first = run(CODE, "text").splitlines()[0]
    assert first.endswith(" x begun")


def test_every_process_of_ours_chooses_the_form_of_its_log_here() -> None:
    own = PROJECT / "include/core/logs.py"
    others = [path for path in (PROJECT / "include").rglob("*.py") if path != own and "basicConfig(" in path.read_text()]
    assert others == [], "logs.configure(program) in its place, and error_reports.start(program)"
