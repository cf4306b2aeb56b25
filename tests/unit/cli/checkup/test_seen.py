from __future__ import annotations

import pytest

from include.cli.checkup import seen
from include.cli.checkup.finding import Level
from include.cli.checkup.seen import check_seen


@pytest.fixture(autouse=True)
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "SENTRY_DSN",
        "SLIPSTREAM_LOG_FORMAT",
    ):
        monkeypatch.delenv(name, raising=False)


def levels() -> list[tuple[Level, str]]:
    return [(each.level, each.words) for each in check_seen()]


def test_off_is_well() -> None:
    ((level, words),) = levels()
    assert level is Level.OK
    assert words.startswith("Nothing is sent anywhere")


def test_what_is_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("SENTRY_DSN", "https://k@errors.example/1")
    monkeypatch.setenv("SLIPSTREAM_LOG_FORMAT", "json")
    monkeypatch.setattr(seen, "find_spec", lambda name: name)
    assert levels() == [(Level.OK, "On: traces, reported errors, lines of JSON.")]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER"),
        ({"SENTRY_DSN": "https://k@errors.example/1"}, "nothing is reported"),
        ({"SLIPSTREAM_LOG_FORMAT": "xml"}, "'xml'"),
    ],
)
def test_what_cannot_work_is_a_problem(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: str) -> None:
    monkeypatch.setattr(seen, "find_spec", lambda name: None)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (wrong, _) = levels()
    assert wrong[0] is Level.PROBLEM
    assert words in wrong[1]
