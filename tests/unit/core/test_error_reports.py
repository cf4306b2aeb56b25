"""Without its variable nothing is reported and nothing imported; without its library that is said, and the process goes on."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from include.core import error_reports
from include.core.adapters import ADAPTERS

begun: list[str] = []


def begin(program: str) -> None:
    begun.append(program)


def keep(error: BaseException) -> None:
    begun.append(str(error))


def scrub() -> None:
    begun.append("scrubbed")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    begun.clear()
    for name, function in (("start", "begin"), ("report", "keep"), ("scrub", "scrub")):
        monkeypatch.setitem(ADAPTERS, f"errors.{name}", f"{__name__}:{function}")
    monkeypatch.delenv("SENTRY_DSN", raising=False)
    monkeypatch.delitem(sys.modules, "sentry_sdk", raising=False)


def test_the_variable_switches_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    error_reports.start("gateway")
    assert begun == []
    monkeypatch.setenv("SENTRY_DSN", "https://key@errors.example/1")
    error_reports.start("gateway")
    assert begun == ["gateway"]


def test_without_the_library_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)  # as where it is not installed
    monkeypatch.setitem(ADAPTERS, "errors.start", "include.backends.sentry.reports:start")
    monkeypatch.setenv("SENTRY_DSN", "https://key@errors.example/1")
    error_reports.start("gateway")
    assert "sentry-sdk" in caplog.text
    assert "key" not in caplog.text


def test_others_reports_are_scrubbed_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    error_reports.scrub_others()
    error_reports.report(ValueError("x"))
    assert begun == []
    monkeypatch.setitem(sys.modules, "sentry_sdk", ModuleType("sentry_sdk"))
    error_reports.scrub_others()
    error_reports.report(ValueError("x"))
    assert begun == ["scrubbed", "x"]
