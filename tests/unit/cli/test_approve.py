"""`slipstream approve` and `reject`: who answers is whom Airflow logs in, and nobody's word from the command line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import dumps, loads
from threading import Thread
from typing import Any

import pytest

from include.backends.airflow.person import Session
from include.cli.main import main
from include.core.control import ControlStore, versions
from include.core.errors import ConflictError, DataError, NotAllowedError, UnreachableError
from include.core.spec import Approval
from include.rollout.approvals import Answer, ask, decide
from include.rollout.history import events, read_rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.report import rollout_page
from include.rollout_state.approval import Person
from tests.support.toy_ledger import MODEL, SPEC
from tests.unit.cli.conftest import Slipstream

SEEN = "5" * 64
WAITS = {
    "model": MODEL, "version": 2, "semver": "1.2.0", "as_of": "2013-01-04", "words": "waits before full_100 for a person",
    "seen": SEEN, "gate": {"passed": False, "reasons": ["auc 0.51 is low"]}, "override": "opened by hand by ann",
    "metrics": {"auc": {"version": 0.7, "champion": 0.6}, "brier": {"version": 0.1, "champion": None}},
    "evidence": [{"stage": "smoke", "answer": "promote", "reasons": ["it answers"]}],
}  # fmt: skip


class Server:
    """The routes that a person's session asks, in front of nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str]] = []
        self.answers: dict[str, tuple[int, Any]] = {
            "/auth/token": (201, {"access_token": "ticket"}),
            "GET": (200, {"waiting": WAITS, "said": []}),
            "POST": (200, {"model": MODEL, "version": 2, "rollout": "r", "approved": True, "missing": 1, "by": "ann"}),
        }
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                given = loads(body) if body else None
                outer.asked.append((self.command, self.path, given, self.headers.get("Authorization", "")))
                status, told = outer.answers.get(self.path) or outer.answers[self.command]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(told if isinstance(told, bytes) else dumps(told).encode())

            do_GET = do_POST = _do  # noqa: N815 - the interface of http.server

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def airflow(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    del slipstream  # which says that there is no Airflow
    server = Server()
    thread = Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_URL", server.url)
    monkeypatch.delenv("SLIPSTREAM_AIRFLOW_TOKEN", raising=False)
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_a_person_logs_in_sees_it_and_answers_for_exactly_that(
    airflow: Server, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    status, out, _ = slipstream("approve", MODEL, "2", "--reason", "the slices", "--user", "ann", "--password-stdin")
    assert (status, out.splitlines()[-1]) == (0, f"{MODEL}: version 2 is approved by ann; 1 more must.")
    for words in (
        "waits before full_100",
        "closed, auc 0.51 is low opened by hand by ann",
        "auc: 0.7 (champion 0.6)",
        "brier: 0.1\n",
    ):
        assert words in out
    login, look, answer = airflow.asked
    assert login[1:3] == ("/auth/token", {"username": "ann", "password": "secret"})
    assert look[:2] == ("GET", f"/slipstream/api/models/{MODEL}/approval?version=2")
    said = {"version": 2, "answer": "approve", "reason": "the slices", "seen": SEEN, "via": "command line"}
    assert answer[2:] == (said, "Bearer ticket")
    assert "user" not in answer[2]  # no name travels but in the token


def test_a_token_of_theirs_asks_for_no_password(airflow: Server, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_TOKEN", "mine")
    airflow.answers["POST"] = (200, {"model": MODEL, "version": 2, "rollout": "r", "approved": False, "missing": 0, "by": "bob"})
    status, out, _ = slipstream("reject", MODEL, "2", "--reason", "January")
    assert (status, out.splitlines()[-1]) == (0, f"{MODEL}: version 2 is rejected by bob, and rolled back.")
    assert [asked[3] for asked in airflow.asked] == ["Bearer mine", "Bearer mine"]


@pytest.mark.parametrize(
    ("words", "why"),
    [(("1",), "version 2 waits"), (("2", "--seen", "abc"), "another than abc")],
)  # fmt: skip
def test_what_was_not_seen_is_not_answered(
    airflow: Server, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], why: str
) -> None:
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_TOKEN", "mine")
    status, _, err = slipstream("approve", MODEL, *words, "--reason", "fine")
    assert (status, why in err) == (5, True)
    assert [asked[0] for asked in airflow.asked] == ["GET"]


def test_the_platforms_own_login_is_never_used(slipstream: Slipstream, airflow: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_AIRFLOW", airflow.url.replace("http://", "http://admin:platform@"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "")
    airflow.answers["/auth/token"] = (401, {"detail": "Invalid credentials"})
    status, _, err = slipstream("approve", MODEL, "2", "--reason", "fine", "--user", "admin")
    assert (status, "Airflow does not know admin with this password." in err) == (5, True)
    assert airflow.asked[0][2] == {"username": "admin", "password": ""}


@pytest.mark.parametrize(
    ("answered", "kind", "words"),
    [
        ((403, {"error": "tom triggered the training", "seen": None, "safe": "nothing", "next": "ask"}), NotAllowedError, "tom"),
        ((401, {"detail": "Not authenticated"}), NotAllowedError, "not valid, or has expired"),
        ((403, {"detail": "Invalid JWT token"}), NotAllowedError, "not valid, or has expired"),  # a token of another key
        ((403, {"detail": "Forbidden"}), NotAllowedError, "does not let you answer"),
        ((409, {"error": "it has changed"}), ConflictError, "changed"),
        ((404, {"error": "no such model"}), DataError, "no such model"),
        ((500, b"<html>"), DataError, "HTTP 500"),
        ((422, {"detail": [{"msg": "too short"}]}), DataError, "too short"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(
    airflow: Server, answered: tuple[int, Any], kind: type[Exception], words: str
) -> None:
    airflow.answers["POST"] = answered
    with pytest.raises(kind, match=words):
        Session(airflow.url, "t").answer(MODEL, {"version": 2})


def test_whoever_comes_late_hears_how_it_ended(airflow: Server, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_TOKEN", "mine")
    why = "its rollout is over, rolled back (while approval was awaited, the judge withdrew its verdict)"
    for told, words in ({"nobody": why}, why), ({}, "nothing of it waits"):  # an API server of an earlier release says no more
        airflow.answers["GET"] = (200, {"waiting": None, "said": [], **told})
        status, _, err = slipstream("approve", MODEL, "2", "--reason", "fine")
        assert (status, f"Version 2 of {MODEL} waits for nobody: {words}." in err) == (5, True)


def test_a_doubt_of_the_judge_is_read_before_one_answers(
    airflow: Server, slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_TOKEN", "mine")
    doubt = {"name": "canary_5:2013-01-04", "stage": "canary_5", "at": "2013-01-04T10:11:12", "words": "both arms fail"}
    airflow.answers["GET"] = (200, {"waiting": {**WAITS, "doubts": [doubt]}, "said": []})
    status, out, _ = slipstream("approve", MODEL, "2", "--reason", "fine")
    assert (status, "doubted since 2013-01-04T10:11 UTC: canary_5, both arms fail" in out) == (0, True)


def test_an_airflow_that_is_away_is_said() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        Session("http://127.0.0.1:1", "t").look(MODEL, 2)


def test_a_reason_is_asked_for() -> None:
    with pytest.raises(SystemExit) as usage:
        main(["approve", MODEL, "2"])
    assert usage.value.code == 2


def test_a_rollout_that_waits_says_for_whom_and_who_answered(slipstream: Slipstream, control: ControlStore) -> None:
    with control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Candidate"))
    asks = SPEC.rollout.model_copy(update={"approval": Approval(before="traffic", persons=2, users=("ann", "bob"))})
    epoch = control.take(f"rollout/{MODEL}", "t")
    spec = SPEC.model_copy(update={"rollout": asks})
    rollout = open_rollout(control, spec, 1, request="r", actor="t", epoch=epoch)
    enter_stage(control, rollout, "smoke", epoch)
    record_verdict(control, rollout, "smoke", {"answer": "promote", "reasons": ["it answers"]}, epoch)
    waits = ask(control, rollout, epoch)
    assert waits is not None
    decide(control, MODEL, 1, Answer(True, Person("ann", "ann"), "the slices", waits.seen, "console"))
    words = "waits before shadow for a person (ann, bob), until "
    assert words in slipstream("status", MODEL)[1]
    out = slipstream("rollout", "status", MODEL)[1]
    assert words in out
    assert f"(to see: {waits.seen[:12]})" in out
    assert "ann: the slices" in out
    assert "ann: the slices" in rollout_page(read_rollout(control, rollout.id), events(control, rollout.id))
