"""The whole command: with nothing running, in an empty home, with servers that answer, and without ever showing a secret."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from include.core.control import ControlStore
from include.core.digest import PROJECT
from include.core.request import Ref, Result, StoredFile
from tests.support.toy_ledger import MODEL, Loop, record
from tests.unit.cli.conftest import Slipstream

SECRET = "hunter2-hunter2"


class Handler(BaseHTTPRequestHandler):
    """All four servers at one address. Its scheduler is ill; it takes whatever login."""

    def do_GET(self) -> None:
        self._answer({"models": {}} if self.path == "/status" else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"access_token": "t"})

    def _answer(self, said: object) -> None:
        if self.path == "/api/v2/monitor/health":
            said = {"scheduler": {"status": "unhealthy"}, "triggerer": {"status": "healthy"}, "dag_processor": {"status": None}}
        text = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, slipstream: Slipstream) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for name in ("AIRFLOW", "MLFLOW", "RAY", "GATEWAY"):
            monkeypatch.setenv(f"SLIPSTREAM_{name}_URL", url)
            monkeypatch.setenv(f"AIRFLOW_CONN_SLIPSTREAM_{name}", f"http://me:{SECRET}@127.0.0.1:{server.server_port}")
        yield url
        server.shutdown()


def looked(slipstream: Slipstream) -> tuple[int, dict[str, list[tuple[str, str, str]]], dict[str, Any]]:
    """Exit status, (level, words, next) by what was looked at, the whole answer."""
    status, out, err = slipstream("doctor", "--json")
    assert err == ""
    said = json.loads(out)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for each in said["findings"]:
        found.setdefault(each["about"], []).append((each["level"], each["words"], each["next"]))
    return status, found, said


def test_with_nothing_running_it_says_what_to_start(slipstream: Slipstream) -> None:
    _, found, said = looked(slipstream)
    for server in ("airflow", "mlflow", "ray", "gateway"):
        ((level, words, next),) = found[server]
        assert (level, "does not answer: [Errno 111] Connection refused" in words, next) == ("warning", True, "make up")
    assert found["control store"][0][0] == "ok"
    assert "a file was written, read and deleted" in found["storage"][0][1]
    assert found[MODEL] == [("ok", "its spec is good; nothing is published yet.", "")]
    origins = {each["name"]: each["origin"] for each in said["settings"]}
    assert origins["SLIPSTREAM_HOME"] == "environment"
    assert origins["SLIPSTREAM_MODELS"] == "connections.env"
    assert origins["SLIPSTREAM_ONLINE_URL"] == "default"


def test_the_probe_of_the_storage_leaves_nothing(slipstream: Slipstream, loop: Loop) -> None:
    before = sorted(loop.ledger.storage.list(""))
    looked(slipstream)
    assert sorted(loop.ledger.storage.list("")) == before
    assert not list(Path(loop.ledger.storage.root).glob(".doctor*"))


def test_servers_that_answer_are_ok_and_an_ill_scheduler_is_a_problem(slipstream: Slipstream, servers: str) -> None:
    status, found, said = looked(slipstream)
    for server in ("mlflow", "ray", "gateway"):
        assert (found[server][0][0], servers in found[server][0][1]) == ("ok", True)
    assert [level for level, _, _ in found["airflow"]] == ["problem", "ok"]
    assert "not healthy: scheduler" in found["airflow"][0][1]
    assert "agrees with" in found["clock"][0][1]
    assert (status, said["worst"]) == (3, "problem")


def test_a_server_that_a_setting_names_and_that_is_down_is_a_problem(
    slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_URL", "http://127.0.0.1:1")
    status, found, _ = looked(slipstream)
    assert (found["mlflow"][0][0], found["mlflow"][0][2]) == ("problem", "start it, or set SLIPSTREAM_MLFLOW_URL to where it is.")
    assert status == 3


def test_no_secret_appears_anywhere(slipstream: Slipstream, servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a store cannot be reached, too, whose library may repeat its address."""
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", f"postgresql+psycopg2://slip:{SECRET}@127.0.0.1:1/slip?sslpassword={SECRET}")
    monkeypatch.setenv("SLIPSTREAM_ONLINE_URL", f"redis://:{SECRET}@127.0.0.1:1/0")
    monkeypatch.setenv("SLIPSTREAM_RAY_URL", f"http://me:{SECRET}@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_ADMIN_PASSWORD", SECRET)
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_ENTITIES", f"http://:{SECRET}@h:port")
    status, out, err = slipstream("doctor")
    assert SECRET not in out + err
    assert status == 3
    assert out.count("\nproblem") >= 4


def test_what_is_out_of_date_is_told_with_what_brings_it_up(
    slipstream: Slipstream, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.cli.checkup.reachable.read_number", lambda control: 1)
    _, found, _ = looked(slipstream)
    assert found["control store"][0][0] == "problem"
    assert found["control store"][0][2] == "slipstream upgrade --dry-run"


def test_a_model_that_cannot_be_loaded_is_a_problem(slipstream: Slipstream, tmp_path: Path) -> None:
    (tmp_path / "toy_models" / MODEL / "spec.py").write_text("SPEC = 1\n")
    status, found, _ = looked(slipstream)
    assert (status, found[MODEL][0][0]) == (3, "problem")
    assert "must define SPEC" in found[MODEL][0][1]


def test_a_spec_that_has_changed_since_the_newest_day_was_published_is_told(
    slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2013, 1, 2)
    made = Result("features/x", 0, 1, {"versions": {"weather": "1"}}, {}, 1.0, "2013-01-03T00:00:00+00:00")
    monkeypatch.setattr("include.data.published.extent", lambda control, model: (day, 2))
    monkeypatch.setattr("include.data.published.published", lambda *given: {day: Ref("u", "d", "features")})
    monkeypatch.setattr("include.core.ledger.Ledger.resolve", lambda ledger, ref: made)
    monkeypatch.setattr("include.model_contract.view_version.versions", lambda features: {"weather": "2"})
    _, found, _ = looked(slipstream)
    assert found[MODEL][0][0] == "warning"
    assert "has changed since 2013-01-02 was published: " in found[MODEL][0][1]
    assert found[MODEL][0][2] == f"slipstream features catch-up {MODEL} --dry-run"


def test_a_champion_that_was_trained_for_another_problem_is_told(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Result("train/x", 0, 1, {}, {"signature.json": StoredFile("x", "d", 1)}, 1.0, "2013-01-03T00:00:00+00:00")
    problem = {"kind": "multiclass", "classes": ["bad", "good"]}
    said = {"problem": problem, "outputs": ["bad", "good"]}
    monkeypatch.setattr("include.versions.queries.champion", lambda records: record(3, "1.0.0"))
    monkeypatch.setattr("include.core.ledger.Ledger.resolve", lambda ledger, ref: made)
    monkeypatch.setattr("include.core.storage.LocalStorage.read", lambda storage, path: json.dumps(said).encode())
    status, found, _ = looked(slipstream)
    assert status == 3
    assert found[MODEL][1][0] == "problem"
    assert "Version 3, its champion, was trained for another problem than the spec now states" in found[MODEL][1][1]
    said.clear()  # as before there were kinds: a plain binary one, which the spec is
    assert [level for level, _, _ in looked(slipstream)[1][MODEL]] == ["ok"]


@pytest.mark.lives
def test_in_an_empty_home_it_makes_nothing_and_imports_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from include.cli.main import main; main(['doctor', '--json'])\n"
        "heavy = {'airflow', 'mlflow', 'ray', 'torch', 'pandas', 'pyarrow', 'numpy', 'duckdb', 'feast', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    home = tmp_path / "home"
    environ = {"SLIPSTREAM_HOME": str(home), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["settings"]
    assert done.stderr.splitlines()[-1] == "[]"
    assert not home.exists()
