"""`slipstream reconcile`: what is found with Airflow up, with it down, and without a way to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, effects, versions
from include.governance.audit import history
from include.rollout.machine import open_rollout
from include.routing.route import read_route
from tests.support.toy_ledger import MODEL, SPEC
from tests.unit.cli.conftest import Slipstream

ROLLOUT = f"{MODEL}_rollout"


class Server:
    """Airflow's REST API, as much of it as the command asks for."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.dags: dict[str, bool] = {}
        self.made: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*server.get(urlsplit(self.path).path.removeprefix("/api/v2")))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*server.post(self.path, body))

            def _send(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port
        Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def get(self, path: str) -> tuple[int, Any]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[1] not in self.dags:
            return 404, {"detail": "no such DAG"}
        if len(parts) == 2:
            return 200, {"is_paused": self.dags[parts[1]]}
        if len(parts) == 3:
            return 200, {"total_entries": sum(state in ("queued", "running") for state in self.runs.values()), "dag_runs": []}
        if parts[3] not in self.runs:
            return 404, {"detail": "no such run"}
        return 200, {"state": self.runs[parts[3]]} if len(parts) == 4 else {"task_instances": []}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/auth/token":
            return 201, {"access_token": "t"}
        self.made.append(body)
        self.runs[body["dag_run_id"]] = "queued"
        return 200, {"dag_run_id": body["dag_run_id"]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, slipstream: Slipstream) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_AIRFLOW", f"http://u:p@127.0.0.1:{made.port}")
    yield made
    made.stop()


def candidate(control: ControlStore, number: int, at: str = "2026-01-01T00:00:00.000+00:00") -> None:
    row = {"key": f"k{number}", "model": MODEL, "version": number, "semver": f"3.{number}.0", "record": {}, "at": at}
    with control.transaction() as connection:
        connection.execute(versions.insert().values(stage="Candidate", **row))


def canary(control: ControlStore) -> None:
    candidate(control, 3)
    open_rollout(control, SPEC, 3, request=f"{ROLLOUT}/manual__1+00:00/open/-1", actor="t", epoch=1)


def test_where_all_is_well_it_says_so(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("reconcile")
    assert (status, out.strip()) == (0, "Nothing is amiss.")


def test_without_a_way_to_airflow_it_says_what_it_cannot_know(slipstream: Slipstream, control: ControlStore) -> None:
    canary(control)
    status, out, _ = slipstream("reconcile")
    assert status == 4
    assert "not known of the rollouts: There is no connection to Airflow" in out
    assert "AIRFLOW_CONN_SLIPSTREAM_AIRFLOW" in out
    assert "Nothing is amiss in what could be looked at." in out


def test_what_the_stores_alone_say_is_done_without_airflow(slipstream: Slipstream, control: ControlStore) -> None:
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))
    status, out, _ = slipstream("reconcile", "--dry-run")
    assert (status, "would be: marked as superseded" in out) == (3, True)
    assert slipstream("reconcile")[0] == 0
    assert history(control, MODEL, 1)[0].action == "reconcile.supersede"
    assert slipstream("reconcile")[1].strip() == "Nothing is amiss."


def test_with_airflow_it_finds_and_does_what_the_dag_does(slipstream: Slipstream, control: ControlStore, server: Server) -> None:
    canary(control)
    server.dags[ROLLOUT], server.runs["manual__1+00:00"] = False, "running"
    assert slipstream("reconcile")[1].strip() == "Nothing is amiss."
    server.runs["manual__1+00:00"] = "failed"
    status, out, _ = slipstream("reconcile")
    assert (status, "is over (failed)" in out, "slipstream_reconcile sends the alerts" in out) == (0, True, True)
    found = json.loads(slipstream("reconcile", "--dry-run", "--json")[1])["found"]
    assert [finding["kind"] for finding in found] == ["rollout.undriven"]


def test_a_candidate_gets_its_turn_from_the_command_line(slipstream: Slipstream, control: ControlStore, server: Server) -> None:
    candidate(control, 3)
    server.dags[ROLLOUT] = False
    for _ in range(2):
        assert slipstream("reconcile")[0] == 0
    assert server.made == [{"dag_run_id": "reconciled__version-3", "logical_date": None, "conf": {"version": 3}}]


def test_an_airflow_that_is_down_is_named_and_asked_once(
    slipstream: Slipstream, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary(control)
    waits: list[float] = []
    monkeypatch.setattr("include.backends.airflow.client.time.sleep", waits.append)
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_AIRFLOW", "http://u:p@127.0.0.1:1")
    status, out, _ = slipstream("reconcile")
    assert (status, "Airflow at http://127.0.0.1:1 does not answer" in out) == (4, True)
    assert len(waits) == 5
    assert read_route(control, MODEL)[1].champion == 2
    with control.transaction() as connection:
        assert not connection.execute(sa.select(effects).where(effects.c.resource == "reconcile")).all()
