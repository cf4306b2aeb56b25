"""What may still write while the stores are upgraded: a gateway, Airflow's scheduler and its runs, jobs, the local platform."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.backends.process.jobs import open_jobs
from include.cli.context import CliContext
from include.cli.writers import writers
from include.core.control import ControlStore
from include.core.ports import Job, JobStatus
from include.core.request import Request
from include.core.settings import Settings
from include.local.supervisor import Supervisor
from include.routing.gateways import Identity, Report, report

NOWHERE = "http://127.0.0.1:1"


@contextmanager
def server(answers: dict[str, object]) -> Iterator[str]:
    """Answers paths with JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, *_: object) -> None: ...

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


Make = Callable[..., CliContext]


@pytest.fixture
def context(tmp_path: Path) -> Make:
    def make(**settings: str) -> CliContext:
        given = {"home": str(tmp_path), "job_backend": "process", **settings}
        named = {f"SLIPSTREAM_{name.upper()}": value for name, value in given.items()}
        nowhere = {f"SLIPSTREAM_{name}_URL": NOWHERE for name in ("AIRFLOW", "MLFLOW", "RAY", "GATEWAY")}
        login = {"AIRFLOW_CONN_SLIPSTREAM_AIRFLOW": given.get("airflow_url", NOWHERE).replace("//", "//me:secret@")}
        return CliContext(Settings.from_env({**nowhere, **named, **login}))

    return make


def test_where_nothing_answers_nothing_writes(context: Make) -> None:
    assert writers(context()) == []


def test_a_gateway_that_answers_is_named_by_its_address(context: Make) -> None:
    with server({"/v2/health/live": {}}) as url:
        (found,) = writers(context(gateway_url=url))
    assert (found.what, found.stop) == (f"the gateway at {url}", "stop the gateway")


@pytest.mark.parametrize("status", ["healthy", "unhealthy"])
def test_airflow_is_asked_for_its_scheduler_and_its_unfinished_runs(context: Make, status: str) -> None:
    run = {"dag_id": "shop_training", "dag_run_id": "asset__1"}
    answers: dict[str, object] = {
        "/api/v2/monitor/health": {"scheduler": {"status": status}},
        "/auth/token": {"access_token": "t"},
        "/api/v2/dags/~/dagRuns": {"dag_runs": [run], "total_entries": 1},
        "/api/v2/dags/shop_training/dagRuns/asset__1/taskInstances": {"task_instances": []},
    }
    with server(answers) as url:
        told = [each.what for each in writers(context(airflow_url=url))]
    scheduler = [f"Airflow's scheduler at {url}, which may start a task at any moment"] if status == "healthy" else []
    assert told == [*scheduler, "unfinished runs: shop_training asset__1"]


def test_a_job_of_an_open_attempt_writes_while_it_runs(context: Make) -> None:
    made = context()
    request = Request("train", "f:g", "shop")
    made.ledger.record(request)
    attempt = made.ledger.open_attempt(request.key, 0)
    assert writers(made) == []  # nobody computes it
    jobs, others = open_jobs(made.settings), "slip-train-of-others-g0-a1"
    for name in (attempt.job, others):
        jobs.submit(Job(name, "tests.contract.job_body", ("import time; time.sleep(60)",)))
        while jobs.status(name) is not JobStatus.RUNNING:  # one that has not begun cannot be stopped
            time.sleep(0.02)
    (found,) = writers(made)
    assert (found.what, found.stop) == (f"the job {attempt.job}", f"slipstream cancel {attempt.job}")
    for name in (attempt.job, others):
        jobs.stop(name)
    assert writers(made) == []


def test_the_local_platform_is_named_once_with_what_runs_in_it(context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"gateway": {"pid": 7}, "scheduler": {"pid": 8}, "migrate": {"pid": 0}}
    monkeypatch.setattr(Supervisor, "running", lambda self: True)
    monkeypatch.setattr(Supervisor, "states", lambda self: states)
    with server({"/v2/health/live": {}}) as url:
        (found,) = writers(context(gateway_url=url))
    assert "(gateway, scheduler)" in found.what
    assert found.stop == "make down"


def test_a_gateway_on_another_machine_that_has_reported_itself_is_one_as_well(context: Make, tmp_path: Path) -> None:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    report(store, Identity("g1", "0.0.0.0:8500", "far", 1, "1", ""), Report())
    assert [each.what for each in writers(context())] == ["the gateway g1 (0.0.0.0:8500 on far)"]
    with store.transaction() as connection:
        connection.execute(sa.text("DROP TABLE slipstream_gateways"))  # as it was before gateways reported themselves
    assert writers(context()) == []
