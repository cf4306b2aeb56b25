"""No entity, no feature and no secret leaves; what helps to mend the fault does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.backends.sentry.scrub import WITHHELD, Scrubber
from include.core.errors import DataError


def event(error: BaseException, **more: Any) -> dict[str, Any]:
    frames = [
        {"filename": "a.py", "function": "fit", "lineno": 3, "vars": {"row": "hidden-row"}, "context_line": "fit(row)"},
    ]
    values = [{"type": type(error).__name__, "value": str(error), "stacktrace": {"frames": frames}}]
    return {"level": "error", "exception": {"values": values}, **more}


def scrubbed(error: BaseException, **more: Any) -> dict[str, Any]:
    told: Any = Scrubber()(event(error, **more), {"exc_info": (type(error), error, None)})  # type: ignore[arg-type]
    return dict(told)


def test_an_error_of_ours_leaves_without_the_value_it_saw() -> None:
    told = scrubbed(DataError("No rows.", seen="hidden-entity", safe="nothing was written.", hint="land some."))
    (said,) = told["exception"]["values"]
    assert said["value"] == "No rows.\nSafe: nothing was written.\nNext: land some."
    assert "hidden" not in json.dumps(told)


def test_the_text_of_another_error_is_withheld_and_its_stack_is_not() -> None:
    told = scrubbed(ValueError("could not convert hidden-feature"))
    (said,) = told["exception"]["values"]
    assert (said["type"], said["value"]) == ("ValueError", WITHHELD)
    assert said["stacktrace"]["frames"] == [{"filename": "a.py", "function": "fit", "lineno": 3, "context_line": "fit(row)"}]
    assert "hidden" not in json.dumps(told)


def test_what_speaks_of_files_and_networks_is_told() -> None:
    (said,) = scrubbed(ConnectionRefusedError(111, "refused"))["exception"]["values"]
    assert "refused" in said["value"]


def test_a_cause_is_scrubbed_as_the_error_is() -> None:
    cause = DataError("No labels.", seen="hidden-entity")
    error = ValueError("hidden")
    error.__cause__ = cause
    both = event(error)
    both["exception"]["values"].append({"type": "DataError", "value": str(cause)})
    told: Any = Scrubber()(both, {"exc_info": (ValueError, error, None)})  # type: ignore[arg-type]
    assert [each["value"] for each in told["exception"]["values"]] == [WITHHELD, "No labels."]


def test_only_what_is_known_to_hold_no_data_is_kept() -> None:
    more = {
        "request": {"data": "hidden"}, "extra": {"row": "hidden"}, "user": {"id": "hidden"}, "breadcrumbs": {"all": ["hidden"]},
        "contexts": {"runtime": {"name": "CPython"}, "response": {"body": "hidden"}}, "tags": {"task_id": "train"},
        "logentry": {"message": "%s failed", "params": ["hidden"], "formatted": "hidden failed"},
        "threads": {"values": [{"id": 1, "stacktrace": {"frames": [{"function": "f", "vars": {"x": "hidden"}}]}}]},
    }  # fmt: skip
    told = scrubbed(ValueError("x"), **more)
    assert "hidden" not in json.dumps(told)
    assert told["contexts"] == {"runtime": {"name": "CPython"}}
    assert (told["tags"], told["logentry"]) == ({"task_id": "train"}, {"message": "%s failed"})


def test_a_secret_is_hidden_wherever_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "kept-quiet")
    error = DataError("refused kept-quiet at redis://:kept-quiet@cache/0")
    assert "kept-quiet" not in json.dumps(scrubbed(error, tags={"url": "kept-quiet"}))
