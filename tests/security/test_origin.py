"""Writes that another site's page sends with a signed-in person's cookie: refused on every route, and in the audit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.digest import PROJECT
from include.core.origin import foreign, origins_of
from include.core.refused import ACTION, RefusedWrites
from include.governance.audit import history
from include.routing.route import read_route
from include.serving.http.asgi import HttpRequest
from include.serving.http.origin import Writes, is_write
from include.serving.http.request_error import RequestError
from tests.support.console_site import ROUTES, Site
from tests.support.console_site import site as site
from tests.support.toy_ledger import MODEL

HOST = {"host": "airflow.example:8080"}
OWN = [
    {},  # no browser
    {"origin": "http://airflow.example:8080"},
    {"origin": "HTTP://AIRFLOW.EXAMPLE:8080"},
    {"sec-fetch-site": "same-origin", "origin": "http://airflow.example:8080"},
    {"sec-fetch-site": "same-origin", "origin": "https://airflow.example", "host": "internal:8080"},  # a proxy changed the host
    {"origin": "https://airflow.example", "host": "airflow.example"},
    {"origin": "https://airflow.example", "host": "airflow.example:443"},
    {"origin": "http://[::1]:8080", "host": "[::1]:8080"},
]
FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "http://airflow.example"},  # another port is another origin
    {"origin": "https://airflow.example:8081"},
    {"origin": "http://airflow.example:8080.evil.example"},
    {"origin": "http://airflow.example:8080@evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://airflow.example:port"},
    {"origin": "http://[::1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://airflow.example:8080"},
    {"sec-fetch-site": "CROSS-SITE"},
    {"sec-fetch-site": ""},
    {"sec-fetch-site": "same-origin", "origin": "null"},
    {"origin": "http://airflow.example:8080", "host": ""},
]


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in {**HOST, **headers}.items()]


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_our_own_pages_and_programs_may_write(headers: dict[str, str]) -> None:
    assert foreign(raw(headers)) == ""


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_origin_may_not(headers: dict[str, str]) -> None:
    assert foreign(raw(headers))


def test_headers_that_come_twice_hide_nothing() -> None:
    evil = (b"origin", b"http://evil.example")
    assert foreign([*raw({"origin": "http://airflow.example:8080"}), evil])
    assert foreign([*raw({"origin": "http://evil.example"}), (b"host", b"evil.example")])
    assert foreign([*raw({"sec-fetch-site": "same-origin"}), (b"sec-fetch-site", b"cross-site")])


def test_an_origin_that_was_named_is_ours() -> None:
    ours = origins_of(" https://console.example/airflow , http://other:8080")
    assert ours == {"https://console.example", "http://other:8080"}
    assert foreign(raw({"origin": "https://console.example"}), ours) == ""
    assert foreign(raw({"origin": "https://console.example.evil"}), ours)
    assert origins_of("") == origins_of("no address") == frozenset()


# -- the gateway -------------------------------------------------------------------------------------------


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path}/control.db")
    store.create_tables()
    return store


WRITES = ["/feedback/m", "/push/m/v", "/admin/routes", "/whatever/comes"]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_gateway_takes_no_write_from_another_page(path: str, method: str) -> None:
    scope = {"method": method, "path": path, "headers": raw({"origin": "http://evil.example"})}
    with pytest.raises(RequestError, match="other pages") as caught:
        Writes().check(scope)
    assert caught.value.status == 403
    Writes().check({**scope, "headers": raw({})})
    Writes(ours=["http://evil.example"]).check(scope)
    Writes().check({**scope, "method": "GET"})


def test_predictions_are_not_asked_where_they_come_from() -> None:
    assert not is_write("POST", "/predict/m")
    assert not is_write("POST", "/v2/models/m/infer")


def test_the_gateways_app_refuses_before_it_reads_and_writes_it_down(control: ControlStore) -> None:
    import asyncio

    from include.serving.gateway import Gateway

    gateway = Gateway.__new__(Gateway)
    counted: list[str] = []
    gateway.metrics = type("M", (), {"refused": type("R", (), {"add": lambda _, code: counted.append(code)})()})()  # type: ignore[assignment]
    gateway.writes = Writes(lambda: control)
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        raise AssertionError("the body is not read")

    scope = {"type": "http", "method": "POST", "path": "/push/m/v", "headers": raw({"origin": "http://evil.example"})}
    asyncio.run(gateway(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 403
    assert counted == ["403"]
    assert b"evil.example" in sent[1]["body"]  # type: ignore[operator]
    _wait(control)
    (row,) = history(control, "gateway")
    assert (row.action, row.detail["route"], row.detail["why"]) == (ACTION, "POST /push", "origin")


def test_a_write_without_a_right_is_written_down_and_a_prediction_is_not(control: ControlStore) -> None:
    writes = Writes(lambda: control)
    writes.note(HttpRequest("POST", "/predict/m", []), 401, RequestError(401, "no token"))
    writes.note(HttpRequest("POST", "/push/m/v", []), 400, RequestError(400, "bad rows"))
    writes.note(HttpRequest("POST", "/feedback/m", []), 401, RequestError(401, "no token"))
    _wait(control)
    assert [row.detail["why"] for row in history(control, "gateway")] == ["right"]


def _wait(control: ControlStore) -> None:
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "_write" in thread.name:
            thread.join(30)
    assert control.broken_audit_rows() == []


# -- the audit is not filled -------------------------------------------------------------------------------


def test_however_many_come_a_kind_has_one_row_a_minute(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.core.refused.timestamp", lambda: "2026-11-29T10:00:01.000+00:00")
    mine, other = (RefusedWrites("console", lambda: control) for _ in range(2))  # two processes
    writing = [each.note("op", "POST /a", "origin", f"model{n}") for n in range(500) for each in (mine, other)]
    for thread in (each for each in writing if each is not None):
        thread.join(30)
    assert len([each for each in writing if each is not None]) == 2
    assert len(history(control)) == 1
    for why in ("right", "origin"):
        done = mine.note("x" * 10_000, "POST /a", why, "m" * 10_000, "d" * 10_000)
        assert (done is None) == (why == "origin")
        if done is not None:
            done.join(30)
    rows = history(control)
    assert len(rows) == 2
    assert max(len(text) for text in (rows[0].actor, rows[0].subject, rows[0].detail["detail"])) <= 200
    monkeypatch.setattr("include.core.refused.timestamp", lambda: "2026-11-29T10:01:01.000+00:00")
    later = mine.note("op", "POST /a", "origin")
    assert later is not None
    later.join(30)
    assert len(history(control)) == 3


def test_a_store_that_is_down_fails_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    away = RefusedWrites("console", lambda: ControlStore("postgresql://u:hidden-word@127.0.0.1:1/x"))
    done = away.note("op", "POST /a", "origin")
    assert done is not None
    done.join(30)
    assert "not in the audit" in caplog.text
    assert "hidden-word" not in caplog.text


# -- Airflow's page ----------------------------------------------------------------------------------------

WALK = f"""{ROUTES}
from plugins.slipstream_access import own_page

writes = sorted(method + " " + route.path for route in routes for method in route.methods - {{"GET", "HEAD"}})
print(len(routes) == len(app.routes), [route.path for route in routes if own_page not in calls(route.dependant)], writes)
"""
ACTS = [
    f"/api/models/{MODEL}/rollback",
    f"/api/models/{MODEL}/invalidate",
    *(f"/api/models/{MODEL}/rollout/{verb}" for verb in ("pause", "resume", "abort")),
]


def test_every_route_of_the_plugin_asks_where_a_write_comes_from() -> None:
    done = subprocess.run([sys.executable, "-c", WALK], cwd=PROJECT, capture_output=True, text=True, check=True)
    everything, without, writes = done.stdout.splitlines()[-1].split(" ", 2)
    assert (everything, without) == ("True", "[]")
    assert "rollback" in writes


def test_another_sites_page_changes_nothing_with_an_operators_cookie(site: Site) -> None:
    before = read_route(site.control, MODEL)
    body = {"reason": "because"}
    with site.client() as browser:
        browser.cookies.set("_token", site.tokens["op"])
        for path in ACTS:
            for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
                answer = browser.post(path, json=body, headers=headers)
                assert (answer.status_code, "Nothing was changed" in answer.text) == (403, True)
        read = browser.get(f"/api/models/{MODEL}", headers={"origin": "http://evil.example"})
        assert read.status_code == 200  # it cannot see the answer: there is no CORS header
        assert "access-control-allow-origin" not in read.headers
        own = browser.post(ACTS[0], json={}, headers={"origin": site.url, "sec-fetch-site": "same-origin"})
        assert own.status_code == 422  # its own page gets as far as its body
    assert read_route(site.control, MODEL) == before
    rows = [row for row in history(site.control, MODEL) if row.action == ACTION and row.detail["why"] == "origin"]
    assert {row.actor for row in rows} == {"op (Airflow)"}
    assert "POST /api/models/{model}/rollback" in {row.detail["route"] for row in rows}
    assert site.control.broken_audit_rows() == []


def test_a_write_without_the_right_or_a_login_leaves_a_row_too(site: Site) -> None:
    for role in ("viewer", ""):
        with site.client(role) as client:
            for _ in range(3):
                assert client.post(ACTS[1], json={"reason": "because"}).status_code == (403 if role else 401)
    _wait(site.control)
    seen = [(row.actor, row.detail["why"]) for row in history(site.control, MODEL) if "invalidate" in str(row.detail)]
    assert {("viewer (Airflow)", "right"), ("nobody (Airflow)", "login")} <= set(seen)
