"""Every command, with Airflow, MLflow, Ray and the gateway down."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.backends.folder.registry import FolderRegistry
from include.backends.process.jobs import open_jobs
from include.cli import predict as command
from include.core.control import ControlStore, gateways, versions
from include.core.digest import PROJECT
from include.core.ports import Job, JobStatus
from include.core.settings import Settings
from include.core.spec import Binary, MultiClass, Ranking, Regression
from include.core.spec.problem import Problem
from include.governance.audit import history
from include.governance.waiters import Waiter, record
from include.online_store.open import open_online
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.routing.applied import note_applied
from include.routing.gateways import Identity, Report, report
from include.routing.route import read_route
from include.versions.queries import champion, records
from tests.support.evidence import begun_and_published, publish
from tests.support.toy_ledger import MODEL, SPEC, Loop
from tests.unit.cli.conftest import Slipstream


def test_status_says_what_is_down_and_where_the_model_stands(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("status")
    assert status == 0
    assert out.count("Connection refused") == 4
    for told in ("champion   version 2 (1.0.1)", "weights    version 2 100 %", "decision   none yet", "jobs under way: none"):
        assert told in out


def test_status_as_json_holds_the_same(slipstream: Slipstream) -> None:
    _, out, _ = slipstream("status", MODEL, "--json")
    (model,) = json.loads(out)["models"]
    assert (model["champion"], model["weights"]) == (2, {"2": 100})


def test_status_lists_every_gateway_with_what_it_serves(slipstream: Slipstream, control: ControlStore) -> None:
    for number in (1, 2):
        what = Report({MODEL: 7}, {MODEL: (8, {"3": "rotten"})} if number == 2 else {})
        report(control, Identity(f"g{number}", "0.0.0.0:8500", f"m{number}", 1, "1", ""), what)
    _, out, _ = slipstream("status")
    assert "g1       0.0.0.0:8500 on m1  alive  7 of toy" in out
    assert "g2       0.0.0.0:8500 on m2  alive  7 of toy; refused 8 of toy" in out
    told = {each["gateway"]: each for each in json.loads(slipstream("status", "--json")[1])["gateways"]}
    assert (told["g1"]["serves"], told["g1"]["alive"], told["g2"]["refused"]["toy"]["why"]) == ({"toy": 7}, True, {"3": "rotten"})


def test_status_says_which_route_an_endpoint_elsewhere_follows(slipstream: Slipstream, control: ControlStore) -> None:
    generation = read_route(control, MODEL)[0]
    note_applied(control, MODEL, generation - 1, "toy-1")
    assert f"endpoint   follows route {generation - 1} (toy-1) since 20" in (out := slipstream("status")[1])
    assert f"UTC; route {generation} is not yet in force" in out
    note_applied(control, MODEL, generation, "toy-2")
    assert f"endpoint   follows route {generation} (toy-2) since 20" in (out := slipstream("status")[1])
    assert "not yet in force" not in out


def test_rollback_names_the_gateways_that_follow_and_those_that_are_silent(slipstream: Slipstream, control: ControlStore) -> None:
    for name in ("one", "two", "lost"):
        report(control, Identity(name, "h:1", "here", 1, "1", ""), Report({MODEL: 99}))
    with control.transaction() as connection:
        lost = gateways.c.gateway == "lost"
        connection.execute(gateways.update().where(lost).values(beat=gateways.c.beat - 60))
    out = slipstream("rollback", MODEL)[1]
    assert "All 2 gateways that are alive serve it: " in out
    assert "Not waited for, and perhaps serving what was before: lost (h:1 on here), silent since 20" in out


def test_status_before_anything_ran_is_no_error(slipstream: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "elsewhere"))
    status, out, _ = slipstream("status")
    assert status == 0
    assert "nothing has run here yet" in out


def test_versions_are_listed_newest_first(slipstream: Slipstream) -> None:
    _, out, _ = slipstream("versions", MODEL)
    _, second, first = out.splitlines()
    assert second.split()[:3] == ["2", "1.0.1", "Production"]
    assert first.split()[:3] == ["1", "1.0.0", "Archived"]


def test_rollback_returns_to_the_version_before_with_everything_else_down(slipstream: Slipstream, control: ControlStore) -> None:
    status, out, _ = slipstream("rollback", MODEL, "--reason", "complaints")
    assert status == 0
    assert "version 2 is out, version 1 answers" in out
    assert "labels follow at the next registration" in out
    assert read_route(control, MODEL)[1].champion == 1
    served = champion(records(control, MODEL))
    assert served is not None
    assert served.version == 1
    newest = history(control, MODEL, limit=1)[0]
    assert newest.actor.endswith("(slipstream command)")
    assert newest.detail["reason"] == "complaints"


def test_a_rollout_is_looked_at_paused_resumed_and_aborted_with_everything_else_down(
    slipstream: Slipstream, control: ControlStore
) -> None:
    assert "has had no rollout" in slipstream("rollout", "status", MODEL)[1]
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))
    epoch = control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(control, SPEC, 1, request="r", actor="t", epoch=epoch)
    enter_stage(control, rollout, "smoke", epoch)
    assert "is paused in smoke" in slipstream("rollout", "pause", MODEL, "--reason", "lunch")[1]
    out = slipstream("rollout", "status", MODEL)[1]
    assert "paused in smoke: lunch" in out
    assert "version 2 is the way back" in out
    assert "is running in smoke" in slipstream("rollout", "resume", MODEL)[1]
    assert "version 1 is out, version 2 answers" in slipstream("rollout", "abort", MODEL)[1]
    status, _, err = slipstream("rollout", "resume", MODEL)
    assert (status, "has no live rollout" in err) == (5, True)
    assert "rolled_back" in slipstream("rollout", "status", MODEL)[1]


def test_the_status_of_a_rollout_says_which_gateways_count_for_its_stage(
    slipstream: Slipstream, control: ControlStore, tmp_path: Path
) -> None:
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))
    epoch = control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(control, SPEC, 1, request="r", actor="t", epoch=epoch)
    enter_stage(control, rollout, "smoke", epoch)
    assert "gateway" not in slipstream("rollout", "status", MODEL)[1]
    record_verdict(control, rollout, "smoke", {"answer": "promote"}, epoch)
    enter_stage(control, rollout, "shadow", epoch)
    assert "No gateway has published evidence of this stage" in slipstream("rollout", "status", MODEL)[1]
    begun_and_published(control, SPEC, rollout.id, "shadow", tmp_path)
    publish(control, tmp_path, "another")
    assert "evidence of 2 gateways: 0 requests, newest at " in slipstream("rollout", "status", MODEL)[1]
    shown = json.loads(slipstream("rollout", "status", MODEL, "--json")[1])
    assert [source["source"] for source in shown["sources"]] == ["another", "gateway"]


def test_the_plan_of_a_rollout_says_what_it_can_see(slipstream: Slipstream) -> None:
    out = slipstream("rollout", "plan", MODEL)[1]
    assert "canary_5, champion failing 1.00%: 2,000 requests, 100 of them the challenger's" in out
    assert "Its power at 2x is" in out
    assert "canary_5: passes on at least 82 distinct entities of the challenger (1,640 on both arms)" in out
    few = slipstream("rollout", "plan", MODEL, "--entities", "12")[1]
    assert "12 entities are too few" in few
    assert slipstream("rollout", "plan", MODEL, "--entities", "0")[0] == 1


def test_rollback_with_nowhere_to_go_explains_itself(slipstream: Slipstream) -> None:
    slipstream("rollback", MODEL)
    status, _, err = slipstream("rollback", MODEL)
    assert status == 5
    assert err.startswith("error: ")
    assert "  next: " in err
    assert "Traceback" not in err


def test_restore_offers_a_version_again_and_returns_to_it_now(slipstream: Slipstream, control: ControlStore) -> None:
    status, out, _ = slipstream("restore", MODEL, "1", "--reason", "it was right")
    assert (status, "version 1 is a candidate again (it was Archived); no traffic has moved." in out) == (0, True)
    assert """airflow dags trigger toy_rollout --conf '{"version": 1}'""" in out
    assert "is a candidate already" in slipstream("restore", MODEL, "1")[1]
    assert read_route(control, MODEL)[1].champion == 2
    status, out, _ = slipstream("restore", MODEL, "1", "--now", "--reason", "version 2 is broken")
    assert (status, "version 2 is out, version 1 answers again" in out) == (0, True)
    assert read_route(control, MODEL)[1].champion == 1
    newest = history(control, MODEL, limit=1)[0]
    assert (newest.action, newest.detail["reason"]) == ("rollout.restore_now", "version 2 is broken")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("2",), "champion already"),
        (("9",), "no registered version 9"),
        (("one",), "A version is a whole number"),
        (("9" * 5000, "--now"), "A version is a whole number"),
        (("-1",), ""),
    ],
)
def test_restore_refuses_by_name(slipstream: Slipstream, control: ControlStore, asked: tuple[str, ...], why: str) -> None:
    before = read_route(control, MODEL)
    status, _, err = slipstream("restore", MODEL, *asked)
    assert status in (1, 2, 5)
    assert why in err
    assert "Traceback" not in err
    assert read_route(control, MODEL) == before


def test_what_the_registry_was_not_there_for_is_reported_and_caught_up(
    slipstream: Slipstream, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "`slipstream mirror toy`: MLflow at http://127.0.0.1:1 does not answer" in slipstream("rollback", MODEL)[1]
    assert "registry   its labels are behind since" in slipstream("status")[1]
    assert (
        "MLflow at http://127.0.0.1:1 does not answer" in json.loads(slipstream("status", "--json")[1])["models"][0]["registry"]
    )
    status, out, _ = slipstream("mirror")
    assert (status, "does not answer" in out) == (4, True)
    status, _, err = slipstream("mirror", MODEL)
    assert (status, "SLIPSTREAM_MLFLOW_URL" in err) == (4, True)
    monkeypatch.setenv("SLIPSTREAM_REGISTRY", "folder")  # and now it is there
    monkeypatch.setenv("SLIPSTREAM_ROOT", str(loop.ledger.storage.uri("")))
    assert slipstream("mirror")[:2] == (0, "toy: the registry shows the stages and aliases of the control store.\n")
    assert slipstream("mirror", MODEL)[0] == 0
    assert "labels are behind" not in slipstream("status")[1]
    assert FolderRegistry(loop.ledger.storage).labels(MODEL)["aliases"] == {"champion": 1}
    assert slipstream("mirror", "nosuch")[0] == 1


def test_predict_without_a_gateway_answers_in_process_and_says_so(slipstream: Slipstream, tmp_path: Path) -> None:
    known = datetime.fromisoformat("2013-03-01")
    rows = pa.table({"origin": ["JFK"], "event_timestamp": [known], "wind": [6.0], "rain": [0.0]})
    open_online(f"sqlite:///{tmp_path / 'online.db'}").write(MODEL, SPEC.features.views[0], rows, known)
    asked = ("--entity", "origin=JFK", "--features", "hour=0", "--at", "2013-03-02T00:00:00Z")
    status, out, err = slipstream("predict", MODEL, *asked)
    assert status == 0, err
    assert "late = 1 (score 0.8808) by version 2" in out  # the sigmoid of the mean of 6, 0 and 0
    assert "in this process (the gateway at http://127.0.0.1:1 does not answer" in out
    assert "not explained: it is the gateway that explains" in slipstream("predict", MODEL, *asked, "--explain")[1]


@pytest.mark.parametrize(
    ("argument", "message"),
    [("oirgin=JFK", "names here: origin"), ("JFK", "KEY=VALUE".replace("KEY", "NAME"))],
)
def test_predict_refuses_a_key_the_model_does_not_have(slipstream: Slipstream, argument: str, message: str) -> None:
    status, _, err = slipstream("predict", MODEL, "--entity", argument)
    assert status == 1
    assert message in err


@pytest.mark.parametrize(
    ("problem", "said", "words"),
    [
        (Binary(), {"score": 0.25, "label": 0}, "late = 0 (score 0.2500)"),
        (Regression(scale=5, unit="minutes"), {"value": 12.5}, "late = 12.5 minutes"),
        (Regression(scale=5, interval=0.9), {"value": 12.5, "low": -1.0, "high": 20.25}, "late = 12.5 (-1 to 20.25)"),
        (
            MultiClass(classes=("on time", "late")),
            {"class": "late", "probabilities": {"on time": 0.25, "late": 0.75}},
            "late = late (probability 0.7500)",
        ),
        (Ranking(query="user", item="film"), {"score": 3.25, "place": 1}, "late: score 3.25"),
    ],
)
def test_predict_says_an_answer_by_its_kind(problem: Problem, said: dict[str, Any], words: str) -> None:
    spec = SPEC.model_copy(update={"problem": problem})
    answer = {"id": "", **said, "version": 2, "arm": "champion", "degraded": [], "through": "through it"}
    assert command._words(spec, answer) == f"{words} by version 2 (champion) through it"


def test_predict_says_what_moved_an_answer() -> None:
    told = {"of": "score", "base": 0.24, "contributions": {"hour": 0.05, "carrier": -0.0123}, "rest": 0.001}
    assert command._why(told) == [
        "score is 0.24 on the average; here", "  hour        +0.05", "  carrier     -0.0123", "  all others  +0.001",
    ]  # fmt: skip
    assert command._why(None) == []


def test_trace_prints_the_tree_and_fails_when_it_is_broken(slipstream: Slipstream, loop: Loop) -> None:
    status, out, _ = slipstream("trace", MODEL)
    assert status == 0
    assert "toy version 2" in out
    assert json.loads(slipstream("trace", MODEL, "--version", "1", "--json")[1])["intact"] is True
    loop.ledger.storage.delete(f"raw/{MODEL}/flights/date=2013-01-01/part.parquet")
    status, out, _ = slipstream("trace", MODEL)
    assert status == 3
    assert "✗ missing" in out


def test_invalidate_shows_first_and_acts_on_yes(slipstream: Slipstream, loop: Loop) -> None:
    arguments = ("invalidate", "--model", MODEL, "--step", "features", "--day", "2013-01-02")
    status, out, _ = slipstream(*arguments)
    assert status == 0
    assert "Nothing was changed" in out
    assert "training_set" in out
    status, out, _ = slipstream(*arguments, "--yes", "--reason", "late rows")
    key = out.splitlines()[2].split()[-1]
    assert f"{key}: generation 1 is open." in out
    assert loop.ledger.result(key) is None


@pytest.mark.parametrize("arguments", [(), ("features/x", "--model", MODEL), ("--model", MODEL)])
def test_invalidate_wants_a_key_or_a_model_and_step(slipstream: Slipstream, arguments: tuple[str, ...]) -> None:
    status, _, err = slipstream("invalidate", *arguments)
    assert status == 2
    assert "either a KEY" in err


def test_cancel_stops_the_job_that_computes_a_key(slipstream: Slipstream, loop: Loop, tmp_path: Path) -> None:
    key = records(ControlStore(f"sqlite:///{tmp_path / 'control.db'}"), MODEL)[0].entry.lineage.train.uri.removeprefix("ledger/")
    key = "/".join(key.split("/")[:2])
    generation = loop.ledger.open_generation(key, "t", "test")
    attempt = loop.ledger.open_attempt(key, generation)
    jobs = open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))
    jobs.submit(Job(attempt.job, "tests.contract.job_body", ("import time; time.sleep(60)",)))
    assert attempt.job in slipstream("status")[1]
    status, out, _ = slipstream("cancel", key)
    assert status == 0
    assert f"{attempt.job} was asked to stop, and is over (STOPPED)." in out
    assert jobs.status(attempt.job) in (JobStatus.STOPPED, JobStatus.FAILED)
    assert "is over already" in slipstream("cancel", attempt.job)[1]
    assert slipstream("cancel", "slip-none")[0] == 1


def test_jobs_shows_who_waits_for_each_and_stops_what_nobody_wants(
    slipstream: Slipstream, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no connection to Airflow" in slipstream("jobs")[2]
    with (tmp_path / "connections.env").open("a") as file:
        file.write("AIRFLOW_CONN_SLIPSTREAM_AIRFLOW=http://admin:x@127.0.0.1:1\n")
    assert "No job is under way" in slipstream("jobs")[1]
    key = records(ControlStore(f"sqlite:///{tmp_path / 'control.db'}"), MODEL)[0].entry.lineage.train.uri.removeprefix("ledger/")
    key = "/".join(key.split("/")[:2])
    attempt = loop.ledger.open_attempt(key, loop.ledger.open_generation(key, "t", "test"))
    jobs = open_jobs(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))
    jobs.submit(Job(attempt.job, "tests.contract.job_body", ("import time; time.sleep(60)",)))
    seen: list[tuple[str, str, dict[str, str]]] = []
    monkeypatch.setattr("include.backends.airflow.client.AirflowClient.unfinished", lambda _: seen)
    for state in ("waiting", "deferred", "running", "up_for_retry"):  # a cleared task waits, and adopts the job
        seen[:] = [(f"{MODEL}_training", "manual__1", {"train": state})]
        assert f"{MODEL}_training manual__1" in slipstream("jobs", "--stop-orphans")[1]
    assert not jobs.status(attempt.job).over
    record(ControlStore(f"sqlite:///{tmp_path / 'control.db'}"), attempt.job, Waiter("weekly", "manual__3", "learn.train"))
    seen[:] = [("weekly", "manual__3", {"learn.train": "deferred"})]  # an author's own DAG, whose name does not say the model
    assert "weekly manual__3" in slipstream("jobs", "--stop-orphans")[1]
    assert not jobs.status(attempt.job).over
    seen[:] = [(f"{MODEL}_training", "manual__1", {"train": "failed"}), ("other_training", "manual__2", {"train": "running"})]
    assert "nobody" in slipstream("jobs")[1]
    assert not jobs.status(attempt.job).over
    assert f"{attempt.job} was asked to stop" in slipstream("jobs", "--stop-orphans")[1]
    assert jobs.status(attempt.job) in (JobStatus.STOPPED, JobStatus.FAILED)


def test_wrong_usage_exits_with_2_and_an_unknown_model_with_1(slipstream: Slipstream) -> None:
    assert slipstream("fly")[0] == 2
    assert slipstream()[0] == 2
    status, _, err = slipstream("versions", "unknown")
    assert status == 1
    assert "There is no model 'unknown'" in err
    assert "Traceback" in slipstream("--debug", "versions", "unknown")[2]


@pytest.mark.lives
def test_the_command_imports_neither_airflow_nor_a_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from include.cli.main import main; main(['status'])\n"
        "heavy = {'airflow', 'mlflow', 'ray', 'torch', 'pandas', 'pyarrow', 'numpy', 'duckdb', 'feast', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.lives
def test_profile_proposes_a_file_and_overwrites_none(slipstream: Slipstream, loop: Loop, tmp_path: Path) -> None:
    body = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"], "x": [1.0, 2.0]}), body)
    loop.ledger.storage.write(f"raw/{MODEL}/events/date=2013-01-01/part.parquet", body.getvalue())
    target = tmp_path / "proposed.py"
    assert slipstream("profile", MODEL, "events", "2013-01-01", "--write", str(target))[0] == 0
    assert "ExpectColumnValuesToBeUnique" in target.read_text()
    status, _, err = slipstream("profile", MODEL, "events", "2013-01-01", "--write", str(target))
    assert status == 5
    assert "left as it is" in err


def test_quarantine_says_when_nothing_is_held(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("quarantine", MODEL)
    assert status == 0
    assert out == f"No row of {MODEL} is in quarantine.\n"
