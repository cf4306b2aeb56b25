"""Every command and verb, those to come as well: it has --json, prints JSON alone, and of the keys that it documents."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.cli.answer import ERROR_KEYS, OPTION
from include.cli.main import COMMANDS, configure, module_of
from include.core.control import ControlStore, versions
from include.core.ledger import Attempt
from include.core.request import Request
from include.core.spec import Float, Search
from include.reconcile.airflow import NoAirflow
from include.rollout.machine import enter_stage, open_rollout
from include.training.search.records import Decision, Found, Leg, Records
from tests.support.experiment_log import TRIAL
from tests.support.scores_table import one_partition
from tests.support.toy_ledger import MODEL, SPEC, Loop
from tests.unit.cli.conftest import Slipstream

DOCTOR = -1  # ends as the machine is: 0 or 3
LONG = ("demo",)  # would start a platform
STREAM = ["--csv", "stream.csv", "--label", "y", "--price", ".05", "--window", "20"]

# One command line for each documented answer, with the status that it ends with. Those of a group follow each other in one home.
CALLS: dict[str, list[tuple[str, list[str], int]]] = {
    "what changes little": [
        ("status", ["status"], 0),
        ("predict", ["predict", MODEL, "--entity", "origin=JFK", "--features", "hour=0", "--explain"], 0),
        ("versions", ["versions", MODEL], 0),
        ("hold VERSION", ["hold", MODEL, "1", "--reason", "case 7"], 0),
        ("hold", ["hold", MODEL], 0),
        ("backtest", ["backtest", MODEL], 0),
        ("scores", ["scores", MODEL, "--check"], 0),
        ("rollout plan", ["rollout", "plan", MODEL], 0),
        ("mirror", ["mirror"], 4),
        ("policy replay", ["policy", "replay", MODEL, *STREAM], 0),
        ("trace", ["trace", MODEL], 0),
        ("cost", ["cost", MODEL], 0),
        ("search", ["search", MODEL], 0),
        ("profile", ["profile", MODEL, "events", "2013-01-02"], 0),
        ("features catch-up", ["features", "catch-up", MODEL, "--dry-run"], 0),
        ("features range", ["features", "range", MODEL], 0),
        ("features impact", ["features", "impact", MODEL], 0),
        ("features catalogue", ["features"], 0),
        ("quarantine", ["quarantine", MODEL], 0),
        ("requirements", ["requirements"], 0),
        ("redact", ["redact", MODEL, "--request", "x"], 0),
        ("forget", ["forget", MODEL, "--entity", "origin=nobody"], 3),  # the toy's partitions are no Parquet files
        ("forgotten", ["forgotten"], 0),
        ("invalidate", ["invalidate", "--model", MODEL, "--step", "features"], 0),
        ("token new", ["token", "new", "--model", "*", "--right", "predict", "--name", "web"], 0),
        ("token rotate", ["token", "rotate", "web"], 0),
        ("token list", ["token", "list"], 0),
        ("token revoke", ["token", "revoke", "web"], 0),
        ("jobs", ["jobs"], 0),
        ("cancel", ["cancel", "slip-train-1"], 0),
        ("relocate", ["relocate", "--dry-run"], 0),
        ("upgrade", ["upgrade"], 0),
        ("audit verify", ["audit", "verify"], 0),
        ("audit seal", ["audit", "seal"], 0),
        ("audit accept", ["audit", "accept"], 0),
        ("audit anchor", ["audit", "anchor"], 0),
        ("audit search", ["audit", "search"], 0),
        ("audit export", ["audit", "export", "--file", "audit.jsonl"], 0),
        ("dossier key", ["dossier", "key", "--new"], 0),
        ("dossier", ["dossier", MODEL, "--out", "dossier.json"], 0),
        ("dossier verify", ["dossier", "verify", "dossier.json"], 0),
        ("demo", ["demo"], 0),
        ("doctor", ["doctor"], DOCTOR),
        *((f"completion {shell}", ["completion", shell], 0) for shell in ("bash", "zsh", "fish")),
    ],
    "persons are asked": [
        ("approve", ["approve", MODEL, "1", "--reason", "looked at it"], 0),
        ("reject", ["reject", MODEL, "1", "--reason", "looked at it"], 0),
    ],
    "a rollout": [
        ("rollout status", ["rollout", "status", MODEL], 0),
        ("rollout pause", ["rollout", "pause", MODEL], 0),
        ("rollout resume", ["rollout", "resume", MODEL], 0),
        ("rollout abort", ["rollout", "abort", MODEL], 0),
    ],
    "an experiment": [
        ("experiment plan", ["experiment", "plan", MODEL, "pricing"], 0),
        ("experiment start", ["experiment", "start", MODEL, "pricing", "--version", "1"], 0),
        ("experiment show", ["experiment", "show", MODEL], 0),
        ("experiment recompute", ["experiment", "recompute", MODEL], 0),
        ("experiment stop", ["experiment", "stop", MODEL], 0),
    ],
    "offered again": [("restore", ["restore", MODEL, "1"], 0)],
    "a candidate": [("reconcile", ["reconcile", "--dry-run"], 3)],
    "cleared away": [("gc", ["gc"], 0)],
    "carried away": [
        ("backup create", ["backup", "create", "../carried-away", "--with-data"], 0),
        ("backup verify", ["backup", "verify", "../carried-away"], 0),
        ("backup restore", ["backup", "restore", "../carried-away", "--take-over"], 0),
    ],
    "back": [("rollback", ["rollback", MODEL], 0)],
    "back now": [("restore --now", ["restore", MODEL, "1", "--now"], 0)],
}


def shapes(command: str) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = getattr(module_of(command), "SHAPES", {})
    return found


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, or those of its verbs."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in verbs:
        for below in action.choices.values():
            yield from leaves(below)
    if not verbs:
        yield parser


def parser_of(command: str) -> argparse.ArgumentParser:
    """As `slipstream` makes it."""
    parser = argparse.ArgumentParser(prog=command)
    configure(command, parser)
    return parser


@pytest.fixture
def populated(
    loop: Loop, slipstream: Slipstream, control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Slipstream:
    """The toy's home with a raw partition, a job that is over and an Airflow that answers: what the commands need."""
    body = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"]}), body)
    loop.ledger.storage.write(f"raw/{MODEL}/events/date=2013-01-02/part.parquet", body.getvalue())
    rows = "".join(f"{n},{n % 7},{int(n % 3 == 0)}\n" for n in range(400))
    (tmp_path / "stream.csv").write_text(f"a,b,y\n{rows}")
    with (tmp_path / "connections.env").open("a") as file:
        file.write("AIRFLOW_CONN_SLIPSTREAM_AIRFLOW=http://admin:x@127.0.0.1:1\n")
    begin_search(loop)
    one_partition(control, loop.ledger, MODEL, tmp_path)
    monkeypatch.setattr("include.backends.airflow.client.AirflowClient.unfinished", lambda _: [])
    monkeypatch.setattr("include.cli.context.CliContext.jobs", lambda _: _Jobs())
    monkeypatch.setattr("include.cli.jobs.live", lambda ledger: [_attempt(loop)])
    monkeypatch.setattr("include.demo.run.run", lambda full: print("a phase") or 0)
    monkeypatch.setattr("include.cli.reconcile._airflow", lambda context: NoAirflow())
    monkeypatch.setattr("include.cli.redact._holding", lambda *given: [])  # the toy's partitions are no Parquet files
    monkeypatch.setattr("include.cli.upgrade.writers", lambda context: [])
    monkeypatch.setattr("include.cli.approve._session", lambda context, options: Asked())
    # Their own tests compute these, with great_expectations and scikit-learn, which take seconds to import.
    monkeypatch.setattr("include.cli.profile.propose", lambda batch, source: "SUITES = {}\n")
    monkeypatch.setattr("include.cli.policy.errors", lambda stream, threshold: np.full((13, 13), 0.1))
    monkeypatch.chdir(tmp_path)
    return slipstream


def begin_search(loop: Loop) -> None:
    """One that was killed after its first trial."""
    search = Search(space={"c": Float(low=0.0, high=1.0)}, algorithm="random")
    params = {"label": "late", "training": {"fit": "m:fit", "search": search.model_dump(mode="json")}}
    request = Request("tune", "include.training.tune_step:run", MODEL, params)
    loop.ledger.record(request)
    records = Records(loop.ledger.storage, f"{loop.ledger.open_attempt(request.key, 0).checkpoints}/search")
    records.decide(1, Decision("start", 0, 1, {"c": 0.5}, 0))
    records.find(Leg({"c": 0.5}, 1).key, Found(0.7, 1, [], 2.0))


class Asked:
    """Airflow's API server, where version 1 waits."""

    def look(self, model: str, version: int) -> dict[str, Any]:
        told = {"model": model, "version": 1, "semver": "1.0.0", "as_of": "2013-01-04", "words": "waits", "seen": "a" * 64}
        return {"waiting": {**told, "gate": {"passed": True}, "override": "", "metrics": {}, "evidence": []}, "nobody": ""}

    def answer(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        approved = body["answer"] == "approve"
        told = {"model": model, "version": body["version"], "rollout": "r", "approved": approved}
        return {**told, "missing": 0, "repeated": False, "by": "ann"}


class _Jobs:
    def status(self, name: str) -> str:
        return "FAILED"

    def under_way(self) -> list[str]:
        return []


def _attempt(loop: Loop) -> Attempt:
    key = next(iter(loop.ledger.requested("train")))
    return Attempt(key, 0, 1)


def offer(control: ControlStore) -> None:
    """Version 1 is a candidate again, although version 2 serves."""
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))


def open_smoke(control: ControlStore) -> None:
    epoch = control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(control, SPEC, 1, request=f"{MODEL}_rollout/manual__1/open/-1", actor="t", epoch=epoch)
    enter_stage(control, rollout, "smoke", epoch)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_and_verb_has_the_option(command: str) -> None:
    lacking = [leaf.prog for leaf in leaves(parser_of(command)) if OPTION not in leaf.format_help()]
    assert not lacking, "main gives it to every parser: see include/cli/answer.py"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_documents_its_answers(command: str) -> None:
    """SHAPES = {verb, or "": {key: words}}: docs/reference/cli.md is made from it, and scripts rely on it."""
    documented = shapes(command)
    assert documented, f"include/cli/{command}.py has no SHAPES: describe the keys of what it answers with --json"
    known = parser_of(command)
    verbs = [name for action in known._actions if isinstance(action, argparse._SubParsersAction) for name in action.choices]
    places = [list(action.choices) for action in known._actions if not action.option_strings and action.choices and not verbs]
    verbs = verbs or (places[0] if places else [])
    assert set(verbs) <= set(documented), f"verbs without a shape: {sorted(set(verbs) - set(documented))}"


def test_each_documented_answer_of_ours_is_called() -> None:
    """A command that is added later is held to the option and to its documentation; these to what they print."""
    named = {label for calls in CALLS.values() for label, _, _ in calls}
    documented = {f"{command} {verb}".strip() for command in {each.split()[0] for each in named} for verb in shapes(command)}
    assert named == documented


@pytest.mark.parametrize("group", CALLS)
def test_what_is_printed_is_json_alone_and_of_the_documented_keys(
    populated: Slipstream, control: ControlStore, group: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if group in ("a rollout", "a candidate", "an experiment"):
        offer(control)
    if group == "an experiment":
        tried = SPEC.model_copy(update={"experiments": (TRIAL,)})
        monkeypatch.setattr("include.cli.context.CliContext.spec", lambda self, model: tried)
    if group == "a rollout":
        open_smoke(control)
    for label, words, expected in CALLS[group]:
        if label == "backup restore":  # an empty control store, beside the storage that there is
            monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", f"sqlite:///{tmp_path}/restored.db")
        status, out, err = populated(*words, OPTION)
        assert status in ((0, 3) if expected is DOCTOR else (expected,)), (label, err)
        said: Any = json.loads(out)
        assert said, label
        command, _, verb = label.partition(" ")
        for each in said if isinstance(said, list) else [said]:
            assert set(each) == set(shapes(command)[verb]), label


@pytest.mark.lives
def test_what_is_refused_is_json_on_the_standard_error(
    slipstream: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command and verb is given names that nothing has. What is no error all the same is JSON on the standard output."""
    monkeypatch.chdir(tmp_path)
    refused = set()
    for leaf in (leaf for command in COMMANDS if command not in LONG for leaf in leaves(parser_of(command))):
        words = [*leaf.prog.split(), *_wrong(leaf), OPTION]
        status, out, err = slipstream(*words)
        if status in (0, 3) and out:
            json.loads(out)
            continue
        told = json.loads(err.splitlines()[-1])
        assert (out, set(told), told["exit"]) == ("", set(ERROR_KEYS), status), words
        assert status in (1, 2, 4, 5), (words, err)
        refused.add(words[0])
    assert refused >= {"versions", "rollback", "invalidate", "token", "jobs", "cancel"}


def _wrong(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A name that nothing has, for each argument that is no choice."""
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):
            yield str(next(iter(action.choices))) if action.choices else "nosuch"


def test_a_fault_of_the_program_is_no_explained_error(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: argparse.Namespace) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr("include.cli.versions.run", broken)
    status, out, err = slipstream("versions", MODEL, OPTION)
    assert (status, out, "Traceback" in err) == (70, "", True)
    assert json.loads(err.splitlines()[-1])["what"] == "RuntimeError: a bug"
    assert slipstream("versions", MODEL)[0] == 70
