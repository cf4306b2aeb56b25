"""The Models page behind Airflow's own login: who may see it, who may act, and what leaves the ledger."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.digest import PROJECT
from include.governance.audit import history
from include.governance.invalidation import find
from include.rollout.machine import enter_stage, open_rollout
from include.routing.route import Route, read_route, set_route
from tests.support.console_site import ROUTES, Site
from tests.support.toy_ledger import MODEL, SPEC

WALK = f"""{ROUTES}
from airflow.api_fastapi.core_api.security import get_user

print(len(routes), len(app.routes), [route.path for route in routes if get_user not in calls(route.dependant)])
"""


@pytest.mark.lives
def test_every_route_asks_who_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", WALK], cwd=PROJECT, capture_output=True, text=True, check=True)
    routes, everything, open_to_all = done.stdout.splitlines()[-1].split(" ", 2)
    assert open_to_all == "[]"
    assert routes == everything  # no mount, no documentation page beside them
    assert int(routes) >= 7


GETS = [
    "/",
    f"/model?name={MODEL}",
    "/api/models",
    f"/api/models/{MODEL}",
    f"/api/models/{MODEL}/windows",
    f"/api/models/{MODEL}/trace?version=2",
    "/files/ledger/a/b/g0/a1/x.html",
    f"/api/models/{MODEL}/rollouts/unknown",
    f"/api/features/{MODEL}",
    "/api/fleet",
    *(f"/api/models/{MODEL}/{part}" for part in ("live", "decisions", "outlook", "compare?before=1&after=2")),
    "/api/approvals",
    f"/api/models/{MODEL}/approval",
    f"/api/models/{MODEL}/dossiers",
]
HANDS = [f"/api/models/{MODEL}/rollout/{verb}" for verb in ("pause", "resume", "abort")]
VERBS = ("rollback", "restore", "invalidate", "train", "roll_out", "approval")
POSTS = [*(f"/api/models/{MODEL}/{verb}" for verb in VERBS), *HANDS]


def test_nobody_gets_in_without_a_login(site: Site) -> None:
    with site.client() as anonymous:
        assert {path: anonymous.get(path).status_code for path in GETS} == dict.fromkeys(GETS, 401)
        assert {path: anonymous.post(path, json={"reason": "because"}).status_code for path in POSTS} == dict.fromkeys(POSTS, 401)


def test_a_viewer_reads_and_changes_nothing(site: Site) -> None:
    with site.client("viewer") as viewer:
        assert [viewer.get(path).status_code for path in GETS] == [200, 200, 200, 200, 200, 200, 404, 404, *[200] * 9]
        assert {path: viewer.post(path, json={"reason": "because"}).status_code for path in POSTS} == dict.fromkeys(POSTS, 403)
    assert read_route(site.control, MODEL)[1].champion == 2


def test_the_page_shows_what_the_control_store_holds(site: Site) -> None:
    with site.client("viewer") as viewer:
        assert viewer.get("/api/models").json() == [MODEL]
        assert viewer.get("/api/features").json()["broken"] == {}
        (line,) = viewer.get("/api/fleet").json()["models"]
        shown = viewer.get(f"/api/models/{MODEL}").json()
        assert "<title>Slipstream</title>" in viewer.get("/").text
    assert (shown["weights"], [v["version"] for v in shown["versions"]]) == ({"2": 100}, [2, 1])
    assert f"{MODEL}_training" in shown["dags"]
    assert (line["model"], line["champion"], line["versions"]) == (MODEL, 2, 2)


def test_the_page_is_reported_what_its_reader_may_do(site: Site) -> None:
    allowed = {}
    for role in ("viewer", "op"):
        with site.client(role) as client:
            allowed[role] = client.get(f"/api/models/{MODEL}").json()["may"]
    every = ("roll_back", "recompute", "train", "backfill")
    assert allowed == {"viewer": dict.fromkeys(every, False), "op": dict.fromkeys(every, True)}


def test_a_version_leads_to_its_evaluation_report(site: Site) -> None:
    with site.client("viewer") as viewer:
        newest = viewer.get(f"/api/models/{MODEL}").json()["versions"][0]
        assert viewer.get(f"/{newest['report']}").text == "<h1>report</h1>"


def test_the_page_has_one_look_and_may_load_nothing_from_elsewhere(site: Site) -> None:
    with site.client("viewer") as viewer:
        page = viewer.get("/")
        (look,) = re.findall(r'href="(console/[0-9a-f]{16}/look.css)"', page.text)
        assert "data-theme=dark" in viewer.get(f"/{look}").text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_an_operator_rolls_back_and_the_audit_names_them(site: Site) -> None:
    with site.control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
    with site.client("op") as op:
        done = op.post(f"/api/models/{MODEL}/rollback", json={"reason": "complaints"})
        assert (done.status_code, done.json()["serving"]) == (200, 1)
        again = op.post(f"/api/models/{MODEL}/rollback", json={"reason": "complaints"})
        assert again.status_code == 409
        assert again.json()["next"]
        assert op.post(f"/api/models/{MODEL}/rollback", json={}).status_code == 422
    assert history(site.control, MODEL, limit=1)[0].actor == "op (Airflow)"
    with site.control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))


def test_an_operator_offers_a_version_again_and_returns_to_it(site: Site) -> None:
    path = f"/api/models/{MODEL}/restore"
    with site.control.transaction() as connection:
        mine = sa.and_(versions.c.model == MODEL, versions.c.version == 1)
        before = connection.execute(sa.select(versions.c.stage).where(mine)).scalar()
        connection.execute(versions.update().where(mine).values(stage="Archived"))
        set_route(connection, MODEL, Route(champion=2, previous=1))
    with site.client("op") as op:
        done = op.post(path, json={"version": 1, "reason": "it was right"})
        assert (done.status_code, done.json()) == (200, {"model": MODEL, "version": 1, "before": "Archived"})
        assert op.post(path, json={"version": 1, "reason": "now", "now": True}).json()["serving"] == 1
        assert op.post(path, json={"version": 1, "reason": "again", "now": True}).status_code == 409
        assert op.post(path, json={"version": 9, "reason": "none"}).status_code == 404
        wrong: list[object] = ["1", 1.0, True, 0, -1, 10**30, None]
        assert [op.post(path, json={"version": one, "reason": "why"}).status_code for one in wrong] == [422] * len(wrong)
    assert [row.action for row in history(site.control, MODEL, limit=2)] == ["rollout.restore_now", "rollout.restore"]
    assert read_route(site.control, MODEL)[1] == Route(champion=1)
    with site.control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.model == MODEL).values(stage=before))
        set_route(connection, MODEL, Route(champion=2, previous=1))


def test_an_operator_pauses_resumes_and_aborts_and_everybody_may_read_the_evidence(site: Site) -> None:
    with site.control.transaction() as connection:
        mine = sa.and_(versions.c.model == MODEL, versions.c.version == 1)
        before = connection.execute(sa.select(versions.c.stage).where(mine)).scalar()
        connection.execute(versions.update().where(mine).values(stage="Candidate"))
    epoch = site.control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(site.control, SPEC, 1, request="r", actor="t", epoch=epoch)
    enter_stage(site.control, rollout, "smoke", epoch)
    pause, resume, abort = HANDS
    with site.client("op") as op:
        told = [op.post(path, json={"reason": "lunch"}).json()["state"] for path in (pause, pause, resume)]
        assert told == ["paused", "paused", "running"]
        assert op.post(abort, json={"reason": "wrong version"}).json()["serving"] == 2
        gone = op.post(abort, json={"reason": "wrong version"})
        assert (gone.status_code, gone.json()["error"]) == (409, f"{MODEL} has no live rollout.")
        assert op.post(f"/api/models/{MODEL}/rollout/promote", json={"reason": "no such hand"}).status_code == 422
    with site.client("viewer") as viewer:
        page = viewer.get(f"/api/models/{MODEL}/rollouts/{rollout.id}")
        assert viewer.get(f"/api/models/other/rollouts/{rollout.id}").status_code in (403, 404)
    assert "wrong version" in page.text
    assert "sandbox" in page.headers["content-security-policy"]
    done = [row.action for row in history(site.control, MODEL, limit=3)]
    assert done == ["rollout.roll_back", "rollout.resume", "rollout.pause"]
    with site.control.transaction() as connection:
        connection.execute(versions.update().where(mine).values(stage=before))
        set_route(connection, MODEL, Route(champion=2, previous=1))


def test_invalidation_shows_before_it_acts(site: Site) -> None:
    body = {"step": "features", "day": "2013-01-02", "reason": "late rows"}
    with site.client("op") as op:
        shown = op.post(f"/api/models/{MODEL}/invalidate", json=body).json()
        assert ([each["step"] for each in shown["chosen"]], shown["opened"]) == (["features"], [])
        assert "training_set" in {each["step"] for each in shown["dependents"]}
        done = op.post(f"/api/models/{MODEL}/invalidate", json={**body, "confirm": True}).json()
        assert done["opened"][0]["generation"] == 1
        assert op.post("/api/models/other/invalidate", json={"key": done["opened"][0]["key"], "reason": "xxx"}).status_code == 404
    (held,) = find(site.loop.ledger, MODEL, "features", "2013-01-02")
    assert held.generation == 1


def test_a_report_of_the_ledger_opens_in_a_sandbox(site: Site) -> None:
    (held, *_) = find(site.loop.ledger, MODEL, "evaluate")
    result = site.loop.ledger.result(held.key)
    assert result is not None
    with site.client("viewer") as viewer:
        report = viewer.get(f"/files/{result.files['report.html'].path}")
    assert (report.status_code, report.text) == (200, "<h1>report</h1>")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy  # it names no script of its own, so none runs


def test_nothing_else_leaves_the_ledger(site: Site) -> None:
    (held, *_) = find(site.loop.ledger, MODEL, "train")
    folder = f"ledger/{held.key}/g0"
    (site.loop.ledger.storage).write("secret.html", b"secret")
    refused = [
        f"{folder}/a1/model.onnx", f"{folder}/result.json", "secret.html", "../control.db",
        f"{folder}/a1/../../../../../secret.html", f"{folder}/a1/%2e%2e%2f%2e%2e%2fx.html", "ledger/../../x/y/z/secret.html",
    ]  # fmt: skip
    with site.client("admin") as admin:
        assert {path: admin.get(f"/files/{path}").status_code for path in refused} == dict.fromkeys(refused, 404)


LIGHT = """
import sys, airflow.plugins_manager
before = set(sys.modules)
from plugins.slipstream_plugin import SlipstreamPlugin as plugin
print(plugin.external_views[0]["href"], plugin.fastapi_apps[0]["url_prefix"], sorted(set(sys.modules) - before))
"""


@pytest.mark.lives
def test_the_plugin_is_in_the_menu_and_light_in_every_process() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "/slipstream/ /slipstream ['plugins', 'plugins.slipstream_plugin']"


def test_airflow_imports_only_the_light_files_of_the_folder() -> None:
    ignored = (PROJECT / "plugins" / ".airflowignore").read_text().splitlines()
    imported = {path.name for path in (PROJECT / "plugins").glob("*.py")} - set(ignored)
    assert imported == {"slipstream_plugin.py", "slipstream_warm.py"}


@pytest.mark.parametrize("name", ["toi", "%20", "TOY", "x" * 300])
def test_a_model_that_is_none_is_404_with_those_there_are_and_nothing_is_written(site: Site, name: str) -> None:
    before = len(history(site.control))
    with site.client("op") as client:
        paths = [path.replace(f"/{MODEL}", f"/{name}", 1) for path in (*GETS[3:6], *GETS[7:]) if MODEL in path]
        answers = [client.get(path) for path in paths]
        answers += [client.post(path.replace(f"/{MODEL}", f"/{name}", 1), json={"reason": "because"}) for path in POSTS]
    assert {answer.status_code for answer in answers} <= {307, 403, 404}
    told = [answer.json() for answer in answers if answer.status_code == 404 and "next" in answer.text]
    assert all(f"models here: {MODEL}" in each["next"] for each in told)
    assert told or name == "..%2f"
    assert len(history(site.control)) == before
