"""The pages about data, lineage, the audit and costs behind Airflow's own login: who sees what, and who may act."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import ConflictError
from include.governance.audit import Search, history, search
from plugins import slipstream_quality as quality
from plugins import slipstream_runs as runs
from tests.support.console_home import NAME, SIZE, Home
from tests.support.console_home import home as home
from tests.support.console_site import Site
from tests.support.toy_ledger import MODEL

GETS = [
    "/quality", "/lineage", "/costs", "/audit", "/api/quality", f"/api/quality/{MODEL}",
    f"/api/quality/{MODEL}/quarantine/2013-01-02", f"/api/lineage/{MODEL}", f"/api/lineage/{MODEL}?version=1",
    f"/api/lineage/{MODEL}/versions/1/days?owner={MODEL}",
    "/api/audit",
    "/api/audit/chain", "/api/audit/export", "/api/costs", f"/api/costs/{MODEL}", f"/api/costs/{MODEL}/served",
]  # fmt: skip
STRETCH = {"first": "2013-01-01", "last": "2013-01-02", "reason": "late rows"}
ACTS = {f"/api/quality/{MODEL}/backfill": STRETCH, f"/api/quality/{MODEL}/release": {"day": "2013-01-02", "reason": "fixed"}}


def test_who_is_not_logged_in_gets_nothing_and_a_viewer_reads_all_and_changes_nothing(site: Site) -> None:
    with site.client() as anonymous:
        assert {path: anonymous.get(path).status_code for path in GETS} == dict.fromkeys(GETS, 401)
        assert {path: anonymous.post(path, json=body).status_code for path, body in ACTS.items()} == dict.fromkeys(ACTS, 401)
    with site.client("viewer") as viewer:
        assert {path: viewer.get(path).status_code for path in GETS} == dict.fromkeys(GETS, 200)
        assert {path: viewer.post(path, json=body).status_code for path, body in ACTS.items()} == dict.fromkeys(ACTS, 403)
        assert viewer.get(f"/api/quality/{MODEL}").json()["may"] == {"take_in": False}
    assert not search(site.control, Search(subject=MODEL, action="features.backfill"))


def test_an_act_says_what_is_wrong_and_starts_nothing(site: Site) -> None:
    backfill, release = ACTS
    with site.client("op") as op:
        backwards = op.post(backfill, json={**STRETCH, "first": "2013-01-09"})
        assert (backwards.status_code, backwards.json()["safe"]) == (409, "nothing was started.")
        assert op.post(backfill, json={**STRETCH, "first": "2013-13-45"}).status_code == 404
        assert op.post(backfill, json={**STRETCH, "reason": ""}).status_code == 422
        assert op.post(backfill, json={**STRETCH, "fresh": "yes"}).status_code == 422
        nothing = op.post(release, json=ACTS[release])
        assert (nothing.status_code, "passes today's rules" in nothing.json()["error"]) == (409, True)
    assert not search(site.control, Search(subject=MODEL, action="features.backfill"))


def test_a_run_that_airflow_refuses_is_in_the_audit_as_asked_and_as_refused(site: Site) -> None:
    with site.client("op") as op:
        refused = op.post(next(iter(ACTS)), json=STRETCH)  # the site has no DAG
        assert (refused.status_code, refused.json()["safe"]) == (404, "nothing was started; the audit has the attempt.")
    second, first = history(site.control, MODEL, limit=2)
    assert (first.action, second.action, first.actor) == ("features.backfill", "features.backfill.refused", "op (Airflow)")
    assert (first.detail["reason"], first.detail["run"]) == ("late rows", second.detail["run"])


def test_a_node_of_the_lineage_opens_for_whoever_may_read_its_model(site: Site) -> None:
    with site.client("viewer") as viewer:
        graph = viewer.get(f"/api/lineage/{MODEL}").json()
        opens = next(node["opens"] for node in graph["nodes"] if node["id"] == "train")
        node = viewer.get("/api/lineage", params={"result": opens, "verify": True}).json()
        assert (node["step"], node["intact"], {each["state"] for each in node["files"]}) == ("train", True, {"verified"})
        wrong = ["x", "ledger/../../x/g0/result.json", f"ledger/train/{'0' * 32}/g0/result.json"]
        assert {viewer.get("/api/lineage", params={"result": each}).status_code for each in wrong} == {404}
    with site.client() as anonymous:
        assert anonymous.get("/api/lineage", params={"result": opens}).status_code == 401


def test_rows_about_no_model_are_for_whoever_may_read_connections(site: Site) -> None:
    with site.control.transaction() as connection:
        site.control.append_audit(connection, "ann", "token.new", "token/web", {"words": "a token"})
    found = {}
    for role in ("viewer", "op"):
        with site.client(role) as client:
            found[role] = client.get("/api/audit", params={"action": "token"}).json()
            verified = client.get("/api/audit/verify")
            assert verified.status_code == (200 if role == "op" else 403)
    assert [row["subject"] for row in found["op"]["rows"]] == ["token/web"]
    assert (found["viewer"]["rows"], found["viewer"]["whole"]) == ([], False)


def test_the_audit_is_paged_and_exported_as_it_was_found(site: Site) -> None:
    with site.client("op") as op:
        first = op.get("/api/audit", params={"subject": MODEL, "limit": 1}).json()
        second = op.get("/api/audit", params={"subject": MODEL, "limit": 1, "before": first["next"]}).json()
        assert first["rows"][0]["seq"] > second["rows"][0]["seq"]
        lines = op.get("/api/audit/export", params={"subject": MODEL}).text.splitlines()
        assert [json.loads(line)["seq"] for line in lines[:2]] == [first["rows"][0]["seq"], second["rows"][0]["seq"]]
        assert len(lines) == len(search(site.control, Search(subject=MODEL), limit=999))
        for wrong in ({"before": 0}, {"limit": 10**6}, {"subject": "x" * 999}):
            assert op.get("/api/audit", params=wrong).status_code == 422


@pytest.mark.parametrize("path", ["quality/none", "costs/none", "lineage/none"])
def test_what_is_no_model_is_said_with_those_there_are(site: Site, path: str) -> None:
    with site.client("op") as op:
        answer = op.get(f"/api/{path}")
    assert (answer.status_code, MODEL in answer.json()["next"]) == (404, True)


TOKEN = "0123456789abcdef"
ADA: Any = SimpleNamespace(get_name=lambda: "ada")
HELD = str(SIZE.first + timedelta(days=17))  # a day with rows in quarantine: each 17th has some


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, home: Home) -> list[dict[str, Any]]:
    """What Airflow was asked to run, of the home's model."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", lambda dag, **given: calls.append({"dag": dag, **given}))
    monkeypatch.setattr("airflow.models.dag.DagModel.get_dagmodel", lambda dag: SimpleNamespace(is_paused=False))
    held = SimpleNamespace(control=home.control, ledger=home.ledger, owner=lambda name: home.model)
    for module in (quality, runs):
        monkeypatch.setattr(module, "services", lambda: held)
    return calls


def test_rows_that_pass_today_s_rules_are_released_by_a_run_over_their_days(asked: list[dict[str, Any]], home: Home) -> None:
    shown = quality.quarantine(NAME, HELD, ADA)
    (held,) = shown["held"]
    assert 0 < held["would_pass"] < held["quarantined"]
    assert shown["release"] == {"first": HELD, "last": HELD}
    done = quality.release(NAME, quality.Release(day=HELD, reason="the rule was mended", token=TOKEN), ADA)
    (call,) = asked
    assert (call["dag"], call["conf"]) == (f"{NAME}_features_range", {"from": HELD, "to": HELD, "fresh": False})
    assert (call["run_id"], call["note"], done["rows"]) == (f"console__{TOKEN}", "the rule was mended", held["would_pass"])
    (row,) = search(home.control, Search(subject=NAME, action="quarantine.release"))
    assert (row.actor, row.detail["day"], row.detail["reason"]) == ("ada (Airflow)", HELD, "the rule was mended")


def test_a_day_without_such_rows_releases_nothing(asked: list[dict[str, Any]], home: Home) -> None:
    with pytest.raises(ConflictError, match="passes today's rules"):
        quality.release(NAME, quality.Release(day=str(SIZE.first + timedelta(days=1)), reason="none"), ADA)
    assert asked == []


def test_a_range_is_taken_in_by_a_run_of_its_dag(asked: list[dict[str, Any]], home: Home) -> None:
    first, last = str(SIZE.first), str(SIZE.first + timedelta(days=2))
    body = quality.Stretch(first=first, last=last, reason="late rows", fresh=True)
    done = quality.backfill(NAME, body, ADA)
    (call,) = asked
    assert (call["conf"], done["run"].startswith("console__")) == ({"from": first, "to": last, "fresh": True}, True)
    assert call["triggering_user_name"] == "ada"
