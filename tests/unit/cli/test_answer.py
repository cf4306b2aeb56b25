from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from include.cli.answer import add_json, answer, plain, tell_error, tell_trace, words_aside
from include.cli.exits import Exit
from include.core.errors import DataError, UnreachableError
from include.core.logs import JsonLines
from include.core.ports import JobStatus


def options(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_json(parser)
    return parser.parse_args(argv)


def test_a_command_answers_in_words_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer(options(), {"version": 3}, "version 3 answers.")
    assert capsys.readouterr().out == "version 3 answers.\n"
    answer(options("--json"), {"version": 3}, "version 3 answers.")
    assert json.loads(capsys.readouterr().out) == {"version": 3}


def test_words_are_made_only_where_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def words() -> Iterator[str]:
        yield "first"
        yield "second"
        raise AssertionError("asked for with --json")

    answer(options("--json"), {}, words())
    assert capsys.readouterr().out == "{}\n"


def test_with_json_what_is_printed_on_the_way_is_kept_off_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    given = options("--json")
    with words_aside(given):
        print("ten of twenty days")
        answer(given, [1, 2])
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == ([1, 2], "ten of twenty days\n")
    with words_aside(options()):
        print("ten of twenty days")
    assert capsys.readouterr().out == "ten of twenty days\n"


def test_a_command_with_a_json_option_of_its_own_prints_itself(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    add_json(parser)
    with words_aside(parser.parse_args(["--json"])):
        print("{}")
    assert capsys.readouterr().out == "{}\n"


def test_each_verb_that_is_a_parser_of_its_own_has_the_option() -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    verbs.add_parser("new")
    add_json(parser)
    assert [parser.parse_args([verb, "--json"]).json for verb in ("list", "new")] == [True, True]


def test_whatever_a_command_has_becomes_plain_json() -> None:
    @dataclass
    class Fold:
        day: date
        auc: float

    shown = plain({
        "path": Path("a/b"), date(2013, 1, 2): Fold(date(2013, 1, 2), float("nan")), "status": JobStatus.RUNNING,
        "numbers": (np.float64(0.5), np.int64(3), True), "names": {"b", "a"},
    })  # fmt: skip
    assert shown == {
        "path": "a/b", "2013-01-02": {"day": "2013-01-02", "auc": None}, "status": "RUNNING",
        "numbers": [0.5, 3, True], "names": ["a", "b"],
    }  # fmt: skip
    json.dumps(shown, allow_nan=False)


def test_an_error_as_json_is_one_line_of_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    print("a library's warning", file=sys.stderr)
    error = DataError("There is no model 'toi'.", seen="toi", safe="nothing was changed.", hint="models here: toy.")
    assert tell_error(error, as_json=True) == Exit.ERROR
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err.splitlines()[-1]) == {
        "kind": "DataError", "what": "There is no model 'toi'.", "seen": "toi", "safe": "nothing was changed.",
        "next": "models here: toy.", "exit": 1,
    }  # fmt: skip
    assert tell_error(UnreachableError("MLflow does not answer.", seen={"port": 1}), as_json=True) == Exit.RETRY
    told = json.loads(capsys.readouterr().err)
    assert (told["seen"], told["safe"], told["next"], told["exit"]) == ("{'port': 1}", None, None, 4)


def test_an_error_is_a_line_of_the_log_where_that_is_json(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLIPSTREAM_LOG_FORMAT", "json")
    assert tell_error(DataError("No rows.", seen=3, hint="land some."), as_json=False) == Exit.ERROR
    (record,) = caplog.records
    line = json.loads(JsonLines("cli").format(record))
    assert (line["message"], line["error"]["seen"], line["error"]["hint"]) == ("No rows.", "3", "land some.")
    tell_trace(ValueError("x"))
    assert json.loads(JsonLines("cli").format(caplog.records[-1]))["error"] == {"type": "ValueError", "what": "x"}
