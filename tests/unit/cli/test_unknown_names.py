"""A name, number or day that is not there, given to every command that takes one: also to commands that are added later."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.cli.main import COMMANDS, module_of
from tests.support.toy_ledger import MODEL, Loop
from tests.unit.cli.conftest import Slipstream

# What an argument of that name takes: something right, something that is not there, and what the answer must name.
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "model": (MODEL, "toi", ("'toi'", f"did you mean {MODEL}?", f"models here: {MODEL}")),
    "version": ("1", "99", ("99", "the closest is 2", "1, 2")),
    "source": ("flights", "fligths", ("'fligths'", "flights")),
    "day": ("2013-01-02", "2031-01-02", ("2031-01-02", "the nearest: 2013-01-0")),
    "step": ("features", "featurs", ("'featurs'", "did you mean features?")),
    "key": ("", "train/0000", ("'train/0000'", "train/")),
    "job": ("", "slip-train-0000", ("'slip-train-0000'", "jobs under way")),
}
WITH = {  # what else a command needs before it looks at an argument that is not required
    ("invalidate", "model"): ["--step", "features"],
    ("invalidate", "step"): ["--model", MODEL],
    ("invalidate", "day"): ["--model", MODEL, "--step", "features"],
}


def actions(command: str) -> list[argparse.Action]:
    parser = argparse.ArgumentParser(prog=command)
    module_of(command).configure(parser)
    return [action for action in parser._actions if action.dest != "help"]


def cases() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(command, argument, all words of the command line) for each argument that takes one of KINDS, and each verb."""
    for command in COMMANDS:
        known = actions(command)
        verbs = next((list(action.choices) for action in known if not action.option_strings and action.choices), [""])
        for action in (one for one in known if one.dest in KINDS):
            for verb in verbs:
                yield command, action.dest, tuple(_words(command, known, action, verb))


def _words(command: str, known: list[argparse.Action], wrong: argparse.Action, verb: str) -> Iterator[str]:
    yield command
    for action in known:
        value = KINDS[action.dest][1 if action is wrong else 0] if action.dest in KINDS else verb
        if not action.option_strings and (action is wrong or action.nargs != "?" or action.choices):
            any_value = "1" if action.type is int else "x"
            yield value if action.dest in KINDS or action.choices else any_value
        elif action is wrong or (action.required and action.option_strings):
            yield from (action.option_strings[-1], value or "x")
    yield from WITH.get((command, wrong.dest), [])


@pytest.fixture
def landed(loop: Loop) -> None:
    """A raw partition of the day that is right, as `profile` reads it."""
    body = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"]}), body)
    loop.ledger.storage.write(f"raw/{MODEL}/flights/date=2013-01-02/part.parquet", body.getvalue())


@pytest.mark.parametrize(
    ("command", "argument", "words"), list(cases()), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_what_is_not_there_is_refused_with_what_is(
    slipstream: Slipstream, landed: None, command: str, argument: str, words: tuple[str, ...]
) -> None:
    status, out, err = slipstream(*words)
    missing = [said for said in KINDS[argument][2] if said not in err]
    assert (status, missing) == (1, []), f"{' '.join(words)}: {out}{err}"
    assert err.startswith("error: ")
    assert "\n  next: " in err
    assert "Traceback" not in err


def test_every_command_that_is_about_a_model_calls_it_so() -> None:
    """What the cases are made from: an argument by another name, such as `name`, would escape them."""
    covered = {command for command, argument, _ in cases() if argument == "model"}
    assert covered >= {
        "status", "predict", "versions", "backtest", "rollout", "rollback", "policy", "trace", "profile", "features",
        "quarantine", "invalidate",
    }  # fmt: skip


def test_a_name_of_any_form_is_unknown_and_no_traceback(slipstream: Slipstream) -> None:
    for name in ("", " ", "../toy", "toy/", "TOY", "toÿ", "x" * 300, "--", "0", "\udcff"):
        for command in ("status", "versions", "rollback"):
            status, _, err = slipstream(command, "--", name)
            assert (status, f"models here: {MODEL}" in err, "Traceback" in err) == (1, True, False), (command, name, err)


def test_a_version_that_no_database_holds_is_unknown(slipstream: Slipstream) -> None:
    for version in ("0", "-1", str(2**31), "9" * 40):
        status, _, err = slipstream("trace", MODEL, f"--version={version}")
        assert (status, "the closest is" in err) == (1, True), version


def test_a_day_that_is_none_is_wrong_usage_and_says_how_one_is_written(slipstream: Slipstream) -> None:
    for words in (("profile", MODEL, "flights"), ("quarantine", MODEL, "--day"), ("invalidate", "--day")):
        status, _, err = slipstream(*words, "2013-02-30")
        assert (status, "write it as 2013-01-02" in err) == (2, True), words


def test_a_model_whose_folder_is_gone_is_still_known_to_the_control_store(slipstream: Slipstream, tmp_path: Path) -> None:
    (tmp_path / "toy_models" / MODEL).rename(tmp_path / "toy_models" / "_gone")
    assert slipstream("versions", MODEL)[0] == 0
    assert slipstream("rollback", MODEL)[0] == 0


def test_before_anything_ran_an_unknown_model_is_one_all_the_same(
    slipstream: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "elsewhere"))
    assert slipstream("status", "nosuch")[0] == 1


def test_a_setting_that_names_no_package_of_models_is_refused_by_name(
    slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("no.such.package", "include.core.errors"):
        monkeypatch.setenv("SLIPSTREAM_MODELS", package)
        status, _, err = slipstream("status", MODEL)
        assert (status, "SLIPSTREAM_MODELS names" in err, package in err) == (1, True, True)
