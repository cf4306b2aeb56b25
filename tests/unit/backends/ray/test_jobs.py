"""The Jobs API's answers that are not what we hope for: from a stand-in on a port of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from include.backends.ray import jobs as ray_jobs
from include.backends.ray import package as packages
from include.backends.ray.elsewhere import Elsewhere
from include.backends.ray.jobs import RayJobs, open_jobs
from include.core import logs
from include.core.errors import JobFailedError, PermanentError, UnreachableError
from include.core.ledger import Ledger
from include.core.ports import Job
from include.core.request import Request
from include.core.settings import Settings
from include.core.task import job_of
from tests.support.traced import PARENT, in_a_span


class Head(BaseHTTPRequestHandler):
    """`pages`: status, content type and body by the path's beginning; the longest that fits."""

    pages: dict[str, tuple[int, str, bytes]]
    packages: dict[str, bytes]
    submitted: list[dict[str, Any]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/api/packages/"):
            self._answer(200 if self.path in self.packages else 404)
            return
        found = max((start for start in self.pages if self.path.startswith(start)), key=len, default=None)
        status, kind, body = self.pages[found] if found else (404, "text/plain", b"")
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if full := self.pages.get("PUT"):
            self._answer(*full)
            return
        self.packages[self.path] = body
        self._answer(200)

    def do_POST(self) -> None:
        self.submitted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self._answer(200)

    def _answer(self, status: int, kind: str = "text/plain", body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def head() -> Iterator[str]:
    Head.pages, Head.packages, Head.submitted = {}, {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Head)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_rays_log_service_gives_the_last_lines(head: str) -> None:
    Head.pages["/api/v0/logs/file?submission_id=a&lines=2"] = 200, "text/plain; charset=utf-8", b"one\ntwo\n"
    assert RayJobs(head).logs("a", 2) == "one\ntwo"


def test_without_it_the_whole_log_is_read_through_and_its_end_kept(head: str) -> None:
    log = "".join(f"line {n}\n" for n in range(200_000))
    Head.pages["/api/v0/"] = 500, "text/plain", b"no such file"
    Head.pages["/api/jobs/a/logs"] = 200, "application/json", json.dumps({"logs": log}).encode()
    assert RayJobs(head).logs("a", 2) == "line 199998\nline 199999"


def test_an_empty_log_gives_rays_own_message(head: str) -> None:
    Head.pages["/api/jobs/a/logs"] = 200, "application/json", b'{"logs": ""}'
    Head.pages["/api/jobs/a"] = 200, "application/json", b'{"status": "FAILED", "message": "no worker"}'
    assert RayJobs(head).logs("a") == "no worker"


def test_a_log_that_trickles_is_not_waited_for(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_jobs, "TIMEOUT", -1.0)
    client = RayJobs(head)
    client._client.timeout = 5.0
    Head.pages["/api/v0/"] = 200, "text/plain", b"x" * 3 * ray_jobs.CHUNK
    with pytest.raises(UnreachableError, match=r"(?s)log of job a did not come.*dashboard"):
        client.logs("a")


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"[]", b'"FAILED"', b"\xff\xfe"])
def test_what_is_not_rays_answer_is_reported_with_the_address(head: str, body: bytes) -> None:
    Head.pages["/api/jobs/a"] = 200, "text/html", body
    with pytest.raises(UnreachableError, match=r"(?s)is not Ray's Jobs API.*SLIPSTREAM_RAY_URL"):
        RayJobs(head).status("a")


@pytest.mark.parametrize("status", [b'"PREEMPTED"', b"null", b"7"])
def test_a_status_of_another_ray_is_reported_with_those_that_are_known(head: str, status: bytes) -> None:
    Head.pages["/api/jobs/a"] = 200, "application/json", b'{"status": ' + status + b"}"
    with pytest.raises(PermanentError, match=r"(?s)does not know.*PENDING, RUNNING"):
        RayJobs(head).status("a")


def test_the_jobs_under_way_are_listed_and_drivers_without_a_name_of_ours_are_left_out(head: str) -> None:
    jobs = [
        {"type": "SUBMISSION", "submission_id": "slip-b", "status": "RUNNING"},
        {"type": "SUBMISSION", "submission_id": "slip-a", "status": "PENDING"},
        {"type": "SUBMISSION", "submission_id": "slip-c", "status": "SUCCEEDED"},
        {"type": "DRIVER", "submission_id": None, "status": "RUNNING"},
    ]
    Head.pages["/api/jobs/"] = 200, "application/json", json.dumps(jobs).encode()
    assert RayJobs(head).under_way() == ["slip-a", "slip-b"]
    Head.pages["/api/jobs/"] = 200, "application/json", b"[]"
    assert RayJobs(head).under_way() == []


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"{}", b'"none"', b"[1]", b"\xff\xfe"])
def test_a_list_of_jobs_that_is_none_is_no_answer(head: str, body: bytes) -> None:
    Head.pages["/api/jobs/"] = 200, "text/html", body
    with pytest.raises(UnreachableError, match="is not Ray's Jobs API"):
        RayJobs(head).under_way()


def test_a_job_is_told_its_span_and_the_form_of_its_log_and_nothing_that_opens_a_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_span(monkeypatch)
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_LOG_FORMAT": "json", "SENTRY_DSN": "https://hush@errors.example/1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush",
    }  # fmt: skip
    settings = Settings.from_env(environ)
    ledger = Ledger(settings.storage())
    request = Request("train", "include.training.train_step:run", "m", {})
    ledger.record(request)
    with logs.fields(dag_id="d", run_id="r"):
        job = job_of(ledger.open_attempt(request.key, 0), ledger)
    body = open_jobs(settings)._request(job)
    env = body["runtime_env"]["env_vars"]
    assert env["TRACEPARENT"] == PARENT
    assert env["SLIPSTREAM_LOG_FORMAT"] == "json"
    assert logs.received(env) == {"dag_id": "d", "run_id": "r"}
    assert "hush" not in str(body)
    assert not [name for name in env if name.startswith("OTEL_")]


# -- the code that jobs bring ------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Of a platform of one file."""
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "__init__.py").touch()
    monkeypatch.setattr(packages, "PROJECT", tmp_path)
    return Elsewhere("include.models")


def test_the_code_is_brought_once_for_each_digest(head: str, elsewhere: Elsewhere, tmp_path: Path) -> None:
    jobs = RayJobs(head, elsewhere=elsewhere)
    for name in ("a", "b"):
        jobs.submit(Job(name, "m"))
    assert len(Head.packages) == 1
    (tmp_path / "include" / "__init__.py").write_text("ONE = 1\n")
    jobs.submit(Job("c", "m"))
    brought = [f"/api/packages/gcs/{body['runtime_env']['working_dir'].removeprefix('gcs://')}" for body in Head.submitted]
    assert brought[0] == brought[1] != brought[2]
    assert set(brought) == Head.packages.keys()


def test_a_package_that_ray_has_dropped_is_brought_again(head: str, elsewhere: Elsewhere) -> None:
    jobs = RayJobs(head, elsewhere=elsewhere)
    jobs.submit(Job("a", "m"))
    first, Head.packages = Head.packages, {}
    jobs.submit(Job("b", "m"))
    assert Head.packages == first


def test_a_job_whose_code_was_not_taken_is_not_submitted(head: str, elsewhere: Elsewhere) -> None:
    Head.pages["PUT"] = 500, "text/plain", b"no room in the store"
    with pytest.raises(JobFailedError, match=r"(?s)did not take the package.*no room in the store.*no job was started"):
        RayJobs(head, elsewhere=elsewhere).submit(Job("a", "m"))
    assert Head.submitted == []


def test_a_job_that_is_there_brings_nothing(head: str, elsewhere: Elsewhere) -> None:
    Head.pages["/api/jobs/a"] = 200, "application/json", b'{"status": "RUNNING"}'
    RayJobs(head, elsewhere=elsewhere).submit(Job("a", "m"))
    assert (Head.packages, Head.submitted) == ({}, [])
